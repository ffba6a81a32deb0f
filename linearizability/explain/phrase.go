package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// who returns the client of an operation.
func (k *key) who(i int32) string { return k.h.ClientName(k.ops[i].Client) }

// asked names an operation: "get by client 3".
func (k *key) asked(i int32) string { return k.call(i) + " by " + k.who(i) }

// call returns what was asked.
func (k *key) call(i int32) string {
	o := k.ops[i]
	if o.Kind != history.Put && o.Kind != history.Append && o.Kind != history.Delete {
		return o.Call()
	}
	text := verb(o.Kind)
	if o.Kind != history.Delete {
		text += " " + k.text(o.Value)
	}
	if o.Condition.Kind == history.ValueEquals && o.Condition.Value.Present {
		return text + " if it equals " + k.text(o.Condition.Value)
	}
	return text + o.Condition.String()
}

// said returns an operation with its result, for a sentence: "get by client 3 returned v7".
func (k *key) said(i int32) string {
	o := k.ops[i]
	switch {
	case o.Outcome == history.Unknown:
		return k.asked(i) + " got no answer"
	case o.Outcome == history.Refused:
		return k.asked(i) + " was refused"
	case o.Outcome == history.ConditionFailed && o.HasObserved:
		return k.asked(i) + " failed and met " + k.text(o.Observed)
	case o.Outcome == history.ConditionFailed:
		return k.asked(i) + " failed"
	case o.Kind == history.Get:
		return k.asked(i) + " returned " + k.text(o.Observed)
	case o.Existed == history.No:
		return k.asked(i) + " found no value"
	case o.Existed == history.Yes:
		return k.asked(i) + " found a value"
	case o.Condition.Kind == history.Always:
		return k.asked(i) + " was acknowledged"
	}
	return k.asked(i) + " succeeded"
}

// saidOf returns an operation with its result so that the sentence ends in the value that it met.
func (k *key) saidOf(i int32, v history.Value) string {
	o := k.ops[i]
	if o.Outcome == history.Done && o.Kind != history.Get && o.Existed != history.No {
		if v.Present {
			return k.asked(i) + " succeeded on " + k.text(v)
		}
		return k.asked(i) + " succeeded on an absent key"
	}
	if o.Outcome == history.ConditionFailed && !o.HasObserved {
		return k.asked(i) + " failed and so met " + k.text(v)
	}
	return k.said(i)
}

// later is saidOf with a remark that it was asked later.
func (k *key) later(i int32, v history.Value) string {
	asked := k.asked(i)
	return asked + ", asked later," + strings.TrimPrefix(k.saidOf(i, v), asked)
}

// did returns a write or a read as a clause: "client 1 put v8", "client 2 read v8".
func (k *key) did(i int32) string {
	o := k.ops[i]
	switch o.Kind {
	case history.Put:
		if o.Writes() {
			return k.who(i) + " put " + k.text(o.Value)
		}
	case history.Delete:
		if o.Writes() {
			return k.who(i) + " deleted it"
		}
	case history.Append:
		if o.Writes() {
			return k.who(i) + " appended " + k.text(o.Value)
		}
	case history.Get:
		return k.who(i) + " read " + k.text(o.Observed)
	}
	if v, ok := k.met(i); ok {
		return k.who(i) + " met " + k.text(v)
	}
	return k.asked(i)
}

// had is did in the past perfect: "client 1 had put v8".
func (k *key) had(i int32) string {
	who := k.who(i)
	return who + " had" + strings.TrimPrefix(k.did(i), who)
}

// by says in brackets where a value comes from: " (put by client 1)".
func (k *key) by(v history.Value, from origin) string {
	if from.last < 0 {
		if from.initial && k.spec.Initial.Present {
			return " (there from the start)"
		}
		return ""
	}
	o, last := k.ops[from.last], ""
	if len(from.writes) > 1 {
		last = "last "
	}
	what := map[history.Kind]string{history.Put: "put", history.Append: "appended", history.Delete: "deleted"}[o.Kind]
	if o.Kind == history.Append && o.Value != v {
		last = k.text(o.Value) + " " + last
	}
	return " (" + last + what + " by " + k.who(from.last) + ")"
}

// tell puts a finding together. Operations below 0 are left out.
func (k *key) tell(kind verdict.Kind, sentence string, set ...int32) *verdict.Contradiction {
	set = slices.DeleteFunc(slices.Clone(set), func(i int32) bool { return i < 0 })
	slices.Sort(set)
	set = slices.Compact(set)
	slices.SortStableFunc(set, func(a, b int32) int { return cmp.Compare(k.ops[a].Invoke, k.ops[b].Invoke) })
	operations := make([]int32, len(set))
	for i, at := range set {
		operations[i] = k.index[at]
	}
	return &verdict.Contradiction{Kind: kind, Operations: operations, Sentence: k.place() + sentence}
}

// place names the key.
func (k *key) place() string {
	if len(k.ops) == 0 || k.ops[0].Key == "" {
		return ""
	}
	return "on key " + history.Text(k.ops[0].Key) + ", "
}
