package storage

import (
	"fmt"
	"io"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

const testDir = "/data"

// testIdentity is that of a node that joined: its log has no founding place, so that tests count entries from 1.
var testIdentity = Identity{Cluster: "blue", Node: 7, Instance: cluster.Instance{1, 2, 3}, Join: true}

func tinyOptions() Options { return Options{SegmentBytes: 1 << 10, DiskReserveBytes: -1} }

func entry(index, term uint64, data string) *raftpb.Entry {
	return &raftpb.Entry{Index: &index, Term: &term, Type: raftpb.EntryType_EntryNormal.Enum(), Data: []byte(data)}
}

func entryRun(first, last, term uint64) []*raftpb.Entry {
	var list []*raftpb.Entry
	for i := first; i <= last; i++ {
		list = append(list, entry(i, term, fmt.Sprintf("entry %d of term %d", i, term)))
	}
	return list
}

func newDir(t testing.TB) *vfs.Mem {
	fsys := vfs.NewMem()
	require.NoError(t, Create(fsys, testDir, testIdentity))
	return fsys
}

func start(t testing.TB, fsys vfs.FS, o Options) (*Store, Recovered) {
	t.Helper()
	s, err := Open(fsys, testDir, o)
	require.NoError(t, err)
	r, err := s.Recover()
	require.NoError(t, err)
	return s, r
}

func put(t testing.TB, s *Store, appends ...cluster.Append) {
	t.Helper()
	_, err := s.Append(appends)
	require.NoError(t, err)
}

func synced(entries []*raftpb.Entry) cluster.Append {
	return cluster.Append{Entries: entries, Sync: true}
}

func snapshotAt(t testing.TB, s *Store, index, term uint64) {
	t.Helper()
	w, err := s.CreateSnapshot(cluster.SnapshotMark{Index: index, Term: term})
	require.NoError(t, err)
	require.NoError(t, w.Write([]byte(fmt.Sprintf("state at %d", index))))
	require.NoError(t, w.Write([]byte("more of it")))
	require.NoError(t, w.Commit())
}

// lines are entries as text, to compare.
func lines(entries []*raftpb.Entry) []string {
	out := []string{}
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%d/%d %v %q", e.GetIndex(), e.GetTerm(), e.GetType(), e.GetData()))
	}
	return out
}

func TestStartOfANewDirectory(t *testing.T) {
	fsys := newDir(t)
	s, r := start(t, fsys, tinyOptions())
	require.Equal(t, Recovered{Epoch: 1}, r)
	require.Equal(t, testIdentity, s.Identity())
	require.NoError(t, s.Close())
	_, r = start(t, fsys, tinyOptions())
	require.Equal(t, uint64(2), r.Epoch)
	require.True(t, r.Restarted)
}

func TestEntriesHardStateAndRollsComeBack(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	hard := cluster.HardState{Term: 3, Vote: 2, Commit: 90}
	for i := uint64(1); i <= 100; i++ {
		put(t, s, synced([]*raftpb.Entry{entry(i, 3, fmt.Sprint("value ", i))}))
	}
	put(t, s, cluster.Append{HardState: hard, Sync: true})
	put(t, s, synced(entryRun(95, 97, 4)))
	require.Greater(t, s.Stats().Segments, 3)
	require.NoError(t, s.Close())

	_, r := start(t, fsys, tinyOptions())
	require.Equal(t, hard, r.HardState)
	require.Len(t, r.Entries, 97)
	require.Equal(t, lines(entryRun(95, 97, 4)), lines(r.Entries[94:]))
	require.Equal(t, `94/3 EntryNormal "value 94"`, lines(r.Entries[93:94])[0])
}

func TestGiantEntryGetsASegmentOfItsSize(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	giant := make([]byte, 100_000)
	giant[99_999] = 7
	put(t, s, synced(entryRun(1, 1, 1)), synced([]*raftpb.Entry{entry(2, 1, string(giant))}), synced(entryRun(3, 3, 1)))
	require.NoError(t, s.Close())
	_, r := start(t, fsys, tinyOptions())
	require.Len(t, r.Entries, 3)
	require.Equal(t, giant, r.Entries[1].Data)
}

func TestBigAppendIsDividedAndComesBack(t *testing.T) {
	fsys := newDir(t)
	o := Options{DiskReserveBytes: -1, SegmentBytes: 4 << 20}
	s, _ := start(t, fsys, o)
	var list []*raftpb.Entry
	for i := uint64(1); i <= 100; i++ {
		list = append(list, entry(i, 1, string(make([]byte, 100_000))))
	}
	put(t, s, cluster.Append{Entries: list, HardState: cluster.HardState{Term: 1, Commit: 100}, Sync: true})
	require.NoError(t, s.Close())
	_, r := start(t, fsys, o)
	require.Equal(t, lines(list), lines(r.Entries))
	require.Equal(t, uint64(100), r.HardState.Commit)
}

func TestSnapshotMarkVoidsTheLog(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	put(t, s, synced(entryRun(1, 50, 1)))
	snapshotAt(t, s, 200, 5)
	mark := cluster.SnapshotMark{Index: 200, Term: 5}
	put(t, s, cluster.Append{Snapshot: mark, HardState: cluster.HardState{Term: 5, Commit: 200}, Entries: entryRun(201, 203, 5), Sync: true})
	require.NoError(t, s.Compact(200))
	require.NoError(t, s.Close())

	s, r := start(t, fsys, tinyOptions())
	require.Equal(t, mark, r.Snapshot)
	require.Equal(t, lines(entryRun(201, 203, 5)), lines(r.Entries))
	require.Equal(t, uint64(200), r.HardState.Commit)
	rd, err := s.OpenSnapshot(cluster.SnapshotMark{})
	require.NoError(t, err)
	require.Equal(t, mark, rd.Mark())
	chunk, err := rd.Next()
	require.NoError(t, err)
	require.Equal(t, "state at 200", string(chunk))
	_, err = rd.Next()
	require.NoError(t, err)
	_, err = rd.Next()
	require.Equal(t, io.EOF, err)
}

func TestCompactDropsSegmentsAndRecyclesThem(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	for i := uint64(1); i <= 200; i++ {
		put(t, s, synced(entryRun(i, i, 1)))
		if i%50 == 0 {
			snapshotAt(t, s, i-10, 1)
			require.NoError(t, s.Compact(i-20))
		}
	}
	recycled := 0
	for _, seg := range s.log.segments {
		recycled += int(seg.flags)
	}
	require.Positive(t, recycled)
	require.NoError(t, s.Close())
	_, r := start(t, fsys, tinyOptions())
	require.Equal(t, uint64(190), r.Snapshot.Index)
	require.Greater(t, r.Entries[0].GetIndex(), uint64(50))
	require.LessOrEqual(t, r.Entries[0].GetIndex(), uint64(141)) // the fallback to snapshot 140 is kept
	require.Equal(t, uint64(200), r.Entries[len(r.Entries)-1].GetIndex())
}
