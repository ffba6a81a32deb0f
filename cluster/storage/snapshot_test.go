package storage

import (
	"errors"
	"io"
	"io/fs"
	"sync"
	"syscall"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/stretchr/testify/require"
)

// Writers and readers of snapshots run beside appends and compactions.
func TestSnapshotsBesideAppends(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	put(t, s, synced(entryRun(1, 500, 1)))
	var group sync.WaitGroup
	for n := range uint64(3) {
		group.Go(func() {
			for i := range uint64(20) {
				w, err := s.CreateSnapshot(cluster.SnapshotMark{Index: 10*i + n + 1, Term: 1})
				if err == nil {
					err = errors.Join(w.Write([]byte("state")), w.Commit())
				}
				if err != nil {
					t.Error(err)
				}
				readNewest(t, s)
			}
		})
	}
	for i := uint64(501); i < 600; i++ {
		put(t, s, synced(entryRun(i, i, 1)))
		require.NoError(t, s.Compact(s.Stats().SnapshotIndex))
	}
	group.Wait()
	require.NoError(t, s.Close())
	_, r := start(t, fsys, tinyOptions())
	require.Equal(t, uint64(193), r.Snapshot.Index)
}

// readNewest may find that the file was replaced by a newer one meanwhile, but never one that is not whole.
func readNewest(t *testing.T, s *Store) {
	r, err := s.OpenSnapshot(cluster.SnapshotMark{})
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	chunk, err := r.Next()
	if err != nil || string(chunk) != "state" {
		t.Error(chunk, err)
	}
	if _, err = r.Next(); err != io.EOF {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestSnapshotOnAFullDiskFailsItsWriterOnly(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	put(t, s, synced(entryRun(1, 3, 1)))
	w, err := s.CreateSnapshot(cluster.SnapshotMark{Index: 3, Term: 1})
	require.NoError(t, err)
	_, err = s.CreateSnapshot(cluster.SnapshotMark{Index: 3, Term: 1})
	require.ErrorContains(t, err, "is being written")
	fsys.SetCapacity(1)
	require.ErrorIs(t, w.Write(make([]byte, 100)), syscall.ENOSPC)
	require.ErrorIs(t, w.Commit(), syscall.ENOSPC)
	w.Abort()
	fsys.SetCapacity(0)
	put(t, s, synced(entryRun(4, 4, 1)))
	snapshotAt(t, s, 3, 1)
	require.Equal(t, uint64(3), s.Stats().SnapshotIndex)
}

func TestSnapshotSyncErrorIsFinal(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	put(t, s, synced(entryRun(1, 3, 1)))
	w, err := s.CreateSnapshot(cluster.SnapshotMark{Index: 3, Term: 1})
	require.NoError(t, err)
	fsys.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			return syscall.EIO
		}
		return nil
	})
	require.ErrorIs(t, w.Commit(), syscall.EIO)
	w.Abort()
	fsys.SetHook(nil)
	var failed *FailedError
	_, err = s.Append([]cluster.Append{synced(entryRun(4, 4, 1))})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, s.snapshotPath(cluster.SnapshotMark{Index: 3, Term: 1})+tempSuffix, failed.File)
}
