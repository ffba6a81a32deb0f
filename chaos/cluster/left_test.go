package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// sleeper starts a process in a group of its own that would outlive the test.
func sleeper(t *testing.T) *exec.Cmd {
	c := exec.Command("sleep", "600")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, c.Start())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = c.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-gone
	})
	return c
}

// runs makes a folder of runs with what one of them has left.
func runs(t *testing.T, l left) string {
	dir := t.TempDir()
	one := filepath.Join(dir, "one")
	require.NoError(t, os.MkdirAll(filepath.Join(one, "data", "node-1"), 0o755))
	l.Dirs = append(l.Dirs, filepath.Join(one, "data"))
	require.NoError(t, l.write(one))
	require.NoError(t, os.Symlink("one", filepath.Join(dir, "last")))
	return dir
}

// ended is a process that is no more, as a mark of it would look.
func ended(t *testing.T) mark {
	c := exec.Command("sleep", "600")
	require.NoError(t, c.Start())
	m := markOf(c.Process.Pid)
	require.NotEmpty(t, m.Started)
	require.NoError(t, c.Process.Kill())
	_ = c.Wait() // it was killed
	return m
}

func TestSweepEndsWhatAKilledRunLeft(t *testing.T) {
	c := sleeper(t)
	require.NoError(t, syscall.Kill(c.Process.Pid, syscall.SIGSTOP)) // a node that is paused
	m := markOf(c.Process.Pid)
	dir := runs(t, left{Harness: ended(t), Processes: []mark{m}})
	did, err := Sweep(dir)
	require.NoError(t, err)
	require.Len(t, did, 2)
	require.False(t, m.runs())
	require.NoDirExists(t, filepath.Join(dir, "one", "data"))
	require.NoFileExists(t, filepath.Join(dir, "one", leftName))
	did, err = Sweep(dir)
	require.NoError(t, err)
	require.Empty(t, did)
}

// The number of a process that was noted may belong to another one by now.
func TestSweepTouchesNoStranger(t *testing.T) {
	c := sleeper(t)
	stranger := mark{PID: c.Process.Pid, Started: "long ago"}
	dir := runs(t, left{Harness: ended(t), Processes: []mark{stranger, {PID: 0}, {PID: 1}, {PID: -1}}})
	did, err := Sweep(dir)
	require.NoError(t, err)
	require.Len(t, did, 1)
	require.True(t, markOf(c.Process.Pid).runs())
}

func TestSweepLeavesARunThatGoesOn(t *testing.T) {
	c := sleeper(t)
	m := markOf(c.Process.Pid)
	dir := runs(t, left{Harness: markOf(os.Getpid()), Processes: []mark{m}})
	did, err := Sweep(dir)
	require.NoError(t, err)
	require.Empty(t, did)
	require.True(t, m.runs())
	require.FileExists(t, filepath.Join(dir, "one", leftName))
}

// Only folders within the run's own are removed.
func TestSweepRemovesNothingElse(t *testing.T) {
	elsewhere := t.TempDir()
	dir := runs(t, left{Harness: ended(t), Dirs: []string{elsewhere}})
	_, err := Sweep(dir)
	require.NoError(t, err)
	require.DirExists(t, elsewhere)
}

func TestSweepTellsOfANoteThatItCannotRead(t *testing.T) {
	dir := runs(t, left{Harness: ended(t)})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one", leftName), []byte("{"), 0o644))
	_, err := Sweep(dir)
	require.ErrorContains(t, err, leftName)
}
