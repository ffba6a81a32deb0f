package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"golang.org/x/sys/unix"
)

// The lock is a POSIX record lock and not flock, because the kernel then tells who holds it: a pid that was written
// to a file could belong to a stranger by now. Such a lock is gone as soon as the process closes any descriptor of the
// file, so this process opens it once.

// lock takes the directory until unlock or the end of the process.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, exit.Wrap(exit.Failure, "choose another --dir", err)
	}
	whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &whole); err != nil {
		f.Close()
		pid, _ := holder(dir)
		return nil, inUse(dir, pid)
	}
	return func() { f.Close() }, nil
}

// holder is the process that has locked the directory, 0 if none has.
func holder(dir string) (pid int, err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return 0, nil
	}
	if err != nil {
		return 0, exit.Wrap(exit.Failure, "choose another --dir", err)
	}
	defer f.Close()
	query := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &query); err != nil {
		return 0, fmt.Errorf("ask who holds %s: %w", f.Name(), err)
	}
	if query.Type == unix.F_UNLCK {
		return 0, nil
	}
	return int(query.Pid), nil
}

// downPoll is how often Down looks whether the cluster is gone.
const downPoll = 50 * time.Millisecond

// Down asks the `lockstep up` that runs on dir to stop and waits until it has. It returns its pid, 0 when none runs.
// The pid is the kernel's answer to who holds the lock, so it never signals a stranger.
func Down(ctx context.Context, dir string) (pid int, err error) {
	pid, err = holder(dir)
	if err != nil || pid == 0 {
		return 0, err
	}
	if pid < 0 {
		return 0, exit.New(exit.Failure, "stop it where it was started", "a process that is not visible here uses %s", dir)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return pid, exit.Wrap(exit.Failure, "stop it as the user who started it", fmt.Errorf("signal process %d: %w", pid, err))
	}
	tick := time.NewTicker(downPoll)
	defer tick.Stop()
	for {
		now, err := holder(dir)
		if err != nil || now != pid {
			return pid, err
		}
		select {
		case <-ctx.Done():
			return pid, exit.New(exit.Failure, fmt.Sprintf("look at it, or end it with kill -9 %d", pid), "process %d has not stopped in time", pid)
		case <-tick.C:
		}
	}
}
