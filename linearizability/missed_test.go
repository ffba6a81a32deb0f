package linearizability_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// What a transaction missed is named where the revisions tell it, and only there.
func TestSentencesOfTransactions(t *testing.T) {
	put := func(client int32, key, value string, revision uint64, invoke, back int64) history.Operation {
		return transaction(client, history.Step{Kind: history.Put, Key: key, Value: value}, history.StepResult{}, revision, invoke, back)
	}
	read := func(client int32, revision uint64, invoke, back int64, pairs ...history.Pair) history.Operation {
		result := history.StepResult{Count: int64(len(pairs)), Pairs: pairs}
		return transaction(client, history.Step{Kind: history.Get, Key: "a", End: "b"}, result, revision, invoke, back)
	}
	p, q := history.Pair{Key: "ab", Value: "p", Revision: 2}, history.Pair{Key: "ab", Value: "q", Revision: 4}
	for _, c := range []struct {
		name string
		ops  []history.Operation
		want string
		kind verdict.Kind
		set  []int32
	}{
		{"an old revision of the store", []history.Operation{put(1, "ab", "p", 2, 0, 10), put(2, "x", "1", 3, 12, 14), put(2, "ab", "q", 4, 20, 30), read(1, 3, 40, 50, p)},
			"range a* by client 1 (revision 3) returned ab=p at revision 2, which misses put ab=q by client 2 (revision 4), done before client 1 asked", verdict.StaleRead, []int32{2, 3}},
		{"an old pair at the newest revision", []history.Operation{put(1, "ab", "p", 2, 0, 10), put(2, "x", "1", 3, 12, 14), put(2, "ab", "q", 4, 20, 30), read(1, 4, 40, 50, p)},
			"range a* by client 1 (revision 4) returned ab=p at revision 2, which misses put ab=q by client 2 (revision 4), done before client 1 asked", verdict.StaleRead, []int32{2, 3}},
		{"another key: the first write that is missing", []history.Operation{put(1, "ab", "p", 2, 0, 10), put(2, "x", "1", 3, 12, 14), put(2, "x", "2", 4, 20, 30), read(1, 2, 40, 50, p)},
			"range a* by client 1 (revision 2) returned ab=p at revision 2, which misses put x=1 by client 2 (revision 3), done before client 1 asked", verdict.StaleRead, []int32{1, 3}},
		{"a write", []history.Operation{put(1, "ab", "p", 3, 0, 10), put(2, "x", "1", 2, 12, 14)},
			"put x=1 by client 2 (revision 2) was done, which misses put ab=p by client 1 (revision 3), done before client 2 asked", verdict.RevisionBackwards, []int32{0, 1}},
		{"reads only", []history.Operation{read(2, 2, 0, 10), read(1, 1, 20, 30)},
			"range a* by client 1 (revision 1) returned no keys, but range a* by client 2 had shown revision 2 before client 1 asked", verdict.RevisionBackwards, []int32{0, 1}},
		{"touching at one instant is concurrent", []history.Operation{put(1, "ab", "p", 2, 0, 10), put(2, "x", "1", 3, 10, 40), put(2, "ab", "q", 4, 40, 50), read(1, 3, 50, 60, q)},
			"no order explains that range a* by client 1 (revision 3) returned ab=q at revision 4: " +
				"3 of the 4 operations can be ordered, put ab=q by client 2 last, and then it does not fit", verdict.Unorderable, []int32{2, 3}},
		{"first", []history.Operation{read(1, 7, 0, 10)},
			"no order explains that range a* by client 1 (revision 7) returned no keys: it does not even fit as the first of all operations", verdict.Unorderable, []int32{0}},
	} {
		h := &history.History{Operations: c.ops, Origin: history.Origin{Revisions: history.Hints}}
		result := linearizability.Check(context.Background(), h, linearizability.Options{})
		require.Equal(t, verdict.Violation, result.Verdict, c.name)
		require.Equal(t, verdict.Contradiction{Kind: c.kind, Operations: c.set, Sentence: c.want}, *result.Keys[0].Contradiction, c.name)
	}
}
