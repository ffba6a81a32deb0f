package generate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// full is a shape in which everything happens.
func full(revisions history.Revisions) Shape {
	return Shape{
		Operations: 20_000, Keys: 10, Clients: 8, Overlap: 0.8,
		Gets: 4, Puts: 3, Deletes: 1, Appends: 0.2, Creates: 1, Updates: 1, CompareValues: 1, CompareRevisions: 1, CompareDeletes: 0.5,
		Stale: 0.1, Unknown: 0.05, Refused: 0.05, Lost: 0.5, Late: 0.5, Blind: 0.3, Existed: 0.5, Revisions: revisions,
	}
}

func TestSameSeedSameHistory(t *testing.T) {
	first := History(7, full(history.Hints))
	require.Equal(t, first, History(7, full(history.Hints)))
	require.NotEqual(t, first, History(8, full(history.Hints)))
	require.Equal(t, Mutate(1, first), Mutate(1, first))
}

func TestHistoryHoldsWhatTheShapeAsksFor(t *testing.T) {
	h := History(1, full(history.Contract))
	require.Len(t, h.Operations, 20_000)
	count := map[string]int{}
	for i := range h.Operations {
		o := &h.Operations[i]
		require.LessOrEqual(t, o.Invoke, o.Return)
		require.Equal(t, o.Outcome == history.Unknown, o.Return == history.Forever)
		if i > 0 {
			require.LessOrEqual(t, h.Operations[i-1].Invoke, o.Invoke)
		}
		count[[...]string{"unknown", "done", "failed", "refused"}[o.Outcome]]++
		count[[...]string{"", "get", "put", "delete", "append"}[o.Kind]]++
		if o.Stale {
			count["stale"]++
		}
		if o.Condition.Kind == history.RevisionEquals {
			count["at a revision"]++
		}
		if o.Existed != history.NotSaid {
			count["existed"]++
		}
	}
	t.Log(count)
	require.InDelta(t, 1000, count["unknown"], 200)
	require.InDelta(t, 950, count["refused"], 200)
	for _, what := range []string{"done", "failed", "get", "put", "delete", "append", "stale", "at a revision", "existed"} {
		require.Greater(t, count[what], 100, what)
	}
}

func TestDistinctValuesAreWrittenOnce(t *testing.T) {
	shape := full(history.NoRevisions)
	shape.Distinct = true
	seen := map[history.Value]bool{}
	h := History(1, shape)
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Value.Present {
			require.False(t, seen[o.Value], "%v", o)
			seen[o.Value] = true
		}
	}
}

func TestMutateChangesACopy(t *testing.T) {
	h := History(3, full(history.Hints))
	before := append([]history.Operation(nil), h.Operations...)
	changed := 0
	for seed := range uint64(200) {
		mutated := Mutate(seed, h)
		require.Len(t, mutated.Operations, len(h.Operations))
		for i := range mutated.Operations {
			if mutated.Operations[i] != h.Operations[i] {
				changed++
				break
			}
		}
	}
	require.Equal(t, before, h.Operations)
	require.Greater(t, changed, 190)
}

func BenchmarkHistory(b *testing.B) {
	shape := full(history.Contract)
	shape.Operations, shape.Keys, shape.Clients = 1_000_000, 1000, 100
	for b.Loop() {
		History(1, shape)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6/1000, "s/history")
}
