package fleet

import (
	"context"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/sim"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

func poolOf(t *testing.T, runner string, workers int) *Pool {
	t.Helper()
	p := NewPool(workers, jobOf(runner, 0, workers).Worker, 0)
	t.Cleanup(p.Close)
	return p
}

func seeds(n uint64) []Life {
	var all []Life
	for s := range n {
		all = append(all, Life{Seed: s + 1})
	}
	return all
}

// Reports come in the order of the lives, also behind one that its process did not survive.
func TestAStreamKeepsItsOrder(t *testing.T) {
	p := poolOf(t, "hostile", 3)
	var got []uint64
	for r, err := range p.Stream(t.Context(), slices.Values(seeds(12))) {
		require.NoError(t, err)
		got = append(got, r.Seed)
		require.Equal(t, slices.Contains([]uint64{3, 5, 7, 9, 11}, r.Seed), r.Failure != nil, r.Seed)
	}
	require.Equal(t, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, got)
}

// A loop that is left leaves a pool that works.
func TestAStreamThatIsLeft(t *testing.T) {
	p := poolOf(t, "slow", 2)
	taken := 0
	lives := func(yield func(Life) bool) {
		for _, l := range seeds(100) {
			taken++
			if !yield(l) {
				return
			}
		}
	}
	for r, err := range p.Stream(t.Context(), lives) {
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Seed)
		break
	}
	require.LessOrEqual(t, taken, 2*p.Workers())
	r, err := p.Live(t.Context(), Life{Seed: 7})
	require.NoError(t, err)
	require.EqualValues(t, 49, r.TraceHash)
}

func TestALifeIsCancelled(t *testing.T) {
	p := poolOf(t, "hang", 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := p.Live(ctx, Life{Seed: 2})
		ended <- err
	}()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err := p.Live(ctx, Life{Seed: 3})
	require.ErrorIs(t, err, context.Canceled)
	r, err := p.Live(t.Context(), Life{Seed: 3})
	require.NoError(t, err)
	require.EqualValues(t, 3, r.Seed)
}

func TestAPoolWhoseLivesHang(t *testing.T) {
	p := NewPool(1, jobOf("hang", 0, 1).Worker, time.Second)
	defer p.Close()
	r, err := p.Live(t.Context(), Life{Seed: 2})
	require.NoError(t, err)
	require.Equal(t, Hang, r.Failure.Kind)
}

func TestAPoolThatCannotStart(t *testing.T) {
	p := NewPool(1, func() *exec.Cmd { return exec.Command("/nowhere/lockstep") }, 0)
	defer p.Close()
	_, err := p.Live(t.Context(), Life{})
	require.ErrorContains(t, err, "a worker can't start")
}

// A plan that is given is the life, whatever seed stands beside it; and a new course is the same until it begins.
func TestALifeWithItsOwnPlan(t *testing.T) {
	drawn, err := Live(Life{Seed: 4, Profile: "quiet"})
	require.NoError(t, err)
	p := must(plan.Draw(4, "quiet"))
	given, err := Live(Life{Seed: 99, Profile: "wild", Plan: p})
	require.NoError(t, err)
	require.EqualValues(t, 4, given.Seed)
	require.Equal(t, drawn.TraceHash, given.TraceHash)

	late, err := Live(Life{Plan: p, Reseed: sim.Reseed{At: given.Simulated + 1, Seed: 5}})
	require.NoError(t, err)
	require.Equal(t, drawn.TraceHash, late.TraceHash)
	early, err := Live(Life{Plan: p, Reseed: sim.Reseed{At: 1e9, Seed: 5}})
	require.NoError(t, err)
	require.NotEqual(t, drawn.TraceHash, early.TraceHash)

	for r, err := range poolOf(t, "live", 1).Stream(t.Context(), slices.Values([]Life{{Plan: p}})) {
		require.NoError(t, err)
		require.Equal(t, drawn.TraceHash, r.TraceHash)
	}

	bad, err := Live(Life{Seed: 7, Plan: &plan.Plan{Version: 1}})
	require.NoError(t, err)
	require.Equal(t, BadPlan, bad.Failure.Kind)
	require.EqualValues(t, 7, bad.Seed)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
