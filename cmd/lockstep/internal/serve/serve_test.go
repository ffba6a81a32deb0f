package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/transport"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		code exit.Code
	}{
		{nil, exit.OK},
		{&host.ConfigError{Field: "node"}, exit.Usage},
		{fmt.Errorf("recovering: %w", &storage.CorruptionError{}), exit.BadData},
		{&storage.FormatError{}, exit.BadData},
		{&host.DirectoryError{}, exit.BadData},
		{transport.OtherInstance(1, 2), exit.BadData},
		{errors.Join(errors.New("http-address"), os.NewSyscallError("bind", syscall.EADDRINUSE)), exit.Unavailable},
		{errors.New("disk"), exit.Failure},
	} {
		require.Equal(t, c.code, exit.CodeOf(classify(c.err)), "%v", c.err)
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	log, level, err := newLogger(host.LogConfig{Level: "warn", Format: "json"}, &out)
	require.NoError(t, err)
	log.Info("hidden")
	level.Set(slog.LevelInfo)
	log.Info("shown")
	require.NotContains(t, out.String(), "hidden")
	require.Contains(t, out.String(), `"msg":"shown"`)
	_, _, err = newLogger(host.LogConfig{Level: "loud"}, &out)
	require.Equal(t, exit.Usage, exit.CodeOf(err))
}

// lines is a log that goroutines may write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func config(t *testing.T) host.Config {
	c := host.Default()
	c.Node, c.DataDir = 1, filepath.Join(t.TempDir(), "data")
	c.HTTPAddress, c.GRPCAddress, c.PeerAddress, c.AdminAddress = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", ""
	c.Storage.SegmentBytes, c.Storage.DiskReserve = 1<<20, 0
	return c
}

// A node stops gracefully, and without an error, when its parent's end of the pipe is closed.
func TestANodeEndsWithItsParent(t *testing.T) {
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:])) // raw: Run takes the one, and os.File would close it once more
	var log lines
	ended := make(chan error, 1)
	go func() {
		ended <- Run(context.Background(), Options{Config: config(t), ParentFD: fds[0], Log: &log})
	}()
	require.Eventually(t, func() bool { return bytes.Contains([]byte(log.String()), []byte("listening")) }, time.Minute, 10*time.Millisecond)
	require.NoError(t, unix.Close(fds[1]))
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal(log.String())
	}
	require.Contains(t, log.String(), "the parent process is gone")
}

func TestANodeThatCannotStartSaysWhy(t *testing.T) {
	c := config(t)
	c.Node = 0
	err := Run(t.Context(), Options{Config: c, ParentFD: NoParent, Log: &lines{}})
	require.Equal(t, exit.Usage, exit.CodeOf(err))
}
