package explain

import (
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// The histories of the tests are built from these. A dash stands for the absent value.

func value(v string) history.Value {
	if v == "-" {
		return history.Absent
	}
	return history.Of(v)
}

func operation(c int32, from, to int64, kind history.Kind) history.Operation {
	return history.Operation{Client: c, Kind: kind, Outcome: history.Done, Invoke: from, Return: to}
}

func get(c int32, from, to int64, v string) history.Operation {
	o := operation(c, from, to, history.Get)
	o.Observed, o.HasObserved = value(v), true
	return o
}

func put(c int32, from, to int64, v string) history.Operation {
	o := operation(c, from, to, history.Put)
	o.Value = history.Of(v)
	return o
}

func del(c int32, from, to int64) history.Operation { return operation(c, from, to, history.Delete) }

func add(c int32, from, to int64, v string) history.Operation {
	o := operation(c, from, to, history.Append)
	o.Value = history.Of(v)
	return o
}

// cas is a put of v if the key equals old.
func cas(c int32, from, to int64, old, v string) history.Operation {
	return on(history.Condition{Kind: history.ValueEquals, Value: value(old)}, put(c, from, to, v))
}

// create is a put of v if the key is absent.
func create(c int32, from, to int64, v string) history.Operation {
	return on(history.Condition{Kind: history.MustNotExist}, put(c, from, to, v))
}

func on(cond history.Condition, o history.Operation) history.Operation {
	o.Condition = cond
	return o
}

func existed(e history.Existed, o history.Operation) history.Operation {
	o.Existed = e
	return o
}

// at gives an operation a revision: of a write its own, of a read that of the key.
func at(revision uint64, o history.Operation) history.Operation {
	o.Revision = revision
	if o.Kind == history.Get {
		o.KeyRevision = revision
	}
	return o
}

// onRevision is a condition on a revision.
func onRevision(revision uint64, o history.Operation) history.Operation {
	return on(history.Condition{Kind: history.RevisionEquals, Revision: revision}, o)
}

// failed makes it a failed condition that says nothing else, and met one that says what it met.
func failed(o history.Operation) history.Operation {
	o.Outcome = history.ConditionFailed
	return o
}

func met(v string, o history.Operation) history.Operation {
	o.Outcome, o.Observed, o.HasObserved = history.ConditionFailed, value(v), true
	return o
}

func unknown(o history.Operation) history.Operation {
	o.Outcome, o.Return = history.Unknown, history.Forever
	return o
}

func refused(o history.Operation) history.Operation {
	o.Outcome = history.Refused
	return o
}

// key builds a history of one key.
func keyOf(name string, ops ...history.Operation) *history.History {
	h := &history.History{}
	for i := range ops {
		ops[i].Key = name
		if ops[i].Revision != 0 {
			h.Origin.Revisions = history.Hints
		}
	}
	h.Operations = ops
	h.Sort()
	return h
}

// prepare returns the single key of a history.
func prepare(h *history.History) (model.Key, model.Prepared, error) {
	spec := model.Key{Initial: h.Origin.Initial, Contract: h.Origin.Revisions == history.Contract}
	all := make([]int32, len(h.Operations))
	for i := range all {
		all[i] = int32(i)
	}
	p, err := model.Prepare(h, all)
	return spec, p, err
}

// linearizable tries all orders: the oracle of the tests. It takes nothing from the code under test.
func linearizable(spec model.Key, ops []model.Op) bool {
	var try func(state model.State, used uint32) bool
	try = func(state model.State, used uint32) bool {
		rest := false
		for i, o := range ops {
			rest = rest || used&(1<<i) == 0 && o.Outcome != history.Unknown
		}
		if !rest {
			return true
		}
		for i, o := range ops {
			if used&(1<<i) != 0 || !minimal(ops, used, i) {
				continue
			}
			if next, ok := spec.Step(state, o); ok && try(next, used|1<<i) {
				return true
			}
		}
		return false
	}
	return try(spec.Start(), 0)
}

// minimal says that no other operation left must come first.
func minimal(ops []model.Op, used uint32, i int) bool {
	for j, o := range ops {
		if used&(1<<j) == 0 && j != i && o.Outcome != history.Unknown && o.Return < ops[i].Invoke {
			return false
		}
	}
	return true
}
