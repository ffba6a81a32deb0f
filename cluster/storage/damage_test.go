package storage

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/stretchr/testify/require"
)

// written is a directory with entries 1 to 9, each synced by itself in one segment, and where the frames of each are.
func written(t *testing.T, o Options) (fsys *vfs.Mem, name string, offsets []int64) {
	t.Helper()
	fsys = newDir(t)
	s, _ := start(t, fsys, o)
	for i := uint64(1); i <= 9; i++ {
		offsets = append(offsets, s.log.end())
		put(t, s, synced(entryRun(i, i, 1)))
	}
	require.Equal(t, 1, s.Stats().Segments)
	offsets = append(offsets, s.log.end())
	name = s.log.current().name
	require.NoError(t, s.Close())
	return fsys, name, offsets
}

func wide() Options { return Options{SegmentBytes: 4 << 10, DiskReserveBytes: -1} }

// recoverError is what a start says.
func recoverError(t *testing.T, fsys vfs.FS, o Options) error {
	t.Helper()
	s, err := Open(fsys, testDir, o)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Recover()
	return err
}

func edit(t *testing.T, fsys *vfs.Mem, name string, change func(b []byte) []byte) {
	t.Helper()
	b, err := fsys.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, fsys.WriteFile(name, change(b)))
}

// A log that loses its last 5 bytes loses one entry, goes on from there, and starts again.
func TestLastFiveBytesLost(t *testing.T) {
	for _, how := range []string{"file cut", "zeros"} {
		t.Run(how, func(t *testing.T) {
			fsys, name, off := written(t, wide())
			edit(t, fsys, name, func(b []byte) []byte {
				if how == "file cut" {
					return b[:off[9]-5]
				}
				clear(b[off[9]-12 : off[9]]) // 7 of them are the frame's padding
				return b
			})
			s, r := start(t, fsys, wide())
			require.Equal(t, lines(entryRun(1, 8, 1)), lines(r.Entries))
			require.Positive(t, r.TailCutBytes)
			put(t, s, synced(entryRun(9, 12, 2)))
			require.NoError(t, s.Close())
			for range 2 {
				s, r = start(t, fsys, wide())
				require.Equal(t, append(lines(entryRun(1, 8, 1)), lines(entryRun(9, 12, 2))...), lines(r.Entries))
				require.Zero(t, r.TailCutBytes)
				require.NoError(t, s.Close())
			}
		})
	}
}

func TestDamageBelowTheDurableOffsetIsCorruption(t *testing.T) {
	for at := 0; at < 9; at++ {
		for _, shift := range []int64{0, 5, 8, 16, 30, 60} {
			fsys, name, off := written(t, wide())
			require.NoError(t, fsys.FlipBit(name, off[at]+shift, 3))
			before, err := fsys.ReadFile(name)
			require.NoError(t, err)
			err = recoverError(t, fsys, wide())
			if at == 8 {
				require.NoError(t, err, "the last synced write can't be told from a torn one")
				continue
			}
			var damage *CorruptionError
			require.ErrorAs(t, err, &damage, "frame %d byte %d", at, shift)
			require.Equal(t, off[at], damage.Offset)
			require.Equal(t, uint64(2), damage.Segment)
			after, err := fsys.ReadFile(name)
			require.NoError(t, err)
			require.True(t, bytes.Equal(before, after), "nothing was changed")
		}
	}
}

func TestFrameBehindTheTearIsCutAndStaysCut(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	put(t, s, synced(entryRun(1, 1, 1)))
	second := s.log.end()
	for i := uint64(2); i <= 4; i++ {
		put(t, s, cluster.Append{Entries: entryRun(i, i, 1)}) // not synced: 3 may survive without 2
	}
	name := s.log.current().name
	require.NoError(t, s.Close())
	edit(t, fsys, name, func(b []byte) []byte { clear(b[second : second+40]); return b })
	s, r := start(t, fsys, wide())
	require.Equal(t, lines(entryRun(1, 1, 1)), lines(r.Entries))
	// A frame of the same length in the place of 2 would make 3 and 4 fit again.
	put(t, s, synced(entryRun(2, 2, 2)))
	require.NoError(t, s.Close())
	_, r = start(t, fsys, wide())
	require.Equal(t, append(lines(entryRun(1, 1, 1)), lines(entryRun(2, 2, 2))...), lines(r.Entries))
}

// A start reads what a failed sync left in the page cache; it must be on disk when it is returned.
func TestWhatAFailedSyncLeftIsWrittenAgain(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	put(t, s, synced(entryRun(1, 3, 1)))
	fsys.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			return syscall.EIO
		}
		return nil
	})
	_, err := s.Append([]cluster.Append{synced(entryRun(4, 6, 1))})
	var failed *FailedError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "sync", failed.Op)
	fsys.SetHook(nil)
	// Final, although the disk would take it now.
	_, again := s.Append([]cluster.Append{synced(entryRun(7, 7, 1))})
	require.Equal(t, err, again)
	require.Equal(t, err, s.Compact(0))
	_, again = s.CreateSnapshot(cluster.SnapshotMark{Index: 1, Term: 1})
	require.Equal(t, err, again)
	require.NoError(t, s.Close())

	_, r := start(t, fsys, wide())
	require.Len(t, r.Entries, 6)
	_, r = start(t, fsys.Crash(func(int) int { return 0 }), wide())
	require.Len(t, r.Entries, 6)
}

func TestFullDiskIsFinalAndTheNodeStartsAgain(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	free, err := fsys.FreeBytes(testDir)
	require.NoError(t, err)
	require.Positive(t, free)
	fsys.SetCapacity(4 << 10)
	var last uint64
	for last = 1; ; last++ {
		if _, err = s.Append([]cluster.Append{synced(entryRun(last, last, 1))}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, again := s.Append(nil)
	require.Equal(t, err, again)
	require.NoError(t, s.Close())
	fsys.SetCapacity(6 << 10)
	s, r := start(t, fsys, tinyOptions())
	require.GreaterOrEqual(t, len(r.Entries), int(last-1))
	put(t, s, synced(entryRun(uint64(len(r.Entries))+1, uint64(len(r.Entries))+1, 2)))
}

func TestLowDiskIsReported(t *testing.T) {
	fsys := newDir(t)
	fsys.SetCapacity(20 << 10)
	s, _ := start(t, fsys, Options{SegmentBytes: 1 << 10, DiskReserveBytes: 8 << 10})
	low, at := false, uint64(0)
	for at = 1; !low && at < 500; at++ {
		var err error
		low, err = s.Append([]cluster.Append{synced(entryRun(at, at, 1))})
		require.NoError(t, err)
	}
	require.True(t, low)
	free := s.Stats().FreeBytes
	require.Less(t, free, int64(9<<10))
	require.Greater(t, free, int64(6<<10))
	snapshotAt(t, s, at-1, 1)
	require.NoError(t, s.Compact(at-1))
	low, err := s.Append(nil)
	require.NoError(t, err)
	require.False(t, low, "room again after compaction")
}

// rolled is a directory with at least 6 segments.
func rolled(t *testing.T) (fsys *vfs.Mem, names []string) {
	t.Helper()
	fsys = newDir(t)
	s, _ := start(t, fsys, tinyOptions())
	for i := uint64(1); i <= 80; i++ {
		put(t, s, synced(entryRun(i, i, 1)))
	}
	for _, seg := range s.log.segments {
		names = append(names, seg.name)
	}
	require.Greater(t, len(names), 5)
	require.NoError(t, s.Close())
	return fsys, names
}

func TestMissingSegments(t *testing.T) {
	fsys, names := rolled(t)
	require.NoError(t, fsys.Remove(names[3]))
	var damage *CorruptionError
	require.ErrorAs(t, recoverError(t, fsys, tinyOptions()), &damage)
	require.Equal(t, names[3], damage.File)
	require.Contains(t, damage.Reason, "missing")

	fsys, names = rolled(t)
	require.NoError(t, fsys.Remove(names[0]))
	var missing *SnapshotError
	require.ErrorAs(t, recoverError(t, fsys, tinyOptions()), &missing)
	require.Greater(t, missing.First, uint64(1))
	require.Contains(t, missing.Error(), "there is none")

	fsys, names = rolled(t)
	for _, name := range names {
		require.NoError(t, fsys.Remove(name))
	}
	require.ErrorAs(t, recoverError(t, fsys, tinyOptions()), &damage)
	require.Contains(t, damage.Reason, "no segment")
}

func TestDamageInOlderSegmentsIsCorruption(t *testing.T) {
	fsys, names := rolled(t)
	size := int64(1 << 10)
	for off := int64(0); off < size; off += 7 {
		changed := fsys.Crash(func(int) int { return 0 })
		require.NoError(t, changed.FlipBit(names[2], off, uint(off)))
		err := recoverError(t, changed, tinyOptions())
		var damage *CorruptionError
		var format *FormatError
		if errors.As(err, &format) {
			require.True(t, off >= 8 && off < 12)
			continue
		}
		if err == nil {
			// Only what no segment counts as its own: the rest behind the end.
			require.Greater(t, off, size-100)
			continue
		}
		require.ErrorAs(t, err, &damage)
		require.Equal(t, names[2], damage.File)
	}
}

func TestHalfHeaderIsCorruption(t *testing.T) {
	for _, keep := range []int{0, 7, 30, 71, 90, 150} {
		fsys, name, _ := written(t, wide())
		edit(t, fsys, name, func(b []byte) []byte { return b[:keep] })
		var damage *CorruptionError
		require.ErrorAs(t, recoverError(t, fsys, wide()), &damage, "%d bytes", keep)
	}
}

func TestRecycledFramesNeverCount(t *testing.T) {
	fsys, name, off := written(t, wide())
	s, err := Open(fsys, testDir, wide())
	require.NoError(t, err)
	_, err = s.Recover()
	require.NoError(t, err)
	current := s.log.current().name
	require.NoError(t, s.Close())
	// The frames of the old segment, byte for byte, at their offsets behind the new one's head.
	old, err := fsys.ReadFile(name)
	require.NoError(t, err)
	edit(t, fsys, current, func(b []byte) []byte {
		copy(b[off[0]:], old[off[0]:])
		le.PutUint32(b[12:], segmentRecycled)
		return b
	})
	// The flag is under the header's checksum, so write the header anew as well.
	edit(t, fsys, current, func(b []byte) []byte {
		seg := segmentHeader{flags: segmentRecycled, owner: testIdentity.owner(), seq: le.Uint64(b[48:])}
		head, _ := appendSegmentHead(nil, seg, decodeCheckpoint(b[segmentHeaderBytes+frameHeaderBytes:]))
		return append(head, b[len(head):]...)
	})
	_, r := start(t, fsys, wide())
	require.Len(t, r.Entries, 9)
	require.Zero(t, r.TailCutBytes)
}

func TestForeignAndNewerFilesAreRefusedByName(t *testing.T) {
	fsys, name, _ := written(t, wide())
	for field, id := range map[string]Identity{
		"cluster":  {Cluster: "green", Node: 7, Instance: testIdentity.Instance},
		"node":     {Cluster: "blue", Node: 8, Instance: testIdentity.Instance},
		"instance": {Cluster: "blue", Node: 7, Instance: cluster.Instance{9}},
	} {
		moved := fsys.Crash(func(int) int { return 0 })
		require.NoError(t, moved.WriteFile(path.Join(testDir, identityName), encodeIdentity(id)))
		var other *IdentityError
		require.ErrorAs(t, recoverError(t, moved, wide()), &other)
		require.Equal(t, field, other.Field)
		require.Equal(t, name, other.File)
	}
	edit(t, fsys, name, func(b []byte) []byte { b[8]++; return b })
	var format *FormatError
	require.ErrorAs(t, recoverError(t, fsys, wide()), &format)
	require.Equal(t, FormatError{File: name, Version: 2, Supported: 1}, *format)

	edit(t, fsys, path.Join(testDir, identityName), func(b []byte) []byte {
		return bytes.Replace(b, []byte("identity 1"), []byte("identity 2"), 1)
	})
	require.ErrorAs(t, recoverError(t, fsys, wide()), &format)
	require.Equal(t, path.Join(testDir, identityName), format.File)
}

func TestReadErrorsAreNotDamage(t *testing.T) {
	fsys, name, _ := written(t, wide())
	before, err := fsys.ReadFile(name)
	require.NoError(t, err)
	reads := 0
	fsys.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpRead && op.Name == name {
			if reads++; reads == 2 {
				return syscall.EIO
			}
		}
		return nil
	})
	err = recoverError(t, fsys, wide())
	var failed *FailedError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "read", failed.Op)
	fsys.SetHook(nil)
	after, err := fsys.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, r := start(t, fsys, wide())
	require.Len(t, r.Entries, 9)
}

func TestDamagedSnapshotFallsBackAsFarAsTheLogReaches(t *testing.T) {
	build := func() (*vfs.Mem, *Store) {
		fsys := newDir(t)
		s, _ := start(t, fsys, tinyOptions())
		for i := uint64(1); i <= 100; i++ {
			put(t, s, synced(entryRun(i, i, 1)))
		}
		snapshotAt(t, s, 60, 1)
		snapshotAt(t, s, 90, 1)
		require.NoError(t, s.Compact(85))
		return fsys, s
	}
	fsys, s := build()
	newest, older := s.snapshotPath(cluster.SnapshotMark{Index: 90, Term: 1}), s.snapshotPath(cluster.SnapshotMark{Index: 60, Term: 1})
	require.NoError(t, s.Close())
	whole, err := fsys.ReadFile(newest)
	require.NoError(t, err)
	for _, damage := range []func(){
		func() { require.NoError(t, fsys.Remove(newest)) },
		func() { require.NoError(t, fsys.WriteFile(newest, whole[:len(whole)-trailerBytes])) },
		func() { require.NoError(t, fsys.WriteFile(newest, whole[:10])) },
		func() { require.NoError(t, fsys.WriteFile(newest, append(bytes.Clone(whole), 0))) },
		func() { require.NoError(t, fsys.FlipBit(newest, int64(len(whole)/2), 1)) },
	} {
		require.NoError(t, fsys.WriteFile(newest, whole))
		damage()
		s, r := start(t, fsys, tinyOptions())
		require.Equal(t, uint64(60), r.Snapshot.Index)
		require.LessOrEqual(t, r.Entries[0].GetIndex(), uint64(61))
		require.Equal(t, uint64(100), r.Entries[len(r.Entries)-1].GetIndex())
		require.NoError(t, s.Close())
	}
	require.NoError(t, fsys.Remove(older))
	var missing *SnapshotError
	err = recoverError(t, fsys, tinyOptions())
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), path.Base(newest)+": damaged at offset")
}

func TestMarkWithoutItsFile(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	mark := cluster.SnapshotMark{Index: 50, Term: 3}
	require.Panics(t, func() { _, _ = s.Append([]cluster.Append{{Snapshot: mark, Sync: true}}) })
	snapshotAt(t, s, 50, 3)
	put(t, s, cluster.Append{Snapshot: mark, Sync: true})
	require.NoError(t, s.Close())
	require.NoError(t, fsys.Remove(s.snapshotPath(mark)))
	err := recoverError(t, fsys, wide())
	var missing *SnapshotError
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), snapshotName(mark))
}

func TestReceivedSnapshotThatRaftDidNotAcceptIsPassedOver(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	put(t, s, synced(entryRun(1, 10, 1)))
	snapshotAt(t, s, 8, 1)
	for i := uint64(100); i < 105; i++ {
		snapshotAt(t, s, i, 4)
	}
	require.Equal(t, uint64(8), s.Stats().SnapshotIndex)
	require.Panics(t, func() { _ = s.Compact(100) })
	require.NoError(t, s.Close())
	names, err := fsys.List(path.Join(testDir, snapshotDir))
	require.NoError(t, err)
	require.Len(t, names, 1+unanchoredKept, "they are bounded")
	_, r := start(t, fsys, wide())
	require.Equal(t, cluster.SnapshotMark{Index: 8, Term: 1}, r.Snapshot)
	require.Equal(t, uint64(8), r.HardState.Commit)
	require.Len(t, r.SnapshotsRejected, unanchoredKept)
	require.Contains(t, r.SnapshotsRejected[0], "not accepted")
}

// Found by the simulator: the mark of a snapshot that the node had accepted waited for a slow log, while newer snapshots arrived and
// drove its file out.
func TestHeldSnapshotOutlivesNewerOnes(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	put(t, s, synced(entryRun(1, 10, 1)))
	held := cluster.SnapshotMark{Index: 100, Term: 4}
	snapshotAt(t, s, held.Index, held.Term)
	require.True(t, s.Hold(held))
	for i := uint64(101); i < 105; i++ {
		snapshotAt(t, s, i, 4)
	}
	put(t, s, cluster.Append{Snapshot: held, Sync: true, HardState: cluster.HardState{Term: 4, Commit: held.Index}})
	require.Equal(t, held.Index, s.Stats().SnapshotIndex)

	for i := uint64(110); i < 110+HeldMax; i++ {
		require.True(t, s.Hold(cluster.SnapshotMark{Index: i, Term: 4}), "the append let the first one go")
	}
	require.False(t, s.Hold(cluster.SnapshotMark{Index: 120, Term: 4}), "they are bounded")
	s.Release(cluster.SnapshotMark{Index: 110, Term: 4})
	require.True(t, s.Hold(cluster.SnapshotMark{Index: 120, Term: 4}))
	require.NoError(t, s.Err())
}

// The same snapshot may arrive twice, and be taken once.
func TestHoldsOfOneMarkEndTogether(t *testing.T) {
	fsys := newDir(t)
	s, _ := start(t, fsys, wide())
	held := cluster.SnapshotMark{Index: 100, Term: 4}
	snapshotAt(t, s, held.Index, held.Term)
	for range HeldMax {
		require.True(t, s.Hold(held))
	}
	put(t, s, cluster.Append{Snapshot: held, Sync: true, HardState: cluster.HardState{Term: 4, Commit: held.Index}})
	for i := range uint64(HeldMax) {
		require.True(t, s.Hold(cluster.SnapshotMark{Index: 110 + i, Term: 4}))
	}
}

func TestAppendsThatWouldBreakTheLogPanic(t *testing.T) {
	for name, a := range map[string]cluster.Append{
		"gap":             {Entries: entryRun(12, 12, 2)},
		"replaces commit": {Entries: entryRun(5, 6, 3)},
		"hole inside":     {Entries: append(entryRun(11, 11, 2), entryRun(13, 13, 2)...)},
		"term back":       {HardState: cluster.HardState{Term: 1, Commit: 5}},
		"second vote":     {HardState: cluster.HardState{Term: 2, Vote: 3, Commit: 5}},
		"commit back":     {HardState: cluster.HardState{Term: 3, Commit: 4}},
		"commit above":    {HardState: cluster.HardState{Term: 3, Commit: 40}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := start(t, newDir(t), wide())
			put(t, s, cluster.Append{Entries: entryRun(1, 10, 2), HardState: cluster.HardState{Term: 2, Vote: 1, Commit: 5}, Sync: true})
			require.Panics(t, func() { _, _ = s.Append([]cluster.Append{a}) })
		})
	}
}

func TestCreateRefusesADirectoryInUse(t *testing.T) {
	fsys := newDir(t)
	require.ErrorIs(t, Create(fsys, testDir, testIdentity), fs.ErrExist)
	s, err := Open(fsys, testDir, wide())
	require.NoError(t, err)
	_, err = Open(fsys, testDir, wide())
	var locked *vfs.LockedError
	require.ErrorAs(t, err, &locked)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Append(nil)
	require.Equal(t, ErrClosed, err)

	// An identity that was deleted by hand does not turn a log into nothing.
	fsys, _, _ = written(t, wide())
	require.NoError(t, fsys.Remove(path.Join(testDir, identityName)))
	require.ErrorIs(t, Create(fsys, testDir, testIdentity), fs.ErrExist)
	_, err = Open(fsys, testDir, wide())
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Inspect(fsys, testDir)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRestartsDoNotPileUpSegments(t *testing.T) {
	fsys, _, _ := written(t, wide())
	for range 20 {
		s, r := start(t, fsys, wide())
		require.Len(t, r.Entries, 9)
		require.LessOrEqual(t, s.Stats().Segments, 2)
		put(t, s, cluster.Append{HardState: cluster.HardState{Term: 10 + r.Epoch, Vote: 7}, Sync: true})
		require.NoError(t, s.Close())
	}
	_, r := start(t, fsys, wide())
	require.Equal(t, 10+r.Epoch-1, r.HardState.Term)
	names, err := fsys.List(path.Join(testDir, logDir))
	require.NoError(t, err)
	require.Len(t, names, 2)
}

func TestDump(t *testing.T) {
	fsys, name, off := written(t, wide())
	dump := func() string {
		calls := fsys.Calls()
		var b strings.Builder
		require.NoError(t, Dump(fsys, testDir, &b, DumpOptions{DataBytes: 4}))
		require.Equal(t, calls, fsys.Calls(), "nothing was changed")
		return b.String()
	}
	text := dump()
	require.Contains(t, text, "    9/1 EntryNormal bytes 17 656e7472\n")
	require.Contains(t, text, "entries 1 to 9; 0 bytes of unsynced tail to cut\n")
	require.NoError(t, fsys.FlipBit(name, off[3]+2, 0))
	text = dump()
	require.Contains(t, text, "entries 3 to 3\n")
	require.Contains(t, text, "  damage: ")
	require.Contains(t, text, "recovery: refused: ")
	edit(t, fsys, name, func(b []byte) []byte { return b[:20] })
	require.Contains(t, dump(), "file ends within the segment header")
}
