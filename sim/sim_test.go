package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

// lives is how many lives a test may take, of so many at full length.
func lives(full int) uint64 {
	if testing.Short() {
		full /= 4
	}
	return max(1, uint64(full/slowdown))
}

func draw(t testing.TB, seed uint64, profile string) *plan.Plan {
	p, err := plan.Draw(seed, profile)
	require.NoError(t, err)
	return p
}

// replayOf is the command that shows a life again.
func replayOf(seed uint64, profile string) string {
	return fmt.Sprintf("bin/lockstep sim --seed %d --profile %s", seed, profile)
}

// liveSeeds lives seeds one after the other, and counts which probes they reach.
func liveSeeds(t *testing.T, profile string, from, to uint64, o Options) (reached map[string]int) {
	reached = map[string]int{}
	for seed := from; seed <= to; seed++ {
		r := Run(draw(t, seed, profile), o)
		if r.Failure != nil {
			t.Errorf("seed %d: %v, at %.3f s; replay: %s", seed, r.Failure, float64(r.Failure.At)/1e9, replayOf(seed, profile))
		}
		for name, n := range r.Probes {
			reached[name] += n
		}
	}
	return reached
}

// TestSeeds lives plans that nobody has lived before, as a rule: where it begins is drawn anew each time. LOCKSTEP_SIM_SEEDS=FROM-TO chooses the seeds,
// LOCKSTEP_SIM_TRACE=1 prints what happens.
func TestSeeds(t *testing.T) {
	from := rand.Uint64N(1 << 40)
	to := from + lives(100) - 1
	if text := os.Getenv("LOCKSTEP_SIM_SEEDS"); text != "" {
		_, err := fmt.Sscanf(text, "%d-%d", &from, &to)
		require.NoError(t, err, "LOCKSTEP_SIM_SEEDS is FROM-TO")
	}
	var o Options
	if os.Getenv("LOCKSTEP_SIM_TRACE") != "" {
		o.Trace = os.Stdout
	}
	t.Attr("fresh-seeds", fmt.Sprintf("%d-%d; again: LOCKSTEP_SIM_SEEDS=%d-%d go test ./sim -run TestSeeds", from, to, from, to))
	liveSeeds(t, "standard", from, to, o)
}

// The timings that a node has by default are another world than the standard one.
func TestProductionSeeds(t *testing.T) {
	from := rand.Uint64N(1 << 40)
	to := from + lives(10) - 1
	t.Attr("fresh-seeds", fmt.Sprintf("%d-%d of profile production", from, to))
	liveSeeds(t, "production", from, to, Options{})
}

// The same plan is the same life, event for event.
func TestTheSameSeedTwice(t *testing.T) {
	for seed := uint64(1); seed <= lives(5); seed++ {
		a, b := Run(draw(t, seed, "standard"), Options{}), Run(draw(t, seed, "standard"), Options{})
		require.Equal(t, a.TraceHash, b.TraceHash, "seed %d", seed)
		require.Equal(t, a.History.Operations, b.History.Operations)
		other := Run(draw(t, seed+100, "standard"), Options{})
		require.NotEqual(t, a.TraceHash, other.TraceHash)
	}
}

// Without faults everything is done, and nothing is refused or unknown but what the plan provokes.
func TestAQuietLife(t *testing.T) {
	for seed := uint64(1); seed <= lives(5); seed++ {
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
