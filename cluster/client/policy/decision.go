package policy

// Action says what the caller does next about an operation.
type Action uint8

const (
	// Nothing: what was told changed nothing, for example an answer to an attempt that is over.
	Nothing Action = iota
	// Send the operation to Node, under Session, Sequence and Acknowledged, and call Answered with Attempt. When no
	// answer came by At, call Answered with LostAnswer (or Expired, if the operation's deadline has passed).
	Send
	// Open is like Send, but what is sent is a request to open a session under Nonce. Tell its Session and Window.
	Open
	// Wait until At, then call Wake.
	Wait
	// Park until Ready returns the operation, then call Wake; or call Expired when its deadline passes.
	Park
	// Finish: tell the Outcome and its Reason.
	Finish
)

// Outcome is one of three; none of them is ever told in place of another.
type Outcome uint8

const (
	Done    Outcome = iota + 1 // the store evaluated it; a condition that failed is an evaluation, too
	Refused                    // it had no effect and never will
	Unknown                    // it may or may not have taken effect, or may still
)

var outcomeNames = [...]string{"none", "done", "refused", "unknown"}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "undefined"
}

// Decision is what to do next. Fields count as their Action says.
type Decision struct {
	Action  Action
	Node    int
	Attempt uint32 // of Finish: how many attempts were made
	At      int64  // 0: never

	Session, Sequence, Acknowledged uint64
	Nonce                           [NonceBytes]byte

	Outcome Outcome
	Reason  Reason
	// Late: the operation ended for want of time, Reason tells what stood in its way until then.
	Late bool
}
