package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// systems are the two implementations, which must agree.
func systems(t *testing.T, run func(t *testing.T, fsys FS, dir string)) {
	t.Run("os", func(t *testing.T) { run(t, OS(), t.TempDir()) })
	t.Run("mem", func(t *testing.T) {
		m := NewMem()
		require.NoError(t, m.MkdirAll("/x"))
		run(t, m, "/x")
	})
}

func TestFilesAndNames(t *testing.T) {
	systems(t, func(t *testing.T, fsys FS, dir string) {
		deep := filepath.Join(dir, "a", "b")
		require.NoError(t, fsys.MkdirAll(deep))
		require.NoError(t, fsys.MkdirAll(deep))
		name := filepath.Join(deep, "one")
		f, err := fsys.Create(name)
		require.NoError(t, err)
		_, err = fsys.Create(name)
		require.ErrorIs(t, err, fs.ErrExist)
		_, err = f.WriteAt([]byte("hello"), 3)
		require.NoError(t, err)
		require.NoError(t, f.Preallocate(100))
		require.NoError(t, f.Preallocate(10))
		size, err := f.Size()
		require.NoError(t, err)
		require.Equal(t, int64(100), size)
		b := make([]byte, 10)
		_, err = f.ReadAt(b, 0)
		require.NoError(t, err)
		require.Equal(t, "\x00\x00\x00hello\x00\x00", string(b))
		require.NoError(t, f.Truncate(5))
		require.NoError(t, f.SyncData())
		require.NoError(t, f.Sync())

		other := filepath.Join(deep, "two")
		require.NoError(t, fsys.Rename(name, other))
		require.NoError(t, fsys.SyncDir(deep))
		_, err = fsys.Open(name)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.OpenReadWrite(name)
		require.ErrorIs(t, err, fs.ErrNotExist)
		r, err := fsys.Open(other)
		require.NoError(t, err)
		_, err = r.WriteAt([]byte("x"), 0)
		require.Error(t, err, "opened for reading")
		require.NoError(t, fsys.Remove(other))
		require.ErrorIs(t, fsys.Remove(other), fs.ErrNotExist)
		_, err = r.ReadAt(b[:5], 0)
		require.NoError(t, err, "a removed file stays readable")
		require.Equal(t, "\x00\x00\x00he", string(b[:5]))
		require.NoError(t, r.Close())
		require.NoError(t, f.Close())
		names, err := fsys.List(filepath.Dir(deep))
		require.NoError(t, err)
		require.Equal(t, []string{"b"}, names)
		free, err := fsys.FreeBytes(dir)
		require.NoError(t, err)
		require.Positive(t, free)
	})
}

func TestLockIsExclusive(t *testing.T) {
	systems(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "LOCK")
		lock, err := fsys.Lock(name)
		require.NoError(t, err)
		_, err = fsys.Lock(name)
		var locked *LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, name, locked.Name)
		require.NoError(t, lock.Close())
		lock, err = fsys.Lock(name)
		require.NoError(t, err)
		require.NoError(t, lock.Close())
	})
}

func TestWriteZerosCoversTheRange(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/"))
	f, err := m.Create("/x")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("abc"), 0)
	require.NoError(t, err)
	require.NoError(t, writeZeros(f, 3, 3*zeroBytes+5))
	size, err := f.Size()
	require.NoError(t, err)
	require.Equal(t, int64(3*zeroBytes+5), size)
	b, err := m.ReadFile("/x")
	require.NoError(t, err)
	require.Equal(t, "abc\x00", string(b[:4]))
}

func write(t *testing.T, m *Mem, name string, off int64, text string) File {
	t.Helper()
	f, err := m.OpenReadWrite(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = m.Create(name)
	}
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(text), off)
	require.NoError(t, err)
	return f
}

func constant(n int) func(int) int { return func(max int) int { return min(n, max-1) } }

func TestCrashKeepsOnlyWhatWasSynced(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/d"))
	a := write(t, m, "/d/a", 0, "first")
	require.NoError(t, a.SyncData())
	lost := m.Crash(constant(0))
	_, err := lost.Open("/d/a")
	require.ErrorIs(t, err, fs.ErrNotExist, "the name was not synced")

	require.NoError(t, m.SyncDir("/d"))
	write(t, m, "/d/a", 5, " second")
	write(t, m, "/d/b", 0, "new")
	require.NoError(t, m.Rename("/d/b", "/d/c"))
	for n, want := range map[int]string{0: "first", 1: "first second"} {
		after := m.Crash(constant(n))
		got, err := after.ReadFile("/d/a")
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		_, err = after.ReadFile("/d/c")
		require.Equal(t, n == 1, err == nil)
	}
}

func TestCrashKeepsALaterWriteWithoutAnEarlierOne(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/d"))
	f := write(t, m, "/d/a", 0, "----")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/d"))
	write(t, m, "/d/a", 0, "ab")
	write(t, m, "/d/a", 2, "cd")
	seen := map[string]bool{}
	for fate := range 4 {
		draws := []int{fate & 1, fate >> 1}
		after := m.Crash(func(int) int { d := draws[0]; draws = draws[1:]; return d })
		b, err := after.ReadFile("/d/a")
		require.NoError(t, err)
		seen[string(b)] = true
	}
	require.Equal(t, map[string]bool{"----": true, "ab--": true, "--cd": true, "abcd": true}, seen)
}

func TestCrashTearsAtSectors(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/d"))
	f := write(t, m, "/d/a", 0, "")
	require.NoError(t, m.SyncDir("/d"))
	_, err := f.WriteAt(fill('x', 3*SectorBytes), 100)
	require.NoError(t, err)
	crash := func(draws ...int) []byte {
		after := m.Crash(func(int) int { d := draws[0]; draws = draws[1:]; return d })
		b, err := after.ReadFile("/d/a")
		require.NoError(t, err)
		require.Len(t, b, 100+3*SectorBytes)
		return b
	}
	b := crash(2, 1, 1, 0, 1, 0) // torn, at sectors; then the parts at 100, 512, 1024 and 1536
	require.Equal(t, [4]byte{'x', 0, 'x', 0}, [4]byte{b[100], b[512], b[1024], b[1536]})
	require.Equal(t, byte('x'), b[511])
	b = crash(2, 0, 37) // torn within a sector
	require.Equal(t, [4]byte{0, 'x', 'x', 0}, [4]byte{b[99], b[100], b[136], b[137]})
}

func TestFateOfACrash(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/d"))
	write(t, m, "/d/a", 0, "")
	require.NoError(t, m.SyncDir("/d"))
	for off, text := range []string{"a", "b", "c"} {
		write(t, m, "/d/a", int64(off), text)
	}
	write(t, m, "/d/b", 0, "new")
	draws := []int{0, 0, 1, 2, 1, 1} // b's name is lost, so is a's first write; the second survives, of the third its only sector
	after := m.Crash(func(int) int { d := draws[0]; draws = draws[1:]; return d })
	require.Equal(t, Fate{NamesLost: 1, WritesLost: 1, WritesTorn: 1, Reordered: 2}, after.Fate())
	require.Zero(t, m.Fate())
	b, err := after.ReadFile("/d/a")
	require.NoError(t, err)
	require.Equal(t, "\x00bc", string(b))
}

func TestShortWrites(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/d"))
	boom := errors.New("boom")
	for bytes, want := range map[int]string{0: "", 2: "he", 5: ""} {
		name := fmt.Sprintf("/d/%d", bytes)
		f := write(t, m, name, 0, "")
		m.SetHook(func(Op) error { return &ShortWriteError{Bytes: bytes, Err: boom} })
		n, err := f.WriteAt([]byte("hello"), 0)
		m.SetHook(nil)
		require.ErrorIs(t, err, boom)
		require.Equal(t, len(want), n)
		b, err := m.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(b))
	}
}

func fill(c byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = c
	}
	return b
}

func TestHookAndCapacity(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/d"))
	boom := errors.New("boom")
	m.SetHook(func(op Op) error {
		if op.Kind == OpWrite && op.N == 3 {
			return fmt.Errorf("%s: %w", op.Name, boom)
		}
		return nil
	})
	f := write(t, m, "/d/a", 0, "1")
	_, err := f.WriteAt([]byte("2"), 0)
	require.ErrorIs(t, err, boom)
	m.SetHook(nil)
	b, err := m.ReadFile("/d/a")
	require.NoError(t, err)
	require.Equal(t, "1", string(b))
	m.SetCapacity(10)
	_, err = f.WriteAt(make([]byte, 10), 1)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, f.Preallocate(11), syscall.ENOSPC)
	_, err = f.WriteAt(make([]byte, 9), 1)
	require.NoError(t, err)
	require.NoError(t, m.FlipBit("/d/a", 0, 0))
	b, err = m.ReadFile("/d/a")
	require.NoError(t, err)
	require.Equal(t, byte('0'), b[0])
}

// A reserved file reads as zeros wherever nothing was written, also where it was cut and grew again; what a crash leaves is
// not touched by what is written afterwards before that is synced.
func TestReservedSpaceIsZeros(t *testing.T) {
	m := NewMem()
	f, err := m.Create("a")
	require.NoError(t, err)
	require.NoError(t, f.Preallocate(4096))
	_, err = f.WriteAt([]byte("written"), 100)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(103))
	require.NoError(t, f.Preallocate(200))
	_, err = f.WriteAt([]byte("x"), 120)
	require.NoError(t, err)
	want := make([]byte, 200)
	copy(want[100:], "wri")
	want[120] = 'x'
	whole := make([]byte, 300)
	n, err := f.ReadAt(whole, 0)
	require.Equal(t, io.EOF, err)
	require.Equal(t, want, whole[:n])
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("."))

	m = m.Crash(func(int) int { return 0 })
	f, err = m.OpenReadWrite("a")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("lost"), 100)
	require.NoError(t, err)
	b, durable := m.DurableFrom(nil, "a", 98)
	require.True(t, durable)
	require.Equal(t, "\x00\x00wri\x00", string(b[:6]))
	require.NoError(t, m.FlipBit("a", 199, 0))
	want[199] = 1
	copy(want[100:], "lost")
	b, err = m.ReadFile("a")
	require.NoError(t, err)
	require.Equal(t, want, b, "a flipped bit settles the file")

	m = m.Crash(func(int) int { return 0 })
	require.NoError(t, m.FlipBit("a", 0, 3))
	want[0] = 8
	for _, after := range []*Mem{m, m.Crash(func(int) int { return 0 })} {
		b, err = after.ReadFile("a")
		require.NoError(t, err)
		require.Equal(t, want, b)
	}
}
