package storage

import (
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// golden compares with a file in testdata, so that no change of a format goes unnoticed. With LOCKSTEP_UPDATE=1 it writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("LOCKSTEP_UPDATE") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestGoldenBytes(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	put(t, s,
		cluster.Append{HardState: cluster.HardState{Term: 2, Vote: 7}, Sync: true},
		cluster.Append{Entries: entryRun(1, 2, 2), HardState: cluster.HardState{Term: 2, Vote: 7, Commit: 1}, Sync: true})
	name, end := s.log.current().name, s.log.end()
	snapshotAt(t, s, 9, 3)
	put(t, s, cluster.Append{Snapshot: cluster.SnapshotMark{Index: 9, Term: 3}, HardState: cluster.HardState{Term: 3, Commit: 9}, Sync: true})
	end = max(end, s.log.end())
	require.NoError(t, s.Close())

	segment, err := fsys.ReadFile(name)
	require.NoError(t, err)
	snapshot, err := fsys.ReadFile(path.Join(testDir, snapshotDir, "0000000000000009-0000000000000003.snap"))
	require.NoError(t, err)
	id := testIdentity
	id.Formed = true
	id.Founding = cluster.Membership{
		Members: []cluster.Member{{ID: 7, Instance: id.Instance, Peer: "127.0.0.1:1", HTTP: "a b:2", GRPC: ""}, {ID: 8, Learner: true}},
		Removed: []uint64{3},
	}
	golden(t, "segment.hex", hex.Dump(segment[:end]))
	golden(t, "snapshot.hex", hex.Dump(snapshot))
	golden(t, "identity.txt", string(encodeIdentity(id)))
	back, err := decodeIdentity("x", encodeIdentity(id))
	require.NoError(t, err)
	require.Equal(t, id, back)
	var text strings.Builder
	require.NoError(t, Dump(fsys, testDir, &text, DumpOptions{}))
	golden(t, "dump.txt", text.String())
}

// FuzzRecord: what decodes encodes to the same bytes.
func FuzzRecord(f *testing.F) {
	for _, r := range []record{
		{hard: cluster.HardState{Term: 1, Vote: 2, Commit: 3}},
		{mark: cluster.SnapshotMark{Index: 4, Term: 5}},
		{mark: cluster.SnapshotMark{Index: 4, Term: 5}, hard: cluster.HardState{Term: 6}, entries: entryRun(5, 7, 6)},
	} {
		b := appendRecord(nil, r, 0, 0, 0)
		f.Add(b[13], b[frameHeaderBytes:frameHeaderBytes+r.payloadBytes()])
	}
	f.Fuzz(func(t *testing.T, parts byte, payload []byte) {
		d, reason := decodeRecord(frameParts(parts), payload)
		if reason != "" {
			return
		}
		r := record{mark: d.mark, hard: d.hard}
		d.eachEntry(func(e rawEntry) bool {
			r.entries = append(r.entries, &raftpb.Entry{Index: &e.index, Term: &e.term, Type: &e.kind, Data: e.data})
			return true
		})
		b := appendRecord(nil, r, 0, 0, 0)
		require.Equal(t, parts, b[13])
		require.Equal(t, payload, b[frameHeaderBytes:frameHeaderBytes+len(payload)])
	})
}

// FuzzFrameHeader: no header is accepted that would not be written so.
func FuzzFrameHeader(f *testing.F) {
	f.Add(appendRecord(nil, record{entries: entryRun(1, 1, 1)}, 176, 99, 176)[:frameHeaderBytes], uint32(99), int64(176))
	f.Fuzz(func(t *testing.T, b []byte, seed uint32, offset int64) {
		offset &= 1<<31 - 1
		h, reason := decodeFrameHeader(b, seed, offset, 1<<20)
		if reason != "" {
			return
		}
		require.LessOrEqual(t, h.bytes(), int64(1<<20))
		require.LessOrEqual(t, h.durable, offset)
	})
}

// FuzzRecover mutates the newest segment: whatever it holds, Recover ends, without a panic, and what it returns comes back.
func FuzzRecover(f *testing.F) {
	fsys := newDir(f)
	s, _ := start(f, fsys, wide())
	put(f, s, synced(entryRun(1, 5, 1)), cluster.Append{HardState: cluster.HardState{Term: 2, Vote: 1, Commit: 3}})
	put(f, s, synced(entryRun(4, 6, 2)))
	name, end := s.log.current().name, s.log.end()
	require.NoError(f, s.Close())
	whole, err := fsys.ReadFile(name)
	require.NoError(f, err)
	f.Add(whole[:end], false)
	f.Add(whole[:end-9], true)
	f.Add(append(append([]byte{}, whole[:segmentFirstFrame]...), whole[end-100:]...), true)
	f.Fuzz(func(t *testing.T, b []byte, reseal bool) {
		if reseal {
			sealAll(b)
		}
		mem := fsys.Crash(func(int) int { return 0 })
		require.NoError(t, mem.WriteFile(name, b))
		s, err := Open(mem, testDir, wide())
		require.NoError(t, err)
		r, err := s.Recover()
		require.NoError(t, s.Close())
		require.NoError(t, Dump(mem, testDir, new(strings.Builder), DumpOptions{DataBytes: 8}))
		if err != nil {
			return
		}
		_, again := start(t, mem.Crash(func(int) int { return 0 }), wide())
		require.Equal(t, lines(r.Entries), lines(again.Entries))
		require.Equal(t, r.HardState, again.HardState)
		require.Equal(t, r.Epoch+1, again.Epoch)
	})
}

// sealAll makes checksums right, so that the fuzzer gets behind them.
func sealAll(b []byte) {
	if len(b) < segmentFirstFrame {
		return
	}
	h := segmentHeader{owner: testIdentity.owner(), seq: 2}
	head, seed := appendSegmentHead(nil, h, decodeCheckpoint(b[segmentHeaderBytes+frameHeaderBytes:]))
	copy(b, head)
	for off := int64(segmentFirstFrame); off+frameHeaderBytes <= int64(len(b)); {
		size := int64(le.Uint32(b[off+8:]))
		end := off + frameHeaderBytes + align(size)
		if end > int64(len(b)) {
			return
		}
		clear(b[off+frameHeaderBytes+size : end])
		sealed := append([]byte{}, b[off:off+frameHeaderBytes+size]...)
		sealed = sealFrame(sealed, 0, off, seed, frameKind(b[off+12]), frameParts(b[off+13]), int64(le.Uint64(b[off+16:])))
		copy(b[off:end], sealed)
		off = end
	}
}

// FuzzSnapshot: a file reads whole, or not.
func FuzzSnapshot(f *testing.F) {
	mark := cluster.SnapshotMark{Index: 3, Term: 1}
	fsys := newDir(f)
	s, _ := start(f, fsys, wide())
	snapshotAt(f, s, 3, 1)
	whole, err := fsys.ReadFile(s.snapshotPath(mark))
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := vfs.NewMem()
		require.NoError(t, mem.WriteFile("/x", b))
		_, err := verifySnapshot(mem, "/x", mark, testIdentity.owner().cluster)
		if err == nil && string(b) != string(whole) {
			require.GreaterOrEqual(t, len(b), snapshotHeaderBytes+trailerBytes)
		}
	})
}

// FuzzIdentity: what decodes encodes to the same bytes.
func FuzzIdentity(f *testing.F) {
	f.Add(encodeIdentity(testIdentity))
	f.Add(encodeIdentity(Identity{Cluster: "x\n\"y", Node: 1, Formed: true, Founding: cluster.Membership{Members: []cluster.Member{{ID: 1, Peer: "p q"}}, Removed: []uint64{9}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := decodeIdentity("x", b)
		if err == nil {
			require.Equal(t, string(b), string(encodeIdentity(id)))
		}
	})
}
