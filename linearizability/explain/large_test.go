package explain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// long makes a history of one key without a fault, by clients that overlap. Of values distinct values; 0: all distinct.
func long(n, clients, values int, unknownPercent int, seed uint64) *history.History {
	r := rand.New(rand.NewPCG(seed, 1))
	h := &history.History{}
	held := history.Absent
	for i := range n {
		middle := int64(10 * (i + 1))
		spread := int64(5 * clients)
		o := history.Operation{
			Client: int32(i % clients), Key: "k", Kind: history.Get, Outcome: history.Done, HasObserved: true, Observed: held,
			Invoke: middle - r.Int64N(spread), Return: middle + r.Int64N(spread),
		}
		if r.IntN(2) == 0 {
			v := i
			if values > 0 {
				v = r.IntN(values)
			}
			held = history.Of(fmt.Sprintf("v%d", v))
			o = put(o.Client, o.Invoke, o.Return, held.Data)
			o.Key = "k"
			if r.IntN(100) < unknownPercent {
				o = unknown(o)
			}
		}
		h.Operations = append(h.Operations, o)
	}
	return h
}

// staleAt makes a read in the middle return what was long overwritten: a value of which there is one write, near the start.
func staleAt(h *history.History) {
	old := put(90, -20, -10, "first")
	old.Key = "k"
	h.Operations = slices.Insert(h.Operations, 0, old)
	middle := len(h.Operations) / 2
	for h.Operations[middle].Kind != history.Get {
		middle++
	}
	o := &h.Operations[middle]
	o.Observed, o.Client = history.Of("first"), 91
	h.Sort()
}

type largeCase struct {
	name            string
	n, clients      int
	values, unknown int
}

var largeCases = []largeCase{
	{"distinct values", 100_000, 4, 0, 0},
	{"distinct values, unknown writes", 100_000, 4, 0, 1},
	{"five values", 100_000, 4, 5, 0},
	{"many clients", 100_000, 12, 5, 0},
}

func TestLongKeyExplainsSmall(t *testing.T) {
	for _, c := range largeCases {
		t.Run(c.name, func(t *testing.T) {
			h := long(count(t, c.n)/10, c.clients, c.values, c.unknown, 3)
			staleAt(h)
			spec, p, err := prepare(h)
			require.NoError(t, err)
			got := Key(h, spec, p, nil)
			require.Equal(t, verdict.StaleRead, got.Kind, "%s", got.Sentence)
			require.Len(t, got.Operations, 3, "%s", got.Sentence)
			require.Contains(t, got.Sentence, "get by client 91 returned first (put by client 90), which client")
		})
	}
}

// When nothing can be found within the bounds, the answer says so and holds all operations.
func TestBoundIsMet(t *testing.T) {
	h := &history.History{}
	for i := range 70 { // more under way at once than a sweep takes
		o := put(int32(i), 0, 100, "a")
		o.Key = "k"
		h.Operations = append(h.Operations, o)
	}
	spec, p, err := prepare(h)
	require.NoError(t, err)
	k := newKey(h, spec, p)
	got, _ := k.decide(everything(70), false, stepsMax)
	require.Equal(t, undecided, got)

	k.steps = 0
	require.False(t, k.fails([]int32{0}))
	c := k.unexplained(nil)
	require.Equal(t, verdict.Unorderable, c.Kind)
	require.Len(t, c.Operations, 70)
	require.Contains(t, c.Sentence, "70 operations")
}

// A conflict that a tier gives is the place to start, even if it leaves the writers out, and a wrong one does no harm.
func TestConflictIsAStart(t *testing.T) {
	bad := keyOf("k", put(1, 0, 1, "v1"), put(2, 2, 3, "v2"), get(4, 4, 5, "v1"), put(5, 6, 7, "v5"), get(3, 8, 9, "v2"))
	spec, p, err := prepare(bad)
	require.NoError(t, err)
	first := Key(bad, spec, p, nil)
	require.Equal(t, []int32{0, 1, 2}, first.Operations)
	second := "on key k, get by client 3 returned v2 (put by client 2), which client 5 overwrote with v5 before client 3 asked"
	require.Equal(t, second, Key(bad, spec, p, []int32{4, 3, 1}).Sentence)
	require.Equal(t, second, Key(bad, spec, p, []int32{4, 3}).Sentence)
	writerLeftOut := keyOf("k", put(9, 0, 1, "x"), put(9, 2, 3, "y"), get(9, 4, 5, "x"),
		put(1, 10, 100, "v1"), get(4, 11, 12, "v1"), put(2, 14, 15, "v2"), get(3, 16, 17, "v1"))
	specToo, pToo, err := prepare(writerLeftOut)
	require.NoError(t, err)
	require.Equal(t, []int32{3, 4, 5, 6}, Key(writerLeftOut, specToo, pToo, []int32{4, 5, 6}).Operations)
	for _, wrong := range [][]int32{{}, {0, 1}, {-1, 99}, {3, 3, 3}, {0}} {
		require.Equal(t, first, Key(bad, spec, p, wrong), "%v", wrong)
	}
}

// A contract's revisions are only spoken of if the values alone have an order.
func TestContract(t *testing.T) {
	h := keyOf("k", at(2, put(1, 0, 1, "v1")), at(3, put(2, 2, 3, "v2")), at(2, get(3, 4, 5, "v1")))
	h.Origin.Revisions = history.Contract
	spec, p, err := prepare(h)
	require.NoError(t, err)
	require.Equal(t, verdict.StaleRead, Key(h, spec, p, nil).Kind)

	both := keyOf("k", at(2, put(1, 0, 1, "v1")), at(3, put(2, 2, 3, "v2")), at(2, get(3, 4, 5, "v2")), at(3, get(3, 6, 7, "v1")))
	both.Origin.Revisions = history.Contract
	spec, p, err = prepare(both)
	require.NoError(t, err)
	require.Equal(t, []int32{0, 1, 3}, Key(both, spec, p, nil).Operations, "the breach of the contract comes first, but convinces less")

	h.Operations[2] = at(2, get(3, 4, 5, "v2"))
	h.Operations[2].Key = "k"
	spec, p, err = prepare(h)
	require.NoError(t, err)
	got := Key(h, spec, p, nil)
	require.Equal(t, verdict.RevisionMismatch, got.Kind)
	require.Equal(t, "on key k, get by client 3 returned v2 under revision 2, but v2 was written under revision 3, by client 2", got.Sentence)

	h = keyOf("k", at(9, put(1, 0, 1, "a")), at(9, get(3, 4, 5, "a")))
	h.Operations[1].KeyRevision = 3
	h.Origin.Revisions = history.Contract
	spec, p, err = prepare(h)
	require.NoError(t, err)
	got = Key(h, spec, p, nil)
	require.Equal(t, verdict.RevisionMismatch, got.Kind)
	require.Equal(t, []int32{0, 1}, got.Operations)
	require.Equal(t, "on key k, get by client 3 returned a under revision 3, but a was written under revision 9, by client 1", got.Sentence)

	h.Operations[1].KeyRevision, h.Operations[1].Revision = 9, 9
	spec, p, err = prepare(h)
	require.NoError(t, err)
	require.True(t, linearizable(spec, p.Ops))
}

// Of nothing, and of keys that are no violation, nothing is made up.
func TestNoViolation(t *testing.T) {
	for _, h := range []*history.History{{}, keyOf("", put(1, 0, 1, "v1")), keyOf("", get(1, 0, 1, "-"))} {
		spec, p, err := prepare(h)
		require.NoError(t, err)
		got := Key(h, spec, p, nil)
		require.Equal(t, verdict.Unorderable, got.Kind)
		require.Len(t, got.Operations, len(p.Ops))
	}
}

func BenchmarkKey(b *testing.B) {
	for _, c := range largeCases {
		h := long(c.n, c.clients, c.values, c.unknown, 3)
		staleAt(h)
		spec, p, err := prepare(h)
		require.NoError(b, err)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if got := Key(h, spec, p, nil); got.Kind != verdict.StaleRead {
					b.Fatal(got.Sentence)
				}
			}
		})
	}
}

// The value that stands for all that are not told apart is none that is told apart.
func TestLensKeepsOddValuesApart(t *testing.T) {
	h := keyOf("", put(1, 0, 1, "v1"), get(3, 4, 5, "\x00"))
	spec, p, err := prepare(h)
	require.NoError(t, err)
	got, _ := newKey(h, spec, p).decide(everything(2), false, stepsMax)
	require.Equal(t, impossible, got)
}
