package zones

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

var first = history.Of("first")

// mixes are what the random histories are made of. Those named "exact" are wholly within the tier.
var mixes = []mix{
	{name: "exact reads and writes", get: 5, put: 4, unknown: 20, spread: 3},
	{name: "exact compare-and-sets", get: 4, put: 2, cas: 5, unknown: 20, spread: 4},
	{name: "exact compare-and-sets of a value", get: 4, put: 1, cas: 6, unknown: 40, spread: 6, initial: first},
	{name: "deletes", get: 4, put: 4, remove: 3, silent: 10, unknown: 10, spread: 3},
	{name: "deletes that hint", get: 4, put: 4, remove: 3, silent: 10, unknown: 10, spread: 3, revisions: history.Hints},
	{name: "deletes by contract", get: 4, put: 4, remove: 3, cas: 1, silent: 10, unknown: 15, spread: 4, revisions: history.Contract},
	{name: "locks", put: 1, conduct: 4, remove: 4, get: 1, silent: 10, unknown: 10, spread: 3},
	{name: "everything", get: 4, put: 2, cas: 2, conduct: 3, remove: 2, silent: 10, unknown: 20, spread: 4, revisions: history.Hints},
	{name: "everything by contract", get: 4, put: 2, cas: 2, conduct: 3, remove: 1, silent: 10, unknown: 20, spread: 5, initial: first, revisions: history.Contract},
	{name: "everything without revisions", get: 4, put: 2, cas: 2, conduct: 3, remove: 1, silent: 10, unknown: 30, spread: 8},
}

// tally counts verdicts.
type tally struct{ histories, decided, accepted, sound, soundDecided int }

// TestRandomHistories compares random histories, most of them damaged, with the oracle. LOCKSTEP_CHECK_HISTORIES sets how many.
func TestRandomHistories(t *testing.T) {
	histories := 200_000 / slowdown
	if testing.Short() {
		histories = 20_000 / slowdown
	}
	if set := os.Getenv("LOCKSTEP_CHECK_HISTORIES"); set != "" {
		var err error
		if histories, err = strconv.Atoi(set); err != nil {
			t.Fatal(err)
		}
	}
	for at, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			const seed = 3
			random, o := rand.New(rand.NewPCG(seed, uint64(at))), &oracle{}
			var counts tally
			for range histories / len(mixes) {
				counts.one(t, o, random, m)
			}
			t.Logf("seed %d: %d histories; decided %d, %d of them linearizable; of %d undamaged ones decided %d",
				seed, counts.histories, counts.decided, counts.accepted, counts.sound, counts.soundDecided)
		})
	}
}

func (c *tally) one(t *testing.T, o *oracle, random *rand.Rand, m mix) {
	h := generate(random, m, 1+random.IntN(12))
	damaged, twice := random.IntN(7), false
	for range damaged {
		twice = damage(random, h.Operations) || twice
	}
	spec, ops, guessed, err := prepare(h)
	if err != nil {
		return
	}
	r := o.mustJudge(t, spec, ops)
	c.histories++
	if r.Applies {
		c.decided++
	}
	if r.Linearizable {
		c.accepted++
	}
	if damaged == 0 && !guessed {
		c.sound++
		if r.Applies {
			c.soundDecided++
		}
		if r.Applies && !r.Linearizable {
			t.Fatalf("a linearizable history was rejected\n%s", text(spec, ops))
		}
	}
	if m.name[:5] == "exact" && !twice && !r.Applies {
		t.Fatalf("undecided: %s\n%s", r.Why, text(spec, ops))
	}
	if c.histories%porcupineEvery == 0 && r.Applies && !spec.Contract && byPorcupine(spec, ops) != r.Linearizable {
		t.Fatalf("porcupine disagrees\n%+v\n%s", r, text(spec, ops))
	}
	if quick := Check(spec, ops, false); quick.Applies != r.Applies || quick.Linearizable != r.Linearizable || quick.Order != nil {
		t.Fatalf("without a certificate: %+v\n%+v\n%s", quick, r, text(spec, ops))
	}
}
