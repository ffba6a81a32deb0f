package witness

import (
	"math"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// brute tries all orders of all operations over all keys by the shared model, with one count of revisions for all keys.
type brute struct {
	spec   model.Key
	ops    []model.Op
	keys   []int // of each operation
	used   []bool
	states []model.State
}

// orderable says whether the model knows an order. Stale reads take no part.
func orderable(h *history.History) bool {
	b := brute{spec: model.Key{Initial: h.Origin.Initial, Contract: true}}
	for k, part := range h.Partitions() {
		p, err := model.Prepare(h, part.Operations)
		if err != nil {
			return true
		}
		b.states = append(b.states, b.spec.Start())
		for _, o := range p.Ops {
			b.ops, b.keys = append(b.ops, o), append(b.keys, k)
		}
	}
	b.used = make([]bool, len(b.ops))
	return b.search(0, math.MinInt64)
}

func (b *brute) search(seen uint64, latest int64) bool {
	done := true
	for i, o := range b.ops {
		if !b.used[i] && o.Outcome != history.Unknown {
			done = false
			if o.Return < latest {
				return false
			}
		}
	}
	if done {
		return true
	}
	for i, o := range b.ops {
		if b.used[i] {
			continue
		}
		was := b.states[b.keys[i]]
		state := was
		state.Seen = seen
		next, ok := b.spec.Step(state, o)
		if !ok {
			continue
		}
		b.used[i], b.states[b.keys[i]] = true, next
		if b.search(next.Seen, max(latest, o.Invoke)) {
			return true
		}
		b.used[i], b.states[b.keys[i]] = false, was
	}
	return false
}
