package sim

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// An agenda gives tasks back by time, and those of one time in the order of scheduling, whatever is added meanwhile.
func TestAgendaKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a agenda
		var model []task
		now, number := int64(0), uint64(0)
		add := func() {
			number++
			after := rapid.SampledFrom([]int64{0, 1, 1 << sliceBits, 1<<sliceBits - 1, 3 << sliceBits, 90_000_000_000, slicesMax << sliceBits}).Draw(t, "after")
			next := task{moment: moment{at: now + after + rapid.Int64Range(0, 3).Draw(t, "and")}, a: number, it: number}
			a.add(next)
			model = append(model, next)
			slices.SortStableFunc(model, func(x, y task) int { return int(min(max(x.at-y.at, -1), 1)) })
		}
		take := func() bool {
			var got task
			require.Equal(t, len(model) > 0, a.take(&got))
			if len(model) == 0 {
				return false
			}
			require.Equal(t, model[0].a, got.a, "of tasks at %d and %d", model[0].at, got.at)
			require.Equal(t, model[0].at, got.at)
			require.Equal(t, model[0].it, got.it)
			now, model = got.at, model[1:]
			return true
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "add") {
				add()
			} else {
				take()
			}
		}
		for take() {
		}
	})
}
