package storage

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

func TestRealDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "node")
	fsys := vfs.OS()
	o := Options{SegmentBytes: 64 << 10, DiskReserveBytes: -1}
	require.NoError(t, Create(fsys, dir, testIdentity))
	var last uint64
	for round := range uint64(4) {
		s, err := Open(fsys, dir, o)
		require.NoError(t, err)
		r, err := s.Recover()
		require.NoError(t, err)
		require.Equal(t, round+1, r.Epoch)
		if n := len(r.Entries); last > 0 {
			require.Equal(t, last, r.Entries[n-1].GetIndex())
		}
		for range 100 {
			put(t, s, synced([]*raftpb.Entry{entry(last+1, round+1, fmt.Sprintf("%0900d", last)), entry(last+2, round+1, "x")}))
			last += 2
		}
		snapshotAt(t, s, last-10, round+1)
		require.NoError(t, s.Compact(last-20))
		_, err = Open(fsys, dir, o)
		var locked *vfs.LockedError
		require.ErrorAs(t, err, &locked)
		require.Positive(t, locked.PID)
		require.NoError(t, s.Close())
	}
	s, err := Open(fsys, dir, o)
	require.NoError(t, err)
	r, err := s.Recover()
	require.NoError(t, err)
	require.Equal(t, cluster.SnapshotMark{Index: last - 10, Term: 4}, r.Snapshot)
	require.NoError(t, s.Close())
}

// BenchmarkAppend syncs each batch on the disk that holds temporary files.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) { benchmarkAppend(b, vfs.OS(), b.TempDir(), n) })
	}
}

// BenchmarkEncode leaves the disk out.
func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) { benchmarkAppend(b, discard{vfs.OS()}, b.TempDir(), n) })
	}
}

func benchmarkAppend(b *testing.B, fsys vfs.FS, dir string, n int) {
	require.NoError(b, Create(fsys, dir, testIdentity))
	s, err := Open(fsys, dir, Options{DiskReserveBytes: -1})
	require.NoError(b, err)
	_, err = s.Recover()
	require.NoError(b, err)
	defer s.Close()
	data := make([]byte, 300)
	entries := make([]*raftpb.Entry, n)
	for i := range entries {
		entries[i] = entry(0, 1, string(data))
	}
	index := uint64(0)
	appends := []cluster.Append{{Entries: entries, Sync: true}}
	b.ReportAllocs()
	b.SetBytes(int64(300 * n))
	before := s.Stats().Syncs
	for b.Loop() {
		for _, e := range entries {
			index++
			*e.Index = index
		}
		if _, err := s.Append(appends); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Stats().Syncs-before)/float64(b.N), "syncs/op")
}

// discard opens files that take writes and syncs, and do nothing with those of frames.
type discard struct{ vfs.FS }

func (d discard) Create(name string) (vfs.File, error) {
	f, err := d.FS.Create(name)
	return discardFile{f}, err
}

type discardFile struct{ vfs.File }

func (f discardFile) WriteAt(p []byte, off int64) (int, error) {
	if off == 0 {
		return f.File.WriteAt(p, off)
	}
	return len(p), nil
}

func (discardFile) SyncData() error { return nil }
