package witness

import (
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// probesEach bounds, times the number of operations, how often a walk tries operations that have no place.
const probesEach = 16

// walk verifies a plan from its first place to its last, and fills in what the plan leaves open.
type walk struct {
	spec model.Key
	ops  []model.Op
	plan

	order   []int32
	state   model.State
	latest  int64   // the latest invocation in order: what comes next must not have returned before it
	soonest []int64 // by place: the earliest return from there on; made when first needed
	probes  int     // how many may still be tried
}

// run verifies the plan: order is a linearization if it returns true.
func (w *walk) run() bool {
	w.order = make([]int32, 0, len(w.places)+len(w.loose))
	for at := range w.places {
		if len(w.loose) != 0 && !w.settle(at) {
			return false
		}
		if !w.take(at) {
			return false
		}
	}
	return len(w.loose) == 0 || w.settle(len(w.places)) && len(w.loose) == 0
}

// take appends the operation at a place, with one of the spare before it if it does not fit otherwise.
func (w *walk) take(at int) bool {
	i := w.places[at].op
	if !w.state.Value.Present && changed(w.ops[i].Operation) == perhaps {
		w.loosen(i) // it found nothing, and then its revision is not its own
		return true
	}
	if w.step(i) {
		return true
	}
	if w.bridge(at) {
		return true
	}
	// An unknown write may be without effect. Whoever depends on it will tell.
	o := w.ops[i]
	if o.Outcome == history.Unknown && o.Wrote != 0 {
		return true
	}
	return false
}

// loosen takes an operation's place away.
func (w *walk) loosen(i int32) {
	n, _ := slices.BinarySearchFunc(w.loose, i, func(a, b int32) int { return order(w.ops[a].Invoke, w.ops[b].Invoke, a, b) })
	w.loose = slices.Insert(w.loose, n, i)
}

// step appends an operation if it fits. An unknown write that has a revision must take effect.
func (w *walk) step(i int32) bool {
	o := w.ops[i]
	if o.Return < w.latest {
		return false
	}
	next, ok := w.spec.Step(w.state, o)
	if !ok || o.Outcome == history.Unknown && !effective(w.state, next, o) {
		return false
	}
	w.state = next
	w.latest = max(w.latest, o.Invoke)
	w.order = append(w.order, i)
	return true
}

// effective says whether an unknown write changed the state, or left it as it would have made it.
func effective(before, after model.State, o model.Op) bool {
	return before != after || o.Kind == history.Put && before.Value == o.Value && o.Condition.Kind == history.Always
}

// bridge looks for a spare operation behind which the operation at a place fits, and appends both. It must have been invoked
// before anything returned that comes later.
func (w *walk) bridge(at int) bool {
	deadline := w.deadline(at)
	state, latest, length := w.state, w.latest, len(w.order)
	for n, u := range w.spare {
		if w.probes--; w.probes < 0 {
			return false
		}
		if w.ops[u].Invoke > deadline {
			continue
		}
		if w.step(u) && w.step(w.places[at].op) {
			w.spare = append(w.spare[:n], w.spare[n+1:]...)
			return true
		}
		w.state, w.latest, w.order = state, latest, w.order[:length]
	}
	return false
}

// settle appends the loose results that fit here and that no later place must precede. It fails when the probes are used up.
func (w *walk) settle(at int) bool {
	deadline, kept := w.deadline(at), w.loose[:0]
	for n, i := range w.loose {
		o := w.ops[i]
		if o.Invoke > deadline {
			kept = append(kept, w.loose[n:]...)
			break
		}
		if w.probes--; w.probes < 0 {
			return false
		}
		if !w.step(i) {
			kept = append(kept, i)
			deadline = min(deadline, o.Return)
		}
	}
	w.loose = kept
	return true
}

// deadline returns the earliest return among the places from at on.
func (w *walk) deadline(at int) int64 {
	if w.soonest == nil {
		w.soonest = make([]int64, len(w.places)+1)
		w.soonest[len(w.places)] = history.Forever
		for n := len(w.places) - 1; n >= 0; n-- {
			w.soonest[n] = min(w.soonest[n+1], w.ops[w.places[n].op].Return)
		}
	}
	return w.soonest[at]
}
