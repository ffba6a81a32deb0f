package readers

import "github.com/lockstepdb/lockstep/linearizability/history"

// etcdPlain returns a Transact operation as one on a single key, if that says the same: a get, put or delete, and a put or
// delete on condition of its key's mod revision or value, with nothing or a get of the key otherwise.
func etcdPlain(o history.Operation) (history.Operation, bool) {
	t := o.Transaction
	if t.Kind != history.Steps || t.Failure != history.NoFailure || len(t.Then) != 1 || len(t.Compares) > 1 || len(t.Else) > 1 {
		return o, false
	}
	step := t.Then[0]
	if step.End != "" || step.Revision != 0 || step.Limit != 0 || step.CountOnly || step.Lease != 0 {
		return o, false
	}
	o.Kind, o.Key, o.Transaction = step.Kind, step.Key, nil
	if step.Kind == history.Put {
		o.Value = history.Of(step.Value)
	}
	if !plainCondition(t, &o) {
		return o, false
	}
	if !t.Answered {
		// Known to have been carried out, but not with which result: only an unconditional put has just one.
		return o, o.Outcome == history.Unknown || step.Kind == history.Put && len(t.Compares) == 0
	}
	return o, plainResult(t, &o)
}

// plainCondition takes over the comparison.
func plainCondition(t *history.Transaction, o *history.Operation) bool {
	if len(t.Compares) == 0 {
		return len(t.Else) == 0
	}
	c := t.Compares[0]
	if o.Kind == history.Get || c.Key != o.Key || c.Relation != history.Equal || len(t.Else) == 1 && !plainGet(t.Else[0], o.Key) {
		return false
	}
	switch {
	case c.Target == history.ModRevision && c.Number >= 0:
		o.Condition = history.Condition{Kind: history.RevisionEquals, Revision: uint64(c.Number)}
	case c.Target == history.KeyValue:
		o.Condition = history.Condition{Kind: history.ValueEquals, Value: history.Of(c.Value)}
	case c.Target == history.CreateRevision && c.Number == 0:
		o.Condition = history.Condition{Kind: history.MustNotExist}
	default:
		return false
	}
	return true
}

// plainGet says that a step reads one key as it is.
func plainGet(s history.Step, key string) bool {
	return s.Kind == history.Get && s.Key == key && s.End == "" && s.Revision == 0 && s.Limit == 0 && !s.CountOnly
}

// plainResult takes over the result. What no store could have answered stays a transaction, which then fits no state.
func plainResult(t *history.Transaction, o *history.Operation) bool {
	if !t.Succeeded {
		o.Outcome = history.ConditionFailed
		o.HasObserved = len(t.Else) == 1
		return len(t.Compares) == 1 && (len(t.Else) == 0 || observed(t.Results[0], o))
	}
	r := t.Results[0]
	switch o.Kind {
	case history.Get:
		return observed(r, o)
	case history.Delete:
		o.Existed = history.No
		if r.Deleted == 1 {
			o.Existed = history.Yes
		}
		return r.Deleted <= 1 && r.Count == 0 && len(r.Pairs) == 0
	}
	return r.Deleted == 0 && r.Count == 0 && len(r.Pairs) == 0
}

// observed takes over what a get returned.
func observed(r history.StepResult, o *history.Operation) bool {
	if len(r.Pairs) > 1 || r.Count != int64(len(r.Pairs)) || r.Deleted != 0 {
		return false
	}
	if len(r.Pairs) == 0 {
		return true
	}
	p := r.Pairs[0]
	o.Observed, o.KeyRevision = history.Of(p.Value), uint64(p.Revision)
	return p.Key == o.Key && p.Revision >= 0
}
