package up

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/stretchr/testify/require"
)

// A shell stands in for a node: its extra arguments (--exit-with-parent-fd 3) become $1 and $2.
func startShell(t *testing.T, script string) *process {
	t.Helper()
	p, err := newStarter().start("/bin/sh", []string{"-c", script, "node"}, os.Environ(), t.TempDir())
	require.NoError(t, err)
	return p
}

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		script, reason string
		final          bool
	}{
		{"exit 0", "ended with code 0", false},
		{"echo first; echo the reason >&2; exit 65", "ended with code 65: the reason", true},
		{"echo 'lockstep: its directory was lost' >&2; exit 65", "ended with code 65: its directory was lost", true},
		{"exit 1", "ended with code 1", false},
		{"kill -9 $$", "killed by signal 9 (killed)", false},
	} {
		e := startShell(t, c.script).wait()
		require.Equal(t, c.reason, e.reason)
		require.Equal(t, c.final, e.final())
	}
}

func TestAChildSeesTheEndOfItsPipe(t *testing.T) {
	p := startShell(t, `cat <&"$2"; echo the parent is gone; exit 7`)
	require.NoError(t, p.alive.Close())
	e := p.wait()
	require.Equal(t, 7, e.code)
	require.Contains(t, e.reason, "the parent is gone")
}

func TestAChildHasAProcessGroupOfItsOwn(t *testing.T) {
	p := startShell(t, "read line <&\"$2\"")
	group, err := syscall.Getpgid(p.pid())
	require.NoError(t, err)
	require.Equal(t, p.pid(), group)
	require.NoError(t, p.alive.Close())
	p.wait()
}

func TestALargeLogIsMovedAside(t *testing.T) {
	dir := t.TempDir()
	f, err := openLog(dir)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(nodeLogBytesMax+1))
	require.NoError(t, f.Close())
	f, err = openLog(dir)
	require.NoError(t, err)
	defer f.Close()
	size, err := fileSize(f)
	require.NoError(t, err)
	require.Zero(t, size)
	require.FileExists(t, logName(dir)+".1")
}

// The lock's holder has to be another process: a process never sees its own record locks. The test binary plays it.
const holdVariable = "UP_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		holdUntilSignal(dir)
		return
	}
	os.Exit(m.Run())
}

func holdUntilSignal(dir string) {
	unlock, err := lock(dir)
	if err != nil {
		os.Exit(3)
	}
	defer unlock()
	if err := os.WriteFile(filepath.Join(dir, "held"), nil, 0o600); err != nil {
		os.Exit(4)
	}
	select {} // SIGTERM ends the process
}

func startHolder(t *testing.T, dir string) *process {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	p, err := newStarter().start(binary, nil, append(os.Environ(), holdVariable+"="+dir), t.TempDir())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "held"))
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	return p
}

func TestTheLockTellsItsHolder(t *testing.T) {
	dir := t.TempDir()
	pid, err := holder(dir)
	require.NoError(t, err)
	require.Zero(t, pid)

	p := startHolder(t, dir)
	pid, err = holder(dir)
	require.NoError(t, err)
	require.Equal(t, p.pid(), pid)
	_, err = lock(dir)
	require.Equal(t, exit.Unavailable, exit.CodeOf(err))
	require.ErrorContains(t, err, "(pid "+strconv.Itoa(pid)+")")
	_, err = examine(dir, Wish{})
	require.Equal(t, exit.Unavailable, exit.CodeOf(err))

	ended := make(chan ending, 1)
	go func() { ended <- p.wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stopped, err := Down(ctx, dir)
	require.NoError(t, err)
	require.Equal(t, pid, stopped)
	require.True(t, strings.HasPrefix((<-ended).reason, "killed by signal 15"))

	stopped, err = Down(ctx, dir)
	require.NoError(t, err)
	require.Zero(t, stopped)
}
