package model

import (
	"fmt"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// Replay verifies that an order is a linearization: it holds every operation once, except that operations of unknown outcome
// may be left out, no operation comes before one that had returned before it was invoked, and every result fits the state.
// order holds indices into ops. It runs in O(n) and trusts nothing about how the order came to be.
func (k Key) Replay(ops []Op, order []int32) error {
	used := make([]bool, len(ops))
	state := k.Start()
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
		next, ok := k.Step(state, o)
		if !ok {
			return fmt.Errorf("place %d: operation %d (%s) does not fit the state %s", at, i, o, state.Value)
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
