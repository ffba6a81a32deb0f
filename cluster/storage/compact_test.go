package storage

import (
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/stretchr/testify/require"
)

// markOver is a log of several segments, and a received snapshot in the middle of it whose mark is appended.
func markOver(t *testing.T, sync bool) (*Store, func() Recovered) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	for i := uint64(1); i <= 80; i++ {
		put(t, s, synced(entryRun(i, i, 1)))
	}
	snapshotAt(t, s, 10, 1)
	snapshotAt(t, s, 50, 9)
	put(t, s, cluster.Append{Snapshot: cluster.SnapshotMark{Index: 50, Term: 9}, HardState: cluster.HardState{Term: 9, Commit: 50}, Sync: sync})
	return s, func() Recovered {
		_, r := start(t, fsys.Crash(func(int) int { return 0 }), tinyOptions())
		return r
	}
}

func TestCompactDropsWhatAMarkVoided(t *testing.T) {
	s, crashed := markOver(t, true)
	require.Greater(t, s.Stats().Segments, 5)
	require.NoError(t, s.Compact(50))
	require.Equal(t, 1, s.Stats().Segments, "although entries up to 80 were in the others")
	r := crashed()
	require.Equal(t, uint64(50), r.Snapshot.Index)
	require.Empty(t, r.Entries)
}

func TestCompactWaitsForAMarkThatIsNotDurable(t *testing.T) {
	s, crashed := markOver(t, false)
	require.NoError(t, s.Compact(0))
	require.Equal(t, uint64(50), crashed().Snapshot.Index)
}

func TestCompactKeepsWhatIsNeeded(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	for i := uint64(1); i <= 80; i++ {
		put(t, s, synced(entryRun(i, i, 1)))
	}
	require.Panics(t, func() { _ = s.Compact(1) }, "there is no snapshot")
	snapshotAt(t, s, 40, 1)
	require.Panics(t, func() { _ = s.Compact(41) })
	for index := uint64(0); index <= 40; index++ {
		require.NoError(t, s.Compact(index))
		_, r := start(t, fsys.Crash(func(int) int { return 0 }), tinyOptions())
		require.LessOrEqual(t, r.Entries[0].GetIndex(), index+1)
		require.Equal(t, uint64(80), r.Entries[len(r.Entries)-1].GetIndex())
	}
	require.Less(t, s.Stats().Segments, 5)
	_, err := s.Append(nil)
	require.NoError(t, err)
}
