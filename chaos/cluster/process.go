package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// lastLineBytesMax bounds what is kept of the end of a log.
	lastLineBytesMax = 4096
	// outputDelay is how long the end of a process's output is waited for once the process has ended.
	outputDelay = 2 * time.Second
)

// starter runs functions on one operating-system thread that lives as long as the process: the kernel's promise to kill a child
// holds for the thread that started it. A goroutine that stays locked to its thread keeps it alive.
type starter struct{ work chan func() }

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

// process is a node that was started.
type process struct {
	command *exec.Cmd
	alive   *os.File      // our end of the pipe; closing it tells the child to end
	ended   chan struct{} // closed when it has ended
	ending  Ending        // how; readable then
}

// Ending is how a process ended.
type Ending struct {
	Code   int // -1 after a signal
	Reason string
}

func (p *process) pid() int { return p.command.Process.Pid }

// signal reaches the whole group. A process that has ended has none.
func (p *process) signal(s syscall.Signal) error {
	select {
	case <-p.ended:
		return errors.New("it does not run")
	default:
		return syscall.Kill(-p.pid(), s)
	}
}

// start begins a process in a group of its own, with its output appended to a log. Descriptor 3 ends when we do.
func (s starter) start(line, environ []string, log string) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	out := &output{file: file}
	theirs, ours, err := os.Pipe()
	if err != nil {
		file.Close()
		return nil, err
	}
	defer theirs.Close()
	c := exec.Command(line[0], line[1:]...)
	c.Env, c.Stdout, c.Stderr, c.WaitDelay = environ, out, out, outputDelay
	c.ExtraFiles = []*os.File{theirs}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(c.SysProcAttr)
	if err := s.run(c.Start); err != nil {
		file.Close()
		ours.Close()
		return nil, fmt.Errorf("start %s: %w", line[0], err)
	}
	p := &process{command: c, alive: ours, ended: make(chan struct{})}
	go p.wait(out)
	return p, nil
}

func (p *process) wait(log *output) {
	defer close(p.ended)
	defer log.file.Close()
	err := p.command.Wait()
	p.alive.Close()
	p.ending = Ending{Code: p.command.ProcessState.ExitCode()}
	var failed *exec.ExitError
	switch status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus); {
	case err != nil && !errors.As(err, &failed):
		p.ending.Reason = err.Error()
	case ok && status.Signaled():
		p.ending.Reason = "killed by signal " + status.Signal().String()
	default:
		p.ending.Reason = fmt.Sprintf("ended with code %d: %s", p.ending.Code, log.lastLine())
	}
}

// output is a process's log. It goes through us, so that a limit on the process's files does not silence it.
type output struct {
	file *os.File
	tail []byte // of one writer at a time: exec.Cmd sees to it
}

// Write writes to the file and keeps the end.
func (o *output) Write(b []byte) (int, error) {
	o.tail = append(o.tail, b...)
	if over := len(o.tail) - lastLineBytesMax; over > 0 {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
	return o.file.Write(b)
}

// lastLine is where a process that failed said why.
func (o *output) lastLine() string {
	lines := strings.Split(strings.TrimSpace(string(o.tail)), "\n")
	return lines[len(lines)-1]
}
