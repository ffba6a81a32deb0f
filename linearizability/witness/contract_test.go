package witness

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// histories scales the random tests. The tests' seeds are fixed, so that a larger number extends the same series.
var histories = flag.Float64("histories", 1, "how many times the usual number of random histories to try")

func scaled(n int) int {
	if testing.Short() {
		n /= 5
	}
	return int(float64(n) * *histories)
}

func dump(h *history.History) string {
	s := ""
	for i := range h.Operations {
		o := &h.Operations[i]
		s += fmt.Sprintf("%3d c%d %s [%d,%d] %s rev=%d key=%d existed=%d\n", i, o.Client, o.Key, o.Invoke, o.Return, o, o.Revision, o.KeyRevision, o.Existed)
	}
	return s
}

func randomLoad(r *rand.Rand, seed uint64) load {
	l := load{
		seed: seed, clients: 1 + r.IntN(6), keys: 1 + r.IntN(3), operations: 1 + r.IntN(60), ticks: int64(r.IntN(12)),
		lateTicks: int64(r.IntN(80)), unknown: r.IntN(40), refused: r.IntN(10), stale: r.IntN(40), conditional: r.IntN(80),
		rich: r.IntN(3) == 0, repeated: r.IntN(3) == 0, blindFailures: r.IntN(2) == 0,
	}
	if r.IntN(3) == 0 {
		l.mute = r.IntN(40)
	}
	if r.IntN(6) == 0 {
		l.initial = history.Of("v0")
	}
	return l
}

func TestContractNeverAccusesACorrectStore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range scaled(8000) {
		l := randomLoad(r, uint64(n))
		h := l.run()
		if got := Contract(h); len(got) > 0 {
			t.Fatalf("%+v\n%s%+v", l, dump(h), got)
		}
	}
}

func smallLoad(r *rand.Rand, seed uint64) load {
	l := randomLoad(r, seed)
	l.clients, l.keys, l.operations = 1+r.IntN(4), 1+r.IntN(2), 2+r.IntN(6)
	l.ticks, l.lateTicks = int64(r.IntN(6)), int64(r.IntN(20))
	l.base = uint64(r.IntN(3))
	return l
}

// TestContractAccusesOnlyTheImpossible mutates small histories and asks two searches through all orders about each that is
// accused: the oracle, which knows the whole contract, and the shared model, which sees less: see modelled.
func TestContractAccusesOnlyTheImpossible(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	accused, impossible := 0, 0
	kinds := map[verdict.Kind]int{}
	for n := range scaled(12000) {
		l := smallLoad(r, uint64(n))
		h := l.run()
		if n%20 == 0 {
			require.True(t, possible(h), "the oracle refuses a correct store: %+v\n%s", l, dump(h))
		}
		mutate(r, h)
		can, got := possible(h), Contract(h)
		if !can {
			impossible++
		}
		if len(got) == 0 {
			continue
		}
		accused++
		kinds[got[0].Kind]++
		require.False(t, can, "%+v\n%s%+v", l, dump(h), got)
		if modelled(h, got[0]) {
			require.False(t, orderable(h), "the model finds an order: %+v\n%s%+v", l, dump(h), got)
		}
	}
	t.Logf("impossible %d, accused %d, first kinds %v", impossible, accused, kinds)
	require.Greater(t, accused, impossible*6/10)
}

// modelled says whether the model sees the breach, too: each result has a revision, Prepare knows the revision of each put,
// and each key revision is one of those. To the model, a value whose revision is not told may have any.
func modelled(h *history.History, c verdict.Contradiction) bool {
	if c.Kind == verdict.RevisionMismatch || h.Origin.Initial.Present {
		return false
	}
	known := map[uint64]bool{0: true}
	for _, part := range h.Partitions() {
		p, _ := model.Prepare(h, part.Operations)
		for _, o := range p.Ops {
			if o.Wrote == 0 && o.Writes() && o.Kind != history.Delete {
				return false
			}
			known[o.Wrote] = true
		}
	}
	for i := range h.Operations {
		if o := &h.Operations[i]; result(o) && (o.Revision == 0 || o.Stale || !known[o.KeyRevision]) {
			return false
		}
	}
	return true
}

func TestContractBoundsItsBreaches(t *testing.T) {
	b := contract()
	for n := range 5000 {
		b.add(int32(n%7), get("ghost", uint64(n+1), uint64(n+1)))
	}
	got := Contract(&b.h)
	require.Len(t, got, breachesMax)
	for n, c := range got {
		require.Equal(t, []int32{int32(n)}, c.Operations, "the first come first")
	}
	require.Equal(t, got, Contract(&b.h), "twice the same")
}

func TestContractAsksOnlyWhoPromises(t *testing.T) {
	b := contract().add(1, get("ghost", 3, 3))
	require.NotEmpty(t, Contract(&b.h))
	for _, r := range []history.Revisions{history.NoRevisions, history.Hints} {
		b.h.Origin.Revisions = r
		require.Empty(t, Contract(&b.h))
	}
}
