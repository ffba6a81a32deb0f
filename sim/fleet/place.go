package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// WorkerVariable is set in the environment of workers.
const WorkerVariable = "LOCKSTEP_SIM_WORKER"

// Self returns a command that starts this binary as a worker. Its main has to call Serve when WorkerVariable is set.
func Self(args ...string) *exec.Cmd {
	binary, err := os.Executable()
	if err != nil {
		binary = os.Args[0]
	}
	c := exec.Command(binary, args...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), WorkerVariable+"=1")
	return c
}

// place is where one worker process after another works. It belongs to one goroutine at a time.
type place struct {
	worker      func() *exec.Cmd
	lifeTimeMax time.Duration
	// processors is the worker's GOMAXPROCS; 0: what it finds in its environment.
	processors int
	now        *process
	cpu        time.Duration // of the workers that have ended
}

// process is a worker as its parent sees it.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	ask     *json.Encoder
	answers chan answer // closed when no more will come
	ready   chan struct{}
	garbled bool // it wrote what is no answer; read it when answers is closed
	errs    bounded
	ended   error
}

// live has a life lived. If the worker does not survive it, that is the life's failure. The error is that of ctx when it ends
// before the life does, or says why no worker can work.
func (p *place) live(ctx context.Context, l Life) (Report, error) {
	if p.now == nil {
		w, err := p.start()
		if err != nil {
			return Report{}, err
		}
		p.now = w
	}
	a, failure, err := p.wait(ctx, l)
	if err != nil || failure != nil {
		p.vacate()
		return Report{Seed: l.Seed, Failure: failure}, err
	}
	if f := a.Report.Failure; f != nil && f.Kind == Panic {
		p.vacate() // what it left behind may not be what the next life expects
	}
	if a.Error != "" {
		return a.Report, errors.New(a.Error)
	}
	return a.Report, nil
}

// vacate ends the worker, if there is one.
func (p *place) vacate() {
	if p.now != nil {
		p.now.end()
		p.cpu += p.now.cpu()
		p.now = nil
	}
}

// start starts a worker and waits until it is ready.
func (p *place) start() (*process, error) {
	w := &process{command: p.worker(), answers: make(chan answer), ready: make(chan struct{})}
	if p.processors > 0 {
		w.command.Env = append(w.command.Environ(), "GOMAXPROCS="+strconv.Itoa(p.processors))
	}
	w.command.Stderr = &w.errs
	in, err := w.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := w.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("a worker can't start: %w", err)
	}
	w.in, w.ask = in, json.NewEncoder(in)
	go w.listen(out)
	select {
	case <-w.ready:
		return w, nil
	case <-w.answers:
	case <-time.After(p.lifeTimeMax):
	}
	w.end()
	return nil, fmt.Errorf("a worker can't start: %s", w.reason())
}

// listen passes on what the worker says, until that ends or is no answer.
func (w *process) listen(out io.Reader) {
	defer close(w.answers)
	d := json.NewDecoder(out)
	var h hello
	if d.Decode(&h) != nil || !h.Ready {
		return
	}
	close(w.ready)
	for {
		var a answer
		if err := d.Decode(&a); err != nil {
			w.garbled = !errors.Is(err, io.EOF)
			return
		}
		w.answers <- a
	}
}

// wait waits for what comes of a life: an answer, or the failure that the worker's end is.
func (p *place) wait(ctx context.Context, l Life) (answer, *Failure, error) {
	w := p.now
	// A worker that died between two lives does not take the next one.
	_ = w.ask.Encode(l)
	limit := time.NewTimer(p.lifeTimeMax)
	defer limit.Stop()
	cancelled := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case a, ok := <-w.answers:
			switch {
			case ok:
				return a, nil, nil
			case ctx.Err() != nil:
				return answer{}, nil, ctx.Err()
			}
			w.end()
			return answer{}, &Failure{Kind: Crash, Message: "the process ended in the middle of the life: " + w.reason(), Detail: w.errs.String()}, nil
		case <-limit.C:
			return answer{}, &Failure{Kind: Hang, Message: fmt.Sprintf("the life did not end within %v on the wall", p.lifeTimeMax), Detail: w.stacks()}, nil
		case <-cancelled:
			cancelled = nil
			after := time.NewTimer(graceMax)
			defer after.Stop()
			grace = after.C
		case <-grace:
			return answer{}, nil, ctx.Err()
		}
	}
}

// stacksTimeMax is how long a process that hangs has to write its stacks.
const stacksTimeMax = 5 * time.Second

// stacks ends the process in the way that makes Go's runtime write where it was.
func (w *process) stacks() string {
	if w.command.Process.Signal(syscall.SIGQUIT) == nil {
		select {
		case <-w.answers: // an answer at the last moment is too late as well
		case <-time.After(stacksTimeMax):
		}
	}
	w.end()
	return w.errs.String()
}

// end ends the process whatever it does, and waits for it. It may be called again.
func (w *process) end() {
	if w.ended != nil {
		return
	}
	w.in.Close()
	_ = w.command.Process.Kill() // it may have ended already; it holds nothing that it would have to put down
	for range w.answers {
	}
	w.ended = w.command.Wait()
	if w.ended == nil {
		w.ended = errors.New("exit status 0")
	}
}

// cpu is the time for which the process kept a core busy. It must have ended.
func (w *process) cpu() time.Duration {
	state := w.command.ProcessState
	if state == nil {
		return 0
	}
	return state.UserTime() + state.SystemTime()
}

// reason says why a process ended: the line in which the runtime tells it, or the first that it wrote, or its exit status.
func (w *process) reason() string {
	text := w.errs.String()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimSpace(line)
		}
	}
	if line := firstLine(text); line != "" {
		return line
	}
	if w.garbled {
		return "it wrote something that is no answer"
	}
	return w.ended.Error()
}

// errsBytesMax bounds what is kept of a worker's standard error: the head, which says why it ends.
const errsBytesMax = 64 << 10

// bounded keeps the first bytes that are written to it. The process must have ended before it is read.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), errsBytesMax-len(b.text))]...)
	return len(p), nil
}

func (b *bounded) String() string { return string(b.text) }
