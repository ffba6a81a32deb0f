// Package serve runs one node as a process: logs on stderr, signals, the end of the parent, and an exit code that says
// why it ended.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/transport"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/build"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
)

// NoParent means that the node runs on when its parent ends.
const NoParent = -1

// stopGrace is what a graceful stop may take beyond its own bound before the process ends anyway.
const stopGrace = 2 * time.Second

// Options of Run.
type Options struct {
	Config host.Config
	// ParentFD is a pipe that reads as ended when the parent is gone; NoParent for none.
	ParentFD int
	Log      io.Writer
}

// Run serves until SIGTERM, SIGINT or the end of the parent, and then stops gracefully. A second signal ends the process at once.
func Run(ctx context.Context, o Options) error {
	log, level, err := newLogger(o.Config.Log, o.Log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGHUP) // a closed terminal is no reason to stop serving
	ctx = endWithParent(ctx, o.ParentFD, log)

	h, err := host.Open(o.Config, host.Dependencies{Logger: log, LogLevel: level, Version: build.Current().Version})
	if err != nil {
		return classify(err)
	}
	defer context.AfterFunc(ctx, func() {
		stop() // from now on a signal has its default effect
		time.AfterFunc(time.Duration(o.Config.Server.StopTimeout)+stopGrace, func() { abandon(log) })
	})()
	return classify(h.Run(ctx))
}

// abandon ends a process whose stop hangs. What was acknowledged is durable.
func abandon(log *slog.Logger) {
	log.Error("the stop takes too long, ending at once")
	os.Exit(int(exit.Internal))
}

func newLogger(c host.LogConfig, w io.Writer) (*slog.Logger, *slog.LevelVar, error) {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, nil, exit.New(exit.Usage, "one of debug, info, warn, error", "log.level is %q", c.Level)
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level, nil
	}
	return slog.New(slog.NewTextHandler(w, o)), level, nil
}

// endWithParent returns a context that also ends when the pipe's other end is closed, which the kernel does when the parent
// ends, however it ends.
func endWithParent(ctx context.Context, fd int, log *slog.Logger) context.Context {
	if fd == NoParent {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	pipe := os.NewFile(uintptr(fd), "parent")
	go func() {
		defer cancel()
		_, err := io.Copy(io.Discard, pipe)
		log.Warn("the parent process is gone", "error", fmt.Sprint(err))
	}()
	return ctx
}

// classify gives the reason of a node's end its exit code.
func classify(err error) error {
	var (
		config    *host.ConfigError
		directory *host.DirectoryError
		damage    *storage.CorruptionError
		format    *storage.FormatError
		identity  *storage.IdentityError
		snapshot  *storage.SnapshotError
		refusal   *transport.Refusal
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &config):
		return exit.Wrap(exit.Usage, "`lockstep config print` shows where it comes from", err)
	case errors.As(err, &directory), errors.As(err, &damage), errors.As(err, &format), errors.As(err, &identity), errors.As(err, &snapshot), errors.As(err, &refusal):
		return exit.Wrap(exit.BadData, "", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return exit.Wrap(exit.Unavailable, "stop what uses the address, or choose another", err)
	}
	return exit.Wrap(exit.Failure, "", err)
}
