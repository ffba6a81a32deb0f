package real

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options of Start.
type Options struct {
	Binary string
	Dir    string
	Nodes  int
	Ports  Ports    // zero: free ones
	Env    []string // added to the environment
	Args   []string // added to the command line of `up`
	Log    io.Writer
	// Timeout bounds the time until the cluster is ready; 0 is 60 s.
	Timeout time.Duration
}

// Node is a node as `up` reports it.
type Node struct {
	ID    uint64 `json:"id"`
	PID   int    `json:"pid"`
	HTTP  string `json:"http"`
	GRPC  string `json:"grpc"`
	Peer  string `json:"peer"`
	Admin string `json:"admin"`
	Dir   string `json:"dir"`
}

// Event is a line of `up --json` after the first one.
type Event struct {
	Event  string `json:"event"`
	Node   uint64 `json:"node"`
	PID    int    `json:"pid"`
	Term   uint64 `json:"term"`
	Reason string `json:"reason"`
	After  int64  `json:"after_ms"`
}

// Cluster is a running `lockstep up`.
type Cluster struct {
	Dir     string
	Ports   Ports
	command *exec.Cmd
	errs    *tail
	done    chan struct{} // closed when up has ended
	readyAt chan error

	mu     sync.Mutex
	nodes  []Node
	leader uint64
	events []Event
	news   chan struct{} // closed and replaced at every event
}

// Start runs `up` and waits until it is ready.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Ports == (Ports{}) {
		p, err := FreePorts(o.Nodes)
		if err != nil {
			return nil, err
		}
		o.Ports = p
	}
	c := &Cluster{Dir: o.Dir, Ports: o.Ports, errs: &tail{}, done: make(chan struct{}), readyAt: make(chan error, 1), news: make(chan struct{})}
	args := append([]string{"up", "--json", "--dir", o.Dir, "--nodes", strconv.Itoa(o.Nodes)}, o.Ports.Args()...)
	c.command = exec.Command(o.Binary, append(args, o.Args...)...)
	c.command.Env = append(os.Environ(), o.Env...)
	c.command.Stderr = c.errs
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	go c.read(out)
	return c, c.awaitReady(ctx, o.Timeout)
}

func (c *Cluster) awaitReady(ctx context.Context, timeout time.Duration) error {
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case err := <-c.readyAt:
		if err != nil {
			c.Close()
		}
		return err
	case <-ctx.Done():
		c.Close()
		return fmt.Errorf("the cluster was not ready in time: %s", c.errs)
	}
}

// read follows stdout, and then reaps the process.
func (c *Cluster) read(out io.Reader) {
	lines := bufio.NewReader(out)
	first, err := lines.ReadBytes('\n')
	if err == nil {
		err = c.takeFirst(first)
	}
	if err == nil {
		c.readyAt <- nil
	}
	for line, end := lines.ReadBytes('\n'); end == nil; line, end = lines.ReadBytes('\n') {
		var e Event
		if json.Unmarshal(line, &e) == nil {
			c.take(e)
		}
	}
	_ = c.command.Wait() // ProcessState tells
	if err != nil {
		c.readyAt <- fmt.Errorf("lockstep up ended with code %d: %s", c.command.ProcessState.ExitCode(), c.errs)
	}
	close(c.done)
}

func (c *Cluster) takeFirst(line []byte) error {
	var ready struct {
		Nodes  []Node `json:"nodes"`
		Leader uint64 `json:"leader"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes, c.leader = ready.Nodes, ready.Leader
	return nil
}

func (c *Cluster) take(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Event {
	case "leader":
		c.leader = e.Node
	case "started":
		c.nodes[e.Node-1].PID = e.PID
	}
	c.events = append(c.events, e)
	close(c.news)
	c.news = make(chan struct{})
}

// Nodes are the nodes with their present pids.
func (c *Cluster) Nodes() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Node(nil), c.nodes...)
}

// Leader is the node that led last, as far as up has told.
func (c *Cluster) Leader() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leader
}

// Mark is a place among the events, for Await.
func (c *Cluster) Mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events)
}

// Await waits for an event after mark that fits.
func (c *Cluster) Await(ctx context.Context, mark int, fits func(Event) bool) (Event, error) {
	for {
		c.mu.Lock()
		news, events := c.news, c.events[mark:]
		c.mu.Unlock()
		for _, e := range events {
			if fits(e) {
				return e, nil
			}
		}
		select {
		case <-news:
		case <-c.done:
			return Event{}, errors.New("lockstep up has ended: " + c.errs.String())
		case <-ctx.Done():
			return Event{}, fmt.Errorf("no such event in time; there were %+v", events)
		}
	}
}

// Kill sends SIGKILL to a node.
func (c *Cluster) Kill(id uint64) error { return c.Signal(id, syscall.SIGKILL) }

// Signal sends a signal to a node, by the pid that up reported last.
func (c *Cluster) Signal(id uint64, s syscall.Signal) error {
	pid := c.Nodes()[id-1].PID
	if pid == 0 { // which would be this process's own group
		return fmt.Errorf("node %d does not run", id)
	}
	return syscall.Kill(pid, s)
}

// PID is that of `up` itself.
func (c *Cluster) PID() int { return c.command.Process.Pid }

// Stop ends `up` gracefully and returns its exit code.
func (c *Cluster) Stop(ctx context.Context) (int, error) {
	_ = c.command.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-c.done:
		return c.command.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return -1, errors.New("lockstep up has not stopped in time")
	}
}

// KillUp ends `up` itself by SIGKILL and waits until it is gone.
func (c *Cluster) KillUp() {
	_ = c.command.Process.Kill()
	<-c.done
}

// Close leaves nothing behind: a graceful stop if that works soon, SIGKILL otherwise.
func (c *Cluster) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := c.Stop(ctx); err != nil {
		c.KillUp()
	}
}

// Errors is the end of what `up` wrote to stderr.
func (c *Cluster) Errors() string { return c.errs.String() }

// tailBytesMax bounds what is kept of stderr.
const tailBytesMax = 16 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytesMax; over > 0 {
		t.text = t.text[over:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
