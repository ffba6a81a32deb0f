package cluster

import "fmt"

func (o Outcome) String() string {
	switch o {
	case Done:
		return "done"
	case Refused:
		return "refused"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

var reasonNames = [...]string{
	ReasonNone:            "none",
	ReasonNotLeader:       "this node does not lead",
	ReasonNoLeader:        "no leader is known",
	ReasonOverloaded:      "overloaded",
	ReasonDataFull:        "the limit on total data is reached",
	ReasonDiskFull:        "the reserve of free disk is reached",
	ReasonInvalid:         "invalid command",
	ReasonSuperseded:      "leadership changed and the entry was superseded",
	ReasonTransferring:    "leadership is being handed over",
	ReasonExpired:         "no answer in time",
	ReasonSnapshotSkipped: "a snapshot replaced the entries among which it may have been",
	ReasonMembership:      "the change does not fit the membership",
	ReasonStopping:        "the node is stopping",
	ReasonCanceled:        "the caller gave up",
	ReasonBehind:          "the learner has not caught up",
	ReasonConnectionLost:  "the connection to the leader was lost",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

var stateNames = [...]string{Follower: "follower", Candidate: "candidate", PreCandidate: "pre-candidate", Leader: "leader", Learner: "learner"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}
