package explain

import (
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// met returns the value that an operation's result says it met.
func (k *key) met(i int32) (history.Value, bool) {
	switch o := k.ops[i]; {
	case o.Outcome == history.Unknown || o.Outcome == history.Refused || o.Kind == history.Transact:
		return history.Value{}, false
	case o.Kind == history.Get:
		return o.Observed, true
	case o.Outcome == history.ConditionFailed:
		if o.Condition.Kind == history.MustExist && !o.HasObserved {
			return history.Absent, true
		}
		return o.Observed, o.HasObserved
	default:
		return k.required(i)
	}
}

// required returns the value that a successful write had to meet.
func (k *key) required(i int32) (history.Value, bool) {
	if k.ops[i].Existed == history.No {
		return history.Absent, true
	}
	switch c := k.ops[i].Condition; c.Kind {
	case history.MustNotExist:
		return history.Absent, true
	case history.ValueEquals:
		return c.Value, true
	case history.RevisionEquals:
		if c.Revision == 0 {
			return history.Absent, true
		}
		if w := k.sources.byRevision[c.Revision]; len(w) == 1 && k.ops[w[0]].Kind == history.Put {
			return k.ops[w[0]].Value, true
		}
	}
	return history.Value{}, false
}

// present says that a result tells that there was a value, whichever it was.
func (k *key) present(i int32) bool {
	if v, ok := k.met(i); ok {
		return v.Present
	}
	o := k.ops[i]
	switch o.Outcome {
	case history.Done:
		return o.Existed == history.Yes || o.Condition.Kind == history.MustExist || o.Condition.Kind == history.RevisionEquals
	case history.ConditionFailed:
		return o.Condition.Kind == history.MustNotExist
	}
	return false
}

// leaves returns the value that a write leaves if it takes effect, as far as it does not depend on what was there.
func (k *key) leaves(i int32) (history.Value, bool) {
	switch o := k.ops[i]; {
	case !o.Writes() || o.Kind == history.Append || o.Kind == history.Transact:
		return history.Value{}, false
	case o.Kind == history.Delete:
		return history.Absent, true
	default:
		return o.Value, true
	}
}

// shows returns the value that the key certainly held at some moment of the operation: which it met, or left. What
// an append met is no more of interest: the sentences tell what it did.
func (k *key) shows(i int32) (history.Value, bool) {
	if k.ops[i].Kind == history.Append && k.ops[i].Writes() {
		return history.Value{}, false
	}
	if v, ok := k.leaves(i); ok {
		return v, k.ops[i].Outcome == history.Done
	}
	return k.met(i)
}

// before says that an operation precedes another in real time.
func (k *key) before(a, b int32) bool { return end(k.ops[a]) < k.ops[b].Invoke }

// conditional says that an operation is a write that took effect under a condition.
func (k *key) conditional(i int32) bool {
	o := k.ops[i]
	return o.Outcome == history.Done && o.Writes() && (o.Condition.Kind != history.Always || o.Existed != history.NotSaid)
}

// acknowledged says that an operation is a write that is known to have taken effect.
func (k *key) acknowledged(i int32) bool {
	return k.ops[i].Outcome == history.Done && k.ops[i].Writes()
}

// origin is where a value comes from.
type origin struct {
	writes  []int32 // that were invoked before the given time, by invocation
	initial bool
	last    int32 // the write that returned last, or -1
}

// originOf returns where a value may come from, up to a time: from a put of it, or from an append of its end.
func (k *key) originOf(v history.Value, until int64) origin {
	from := origin{initial: v == k.spec.Initial, last: -1}
	for _, i := range k.sources.making(k.ops, v) {
		if k.ops[i].Invoke > until {
			break
		}
		from.writes = append(from.writes, i)
		if from.last < 0 || end(k.ops[i]) > end(k.ops[from.last]) {
			from.last = i
		}
	}
	return from
}

// metFrom returns where the value that an operation met may come from: not from the operation itself.
func (k *key) metFrom(x int32, v history.Value) origin {
	all := k.originOf(v, end(k.ops[x]))
	from := origin{initial: all.initial, last: -1}
	for _, w := range all.writes {
		if w == x {
			continue
		}
		from.writes = append(from.writes, w)
		if from.last < 0 || end(k.ops[w]) > end(k.ops[from.last]) {
			from.last = w
		}
	}
	return from
}

// over says that all writes of a value had returned before an operation was invoked.
func (k *key) over(from origin, by int32) bool {
	if from.last < 0 {
		return from.initial
	}
	return k.before(from.last, by)
}

// showsPiece says that an operation's result shows what an append added.
func (k *key) showsPiece(i int32, piece string) bool {
	v, ok := k.met(i)
	return ok && v.Present && strings.Contains(v.Data, piece)
}
