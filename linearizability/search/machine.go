package search

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// stepsBetweenClocks is how many steps pass between two looks at the clock and at Budget.Stop.
const stepsBetweenClocks = 512

// bytesMax bounds what porcupine remembers: a set of operations and a state for each place that it has been to.
const bytesMax = 512 << 20

// placeBytes is what a place costs apart from its set of operations: the place itself, and porcupine's entry for it.
const placeBytes = 224

// placesPerChunk is how many places are allocated together.
const placesPerChunk = 512

// call is an operation as porcupine gets it. Porcupine takes it as an interface, which a pointer fits without allocation.
type call struct {
	op    *model.Op
	index int32 // into the operations that the search was given
	// needs says that the state decides whether the operation fits, or what it leaves behind. If not, it fits wherever an
	// operation of unknown outcome stood before it, and leaves the same behind without that one.
	needs bool
	// nameless says that nothing can tell what the operation writes, and dead that it must not come to that: see horizon.
	nameless, dead bool
}

// place is the end of an order that the search has built so far: a state, and how it came to be. Porcupine takes it as the
// state; two places are equal when what may follow them is the same.
type place[S any] struct {
	state S
	hash  uint64
	from  *place[S]
	by    *call
	depth int32
	// left counts the operations of known outcome that have no place yet. Porcupine compares states only together with
	// the set of operations that led to them, so it need not be part of equality.
	left int32
	// owed says that the last operation is one of unknown outcome, which the next must take notice of.
	owed bool
}

// machine is the model that porcupine runs, and the count of what the run costs. Its step depends on the state and the
// operation alone until the budget is gone; from then on it refuses everything, so that the run ends.
type machine[S any] struct {
	spec   specification[S]
	ops    []model.Op
	kept   []int32 // into ops; porcupine's operation i is kept[i]
	calls  []call
	known  int32 // calls of known outcome
	budget Budget

	steps   int64
	end     End
	places  int64     // that porcupine remembers
	deepest *place[S] // the longest order so far, the first of several
	chunk   []place[S]
}

func newMachine[S any](spec specification[S], ops []model.Op, kept []int32, budget Budget) *machine[S] {
	m := &machine[S]{spec: spec, ops: ops, kept: kept, budget: budget, calls: make([]call, len(kept))}
	for i, index := range kept {
		op := &ops[index]
		m.calls[i] = call{op: op, index: index}
		spec.study(&m.calls[i])
		if op.Outcome != history.Unknown {
			m.known++
		}
	}
	if budget.Steps == 0 {
		m.budget.Steps = math.MaxInt64
	}
	return m
}

// operations returns what porcupine is to order.
func (m *machine[S]) operations() []porcupine.Operation {
	all := make([]porcupine.Operation, len(m.calls))
	for i := range m.calls {
		c := &m.calls[i]
		all[i] = porcupine.Operation{Input: c, Call: c.op.Invoke, Return: c.op.Return}
	}
	return all
}

func (m *machine[S]) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			start := &place[S]{state: m.spec.Start(), left: m.known}
			start.hash = m.hash(start)
			m.deepest = start
			return start
		},
		Step: func(state, input, _ any) (bool, any) {
			next := m.step(state.(*place[S]), input.(*call))
			return next != nil, next
		},
		Equal: func(a, b any) bool {
			// Porcupine asks this of two places with one set of operations, to find out whether it has been there.
			x, y := a.(*place[S]), b.(*place[S])
			same := x.owed == y.owed && m.spec.equal(x.state, y.state)
			if same {
				m.places--
			}
			return same
		},
		Hash: func(state any) uint64 { return state.(*place[S]).hash },
	}
}

// step returns the place after an operation, or nil if it does not fit.
//
// An operation of unknown outcome may be left out of an order (model.Key.Replay), but porcupine places every operation. So
// once all results have their place, any of them is accepted without effect. Before that it is accepted only where it has an
// effect and the next operation needs the state. That loses no verdict: take an order with the fewest operations of unknown
// outcome that have an effect before the last result. If one of them has none, or is followed by an operation that does not
// need the state, the order without it is legal as well: from that next operation on the state is the same, except that
// the newest revision known may be older, which refuses less. This order has fewer, against the choice.
func (m *machine[S]) step(at *place[S], c *call) *place[S] {
	if !m.afford() {
		return nil
	}
	if at.left == 0 {
		return m.place(at, c, at.state, false)
	}
	if at.owed && !c.needs {
		return nil
	}
	state, ok := m.spec.step(at.state, c)
	if !ok {
		return nil
	}
	unknown := c.op.Outcome == history.Unknown
	if unknown && m.spec.idle(at.state, state) {
		return nil
	}
	return m.place(at, c, state, unknown)
}

// afford counts a step and says whether the budget allows it.
func (m *machine[S]) afford() bool {
	if m.end != Finished {
		return false
	}
	if m.steps >= m.budget.Steps {
		m.end = StepsSpent
		return false
	}
	m.steps++
	if m.places*(placeBytes+int64(len(m.calls))/8) > bytesMax {
		m.end = MemorySpent
		return false
	}
	if m.steps%stepsBetweenClocks != 0 {
		return true
	}
	// Porcupine has a time limit of its own, but when it ends a run by it the search goes on behind it for a while.
	if !m.budget.Deadline.IsZero() && !time.Now().Before(m.budget.Deadline) {
		m.end = DeadlinePassed
	}
	select {
	case <-m.budget.Stop:
		m.end = Stopped
	default:
	}
	return m.end == Finished
}

// place returns the place behind at.
func (m *machine[S]) place(at *place[S], c *call, state S, owed bool) *place[S] {
	if len(m.chunk) == 0 {
		m.chunk = make([]place[S], placesPerChunk)
	}
	m.places++
	p := &m.chunk[0]
	m.chunk = m.chunk[1:]
	*p = place[S]{state: state, hash: at.hash, from: at, by: c, depth: at.depth + 1, left: at.left, owed: owed}
	if c.op.Outcome != history.Unknown {
		p.left--
	}
	if owed != at.owed || !m.spec.equal(state, at.state) {
		p.hash = m.hash(p)
	}
	if p.depth > m.deepest.depth {
		m.deepest = p
	}
	return p
}

// hash sums up what Equal compares.
func (m *machine[S]) hash(p *place[S]) uint64 {
	h := m.spec.hash(p.state)
	if p.owed {
		return ^h
	}
	return h
}

// order returns the operations that lead to a place, as indices into ops. Those of unknown outcome that porcupine had to
// place after the last result have no effect and are left out.
func (m *machine[S]) order(end *place[S]) []int32 {
	order := make([]int32, 0, end.depth)
	for p := end; p.from != nil; p = p.from {
		if p.from.left > 0 {
			order = append(order, p.by.index)
		}
	}
	for i, j := 0, len(order)-1; i < j; i, j = i+1, j-1 {
		order[i], order[j] = order[j], order[i]
	}
	return order
}
