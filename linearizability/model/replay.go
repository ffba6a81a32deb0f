package model

import (
	"fmt"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// Replay verifies that an order is a linearization: it holds every operation once, except that operations of unknown outcome
// may be left out, no operation comes before one that had returned before it was invoked, and every result fits the state.
// order holds indices into ops. It runs in O(n) and trusts nothing about how the order came to be.
func (k Key) Replay(ops []Op, order []int32) error {
	return replay(k.Start(), k.Step, func(s State) string { return "the state " + s.Value.String() }, ops, order)
}

// replay does it for any specification; describe says what a state is.
func replay[S any](state S, step func(S, Op) (S, bool), describe func(S) string, ops []Op, order []int32) error {
	used := make([]bool, len(ops))
	latest, latestAt := int64(-1<<63), int32(-1)
	for at, i := range order {
		if i < 0 || int(i) >= len(ops) || used[i] {
			return fmt.Errorf("place %d: operation %d is there twice or does not exist", at, i)
		}
		used[i] = true
		o := ops[i]
		if o.Return < latest {
			return fmt.Errorf("place %d: operation %d (%s) returned before operation %d, which precedes it, was invoked", at, i, o, latestAt)
		}
		if o.Invoke > latest {
			latest, latestAt = o.Invoke, i
		}
		next, ok := step(state, o)
		if !ok {
			return fmt.Errorf("place %d: operation %d (%s) does not fit %s", at, i, o, describe(state))
		}
		state = next
	}
	for i, o := range ops {
		if !used[i] && o.Outcome != history.Unknown {
			return fmt.Errorf("operation %d (%s) is missing", i, o)
		}
	}
	return nil
}
