package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"
)

func testEntries(term, first, last uint64) (entries []*raftpb.Entry) {
	for i := first; i <= last; i++ {
		entries = append(entries, &raftpb.Entry{Term: new(term), Index: new(i), Data: []byte("12345678")})
	}
	return entries
}

func TestTailRefusesWhatDoesNotFit(t *testing.T) {
	for name, r := range map[string]Recovered{
		"a gap behind the snapshot": {Snapshot: SnapshotMark{4, 1}, Entries: testEntries(1, 6, 7)},
		"a gap between entries":     {Entries: append(testEntries(1, 1, 2), testEntries(1, 4, 5)...)},
		"commit beyond the log":     {Entries: testEntries(1, 1, 2), HardState: HardState{Term: 1, Commit: 3}},
	} {
		_, err := newTail(&r)
		require.Error(t, err, name)
	}
}

func TestTailKeepsEntriesBehindASnapshot(t *testing.T) {
	tail, err := newTail(&Recovered{Snapshot: SnapshotMark{4, 1}, Entries: testEntries(1, 2, 7), HardState: HardState{Term: 1, Commit: 2}})
	require.NoError(t, err)
	require.EqualValues(t, 7, tail.last())
	require.EqualValues(t, 4, tail.hardState.Commit, "a snapshot is committed")
	_, err = tail.Entries(2, 6, 100)
	require.ErrorIs(t, err, raft.ErrCompacted, "the first one only tells the term before the others")
	entries, err := tail.Entries(3, 8, 1)
	require.NoError(t, err)
	require.Len(t, entries, 1, "at least one entry, however small the limit")
	_, err = tail.Entries(5, 9, 100)
	require.ErrorIs(t, err, raft.ErrUnavailable)
	for i, want := range map[uint64]error{1: raft.ErrCompacted, 2: nil, 7: nil, 8: raft.ErrUnavailable} {
		_, err := tail.Term(i)
		require.ErrorIs(t, err, want)
	}
}

func TestTailDropsEntriesThatContradictTheSnapshot(t *testing.T) {
	tail, err := newTail(&Recovered{Snapshot: SnapshotMark{4, 2}, Entries: testEntries(1, 2, 4), HardState: HardState{Term: 2, Commit: 4}})
	require.NoError(t, err)
	require.EqualValues(t, 4, tail.offset)
	term, err := tail.Term(4)
	require.NoError(t, err)
	require.EqualValues(t, 2, term)
}

// TestTailAgainstMemoryStorage compares with raft's own storage, which keeps everything.
func TestTailAgainstMemoryStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tail, err := newTail(&Recovered{})
		require.NoError(t, err)
		oracle := raft.NewMemoryStorage()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			first := rapid.Uint64Range(tail.offset+1, tail.last()+1).Draw(t, "first")
			entries := testEntries(rapid.Uint64Range(1, 5).Draw(t, "term"), first, first+rapid.Uint64Range(0, 4).Draw(t, "more"))
			tail.append(entries)
			require.NoError(t, oracle.Append(entries))
			tail.trim(rapid.Uint64Range(0, tail.last()).Draw(t, "applied"), rapid.Uint64Range(0, 8).Draw(t, "entries"), 1<<20)
			require.EqualValues(t, 8*len(tail.entries), tail.bytes)
			last, _ := oracle.LastIndex()
			require.Equal(t, last, tail.last())
			for i := tail.offset + 1; i <= last; i++ {
				want, _ := oracle.Term(i)
				got, err := tail.Term(i)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		}
	})
}

func TestTailSnapshotIsOfUse(t *testing.T) {
	tail, err := newTail(&Recovered{Entries: testEntries(1, 1, 9)})
	require.NoError(t, err)
	_, err = tail.Snapshot()
	require.ErrorIs(t, err, raft.ErrSnapshotTemporarilyUnavailable, "there is none")
	require.True(t, tail.wanted)

	tail.snapshot, tail.snapshotConfState = SnapshotMark{5, 1}, &raftpb.ConfState{}
	s, err := tail.Snapshot()
	require.NoError(t, err)
	require.Equal(t, SnapshotMark{5, 1}, markOf(s))

	tail.confIndex = 6
	_, err = tail.Snapshot()
	require.Error(t, err, "it does not know the last conf change")
	tail.confIndex = 5
	tail.trim(6, 0, 0)
	_, err = tail.Snapshot()
	require.Error(t, err, "the tail does not go on from it")
}
