package storage

import (
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/stretchr/testify/require"
)

func foundingDir(t *testing.T) *vfs.Mem {
	fsys := vfs.NewMem()
	id := testIdentity
	id.Join = false
	require.NoError(t, Create(fsys, testDir, id))
	return fsys
}

func TestFoundingPlaceOfTheLog(t *testing.T) {
	fsys := foundingDir(t)
	s, r := start(t, fsys, tinyOptions())
	require.Equal(t, Recovered{Epoch: 1, HardState: cluster.HardState{Term: cluster.FoundingTerm, Commit: cluster.FoundingIndex}}, r)
	put(t, s, synced(entryRun(cluster.FoundingIndex+1, 4, 2)))
	require.NoError(t, s.Close())

	s, r = start(t, fsys, tinyOptions())
	require.Equal(t, lines(entryRun(2, 4, 2)), lines(r.Entries))
	require.Zero(t, r.Snapshot)
	require.Panics(t, func() { _, _ = s.Append([]cluster.Append{synced(entryRun(1, 1, 2))}) }, "the founding place is no entry to replace")
	require.NoError(t, s.Close())
}

func TestMeetKeepsTheFirstInstance(t *testing.T) {
	fsys := foundingDir(t)
	s, err := Open(fsys, testDir, tinyOptions())
	require.NoError(t, err)
	first, second := cluster.Instance{1}, cluster.Instance{2}
	require.NoError(t, s.Meet(3, first))
	require.NoError(t, s.Meet(2, second))
	require.NoError(t, s.Meet(3, first), "again")
	want := []Met{{Node: 2, Instance: second}, {Node: 3, Instance: first}}
	require.Equal(t, want, s.Identity().Met)

	var other *OtherInstanceError
	require.ErrorAs(t, s.Meet(3, second), &other)
	require.Equal(t, OtherInstanceError{Node: 3, Known: first, Seen: second}, *other)
	require.Equal(t, want, s.Identity().Met)

	// It was durable before Meet returned.
	require.NoError(t, s.Close())
	id, err := Inspect(fsys.Crash(func(int) int { return 0 }), testDir)
	require.NoError(t, err)
	require.Equal(t, want, id.Met)
}
