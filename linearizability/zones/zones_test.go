package zones

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

func op(invoke, ret int64, kind history.Kind, value string) history.Operation {
	o := history.Operation{Kind: kind, Outcome: history.Done, Invoke: invoke, Return: ret, Value: history.Of(value)}
	switch {
	case kind == history.Get && value != "":
		o.Observed = history.Of(value)
	case kind == history.Delete:
		o.Existed = history.Yes
	}
	return o
}

func putOf(invoke, ret int64, value string) history.Operation {
	return op(invoke, ret, history.Put, value)
}

func getOf(invoke, ret int64, value string) history.Operation {
	return op(invoke, ret, history.Get, value)
}

func swapOf(invoke, ret int64, from, to string) history.Operation {
	o := putOf(invoke, ret, to)
	o.Condition = history.Condition{Kind: history.ValueEquals, Value: history.Of(from)}
	return o
}

func deleteOf(invoke, ret int64) history.Operation { return op(invoke, ret, history.Delete, "") }

func unknown(o history.Operation) history.Operation {
	o.Outcome, o.Existed, o.Return = history.Unknown, history.NotSaid, history.Forever
	return o
}

func prepared(operations []history.Operation) []model.Op {
	ops := make([]model.Op, len(operations))
	for i := range operations {
		ops[i].Operation = &operations[i]
	}
	return ops
}

// TestConflicts shows what each sort of violation is told by.
func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		name       string
		operations []history.Operation
		conflict   []int32
	}{
		{"a value that nobody wrote", []history.Operation{putOf(0, 1, "a"), getOf(2, 3, "b")}, []int32{1}},
		{"a read that returned before its write was invoked", []history.Operation{getOf(0, 1, "a"), putOf(2, 3, "a")}, []int32{0, 1}},
		{"a stale read", []history.Operation{putOf(0, 1, "a"), putOf(2, 3, "b"), getOf(4, 5, "b"), getOf(6, 7, "a")}, []int32{0, 1, 3}},
		{"a lost write", []history.Operation{putOf(0, 1, "a"), getOf(2, 3, "")}, []int32{0, 1}},
		{"two reads that disagree", []history.Operation{
			unknown(putOf(0, 0, "a")), putOf(0, 9, "b"), getOf(1, 2, "a"), getOf(3, 4, "b"), getOf(5, 6, "a"), getOf(7, 8, "b"),
		}, []int32{0, 1, 2, 3, 4, 5}},
		{"two compare-and-sets of one value", []history.Operation{putOf(0, 1, "a"), swapOf(2, 5, "a", "b"), swapOf(2, 5, "a", "c")}, []int32{0, 1, 2}},
		{"compare-and-sets in a circle", []history.Operation{swapOf(0, 9, "a", "b"), swapOf(0, 9, "b", "c"), swapOf(0, 9, "c", "a")}, []int32{0, 1, 2}},
		{"an unknown compare-and-set that was observed, of a value that nobody wrote", []history.Operation{unknown(swapOf(0, 0, "z", "a")), getOf(1, 2, "a")}, []int32{0, 1}},
		{"a chain in the wrong order", []history.Operation{
			putOf(0, 1, "a"), swapOf(2, 3, "a", "b"), swapOf(4, 5, "b", "c"), swapOf(6, 7, "c", "d"), getOf(4, 8, "b"), getOf(8, 9, "b"),
		}, []int32{1, 2, 5}},
		{"a write in the middle of a chain", []history.Operation{
			putOf(0, 1, "a"), swapOf(2, 3, "a", "b"), putOf(4, 5, "x"), swapOf(6, 7, "b", "c"), swapOf(8, 9, "c", "d"),
		}, []int32{1, 2, 3}},
		{"a deleted value that came back", []history.Operation{putOf(0, 1, "a"), deleteOf(2, 3), getOf(4, 5, "a")}, []int32{0, 1, 2}},
		{"two deletes of one value", []history.Operation{
			putOf(-9, -8, "past"), deleteOf(-7, -6), putOf(0, 9, "a"), deleteOf(1, 8), deleteOf(2, 7),
		}, []int32{1, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := (&oracle{}).mustJudge(t, model.Key{}, prepared(c.operations))
			require.True(t, r.Applies, r.Why)
			require.False(t, r.Linearizable)
			require.Equal(t, c.conflict, r.Conflict)
		})
	}
}

// TestAccepted has histories that look worse than they are.
func TestAccepted(t *testing.T) {
	absentThen := swapOf(4, 5, "", "b")
	absentThen.Condition.Value = history.Absent
	for name, operations := range map[string][]history.Operation{
		"an unknown write that was never observed": {putOf(0, 1, "a"), unknown(putOf(2, 2, "b")), getOf(3, 4, "a")},
		"an unknown write that took effect late":   {unknown(putOf(0, 0, "a")), putOf(1, 2, "b"), getOf(3, 4, "b"), getOf(5, 6, "a")},
		"a chain of unknown compare-and-sets": {
			putOf(0, 1, "a"), unknown(swapOf(2, 2, "a", "b")), unknown(swapOf(2, 2, "b", "c")), unknown(swapOf(2, 2, "a", "x")), getOf(3, 4, "a"), getOf(5, 6, "c"),
		},
		"times that touch":                         {getOf(0, 1, "a"), putOf(1, 2, "a")},
		"a value attempted twice and not observed": {putOf(0, 1, "a"), putOf(2, 3, "a"), putOf(4, 5, "b"), getOf(6, 7, "b")},
		"two deletes and an unknown put":           {putOf(0, 9, "a"), unknown(putOf(1, 1, "b")), deleteOf(1, 8), deleteOf(2, 7)},
		"a compare-and-set of a deleted key":       {putOf(0, 1, "a"), deleteOf(2, 3), absentThen, getOf(6, 7, "b")},
	} {
		t.Run(name, func(t *testing.T) {
			r := (&oracle{}).mustJudge(t, model.Key{}, prepared(operations))
			require.True(t, r.Linearizable, "%+v", r)
		})
	}
}

// TestUnfit has keys that are left to the next tier, with the reason.
func TestUnfit(t *testing.T) {
	appended := op(0, 1, history.Append, "a")
	silent := swapOf(2, 3, "b", "c")
	silent.Outcome = history.ConditionFailed
	revised := putOf(2, 3, "b")
	revised.Condition = history.Condition{Kind: history.RevisionEquals, Revision: 7}
	noReturn := putOf(2, 3, "b")
	noReturn.Outcome = history.Unknown
	backwards := putOf(3, 2, "b")
	for _, c := range []struct {
		why        string
		operations []history.Operation
	}{
		{whyAppend, []history.Operation{appended}},
		{whyTransaction, []history.Operation{op(0, 1, history.Transact, "")}},
		{whyTwice, []history.Operation{putOf(0, 1, "a"), unknown(putOf(0, 1, "a")), getOf(2, 3, "a")}},
		{whyUntold, []history.Operation{putOf(0, 1, "a"), silent}},
		{whyRevision, []history.Operation{putOf(0, 1, "a"), revised}},
		{whyMalformed, []history.Operation{noReturn}},
		{whyMalformed, []history.Operation{backwards}},
	} {
		t.Run(c.why, func(t *testing.T) {
			require.Equal(t, Result{Why: c.why}, Check(model.Key{}, prepared(c.operations), true))
		})
	}
}

// TestConflictsOfLongChainsStaySmall has one stray write in a chain of a thousand compare-and-sets.
func TestConflictsOfLongChainsStaySmall(t *testing.T) {
	operations := []history.Operation{putOf(0, 1, "0")}
	for i := range int64(1000) {
		operations = append(operations, swapOf(10*i+10, 10*i+11, fmt.Sprint(i), fmt.Sprint(i+1)))
	}
	operations = append(operations, putOf(5005, 5006, "stray"))
	r := Check(model.Key{}, prepared(operations), true)
	require.True(t, r.Applies && !r.Linearizable)
	require.Equal(t, []int32{500, 501, 1001}, r.Conflict)
	require.True(t, strings.HasSuffix(operations[r.Conflict[0]].Call(), "equals 499"))
}

// TestConflictsOfPresenceStaySmall has two deletes of one value late in a long history.
func TestConflictsOfPresenceStaySmall(t *testing.T) {
	var operations []history.Operation
	for i := range int64(300) {
		operations = append(operations, putOf(10*i, 10*i+1, fmt.Sprint(i)), deleteOf(10*i+2, 10*i+3), unknown(deleteOf(10*i+2, 0)))
	}
	for i := range operations {
		if o := &operations[i]; i/3 == 200 && o.Kind == history.Delete && o.Outcome == history.Unknown {
			o.Outcome, o.Return, o.Existed = history.Done, o.Invoke+2, history.Yes
		}
	}
	r := Check(model.Key{}, prepared(operations), true)
	require.True(t, r.Applies && !r.Linearizable, "%+v", r)
	require.LessOrEqual(t, len(r.Conflict), 3)
	require.Contains(t, r.Conflict, int32(601))
	require.Contains(t, r.Conflict, int32(602))
}

// TestConflictsOfPresenceHaveTheirWriters has contradictions that end when a value which they only mention, in a condition that
// failed, may have been written at any time.
func TestConflictsOfPresenceHaveTheirWriters(t *testing.T) {
	failed := func(invoke, ret int64, expected, met string) history.Operation {
		o := deleteOf(invoke, ret)
		o.Existed, o.Outcome, o.HasObserved, o.Observed = history.NotSaid, history.ConditionFailed, true, history.Of(met)
		o.Condition = history.Condition{Kind: history.ValueEquals, Value: history.Of(expected)}
		return o
	}
	ifPresent := putOf(2, 15, "2")
	ifPresent.Condition.Kind = history.MustExist
	cleared := deleteOf(-2, 2)
	cleared.Existed = history.NotSaid
	last := deleteOf(18, 21)
	last.Existed = history.NotSaid
	for name, operations := range map[string][]history.Operation{
		"update": {putOf(-15, -7, "1"), cleared, ifPresent, failed(7, 20, "1", "2")},
		"delete": {unknown(putOf(1, 0, "2")), putOf(3, 14, "1"), putOf(5, 14, "3"), failed(5, 16, "1", "4"), getOf(8, 16, "2"), putOf(8, 19, "4"), last, deleteOf(23, 26)},
		"deletes": {
			putOf(-2, 0, "1"), putOf(0, 2, "2"), unknown(putOf(0, 0, "3")), getOf(0, 5, "3"), putOf(3, 4, "4"), getOf(3, 6, "4"),
			deleteOf(5, 9), failed(6, 8, "2", "4"), deleteOf(7, 13),
		},
		"the writer before an unknown one": {
			putOf(-2, 2, "1"), getOf(0, 7, "1"), swapOf(0, 10, "2", "3"), unknown(swapOf(2, 0, "1", "2")), silentDelete(5, 6, ""), deleteOf(8, 11),
		},
		"the writer before an added put": {
			putOf(0, 0, "0"), swapOf(0, 7, "0", "1"), deleteOf(7, 7), silentDelete(3, 3, ""), getOf(0, 0, "1"),
		},
		"the writer before a delete": {
			ifPresentAt(-1, 2, "1"), getOf(0, 2, "1"), silentDelete(0, 3, "1"), getOf(2, 6, ""), unknown(ifPresentAt(3, 0, "3")),
			getOf(3, 9, "3"), unknown(putOf(4, 0, "2")), getOf(16, 18, "2"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := model.Key{}
			if operations[0].Condition.Kind == history.MustExist {
				spec.Initial = history.Of("first")
			}
			r := (&oracle{}).mustJudge(t, spec, prepared(operations))
			require.True(t, r.Applies && !r.Linearizable, "%+v", r)
		})
	}
}

// ifPresentAt is a put that must find the key.
func ifPresentAt(invoke, ret int64, value string) history.Operation {
	o := putOf(invoke, ret, value)
	o.Condition.Kind = history.MustExist
	return o
}

// silentDelete is a delete, perhaps of one value only, that does not say whether it found the key.
func silentDelete(invoke, ret int64, value string) history.Operation {
	o := deleteOf(invoke, ret)
	o.Existed = history.NotSaid
	if value != "" {
		o.Condition = history.Condition{Kind: history.ValueEquals, Value: history.Of(value)}
	}
	return o
}

// TestFailedIfPresentReadsAnAbsence: the result does not say what was met, but there is only one thing that it can have been.
func TestFailedIfPresentReadsAnAbsence(t *testing.T) {
	o := putOf(2, 3, "b")
	o.Condition.Kind, o.Outcome = history.MustExist, history.ConditionFailed
	r := (&oracle{}).mustJudge(t, model.Key{}, prepared([]history.Operation{putOf(0, 1, "a"), o}))
	require.Equal(t, Result{Applies: true, Conflict: []int32{0, 1}}, r)
}

// TestRevisionOfTwoWritesTellsNeither leaves a condition on a reused revision to the next tier.
func TestRevisionOfTwoWritesTellsNeither(t *testing.T) {
	o := putOf(4, 5, "c")
	o.Condition = history.Condition{Kind: history.RevisionEquals, Revision: 7}
	ops := prepared([]history.Operation{putOf(0, 9, "a"), putOf(0, 9, "b"), o})
	ops[0].Wrote, ops[1].Wrote = 7, 7
	require.Equal(t, Result{Why: whyRevision}, Check(model.Key{}, ops, true))
	ops[1].Wrote = 8
	require.True(t, (&oracle{}).mustJudge(t, model.Key{}, ops).Linearizable)
}

func TestHeapPopsInOrder(t *testing.T) {
	ranks := []uint64{5, 3, 9, 3, 0, 7, 1, 8, 2, 6}
	var h heap
	for i := range ranks {
		h.push(int32(i), ranks)
	}
	var popped []int32
	for len(h) > 0 {
		popped = append(popped, h.pop(ranks))
	}
	require.Equal(t, []int32{4, 6, 8, 1, 3, 0, 9, 5, 7, 2}, popped)
}
