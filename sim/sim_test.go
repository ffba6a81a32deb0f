package sim

import (
	"fmt"
	"os"
	"testing"

	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

// seeds returns which seeds a test lives: FROM-TO by LOCKSTEP_SIM_SEEDS, or the first few.
func seeds(t testing.TB, few uint64) (from, to uint64) {
	if text := os.Getenv("LOCKSTEP_SIM_SEEDS"); text != "" {
		_, err := fmt.Sscanf(text, "%d-%d", &from, &to)
		require.NoError(t, err, "LOCKSTEP_SIM_SEEDS is FROM-TO")
		return from, to
	}
	if testing.Short() {
		few /= 4
	}
	return 1, few
}

func draw(t testing.TB, seed uint64, profile string) *plan.Plan {
	p, err := plan.Draw(seed, profile)
	require.NoError(t, err)
	return p
}

// TestSeeds lives fresh plans. LOCKSTEP_SIM_TRACE=1 prints what happens.
func TestSeeds(t *testing.T) {
	from, to := seeds(t, 60)
	var o Options
	if os.Getenv("LOCKSTEP_SIM_TRACE") != "" {
		o.Trace = os.Stdout
	}
	probes := map[string]int{}
	for seed := from; seed <= to; seed++ {
		r := Run(draw(t, seed, "standard"), o)
		if r.Failure != nil {
			t.Errorf("seed %d: %v, at %.3f s", seed, r.Failure, float64(r.Failure.At)/1e9)
		}
		for name, n := range r.Probes {
			probes[name] += n
		}
	}
	t.Logf("seeds %d to %d, probes %v", from, to, probes)
}

// The same plan is the same life, event for event.
func TestTheSameSeedTwice(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, b := Run(draw(t, seed, "standard"), Options{}), Run(draw(t, seed, "standard"), Options{})
		require.Equal(t, a.TraceHash, b.TraceHash, "seed %d", seed)
		require.Equal(t, a.History.Operations, b.History.Operations)
		other := Run(draw(t, seed+100, "standard"), Options{})
		require.NotEqual(t, a.TraceHash, other.TraceHash)
	}
}

// Without faults everything is done, and nothing is refused or unknown but what the plan provokes.
func TestAQuietLife(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		p := draw(t, seed, "quiet")
		p.Network.LossPPM = 0
		r := Run(p, Options{})
		require.Nil(t, r.Failure, "seed %d", seed)
		require.NotZero(t, r.Outcomes["done"])
		require.Empty(t, r.Faults)
	}
}

func BenchmarkSeed(b *testing.B) {
	var events uint64
	seed := uint64(0)
	for b.Loop() {
		p := draw(b, seed+1, "standard")
		for seed++; p.Nodes != 5; seed++ {
			p = draw(b, seed+1, "standard")
		}
		r := Run(p, Options{})
		require.Nil(b, r.Failure)
		events += r.Events
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "seeds/s")
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
