package cluster

import (
	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// Effects is what the driver does after a Step. Slices are valid until the next Step; what they point to is the driver's,
// but for entries, which nobody changes.
type Effects struct {
	// Appends go to the log in order. They may be written while the node is stepped on.
	Appends []Append
	// Messages may leave now, in any order relative to Appends. Each message belongs to the driver.
	// A MsgSnap carries no data: the driver streams the snapshot file of its index to the peer first.
	Messages []*raftpb.Message
	// Replies answer requests, each exactly once. A read that is Done may now be read from the machine.
	Replies []Reply
	// Snapshot, when not nil, asks for the frozen state to be written to a file; EventSnapshotSaved answers it.
	Snapshot *kv.Snapshot
	// Compact, when above 0, allows the log to drop all entries up to and including this index.
	Compact uint64
	// Machine is set when the state machine was replaced by a received snapshot's.
	Machine *kv.Machine
	// Members is set when the membership changed: whom to connect to.
	Members *Membership
	// Role is set when leader, term or role changed.
	Role *Role
	// More asks for another Step soon, also without events: a bound on the work of one Step was reached.
	More bool
	// Fatal says that the node cannot go on: the driver stops at once and shows the error.
	Fatal error
}

// Append is one write to the log. The driver makes it durable and reports EventPersisted with its ID.
type Append struct {
	ID uint64
	// HardState is to be written when its Term is not zero.
	HardState HardState
	// Entries follow the log's last entry, or replace its tail from the first one's index on.
	Entries []*raftpb.Entry
	// Snapshot, when Index is not zero: the log now starts behind this snapshot (whose file is durable already), and every
	// earlier entry and every entry after it is void. Entries of the same Append come after it.
	Snapshot SnapshotMark
	// Sync says that the write must be durable before EventPersisted. Otherwise it may be lost in a crash.
	Sync bool
}

// Takes says that the node accepted a received snapshot in this Step: its mark is among the Appends.
func (e *Effects) Takes(s *Staged) bool {
	for i := range e.Appends {
		if e.Appends[i].Snapshot == (SnapshotMark{Index: s.Meta.Index, Term: s.Meta.Term}) {
			return true
		}
	}
	return false
}

// HardState is raft's, as a value.
type HardState struct{ Term, Vote, Commit uint64 }

// SnapshotMark names a snapshot.
type SnapshotMark struct{ Index, Term uint64 }

// Outcome is one of three; none of them is ever told in place of another.
type Outcome uint8

const (
	Done    Outcome = iota + 1 // it took effect, as Reply.Result tells; or the read may be made
	Refused                    // it had no effect and never will
	Unknown                    // it may or may not have taken effect, or may still
)

// Reason says why an outcome is not Done.
type Reason uint8

const (
	ReasonNone            Reason = iota
	ReasonNotLeader              // this node does not lead; Reply.Leader says who does
	ReasonNoLeader               // no leader is known
	ReasonOverloaded             // a queue is full
	ReasonDataFull               // the limit on total data is reached
	ReasonDiskFull               // the reserve of free disk is reached
	ReasonInvalid                // the command does not fit the bounds
	ReasonSuperseded             // another entry took the place of this one's
	ReasonTransferring           // leadership is being handed over; Reply.Leader says to whom
	ReasonExpired                // no answer within Config.RequestTicks; unknown for a proposal, refused for a read
	ReasonSnapshotSkipped        // a snapshot replaced the entries among which it may have been; unknown
	ReasonMembership             // no such member, or the change does not fit
	ReasonStopping               // the node is stopping
	ReasonCanceled               // the caller gave up before it was proposed
	ReasonBehind                 // the learner has not caught up; try again later
	ReasonConnectionLost         // (drivers only) the connection to the node that proposed it broke; unknown
)

// Reply answers a request.
type Reply struct {
	ID      uint64
	Outcome Outcome
	Reason  Reason
	Leader  uint64    // 0 when not known
	Index   uint64    // of a read that is Done: the index that is applied at least
	Result  kv.Result // of a proposal that is Done
}

// Role is who leads, as this node knows it.
type Role struct {
	State  State
	Term   uint64
	Leader uint64 // 0: none known
}

// State is the node's part in its term.
type State uint8

const (
	Follower State = iota
	Candidate
	PreCandidate
	Leader
	Learner
)
