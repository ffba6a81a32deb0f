package up

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
)

const (
	// restartDelay is how long a dead node stays down.
	restartDelay = 2 * time.Second
	// stopTimeoutMax bounds the graceful stop of all nodes; those that are left are killed.
	stopTimeoutMax = 15 * time.Second
	// dotsAfter is when the user begins to see for whom Run waits.
	dotsAfter = 2 * time.Second
	// stragglersMax is how long Run waits for the other nodes once a leader serves.
	stragglersMax = 5 * time.Second
)

// Options of Run.
type Options struct {
	Wish
	Dir       string
	NoRestart bool
	JSON      bool
	Binary    string   // the lockstep binary to run the nodes with
	Command   string   // how the user called it, for the examples
	Environ   []string // for the nodes
	Out       io.Writer
	// Check looks at a node's command line before anything is written; nil for none.
	Check func(args []string) error
}

// Run starts the cluster, follows it and stops it when ctx ends. It returns nil after a stop that was asked for.
func Run(ctx context.Context, o Options) error {
	d, p, err := prepare(o)
	if err != nil {
		return err
	}
	unlock, err := d.claim()
	if err != nil {
		return err
	}
	defer unlock()
	s := newSupervisor(o, d, p)
	defer s.killAll()
	if err := s.startAll(); err != nil {
		return err
	}
	return s.follow(ctx)
}

// prepare makes every check, and writes nothing.
func prepare(o Options) (directory, Plan, error) {
	if o.Dir == "" {
		return directory{}, Plan{}, exit.New(exit.Usage, "name a directory with --dir", "no directory")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return directory{}, Plan{}, err
	}
	d, err := examine(dir, o.Wish)
	if err != nil {
		return directory{}, Plan{}, err
	}
	p, err := newPlan(d.memory, dir)
	if err != nil {
		return directory{}, Plan{}, err
	}
	p = p.share()
	if err := checkIdentities(p); err != nil {
		return directory{}, Plan{}, err
	}
	if o.Check != nil {
		for _, n := range p.Nodes {
			if err := o.Check(p.serveArgs(n)[1:]); err != nil {
				return directory{}, Plan{}, err
			}
		}
	}
	return d, p, p.checkPorts()
}

// supervisor owns the processes. Only the goroutine of Run touches its fields; the others send on the channels.
type supervisor struct {
	options   Options
	directory directory
	plan      Plan
	report    report
	watch     *watch
	starter   starter
	processes map[uint64]*process
	givenUp   map[uint64]bool // nodes that cannot run
	answers   chan answer
	endings   chan nodeEnding
	restarts  chan uint64
	isReady   bool
	begun     time.Time
	ledSince  time.Time // since when a leader serves and Run waits for stragglers
	dots      time.Time // when the last dot was printed
	stopped   chan struct{}
}

type nodeEnding struct {
	id  uint64
	pid int
	ending
}

func newSupervisor(o Options, d directory, p Plan) *supervisor {
	now := time.Now()
	s := &supervisor{
		options: o, directory: d, plan: p, watch: newWatch(p, now), starter: newStarter(), begun: now,
		processes: map[uint64]*process{}, givenUp: map[uint64]bool{},
		answers: make(chan answer), endings: make(chan nodeEnding), restarts: make(chan uint64),
		stopped: make(chan struct{}),
	}
	s.report = &textReport{out: o.Out, restart: !o.NoRestart, command: o.Command}
	if o.JSON {
		s.report = &jsonReport{out: o.Out}
	}
	return s
}

func (s *supervisor) startAll() error {
	for i := range s.plan.Nodes {
		if err := s.start(&s.plan.Nodes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) start(n *Node) error {
	p, err := s.starter.start(s.options.Binary, s.plan.serveArgs(*n), s.options.Environ, n.Dir)
	if err != nil {
		return exit.Wrap(exit.Failure, "", fmt.Errorf("start node %d: %w", n.ID, err))
	}
	n.PID = p.pid()
	s.processes[n.ID] = p
	id, pid := n.ID, n.PID
	go func() {
		e := nodeEnding{id, pid, p.wait()}
		select {
		case s.endings <- e:
		case <-s.stopped:
		}
	}()
	return nil
}

// follow is the loop: it ends when ctx does, or when the cluster cannot come up.
func (s *supervisor) follow(ctx context.Context) error {
	defer close(s.stopped)
	probes, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, n := range s.plan.Nodes {
		go probe(probes, n, s.answers)
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			s.stop()
			return nil
		case a := <-s.answers:
			s.tell(s.watch.observed(a.id, a.observation, time.Now())...)
			err = s.maybeReady(time.Now())
		case e := <-s.endings:
			err = s.ended(e)
		case id := <-s.restarts:
			err = s.restart(id)
		}
		if err != nil {
			s.stop()
			return err
		}
	}
}

func (s *supervisor) tell(events ...Event) {
	for _, e := range events {
		s.report.event(e)
	}
}

// maybeReady announces the cluster once a leader serves and the others do, or had their time.
func (s *supervisor) maybeReady(now time.Time) error {
	if s.isReady {
		return nil
	}
	leader, waited := s.watch.serving(), s.watch.waitedFor()
	if leader != 0 && s.ledSince.IsZero() {
		s.ledSince = now
	}
	if leader != 0 && (len(waited) == 0 || now.Sub(s.ledSince) > stragglersMax) {
		return s.becomeReady(leader)
	}
	if now.Sub(s.begun) >= dotsAfter && now.Sub(s.dots) >= time.Second && len(waited) > 0 {
		s.dots = now
		s.report.waiting(waited)
	}
	return nil
}

func (s *supervisor) becomeReady(leader uint64) error {
	s.isReady = true
	for i := range s.plan.Nodes {
		s.plan.Nodes[i].Role = s.watch.role(s.plan.Nodes[i].ID)
	}
	s.report.ready(s.plan, leader)
	return s.directory.rememberFormed()
}

// ended plans the restart of a node. One that cannot run at all is left out as long as the others can serve without it.
func (s *supervisor) ended(e nodeEnding) error {
	delete(s.processes, e.id)
	s.node(e.id).PID = 0
	s.tell(s.watch.ended(e.id, e.pid, e.reason, time.Now()))
	if e.final() {
		s.givenUp[e.id] = true
	}
	switch {
	case e.final() && !s.isReady && !s.canServe():
		return exit.New(exit.Code(e.code), "see "+logName(s.node(e.id).Dir), "node %d %s", e.id, e.reason)
	case e.final():
		s.tell(Event{Time: time.Now(), Kind: EventGivenUp, Node: e.id, Reason: "see " + logName(s.node(e.id).Dir)})
	case !s.options.NoRestart:
		time.AfterFunc(restartDelay, func() {
			select {
			case s.restarts <- e.id:
			case <-s.stopped:
			}
		})
	}
	return nil
}

// canServe says whether the nodes that are not given up are enough. A cluster that has never formed needs all of them.
func (s *supervisor) canServe() bool {
	all := len(s.plan.Nodes)
	left := all - len(s.givenUp)
	return left == all || s.directory.memory.Formed && left > all/2
}

func (s *supervisor) node(id uint64) *Node { return &s.plan.Nodes[id-1] }

func (s *supervisor) restart(id uint64) error {
	n := s.node(id)
	if err := s.start(n); err != nil {
		return err
	}
	s.tell(s.watch.started(id, n.PID, time.Now()))
	return nil
}

// stop asks all nodes to stop, waits within a bound, and kills the rest.
func (s *supervisor) stop() {
	s.tell(Event{Time: time.Now(), Kind: EventStopping})
	s.signalAll(syscall.SIGTERM)
	late := time.NewTimer(stopTimeoutMax)
	defer late.Stop()
	for len(s.processes) > 0 {
		select {
		case e := <-s.endings:
			delete(s.processes, e.id)
			if e.code != 0 {
				s.tell(s.watch.ended(e.id, e.pid, e.reason, time.Now()))
			}
		case <-s.answers:
		case <-s.restarts:
		case <-late.C:
			s.signalAll(syscall.SIGKILL)
		}
	}
	s.tell(Event{Time: time.Now(), Kind: EventStopped})
}

func (s *supervisor) signalAll(signal syscall.Signal) {
	for _, p := range s.processes {
		_ = p.command.Process.Signal(signal) // it may have ended meanwhile
	}
}

// killAll leaves no node behind when Run ends early.
func (s *supervisor) killAll() { s.signalAll(syscall.SIGKILL) }
