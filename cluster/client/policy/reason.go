package policy

// Reason says why an attempt, or an operation, is not done. Up to ReasonLearnerBehind the numbers are those of the API's Reason.
type Reason uint8

const (
	ReasonNone                 Reason = iota
	ReasonNotLeader                   // the node does not lead and does not forward
	ReasonNoLeader                    // no leader is known
	ReasonOverloaded                  // a queue of the node is full
	ReasonDataFull                    // the limit on total data is reached
	ReasonDiskFull                    // the reserve of free disk is reached
	ReasonInvalid                     // key, value or fields do not fit
	ReasonSessionExpired              // the session is unknown to the store
	ReasonSequenceAcknowledged        // the number was acknowledged before
	ReasonSequenceOutOfWindow         // the number is too far ahead
	ReasonSequenceReused              // the number was used for another command
	ReasonStopping                    // the node is stopping
	ReasonSuperseded                  // another entry took the place of this one's
	ReasonOutcomeUnknown              // the node does not know the outcome
	ReasonMembership                  // no such member, or the change does not fit
	ReasonDeadline                    // the time ran out before anything reached the log
	ReasonLearnerBehind               // the learner that is to be promoted has not caught up
)

// Reasons that arise at the client.
const (
	ReasonUnreachable Reason = iota + 128 // no connection: nothing was sent
	ReasonNoAnswer                        // sent, and the connection broke or the time ran out
	ReasonTooMany                         // too many operations wait at the client
	ReasonClosed                          // the client is closed
	ReasonUnsupported                     // the node does not offer the call, or not to this caller
)

var reasonNames = map[Reason]string{
	ReasonNone:                 "none",
	ReasonNotLeader:            "not leader",
	ReasonNoLeader:             "no leader",
	ReasonOverloaded:           "overloaded",
	ReasonDataFull:             "data full",
	ReasonDiskFull:             "disk full",
	ReasonInvalid:              "invalid",
	ReasonSessionExpired:       "session expired",
	ReasonSequenceAcknowledged: "sequence acknowledged",
	ReasonSequenceOutOfWindow:  "sequence out of window",
	ReasonSequenceReused:       "sequence reused",
	ReasonStopping:             "stopping",
	ReasonSuperseded:           "superseded",
	ReasonOutcomeUnknown:       "outcome unknown",
	ReasonMembership:           "membership",
	ReasonDeadline:             "deadline",
	ReasonLearnerBehind:        "learner behind",
	ReasonUnreachable:          "unreachable",
	ReasonNoAnswer:             "no answer",
	ReasonTooMany:              "too many operations",
	ReasonClosed:               "client closed",
	ReasonUnsupported:          "unsupported",
}

func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return "undefined"
}

// final says that trying again would come to the same.
func (r Reason) final() bool {
	switch r {
	case ReasonDataFull, ReasonDiskFull, ReasonInvalid, ReasonSequenceAcknowledged, ReasonSequenceOutOfWindow,
		ReasonSequenceReused, ReasonMembership, ReasonTooMany, ReasonClosed, ReasonUnsupported:
		return true
	}
	return false
}

// blamesNode says that another node is the better one to ask.
func (r Reason) blamesNode() bool {
	switch r {
	case ReasonNotLeader, ReasonNoLeader, ReasonStopping, ReasonSuperseded, ReasonOutcomeUnknown, ReasonUnreachable,
		ReasonNoAnswer:
		return true
	}
	return false
}

// backsOff says that asking another node at once would only add to the load.
func (r Reason) backsOff() bool {
	return r == ReasonOverloaded || r == ReasonDeadline || r == ReasonSessionExpired || r == ReasonLearnerBehind
}
