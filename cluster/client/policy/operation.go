package policy

// Kind says what an operation risks when it is sent twice.
type Kind uint8

const (
	// Read changes nothing: it may always be sent again, and its outcome is never Unknown.
	Read Kind = iota + 1
	// Write changes the store.
	Write
)

// Operation is one call of a client's user, over all its attempts. The caller sets the exported fields before Start
// and owns the value; the rest is the policy's.
type Operation struct {
	Kind Kind
	// Sessionless makes a write go without a session, although the client has sessions.
	Sessionless bool
	// Pinned sends every attempt to Node, but for those that open the session. Leader hints are not followed, and a
	// refusal because the node does not lead is final.
	Pinned bool
	Node   int
	// Deadline is when the operation is given up, in the nanoseconds of now; 0 for never.
	Deadline int64
	// Owner is the caller's: a way back from an Operation that Ready returned.
	Owner any

	state    state
	admitted bool // it holds one of Config.InFlightMax places
	opening  bool // its attempts open the session; the write itself was not sent under a new number yet
	renewed  bool // it has met an expired session before
	unknown  bool // an attempt at the write itself ended as unknown: from now on the operation is never Refused
	lost     Reason
	reason   Reason // of the last attempt that was refused, by a node if one did
	// session and sequence are fixed from the first attempt under them; they change only when no attempt was unknown.
	session, sequence uint64
	attempt           uint32 // number of the last attempt, from 1
	since             uint32 // attempts from this one on have the present session and sequence, or open the session
	at                int    // node of the last attempt
	sentAt            int64
	tried             uint64 // nodes tried since the last delay, one bit each
	round             uint8  // delays so far

	list           *queue
	previous, next *Operation
}

type state uint8

const (
	stateIdle     state = iota
	stateParked         // in Client.waiting or Client.numbers
	stateReady          // taken from there by Ready; Wake comes next
	stateSent           // an attempt is under way
	stateWaiting        // for the instant of a Wait
	stateFinished       // told
)

// begin clears what an earlier use of the value left.
func (op *Operation) begin() {
	*op = Operation{
		Kind: op.Kind, Sessionless: op.Sessionless, Pinned: op.Pinned, Node: op.Node,
		Deadline: op.Deadline, Owner: op.Owner,
	}
}

func (op *Operation) done() bool { return op.state == stateIdle || op.state == stateFinished }

// unsafeToLose says that an attempt under way may change the store by the write itself.
func (op *Operation) unsafeToLose() bool { return op.Kind == Write && !op.opening }

// pinned says that the next attempt goes to Node. A session is everyone's, so it is opened wherever that works best.
func (op *Operation) pinned() bool { return op.Pinned && !op.opening }

// lose notes that an attempt at the write has an unknown outcome. The first reason is kept: it is the one to look into.
func (op *Operation) lose(reason Reason) {
	if !op.unknown {
		op.unknown, op.lost = true, reason
	}
}

// refuse notes that an attempt had no effect. What a node said is kept before that another one could not be reached: it tells more.
func (op *Operation) refuse(reason Reason) {
	if op.reason == ReasonNone || reason != ReasonUnreachable {
		op.reason = reason
	}
}

// reasonOr is the reason of the last refusal, or another if there was none.
func (op *Operation) reasonOr(other Reason) Reason {
	if op.reason == ReasonNone {
		return other
	}
	return op.reason
}

// wasTried says that the node was tried since the last delay.
func (op *Operation) wasTried(node int) bool { return op.tried&(1<<node) != 0 }
