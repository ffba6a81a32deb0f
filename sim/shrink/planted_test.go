package shrink

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/lockstepdb/lockstep/sim/bugs"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/stretchr/testify/require"
)

// A bug that is planted in the store: an election is all that it needs to show, and all that is left.
func TestAPlantedBugShrinks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	bug, err := bugs.Find([]string{"append-answered-early"})
	require.NoError(t, err)
	binary, err := bugs.Build(t.Context(), bug[0], t.TempDir())
	require.NoError(t, err)
	pool := fleet.NewPool(2, func() *exec.Cmd {
		c := exec.Command(binary, "sim")
		c.Env = append(c.Environ(), fleet.WorkerVariable+"=1")
		return c
	}, 0)
	defer pool.Close()

	for seed := uint64(1); ; seed++ {
		require.Less(t, seed, uint64(50), "no seed fails")
		p := drawn(t, seed)
		r, err := Shrink(t.Context(), p, pool.Stream, Options{Seeds: 5, Tries: 3000})
		if err == ErrPasses {
			continue
		}
		require.NoError(t, err)
		require.True(t, r.Minimal)
		require.Equal(t, "durability", r.Report.Failure.Kind)
		require.Empty(t, r.Plan.Faults)
		require.Empty(t, r.Plan.Operations)
		require.LessOrEqual(t, r.Plan.Nodes+r.Plan.Spares, 4)
		for again, err := range pool.Stream(t.Context(), slices.Values([]fleet.Life{{Plan: r.Plan}})) {
			require.NoError(t, err)
			require.Equal(t, r.Report.TraceHash, again.TraceHash)
		}
		return
	}
}
