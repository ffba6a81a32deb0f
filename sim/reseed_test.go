package sim

import (
	"testing"

	"github.com/lockstepdb/lockstep/sim/trace"
	"github.com/stretchr/testify/require"
)

// A life that is reseeded is the same until then, and another one afterwards; the same new seed gives the same rest.
func TestReseed(t *testing.T) {
	const at = 20_000_000_000
	lived := func(seed uint64) (before, after []trace.Event) {
		o := Options{Reseed: Reseed{At: at, Seed: seed}, Until: 30_000_000_000}
		o.Events = func(e *trace.Event) {
			if e.At < at {
				before = append(before, *e)
			} else {
				after = append(after, *e)
			}
		}
		Run(draw(t, 3, "standard"), o)
		return before, after
	}
	before, after := lived(0)
	again, rest := lived(7)
	require.Equal(t, before, again)
	require.NotEqual(t, after, rest)
	_, same := lived(7)
	require.Equal(t, rest, same)
}
