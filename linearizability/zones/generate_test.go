package zones

import (
	"math/rand/v2"
	"strconv"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// mix says which operations a generated history has.
type mix struct {
	name         string
	get, put     int // weights
	cas, conduct int // compare-and-sets; all other conditions
	remove       int // deletes
	initial      history.Value
	revisions    history.Revisions
	unknown      int // in percent
	silent       int // failed conditions that do not tell what they met, in percent
	spread       int // how many operations an operation overlaps in each direction, at most
}

// register is a register whose operations take effect one after the other: what it makes is linearizable.
type register struct {
	mix      mix
	random   *rand.Rand
	value    history.Value
	revision uint64 // of the value
	store    uint64 // the newest
	written  int
	past     []history.Value // what the register held
}

// generate returns n operations in the order in which they took effect.
func generate(random *rand.Rand, m mix, n int) *history.History {
	r := &register{mix: m, random: random, value: m.initial, past: []history.Value{m.initial}, store: 1}
	h := &history.History{}
	h.Origin.Initial, h.Origin.Revisions = m.initial, m.revisions
	coarse := int64(1 + random.IntN(5))
	for i := range n {
		var o history.Operation
		at := int64(4 * i)
		o.Invoke = (at - int64(random.IntN(4*m.spread+1))) / coarse
		o.Return = (at + int64(random.IntN(4*m.spread+1))) / coarse
		r.call(&o)
		o.Client = int32(i)
		h.Operations = append(h.Operations, o)
	}
	return h
}

// call makes up an operation and answers it.
func (r *register) call(o *history.Operation) {
	m := r.mix
	switch at := r.random.IntN(m.get + m.put + m.cas + m.conduct + m.remove); {
	case at < m.get:
		o.Kind = history.Get
	case at < m.get+m.put:
		r.fresh(o)
	case at < m.get+m.put+m.cas:
		r.fresh(o)
		r.expect(o)
	case at < m.get+m.put+m.cas+m.conduct:
		r.fresh(o)
		if r.random.IntN(4) == 0 {
			o.Kind = history.Delete
		}
		r.demand(o)
	default:
		o.Kind = history.Delete
		if r.random.IntN(6) == 0 {
			r.expect(o)
		}
	}
	r.answer(o)
	if o.Kind != history.Get && r.random.IntN(100) < m.unknown {
		o.Outcome, o.Return, o.Existed, o.Revision, o.HasObserved, o.Observed, o.KeyRevision = history.Unknown, history.Forever, history.NotSaid, 0, false, history.Absent, 0
	}
}

func (r *register) fresh(o *history.Operation) {
	r.written++
	o.Kind, o.Value = history.Put, history.Of(strconv.Itoa(r.written))
}

// expect sets a condition on the value, mostly one that holds.
func (r *register) expect(o *history.Operation) {
	o.Condition = history.Condition{Kind: history.ValueEquals, Value: r.value}
	if r.random.IntN(4) == 0 {
		o.Condition.Value = r.past[r.random.IntN(len(r.past))]
	}
}

// demand sets any other condition, mostly one that holds.
func (r *register) demand(o *history.Operation) {
	switch at := r.random.IntN(3); {
	case r.random.IntN(4) == 0:
		o.Condition.Kind = [...]history.ConditionKind{history.MustNotExist, history.MustExist, history.RevisionEquals}[at]
		o.Condition.Revision = uint64(r.random.IntN(int(r.store) + 1))
	case at == 0 && r.mix.revisions != history.NoRevisions:
		o.Condition.Kind, o.Condition.Revision = history.RevisionEquals, r.revision
	case r.value.Present:
		o.Condition.Kind = history.MustExist
	default:
		o.Condition.Kind = history.MustNotExist
	}
}

// answer lets the operation take effect.
func (r *register) answer(o *history.Operation) {
	m := r.mix
	o.Outcome = history.Done
	state := model.State{Value: r.value, Revision: r.revision}
	if o.Kind == history.Get {
		o.Observed = r.value
		r.tell(o)
		return
	}
	succeeded := *o
	if _, ok := (model.Key{}).Step(state, model.Op{Operation: &succeeded}); !ok {
		o.Outcome = history.ConditionFailed
		if o.HasObserved = r.random.IntN(100) >= m.silent; o.HasObserved {
			o.Observed = r.value
		}
		r.tell(o)
		return
	}
	if r.random.IntN(3) > 0 && (o.Kind == history.Delete || r.mix.conduct > 0 && r.random.IntN(4) == 0) {
		o.Existed = history.No
		if r.value.Present {
			o.Existed = history.Yes
		}
	}
	if o.Kind == history.Delete && !r.value.Present {
		r.tell(o)
		return
	}
	r.store += 1 + uint64(r.random.IntN(3))
	r.value, r.revision = history.Absent, 0
	if o.Kind == history.Put {
		r.value, r.revision = o.Value, r.store
	}
	r.past = append(r.past, r.value)
	if r.mix.revisions != history.NoRevisions {
		o.Revision = r.store
	}
}

// tell adds the revisions of a result that changed nothing.
func (r *register) tell(o *history.Operation) {
	if r.mix.revisions != history.NoRevisions {
		o.Revision, o.KeyRevision = r.store, r.revision
	}
}

// damage changes something that mostly matters. It says whether a value may be attempted twice now.
func damage(random *rand.Rand, operations []history.Operation) (twice bool) {
	a, b := &operations[random.IntN(len(operations))], &operations[random.IntN(len(operations))]
	switch random.IntN(9) {
	case 0, 1: // another value is seen
		if a.Kind == history.Get {
			a.Observed, a.KeyRevision = b.Value, b.Revision
		}
	case 2: // two results are swapped
		if a.Kind == history.Get && b.Kind == history.Get {
			a.Observed, b.Observed = b.Observed, a.Observed
			a.KeyRevision, b.KeyRevision = b.KeyRevision, a.KeyRevision
		}
	case 3, 4: // the times shift
		by := int64(random.IntN(25) - 12)
		a.Invoke += by
		if a.Return != history.Forever {
			a.Return += by
		}
	case 5: // an outcome becomes known or unknown
		switch {
		case a.Kind == history.Get || a.Outcome == history.ConditionFailed:
		case a.Outcome == history.Unknown:
			a.Outcome, a.Return = history.Done, a.Invoke+int64(random.IntN(12))
		default:
			a.Outcome, a.Existed, a.Return, a.Revision = history.Unknown, history.NotSaid, history.Forever, 0
		}
	case 6: // another condition
		if a.Kind != history.Get {
			a.Condition = b.Condition
		}
	case 7:
		if a.Kind != history.Get && a.Existed != history.NotSaid {
			a.Existed = history.Yes + history.No - a.Existed
		}
	default:
		if random.IntN(8) == 0 && a.Kind == history.Put {
			a.Value, twice = b.Value, true
			a.Value.Present = true
		}
	}
	return twice
}

// prepare returns a history's only key. guessed says that a revision was guessed, so that a rejection proves nothing of the
// history; of the operations as they were prepared it is one all the same.
func prepare(h *history.History) (spec model.Key, ops []model.Op, guessed bool, err error) {
	h.Sort()
	all := make([]int32, len(h.Operations))
	for i := range all {
		all[i] = int32(i)
	}
	p, err := model.Prepare(h, all)
	spec = model.Key{Initial: h.Origin.Initial, Contract: h.Origin.Revisions == history.Contract}
	return spec, p.Ops, p.Guess != "", err
}
