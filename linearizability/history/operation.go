package history

import "math"

// Kind is what an operation asks for.
type Kind uint8

const (
	// Get reads a key.
	Get Kind = iota + 1
	// Put writes a value.
	Put
	// Delete makes the key absent.
	Delete
	// Append writes the key's value followed by another; an absent key counts as the empty value.
	Append
	// Transact is an operation on several keys: see Operation.Transaction.
	Transact
)

// ConditionKind is what must hold of the key for a write to take effect.
type ConditionKind uint8

const (
	// Always sets no condition.
	Always ConditionKind = iota
	// MustNotExist holds of an absent key.
	MustNotExist
	// MustExist holds of a present key.
	MustExist
	// ValueEquals holds when the key's value is Condition.Value, absent included: a compare-and-set.
	ValueEquals
	// RevisionEquals holds when the key's mod revision is Condition.Revision; 0 stands for an absent key.
	RevisionEquals
)

// Value is what a key holds: nothing, or a string of bytes.
type Value struct {
	Present bool
	Data    string
}

// Absent is the value of a key that does not exist.
var Absent = Value{}

// Of returns a present value.
func Of(data string) Value { return Value{Present: true, Data: data} }

// Condition guards a Put, Delete or Append.
type Condition struct {
	Kind     ConditionKind
	Value    Value  // of ValueEquals
	Revision uint64 // of RevisionEquals
}

// Outcome is what a client knows of an operation when it stops waiting for it.
type Outcome uint8

const (
	// Unknown: the operation may have taken effect, may still do, or never will. It has no result.
	Unknown Outcome = iota
	// Done: it took effect, and its result is part of the history.
	Done
	// ConditionFailed: it was evaluated, its condition did not hold, and it changed nothing. That is a result, which must
	// fit the order like a read.
	ConditionFailed
	// Refused: it had no effect and never will, and says nothing about the key.
	Refused
)

// Existed is whether a write found the key, where its result says so.
type Existed uint8

const (
	// NotSaid: the result does not tell.
	NotSaid Existed = iota
	// No: the key was absent.
	No
	// Yes: the key was present.
	Yes
)

// Forever is the return time of an operation that has none.
const Forever int64 = math.MaxInt64

// Operation is one call by one client. It is plain data: nobody changes it after the history is complete.
//
// Times are nanoseconds from any origin that the whole history shares. Invoke is taken before the request leaves and
// Return after the answer came, so that the operation took effect, if at all, in the closed interval between them: two
// operations that touch at one instant are concurrent. Unknown operations have Return = Forever.
type Operation struct {
	Client  int32
	Line    int32 // where its invocation stands in the file that it was read from, from 1; 0 if none
	Kind    Kind
	Outcome Outcome
	Existed Existed // of Put and Delete: Done only
	// Stale marks a read that the client allowed to be old. It must return what the key held at some moment before it
	// returned, and is not part of the linearizable order.
	Stale bool

	Key       string
	Value     Value // what Put writes (never absent), or what Append adds
	Condition Condition

	// Observed is what a Get returned. When HasObserved is set on a failed condition it is the value that was met.
	Observed    Value
	HasObserved bool

	// Revision is the store's revision at which the operation was evaluated: for a write that took effect its own, for
	// every other result the newest that it saw. 0: the result carries none.
	Revision uint64
	// KeyRevision is the mod revision of the key as a Get or a failed condition met it; 0: absent, or not told.
	KeyRevision uint64

	Invoke, Return int64

	// Transaction is set for Transact only; Key is then a label for the group of keys.
	Transaction *Transaction
}

// Writes says that the operation changed the key, or may have.
func (o *Operation) Writes() bool {
	switch {
	case o.Kind == Get || o.Outcome == Refused || o.Outcome == ConditionFailed:
		return false
	case o.Kind == Delete && o.Outcome == Done && o.Existed == No:
		return false
	}
	return true
}

// Constrains says that the operation's result, or its possible effect, is part of what a checker must order: refused
// operations, reads without a result and stale reads are not.
func (o *Operation) Constrains() bool {
	switch {
	case o.Outcome == Refused || o.Stale:
		return false
	case o.Kind == Get:
		return o.Outcome == Done
	}
	return true
}
