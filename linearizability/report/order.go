package report

import (
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// Bounds of the orders in a page.
const (
	// ordersMax is how many partial orders of one key a page holds; the longest come first.
	ordersMax = 12
	// placesMax is how many places all orders of a page have together.
	placesMax = 200_000
	// blockedMax is how many operations are named that could not come next.
	blockedMax = 20
)

// order is a whole or partial order of one key's operations.
type order struct {
	Operations []int32 `json:"ops"`
	// Total is how many operations there were to order, those of unknown outcome included.
	Total int  `json:"total"`
	Whole bool `json:"whole,omitempty"`
	// State is what the key holds behind the last place.
	State string `json:"state,omitempty"`
	// Blocked are the operations of which, in real time, one would have to come next.
	Blocked []blocked `json:"blocked,omitempty"`
	// BlockedMore counts those that are not named.
	BlockedMore int `json:"more,omitempty"`
}

// blocked is an operation that might have come next.
type blocked struct {
	Operation int32 `json:"op"`
	// Fits says that its result fits the state: it could be placed, but then no longer order comes of it.
	Fits bool `json:"fits"`
}

// orders returns the orders of a key that fit into the rest of placesMax, and how many do not.
func orders(h *history.History, k *verdict.KeyResult, indices []int32, places *int) (list []order, left int) {
	all := slices.Clone(k.Partial)
	slices.SortStableFunc(all, func(a, b []int32) int { return len(b) - len(a) })
	if len(k.Order) > 0 {
		all = append([][]int32{k.Order}, all...)
	}
	for i, x := range all {
		if len(list) == ordersMax || len(x) > *places {
			return list, len(all) - i
		}
		*places -= len(x)
		if i == 0 && len(k.Order) > 0 {
			list = append(list, order{Operations: x, Total: len(x), Whole: true})
			continue
		}
		list = append(list, partial(h, indices, x))
	}
	return list, 0
}

// partial finds out what a partial order leads to and what could not follow it.
func partial(h *history.History, indices, placed []int32) order {
	spec := model.Key{Initial: h.Origin.Initial, Contract: h.Origin.Revisions == history.Contract}
	result := order{Operations: placed}
	prepared, err := model.Prepare(h, indices)
	result.Total = len(prepared.Ops)
	if err != nil {
		return result
	}
	at := make(map[int32]int, len(prepared.Index))
	for i, index := range prepared.Index {
		at[index] = i
	}
	state := spec.Start()
	for _, index := range placed {
		i, ok := at[index]
		if !ok {
			return result
		}
		next, ok := spec.Step(state, prepared.Ops[i])
		if !ok {
			return result // it is no order of this model: say nothing of it
		}
		state = next
		delete(at, index)
	}
	result.State = state.Value.String()
	result.block(spec, state, prepared, at)
	return result
}

// block names the operations outside the order that no other one outside it has to precede.
func (r *order) block(spec model.Key, state model.State, p model.Prepared, rest map[int32]int) {
	first := history.Forever
	for _, i := range rest {
		first = min(first, p.Ops[i].Return)
	}
	for i, index := range p.Index {
		if _, ok := rest[index]; !ok || p.Ops[i].Outcome == history.Unknown || p.Ops[i].Invoke > first {
			continue
		}
		if len(r.Blocked) == blockedMax {
			r.BlockedMore++
			continue
		}
		_, fits := spec.Step(state, p.Ops[i])
		r.Blocked = append(r.Blocked, blocked{index, fits})
	}
}
