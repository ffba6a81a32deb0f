package server

import (
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc/codes"
)

// effect says whether an operation that failed may have changed the store.
type effect string

const (
	effectNone    effect = "none"
	effectUnknown effect = "unknown"
)

// failure is why an operation was not done, as both APIs tell it. Failures are the constants below; none is changed.
type failure struct {
	reason kvpb.Reason
	code   codes.Code
	status int           // of HTTP
	slug   string        // the problem type's last part; stable
	title  string        // the problem's title, and the gRPC status message
	effect effect        //
	retry  time.Duration // when trying again is of use; 0: it is not
}

// Delays that are told to clients. HTTP knows whole seconds only.
const (
	retrySoon  = 100 * time.Millisecond // another attempt may find a shorter queue or the new leader
	retryLater = 5 * time.Second        // somebody must delete or add something first
)

var (
	failNotLeader = &failure{kvpb.Reason_REASON_NOT_LEADER, codes.Unavailable, 503, "not-leader",
		"This node does not lead", effectNone, retrySoon}
	failNoLeader = &failure{kvpb.Reason_REASON_NO_LEADER, codes.Unavailable, 503, "no-leader",
		"No leader can take the operation now", effectNone, retrySoon}
	failOverloaded = &failure{kvpb.Reason_REASON_OVERLOADED, codes.ResourceExhausted, 429, "overloaded",
		"A queue of this node is full", effectNone, retrySoon}
	failDataFull = &failure{kvpb.Reason_REASON_DATA_FULL, codes.ResourceExhausted, 507, "data-full",
		"The limit on total data is reached", effectNone, retryLater}
	failDiskFull = &failure{kvpb.Reason_REASON_DISK_FULL, codes.ResourceExhausted, 507, "disk-full",
		"The reserve of free disk is reached", effectNone, retryLater}
	failInvalid = &failure{kvpb.Reason_REASON_INVALID, codes.InvalidArgument, 400, "invalid",
		"The operation is not valid", effectNone, 0}
	failSessionExpired = &failure{kvpb.Reason_REASON_SESSION_EXPIRED, codes.FailedPrecondition, 410, "session-expired",
		"The session is not known: closed, evicted or never opened", effectNone, 0}
	failSequenceAcknowledged = &failure{kvpb.Reason_REASON_SEQUENCE_ACKNOWLEDGED, codes.FailedPrecondition, 409, "sequence-acknowledged",
		"The sequence number was acknowledged before", effectNone, 0}
	failSequenceOutOfWindow = &failure{kvpb.Reason_REASON_SEQUENCE_OUT_OF_WINDOW, codes.FailedPrecondition, 409, "sequence-out-of-window",
		"The sequence number is too far ahead", effectNone, 0}
	failSequenceReused = &failure{kvpb.Reason_REASON_SEQUENCE_REUSED, codes.FailedPrecondition, 409, "sequence-reused",
		"The sequence number was used for another command", effectNone, 0}
	failStopping = &failure{kvpb.Reason_REASON_STOPPING, codes.Unavailable, 503, "stopping",
		"The node is stopping", effectNone, retrySoon}
	failSuperseded = &failure{kvpb.Reason_REASON_SUPERSEDED, codes.Unavailable, 503, "superseded",
		"Leadership changed before the operation took effect", effectNone, retrySoon}
	failUnknown = &failure{kvpb.Reason_REASON_OUTCOME_UNKNOWN, codes.Aborted, 504, "outcome-unknown",
		"The operation may or may not take effect", effectUnknown, 0}
	failMembership = &failure{kvpb.Reason_REASON_MEMBERSHIP, codes.FailedPrecondition, 409, "membership",
		"The change does not fit the membership", effectNone, 0}
	failBehind = &failure{kvpb.Reason_REASON_LEARNER_BEHIND, codes.Unavailable, 503, "learner-behind",
		"The learner has not caught up", effectNone, retryLater}
	failDeadline = &failure{kvpb.Reason_REASON_DEADLINE, codes.Unavailable, 503, "deadline",
		"The deadline passed before the operation was taken up", effectNone, retrySoon}
)

// refusedBy tells the failure of a refusal. Reasons that only come with unknown outcomes of writes mean for a read that
// this node cannot find out now.
func refusedBy(r cluster.Reason) *failure {
	switch r {
	case cluster.ReasonNotLeader:
		return failNotLeader
	case cluster.ReasonOverloaded:
		return failOverloaded
	case cluster.ReasonDataFull:
		return failDataFull
	case cluster.ReasonDiskFull:
		return failDiskFull
	case cluster.ReasonInvalid:
		return failInvalid
	case cluster.ReasonSuperseded:
		return failSuperseded
	case cluster.ReasonMembership:
		return failMembership
	case cluster.ReasonBehind:
		return failBehind
	case cluster.ReasonStopping:
		return failStopping
	case cluster.ReasonCanceled, cluster.ReasonExpired:
		return failDeadline
	default: // no leader, transferring, connection lost, snapshot skipped
		return failNoLeader
	}
}

// statusFailure is the failure that an applied command's status means, nil for OK and ConditionFailed.
func statusFailure(s kv.Status) *failure {
	switch s {
	case kv.OK, kv.ConditionFailed:
		return nil
	case kv.SessionExpired:
		return failSessionExpired
	case kv.SequenceAcknowledged:
		return failSequenceAcknowledged
	case kv.SequenceOutOfWindow:
		return failSequenceOutOfWindow
	case kv.SequenceReused:
		return failSequenceReused
	default:
		return failInvalid
	}
}

// failureOf is nil when the operation was done, failed conditions included.
func failureOf(r *cluster.Reply) *failure {
	switch r.Outcome {
	case cluster.Done:
		return statusFailure(r.Result.Status)
	case cluster.Refused:
		return refusedBy(r.Reason)
	default:
		return failUnknown
	}
}

// hint names the leader that the reply tells of, or the one that this node knows; nil without one. A leader that stops
// does not name itself.
func (s *Server) hint(leader uint64) *kvpb.LeaderHint {
	status := s.o.Backend.Status()
	if leader == 0 {
		leader = status.Role.Leader
	}
	if leader == 0 || leader == s.id && s.stopping() {
		return nil
	}
	h := &kvpb.LeaderHint{Node: leader, Term: status.Role.Term}
	for i := range status.Membership.Members {
		if m := &status.Membership.Members[i]; m.ID == leader {
			h.GrpcAddress, h.HttpAddress = m.GRPC, m.HTTP
		}
	}
	return h
}
