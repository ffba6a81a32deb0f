package storage

import (
	"math/rand"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
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

// A start removes an empty first segment. Its name must be gone for good before a later segment is dropped: otherwise a loss of
// power may bring the first one back and take the second one away, and that looks like a hole.
func TestSupersededSegmentsAreGoneBeforeOthersAreDropped(t *testing.T) {
	for seed := range int64(64) {
		choose := rand.New(rand.NewSource(seed)).Intn
		o := Options{SegmentBytes: 1 << 10, DiskReserveBytes: -1, SnapshotsKept: 1}
		fsys := newDir(t)
		start(t, fsys, o) // writes nothing into its segment
		fsys = fsys.Crash(choose)
		s, _ := start(t, fsys, o)
		put(t, s, synced(entryRun(1, 3, 1)))
		fsys = fsys.Crash(choose)
		s, _ = start(t, fsys, o)
		put(t, s, cluster.Append{HardState: cluster.HardState{Term: 1, Commit: 3}, Sync: true})
		snapshotAt(t, s, 3, 1)
		fsys.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpSyncDir {
				return errPower
			}
			return nil
		})
		require.ErrorIs(t, s.Compact(3), errPower)
		fsys = fsys.Crash(choose)
		start(t, fsys, o)
	}
}
