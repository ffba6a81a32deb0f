package up

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
)

// nodeLogBytesMax is the size above which a node's log is moved aside when the node starts. One old log is kept.
const nodeLogBytesMax = 64 << 20

// parentFD is the descriptor that a child watches: the first of exec.Cmd.ExtraFiles.
const parentFD = 3

// logName is where a node's stdout and stderr go.
func logName(dir string) string { return filepath.Join(dir, "node.log") }

// starter runs functions on one operating-system thread that lives as long as the process. PR_SET_PDEATHSIG fires when the
// thread that started the child ends, not the process; a goroutine that stays locked to its thread keeps it alive.
type starter struct {
	work chan func()
}

func newStarter() starter {
	s := starter{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocks
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s starter) run(f func() error) error {
	done := make(chan error)
	s.work <- func() { done <- f() }
	return <-done
}

// process is a running node.
type process struct {
	command *exec.Cmd
	alive   *os.File // our end of the pipe; closing it tells the child to end
	log     *os.File
}

func (p *process) pid() int { return p.command.Process.Pid }

// start begins a node in a process group of its own, so that a Ctrl-C in the terminal reaches only us.
func (s starter) start(binary string, args, environ []string, dir string) (*process, error) {
	log, err := openLog(dir)
	if err != nil {
		return nil, err
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		log.Close()
		return nil, err
	}
	c := exec.Command(binary, append(args, "--exit-with-parent-fd", strconv.Itoa(parentFD))...)
	c.Env, c.Stdout, c.Stderr = environ, log, log
	c.ExtraFiles = []*os.File{theirs}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(c.SysProcAttr)
	err = s.run(c.Start)
	theirs.Close()
	if err != nil {
		log.Close()
		ours.Close()
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	return &process{command: c, alive: ours, log: log}, nil
}

func openLog(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	name := logName(dir)
	if s, err := os.Stat(name); err == nil && s.Size() > nodeLogBytesMax {
		if err := os.Rename(name, name+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR, fileMode)
}

// ending is how a process ended.
type ending struct {
	code   int    // -1 after a signal
	reason string // for people
}

// final says that starting the node again would end the same way.
func (e ending) final() bool {
	return e.code == int(exit.Usage) || e.code == int(exit.BadData)
}

// wait blocks until the process has ended.
func (p *process) wait() ending {
	err := p.command.Wait()
	p.alive.Close()
	defer p.log.Close()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return ending{code: -1, reason: err.Error()}
	}
	status := p.command.ProcessState
	if w, ok := status.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return ending{code: -1, reason: fmt.Sprintf("killed by signal %d (%s)", int(w.Signal()), w.Signal())}
	}
	e := ending{code: status.ExitCode(), reason: fmt.Sprintf("ended with code %d", status.ExitCode())}
	if line := lastLine(p.log); e.code != 0 && line != "" {
		e.reason += ": " + line
	}
	return e
}

// lastLineBytesMax bounds what is read from the end of a log.
const lastLineBytesMax = 4096

// lastLine is where a failed node said why.
func lastLine(f *os.File) string {
	size, err := fileSize(f)
	if err != nil {
		return ""
	}
	tail := make([]byte, min(size, lastLineBytesMax))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(tail)), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "lockstep: ")
}

func fileSize(f *os.File) (int64, error) {
	var s fs.FileInfo
	s, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return s.Size(), nil
}
