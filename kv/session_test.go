package kv

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func first(key string, revision uint64) Result {
	return Result{Revision: revision, CreateRevision: revision, ModRevision: revision, Version: 1}
}

func replayed(r Result) Result {
	r.Replayed = true
	return r
}

func TestSessionOpenAndClose(t *testing.T) {
	runSteps(t, newMachine(t, Options{}), []step{
		{open(7), Result{Session: 1}},
		{open(8), Result{Session: 2}},
		{open(7), Result{Session: 1, Replayed: true}},
		{closing(1), Result{}},
		{closing(1), Result{Status: SessionExpired}},
		{put("a", "1").in(1, 1, 0), Result{Status: SessionExpired}},
		{open(7), Result{Session: 3}}, // an id is never used again
		{closing(99), Result{Status: SessionExpired}},
	})
}

func TestSessionReplaysResults(t *testing.T) {
	m := newMachine(t, Options{})
	exists := Result{Status: ConditionFailed, Existed: true, Revision: 2, CreateRevision: 1, ModRevision: 1, Version: 1}
	gone := Result{Existed: true, Revision: 3, CreateRevision: 1, ModRevision: 1, Version: 1}
	runSteps(t, m, []step{
		{open(1), Result{Session: 1}},
		{put("a", "1").in(1, 1, 0), first("a", 1)},
		{put("b", "1").in(1, 3, 0), first("b", 2)}, // out of order
		{put("a", "2").when(MustNotExist).in(1, 2, 0), exists},
		{remove("a").in(1, 4, 0), gone},
		{put("a", "1").in(1, 1, 0), replayed(first("a", 1))},
		{put("b", "1").in(1, 3, 0), replayed(first("b", 2))},
		{put("a", "2").when(MustNotExist).in(1, 2, 0), replayed(exists)}, // it failed then, so it fails now
		{remove("a").in(1, 4, 0), replayed(gone)},
	})
	_, revision, found := m.Get([]byte("a"))
	require.False(t, found, "a replay changes nothing")
	require.EqualValues(t, 3, revision)
}

func TestSessionFloor(t *testing.T) {
	runSteps(t, newMachine(t, Options{SessionWindow: 4}), []step{
		{open(1), Result{Session: 1}},
		{put("a", "1").in(1, 5, 0), Result{Status: SequenceOutOfWindow}}, // 1..4 are open
		{put("a", "1").in(1, 4, 0), first("a", 1)},
		{put("b", "1").in(1, 6, 4), first("b", 2)}, // acknowledging and using in one command
		{put("c", "1").in(1, 3, 0), Result{Status: SequenceAcknowledged, Revision: 2}},
		{put("a", "1").in(1, 4, 0), replayed(first("a", 1))},
		{put("a", "1").in(1, 4, 2), replayed(first("a", 1))},                           // the floor never falls
		{put("d", "1").in(1, 99, 8), Result{Status: SequenceOutOfWindow, Revision: 2}}, // the floor rises to 8 all the same
		{put("b", "1").in(1, 6, 0), Result{Status: SequenceAcknowledged, Revision: 2}},
		{put("d", "1").in(1, 11, 8), first("d", 3)},
		{put("e", "1").in(1, 12, 12), first("e", 4)},
		{put("f", "1").in(1, 112, 112), first("f", 5)}, // a hundred writes in between were refused by a node and never got here
		{put("e", "1").in(1, 12, 0), Result{Status: SequenceAcknowledged, Revision: 5}},
		{put("g", "1").in(1, SequenceMax, 0), Result{Status: SequenceOutOfWindow, Revision: 5}},
		{put("g", "1").in(1, SequenceMax+1, 0), Result{Status: Invalid, Revision: 5}},
		{put("g", "1").in(1, math.MaxUint64, math.MaxUint64), Result{Status: Invalid, Revision: 5}},
		{put("g", "1").in(1, SequenceMax, SequenceMax), first("g", 6)},
	})
}

func TestSessionSequenceReused(t *testing.T) {
	m := newMachine(t, Options{})
	original := func() *Command { return put("a", "1").when(RevisionEquals, 1).in(2, 1, 0) }
	applyAll(t, m, put("a", "0"), open(1), open(2), original())
	reused := Result{Status: SequenceReused, Revision: 2}
	runSteps(t, m, []step{
		{put("a", "2").when(RevisionEquals, 1).in(2, 1, 0), reused},
		{put("b", "1").when(RevisionEquals, 1).in(2, 1, 0), reused},
		{put("a1", "").when(RevisionEquals, 1).in(2, 1, 0), reused}, // the same bytes, cut elsewhere
		{put("a", "1").when(RevisionEquals, 2).in(2, 1, 0), reused},
		{put("a", "1").in(2, 1, 0), reused},
		{remove("a").in(2, 1, 0), reused},
		{original().in(2, 1, 1), Result{Existed: true, Replayed: true, Revision: 2, CreateRevision: 1, ModRevision: 2, Version: 2}},
	})
}

func TestSessionEviction(t *testing.T) {
	m := newMachine(t, Options{SessionsMax: 3})
	applyAll(t, m, open(1), open(2), open(3))
	applyAll(t, m, put("a", "1").in(1, 1, 0), open(2)) // order of use is now 3, 1, 2
	runSteps(t, m, []step{
		{open(4), Result{Session: 4, Revision: 1}},
		{put("a", "2").in(3, 1, 0), Result{Status: SessionExpired, Revision: 1}},
		{put("a", "1").in(1, 1, 0), replayed(first("a", 1))},
		{put("a", "9").in(2, 999, 0), Result{Status: SequenceOutOfWindow, Revision: 1}}, // a refused number is a use, too
		{open(5), Result{Session: 5, Revision: 1}},
		{put("a", "3").in(4, 1, 0), Result{Status: SessionExpired, Revision: 1}},
		{open(3), Result{Session: 6, Revision: 1}}, // its nonce went with it
		{put("a", "3").in(1, 2, 0), Result{Status: SessionExpired, Revision: 1}},
	})
	require.EqualValues(t, 3, m.Stats().SessionsEvicted)
	require.Equal(t, 3, m.Stats().Sessions)
}

func TestSessionRingGrowsAsNeeded(t *testing.T) {
	m := newMachine(t, Options{SessionWindow: 100})
	applyAll(t, m, open(1))
	s := &m.sessions.entries[0]
	require.Empty(t, s.ring, "an idle session has no results")
	applyAll(t, m, put("a", "1").in(1, 1, 0))
	require.Len(t, s.ring, ringLengthMin)
	for sequence := uint64(2); sequence < 1000; sequence++ {
		applyAll(t, m, put("a", "1").in(1, sequence, sequence-1))
	}
	require.Len(t, s.ring, ringLengthMin, "a client that waits for each answer needs no more")
	applyAll(t, m, put("b", "1").in(1, 999+99, 999))
	require.Len(t, s.ring, 128)
	require.NotNil(t, s.outcome(999))
	for sequence := uint64(999); sequence < 999+100; sequence++ {
		applyAll(t, m, put("a", "1").in(1, sequence, 0))
	}
	require.Len(t, s.ring, 128, "the window bounds it")
}

// A session's results at the time of Freeze are what the snapshot holds, whatever happens to the session meanwhile.
func TestSessionsAreFrozen(t *testing.T) {
	m := newMachine(t, Options{SessionsMax: 3})
	applyAll(t, m, open(1), open(2), open(3))
	for sequence := uint64(1); sequence <= 8; sequence++ {
		applyAll(t, m, put("a", "1").in(1, sequence, 0), put("b", "1").in(2, sequence, 0))
	}
	want := m.StateHash()
	s := m.Freeze(Meta{Index: m.Applied()})
	applyAll(t, m, put("a", "1").in(1, 9, 9), put("a", "1").in(1, 10, 0), put("b", "9").in(2, 17, 9))
	applyAll(t, m, closing(2), open(4), open(5), open(6), put("z", "1").in(4, 1, 0))
	restored, _ := restore(t, chunksOf(s), Options{})
	require.Equal(t, want, restored.StateHash())
	m.Thaw()
}
