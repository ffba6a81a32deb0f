package witness

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// builder writes small histories: each operation takes from its number times ten to five later, unless changed.
type builder struct{ h history.History }

func contract() *builder {
	b := &builder{}
	b.h.Origin.Revisions = history.Contract
	return b
}

func (b *builder) add(client int32, o history.Operation) *builder {
	o.Client = client
	if o.Key == "" {
		o.Key = "k1"
	}
	if o.Return == 0 {
		o.Invoke = int64(10 * (len(b.h.Operations) + 1))
		o.Return = o.Invoke + 5
	}
	if o.Outcome == history.Unknown {
		o.Return = history.Forever
	}
	b.h.Operations = append(b.h.Operations, o)
	return b
}

// at changes the times of the last operation.
func (b *builder) at(invoke, ret int64) *builder {
	o := &b.h.Operations[len(b.h.Operations)-1]
	o.Invoke, o.Return = invoke, ret
	return b
}

func put(value string, revision uint64) history.Operation {
	return history.Operation{Kind: history.Put, Value: history.Of(value), Revision: revision, Outcome: history.Done}
}

func del(revision uint64) history.Operation {
	return history.Operation{Kind: history.Delete, Revision: revision, Outcome: history.Done, Existed: history.Yes}
}

func get(value string, key, revision uint64) history.Operation {
	return history.Operation{Kind: history.Get, Observed: history.Of(value), HasObserved: true, KeyRevision: key, Revision: revision, Outcome: history.Done}
}

func nothing(revision uint64) history.Operation {
	return history.Operation{Kind: history.Get, HasObserved: true, Revision: revision, Outcome: history.Done}
}

func lost(o history.Operation) history.Operation {
	o.Outcome, o.Revision = history.Unknown, 0
	return o
}

func asStale(o history.Operation) history.Operation { o.Stale = true; return o }

func when(o history.Operation, c history.Condition) history.Operation { o.Condition = c; return o }

func failed(o history.Operation, key uint64) history.Operation {
	o.Outcome, o.KeyRevision = history.ConditionFailed, key
	return o
}

func on(key string, o history.Operation) history.Operation { o.Key = key; return o }

func existed(o history.Operation, e history.Existed) history.Operation { o.Existed = e; return o }

var (
	ifAbsent  = history.Condition{Kind: history.MustNotExist}
	ifPresent = history.Condition{Kind: history.MustExist}
)

func ifRevision(r uint64) history.Condition {
	return history.Condition{Kind: history.RevisionEquals, Revision: r}
}

func TestContractSentences(t *testing.T) {
	for _, c := range []struct {
		name       string
		b          *builder
		kind       verdict.Kind
		operations []int32
		sentence   string
	}{
		{"stale", contract().add(2, put("v7", 9)).add(1, put("v8", 11)).add(3, get("v7", 9, 12)), verdict.StaleRead, []int32{1, 2},
			"get k1 by client 3 returned v7 (revision 9) at revision 12, which client 1's put of v8 (revision 11) had overwritten before client 3 asked"},
		{"stale at its revision", contract().add(2, put("v7", 9)).add(1, put("v8", 11)).add(3, get("v7", 9, 10)), verdict.StaleRead, []int32{1, 2},
			"get k1 by client 3 returned v7 (revision 9) at revision 10, which misses client 1's put of v8 (revision 11), done before client 3 asked"},
		{"stale among reads of an unknown write", contract().add(2, put("v7", 9)).add(1, lost(put("v8", 0))).add(3, get("v8", 11, 11)).add(4, get("v7", 9, 12)),
			verdict.StaleRead, []int32{1, 2, 3},
			"get k1 by client 4 returned v7 (revision 9) at revision 12, which client 1's put of v8 (revision 11, as client 3 was told) had overwritten before client 4 asked"},
		{"overlapping", contract().add(2, put("v7", 9)).add(1, put("v8", 11)).add(3, get("v7", 9, 12)).at(21, 30), verdict.StaleRead, []int32{1, 2},
			"get k1 by client 3 returned v7 (revision 9) at revision 12, which client 1's put of v8 (revision 11) had overwritten by then"},
		{"resurrected", contract().add(2, put("v7", 9)).add(1, del(11)).add(3, get("v7", 9, 12)), verdict.ResurrectedDelete, []int32{1, 2},
			"get k1 by client 3 returned v7 (revision 9) at revision 12, which client 1's delete (revision 11) had deleted before client 3 asked"},
		{"found deleted", contract().add(1, put("v7", 9)).add(1, del(11)).add(3, existed(put("v9", 12), history.Yes)), verdict.ResurrectedDelete, []int32{1, 2},
			"put v9 on k1 by client 3 found the key at revision 12, but client 1's delete (revision 11) had removed the key before client 3 asked"},
		{"lost to a read", contract().add(1, put("v7", 9)).add(3, nothing(10)), verdict.LostUpdate, []int32{0, 1},
			"get k1 by client 3 found nothing at revision 10, but client 1's put of v7 (revision 9) had taken effect before client 3 asked and nothing removed it"},
		{"lost to a read, unknown delete", contract().add(1, put("v7", 9)).add(4, on("k2", nothing(10))).add(2, lost(del(0))).add(3, nothing(10)),
			verdict.LostUpdate, []int32{0, 3},
			"get k1 by client 3 found nothing at revision 10, but client 1's put of v7 (revision 9) had taken effect before client 3 asked and nothing removed it, and no write of unknown outcome can have changed that in time"},
		{"lost to a read, no revision left for the unknown delete", contract().add(1, put("v7", 9)).add(2, lost(del(0))).add(1, on("k2", put("v8", 10))).add(3, nothing(10)),
			verdict.LostUpdate, []int32{0, 3},
			"get k1 by client 3 found nothing at revision 10, but client 1's put of v7 (revision 9) had taken effect before client 3 asked and nothing removed it, and no write of unknown outcome can have changed that in time"},
		{"lost though met later", contract().add(1, put("v7", 9)).add(2, lost(del(0))).add(3, nothing(12)).add(4, get("v7", 9, 14)),
			verdict.LostUpdate, []int32{0, 2, 3},
			"get k1 by client 3 found nothing at revision 12, but client 1's put of v7 (revision 9) had taken effect before client 3 asked and nothing removed it, since client 4 still met that at revision 14"},
		{"condition on what was overwritten", contract().add(1, put("v7", 9)).add(2, put("v8", 10)).add(3, when(put("v9", 11), ifRevision(9))), verdict.LostUpdate, []int32{1, 2},
			"put v9 if at revision 9 on k1 by client 3 succeeded at revision 11, but revision 9 had been overwritten by client 2's put of v8 (revision 10)"},
		{"double compare-and-set", contract().add(1, put("v7", 9)).add(2, when(put("v8", 10), ifRevision(9))).add(3, when(put("v9", 11), ifRevision(9))), verdict.DoubleCompareAndSet, []int32{1, 2},
			"put v9 if at revision 9 on k1 by client 3 succeeded at revision 11, and so did client 2's put of v8 if at revision 9 (revision 10), though only one write can follow revision 9"},
		{"double compare-and-set, unknown", contract().add(1, put("v7", 9)).add(2, when(put("v8", 10), ifRevision(9))).add(3, lost(when(put("v9", 0), ifRevision(9)))).add(4, get("v9", 11, 11)),
			verdict.DoubleCompareAndSet, []int32{1, 2, 3},
			"put v9 if at revision 9 on k1 by client 3, whose outcome is unknown, took effect at revision 11, as client 4 was told, and so did client 2's put of v8 if at revision 9 (revision 10), though only one write can follow revision 9"},
		{"double create", contract().add(2, when(put("v8", 10), ifAbsent)).add(3, when(put("v9", 11), ifAbsent)), verdict.DoubleCompareAndSet, []int32{0, 1},
			"put v9 if absent on k1 by client 3 succeeded at revision 11, and so did client 2's put of v8 if absent (revision 10), though its condition no longer held then"},
		{"condition on nothing", contract().add(3, when(del(4), ifPresent)), verdict.Phantom, []int32{0},
			"delete if present on k1 by client 3 found the key at revision 4, but nobody had written k1 by then"},
		{"reused", contract().add(1, put("v7", 9)).add(1, on("k2", put("v8", 9))), verdict.RevisionReused, []int32{0, 1},
			"client 1's put v7 on k1 and client 1's put v8 on k2 both took effect at revision 9, which one write alone can have"},
		{"two leaders", contract().add(1, put("v7", 9)).add(2, on("k2", del(9))).at(10, 15), verdict.SplitBrain, []int32{0, 1},
			"client 1's put v7 on k1 and client 2's delete on k2 were both given revision 9, so two leaders handed it out"},
		{"two values", contract().add(1, lost(put("v7", 0))).add(1, lost(put("v8", 0))).add(3, get("v7", 9, 9)).add(4, get("v8", 9, 9)), verdict.SplitBrain, []int32{2, 3},
			"get k1 by client 3 returned v7 (revision 9) at revision 9, but get k1 by client 4 returned v8 (revision 9) at revision 9: revision 9 can't have written both"},
		{"two keys", contract().add(1, lost(put("v7", 0))).add(1, lost(on("k2", put("v8", 0)))).add(3, get("v7", 9, 9)).add(4, on("k2", get("v8", 9, 9))), verdict.SplitBrain, []int32{2, 3},
			"get k1 by client 3 returned v7 (revision 9) at revision 9 and get k2 by client 4 returned v8 (revision 9) at revision 9 both name revision 9, but one write has one key"},
		{"backwards", contract().add(1, put("v7", 9)).add(2, on("k2", put("v8", 8))), verdict.RevisionBackwards, []int32{0, 1},
			"put v8 on k2 by client 2 succeeded at revision 8, but put v7 on k1 by client 1 succeeded at revision 9 before client 2 asked: revisions went backwards"},
		{"a write at a revision that was met before", contract().add(3, nothing(9)).add(2, on("k2", put("v8", 9))), verdict.RevisionBackwards, []int32{0, 1},
			"put v8 on k2 by client 2 succeeded at revision 9, but get k1 by client 3 found nothing at revision 9 before client 2 asked: revisions went backwards"},
		{"unknown write at a revision that was met before", contract().add(1, on("k2", nothing(9))).add(2, lost(put("v8", 0))).add(3, get("v8", 9, 10)), verdict.RevisionBackwards, []int32{0, 1, 2},
			"get k1 by client 3 returned v8 (revision 9) at revision 10, but client 2's put of v8, which wrote it, was asked for only after get k2 by client 1 found nothing at revision 9"},
		{"unknown write after its revision", contract().add(1, on("k2", put("v7", 9))).add(2, lost(put("v8", 0))).add(3, get("v8", 8, 10)), verdict.RevisionBackwards, []int32{0, 1, 2},
			"get k1 by client 3 returned v8 (revision 8) at revision 10, but client 2's put of v8, which wrote it, was asked for only after put v7 on k2 by client 1 succeeded at revision 9"},
		{"value of another write", contract().add(1, put("v7", 9)).add(2, put("v8", 10)).add(3, get("v7", 10, 10)), verdict.RevisionMismatch, []int32{1, 2},
			"get k1 by client 3 returned v7 (revision 10) at revision 10, but revision 10 is that of client 2's put v8 on k1"},
		{"write of another key", contract().add(1, on("k2", put("v7", 9))).add(3, get("v7", 9, 10)), verdict.RevisionMismatch, []int32{0, 1},
			"get k1 by client 3 returned v7 (revision 9) at revision 10, but revision 9 is that of client 1's put v7 on k2"},
		{"newer than itself", contract().add(1, put("v7", 9)).add(3, get("v7", 9, 8)).at(12, 20), verdict.RevisionMismatch, []int32{1},
			"get k1 by client 3 returned v7 (revision 9) at revision 8, so it saw a write that is newer than the store was"},
		{"absent with a revision", contract().add(3, func() history.Operation { o := nothing(9); o.KeyRevision = 4; return o }()), verdict.RevisionMismatch, []int32{0},
			"get k1 by client 3 found nothing at revision 9, and yet named revision 4 of the key"},
		{"failed though it held", contract().add(1, put("v7", 9)).add(3, failed(when(put("v8", 10), ifRevision(9)), 9)), verdict.RevisionMismatch, []int32{1},
			"put v8 if at revision 9 on k1 by client 3 failed meeting revision 9 at revision 10, which is what it asked for"},
		{"held on its future", contract().add(3, when(put("v8", 10), ifRevision(12))), verdict.RevisionMismatch, []int32{0},
			"put v8 if at revision 12 on k1 by client 3 succeeded at revision 10, so it met a revision that was not older than its own"},
		{"phantom", contract().add(1, put("v7", 9)).add(3, get("ghost", 5, 10)), verdict.Phantom, []int32{1},
			"get k1 by client 3 returned ghost (revision 5) at revision 10, but nobody wrote ghost under revision 5"},
		{"two revisions of one unknown write", contract().add(1, lost(put("v7", 0))).add(3, get("v7", 9, 9)).add(4, get("v7", 11, 11)), verdict.Phantom, []int32{0, 1, 2},
			"get k1 by client 4 returned v7 (revision 11) at revision 11, and client 3 knew v7 under revision 9, but of its writes with an unknown outcome (1) too few can have had these revisions"},
		{"refused", contract().add(1, history.Operation{Kind: history.Put, Value: history.Of("v7"), Outcome: history.Refused}).add(3, get("v7", 5, 10)), verdict.RefusedRead, []int32{0, 1},
			"get k1 by client 3 returned v7 (revision 5) at revision 10, which only client 1's put of v7 wrote, and that was refused"},
		{"future", contract().add(3, get("v7", 9, 9)).add(1, put("v7", 9)), verdict.FutureRead, []int32{0, 1},
			"get k1 by client 3 returned v7 (revision 9) at revision 9 before client 1 asked for the put that wrote it"},
		{"stale read of the future", contract().add(3, asStale(get("v7", 9, 9))).add(1, put("v7", 9)), verdict.StaleReadImpossible, []int32{0, 1},
			"stale get k1 by client 3 returned v7 (revision 9) at revision 9 before client 1 asked for the put that wrote it"},
		{"stale read of what was gone", contract().add(1, put("v7", 9)).add(1, put("v8", 10)).add(3, asStale(get("v7", 9, 11))), verdict.StaleReadImpossible, []int32{1, 2},
			"stale get k1 by client 3 returned v7 (revision 9) at revision 11, which client 1's put of v8 (revision 10) had overwritten before client 3 asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.True(t, slices.IsSortedFunc(c.b.h.Operations, func(a, b history.Operation) int { return cmp.Compare(a.Invoke, b.Invoke) }))
			got := Contract(&c.b.h)
			require.Len(t, got, 1, "%+v", got)
			require.Equal(t, verdict.Contradiction{Kind: c.kind, Operations: c.operations, Sentence: c.sentence}, got[0])
			require.False(t, possible(&c.b.h))
		})
	}
}
