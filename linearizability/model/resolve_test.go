package model

import (
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/stretchr/testify/require"
)

func unknownPut(value string, at int64) history.Operation {
	return history.Operation{Kind: history.Put, Value: history.Of(value), Invoke: at, Return: history.Forever}
}

// failedAt is a condition that failed and tells only the revision that it met.
func failedAt(revision uint64, at int64) history.Operation {
	return history.Operation{Kind: history.Put, Value: history.Of("x"), Condition: history.Condition{Kind: history.MustNotExist},
		Outcome: history.ConditionFailed, Revision: revision, KeyRevision: revision, Invoke: at, Return: at + 1}
}

func readAt(value string, revision uint64, at int64) history.Operation {
	return history.Operation{Kind: history.Get, Outcome: history.Done, Observed: history.Of(value), Revision: revision, KeyRevision: revision, Invoke: at, Return: at + 1}
}

func swapAt(value string, expected, revision uint64, at int64) history.Operation {
	return history.Operation{Kind: history.Put, Value: history.Of(value), Condition: history.Condition{Kind: history.RevisionEquals, Revision: expected},
		Outcome: history.Done, Revision: revision, Invoke: at, Return: at + 1}
}

func unknownSwap(value string, expected uint64, at int64) history.Operation {
	return history.Operation{Kind: history.Put, Value: history.Of(value), Condition: history.Condition{Kind: history.RevisionEquals, Revision: expected}, Invoke: at, Return: history.Forever}
}

func donePut(value string, revision uint64, at int64) history.Operation {
	return history.Operation{Kind: history.Put, Value: history.Of(value), Outcome: history.Done, Revision: revision, Invoke: at, Return: at + 1}
}

// emptyDelete found nothing, and does not say so.
func emptyDelete(revision uint64, at int64) history.Operation {
	return history.Operation{Kind: history.Delete, Outcome: history.Done, Revision: revision, Invoke: at, Return: at + 1}
}

func TestRevisionsOfUnknownWrites(t *testing.T) {
	for name, c := range map[string]struct {
		ops   []history.Operation
		wrote []uint64
		guess bool
	}{
		"read":                        {[]history.Operation{unknownPut("a", 1), readAt("a", 7, 5)}, []uint64{7, 0}, false},
		"met by a failed condition":   {[]history.Operation{unknownPut("a", 1), failedAt(7, 5)}, []uint64{7, 0}, false},
		"asked for by a condition":    {[]history.Operation{unknownPut("a", 1), swapAt("b", 7, 8, 5)}, []uint64{7, 8}, false},
		"invoked too late":            {[]history.Operation{failedAt(7, 5), unknownPut("a", 9)}, []uint64{0, 0}, false},
		"a value decides before none": {[]history.Operation{unknownPut("a", 1), unknownPut("b", 2), failedAt(7, 5), readAt("b", 7, 8)}, []uint64{0, 7, 0, 0}, false},
		"one of two, nobody asks":     {[]history.Operation{unknownPut("a", 1), unknownPut("b", 2), failedAt(7, 5)}, []uint64{0, 0, 0}, false},
		"one of two, somebody asks":   {[]history.Operation{unknownPut("a", 1), unknownPut("b", 2), swapAt("c", 7, 8, 5)}, []uint64{0, 7, 8}, true},
		"an append may have it":       {[]history.Operation{{Kind: history.Append, Value: history.Of("a"), Invoke: 1, Return: history.Forever}, swapAt("c", 7, 8, 5)}, []uint64{0, 8}, true},
		"nobody wrote it":             {[]history.Operation{readAt("a", 7, 5)}, []uint64{0}, false},
		"an unknown condition asks":   {[]history.Operation{unknownPut("a", 1), unknownSwap("b", 1, 3), readAt("b", 2, 5)}, []uint64{0, 2, 0}, true},
		"a write that tells none":     {[]history.Operation{donePut("a", 0, 1), swapAt("b", 7, 8, 5)}, []uint64{0, 8}, true},
		"a delete owns no value":      {[]history.Operation{unknownPut("a", 1), emptyDelete(7, 3), swapAt("b", 7, 8, 5)}, []uint64{7, 7, 8}, false},
		"all told":                    {[]history.Operation{donePut("a", 7, 1), swapAt("b", 7, 8, 5)}, []uint64{7, 8}, false},
	} {
		h := &history.History{Origin: history.Origin{Revisions: history.Contract}, Operations: c.ops}
		indices := make([]int32, len(c.ops))
		for i := range indices {
			indices[i] = int32(i)
		}
		p, err := Prepare(h, indices)
		require.NoError(t, err)
		var wrote []uint64
		for _, o := range p.Ops {
			wrote = append(wrote, o.Wrote)
		}
		require.Equal(t, c.wrote, wrote, name)
		require.Equal(t, c.guess, p.Guess != "", "%s: %s", name, p.Guess)
	}
}

// What a write of unknown outcome wrote may be met, under whatever revision, and a swap on it finds it.
func TestAnUnknownWriteThatOnlyConditionsMet(t *testing.T) {
	ops := []history.Operation{unknownPut("a", 1), failedAt(7, 5), swapAt("b", 7, 8, 10), readAt("b", 8, 12)}
	h := &history.History{Origin: history.Origin{Revisions: history.Contract}, Operations: ops}
	p, err := Prepare(h, []int32{0, 1, 2, 3})
	require.NoError(t, err)
	require.NoError(t, Key{Contract: true}.Replay(p.Ops, []int32{0, 1, 2, 3}))
	require.ErrorContains(t, Key{Contract: true}.Replay(p.Ops, []int32{1, 0, 2, 3}), "does not fit")
}

func TestReplayRefusesWhatIsNoLinearization(t *testing.T) {
	spec := Key{}
	put := history.Operation{Kind: history.Put, Value: history.Of("a"), Outcome: history.Done, Invoke: 0, Return: 10}
	get := history.Operation{Kind: history.Get, Observed: history.Of("a"), Outcome: history.Done, Invoke: 20, Return: 30}
	lost := history.Operation{Kind: history.Put, Value: history.Of("b"), Invoke: 5, Return: history.Forever}
	ops := []Op{{Operation: &put}, {Operation: &get}, {Operation: &lost}}
	require.NoError(t, spec.Replay(ops, []int32{0, 1}))
	require.NoError(t, spec.Replay(ops, []int32{0, 1, 2}))
	require.NoError(t, spec.Replay(ops, []int32{2, 0, 1}))
	for want, order := range map[string][]int32{
		"is missing": {0}, "there twice": {0, 0, 1}, "does not exist": {0, 1, 3}, "does not fit": {0, 2, 1},
	} {
		require.ErrorContains(t, spec.Replay(ops, order), want)
	}
	get.Observed = history.Absent
	require.ErrorContains(t, spec.Replay(ops, []int32{1, 0}), "which precedes it", "in time, the get is second")
}

// One write has one revision, in whatever way it becomes known.
func TestARevisionIsLearned(t *testing.T) {
	spec := Key{Contract: true}
	late := func(revision, key uint64, at int64) history.Operation {
		o := readAt("a", revision, at)
		o.KeyRevision = key
		return o
	}
	for name, c := range map[string]struct {
		ops  []history.Operation
		fits bool
	}{
		"met twice under one":         {[]history.Operation{unknownPut("a", 1), late(5, 3, 5), late(6, 3, 8)}, true},
		"met under two":               {[]history.Operation{unknownPut("a", 1), late(5, 3, 5), late(6, 4, 8)}, false},
		"older than what was there":   {[]history.Operation{donePut("x", 4, 0), unknownPut("a", 2), late(6, 3, 8)}, false},
		"a write without one has one": {[]history.Operation{donePut("x", 0, 0), donePut("a", 1, 2)}, false},
	} {
		var ops []Op
		var order []int32
		for i := range c.ops {
			op := Op{Operation: &c.ops[i]}
			if op.Outcome == history.Done && op.Kind == history.Put {
				op.Wrote = op.Revision
			}
			ops, order = append(ops, op), append(order, int32(i))
		}
		require.Equal(t, c.fits, spec.Replay(ops, order) == nil, name)
	}
}
