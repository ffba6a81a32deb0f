// Package sim runs a whole cluster and its clients in one goroutine, under a virtual clock, from one seed.
//
// Start with plan.Draw and Run. A World holds the processes (package cluster's node over package storage's log, both
// unchanged), the network, the disks and the clients, and an agenda of what happens next. Nothing in it reads a clock, a global
// source of randomness or the order of a map, so one plan gives one life, event for event, on every machine.
//
// One simulation runs per process at a time: raft draws the jitter of its elections from crypto/rand.Reader, which a World
// replaces while it runs by the stream of the node that is being stepped.
package sim

import (
	"crypto/rand"
	"fmt"
	"io"
	"sync"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// Failure is what was found: the first thing that must not happen.
type Failure struct {
	// Kind names the check that failed.
	Kind string
	// Message says in one sentence what was violated.
	Message string
	// At is when, in nanoseconds of simulated time.
	At int64
	// Contradiction is the kind that the checker names, if the history is not linearizable.
	Contradiction string
}

// Error returns kind and message.
func (f *Failure) Error() string { return f.Kind + ": " + f.Message }

// Result is what came of a life.
type Result struct {
	Failure    *Failure
	TraceHash  uint64
	Events     uint64 // things that happened
	Simulated  int64  // nanoseconds
	Operations int
	Outcomes   map[string]int // of operations, by outcome
	Faults     map[string]int // injected, by kind
	Probes     map[string]int // reached, by name
	History    *history.History
	Steps      int // of nodes
}

// World is one cluster with everything around it.
type World struct {
	plan   *plan.Plan
	now    int64
	agenda agenda
	task   task // that is happening: a variable of live would escape to the heap, task by task
	events uint64
	stop   func() bool // nil: never

	processes []*process
	network   network
	clients   []*client
	faults    faults
	checks    checks
	budget    budget
	exam      exam
	witness   witness
	tape      tape
	history   recording
	jitter    reader
	led       uint64 // the highest term in which somebody led
	nodeSteps int
	arrived   int // operations whose time has come

	failure *Failure
	reached [probeCount]int // by probe
	ended   bool            // the safety phase is over
	over    bool            // all is
}

// only keeps a second World from running beside the first.
var only sync.Mutex

// reader is what crypto/rand.Reader is while a World runs.
type reader struct{ current *plan.Stream }

func (r *reader) Read(b []byte) (int, error) {
	if r.current == nil {
		panic("sim: random bytes were asked for outside of a node's step")
	}
	return r.current.Read(b)
}

// eventsMax bounds a life: one that goes beyond it is stuck in a loop.
const eventsMax = 50_000_000

// Options of a run.
type Options struct {
	// Trace gets a line for each event, and Events the event itself, which is valid during the call only; nil for none. What
	// reads along changes nothing.
	Trace  io.Writer
	Events func(*trace.Event)
	// Until ends the run at that time; 0: no bound.
	Until int64
	// Stop is asked now and then, and ends the run where it is when it says true; nil for never.
	Stop func() bool
	// Reseed gives the rest of the life another course.
	Reseed Reseed
	// Lost is called with what there was when the code under test panics, while the panic goes on; nil for nobody.
	Lost func(Result)
}

// Reseed has all streams of random numbers go on from another seed from a moment on: the life is the same until then, and
// another one afterwards. The plan stays.
type Reseed struct {
	At   int64  // nanoseconds of simulated time
	Seed uint64 // 0: never
}

// Run lives a plan to its end. The plan must be valid.
func Run(p *plan.Plan, o Options) Result {
	only.Lock()
	defer only.Unlock()
	w := newWorld(p, o)
	before := rand.Reader
	rand.Reader = &w.jitter
	defer func() { rand.Reader = before }()
	w.begin()
	if o.Reseed.Seed != 0 {
		w.at(o.Reseed.At, reseed, o.Reseed.Seed, 0, nil)
	}
	lost := true
	defer func() {
		if lost && o.Lost != nil {
			w.history.h.Sort()
			o.Lost(w.sum())
		}
	}()
	w.stop = o.Stop
	w.live(o.Until)
	r := w.result()
	lost = false
	return r
}

func newWorld(p *plan.Plan, o Options) *World {
	w := &World{plan: p}
	w.tape.init(&o)
	w.network.init(w)
	w.checks.init(w)
	w.witness.init(w)
	w.faults.init(w)
	for i := 1; i <= p.Nodes+p.Spares; i++ {
		w.processes = append(w.processes, newProcess(w, uint64(i)))
	}
	w.history.init(p)
	for i := 1; i <= p.Clients.Count; i++ {
		w.clients = append(w.clients, newClient(w, i))
	}
	return w
}

// begin founds the cluster, starts it, and puts the faults and the operations on the agenda.
func (w *World) begin() {
	w.found()
	for _, p := range w.processes {
		w.later(p.local.Between(0, 50_000_000), start, p.number, p.life, nil)
	}
	w.faults.schedule()
	for i := range w.plan.Operations {
		w.at(int64(w.plan.Operations[i].At), arrive, uint64(i), 0, nil)
	}
	w.at(int64(w.plan.Safety), endSafety, 0, 0, nil)
}

// stopEvery is the number of tasks between two questions to Options.Stop.
const stopEvery = 1024

// live takes one task after another.
func (w *World) live(until int64) {
	for t := &w.task; w.failure == nil; {
		if w.stop != nil && w.events%stopEvery == 0 && w.stop() {
			return
		}
		if !w.agenda.take(t) || until != 0 && t.at > until {
			return
		}
		if t.at < w.now {
			panic(fmt.Sprintf("sim: a task for %d at %d", t.at, w.now))
		}
		w.now = t.at
		w.events++
		if w.events > eventsMax {
			w.fail("runaway", "more than %d events", eventsMax)
			return
		}
		t.does(w, t)
		if w.over || w.ended && w.settled() && !w.examine() {
			return
		}
	}
}

// at schedules a task.
func (w *World) at(at int64, does func(*World, *task), a, b uint64, it any) {
	w.agenda.add(task{moment: moment{at: at}, does: does, a: a, b: b, it: it})
}

// later schedules a task after a while.
func (w *World) later(after int64, does func(*World, *task), a, b uint64, it any) {
	w.at(w.now+after, does, a, b, it)
}

// fail ends the run. The first failure counts.
func (w *World) fail(kind, format string, args ...any) {
	if w.failure == nil {
		w.failure = &Failure{Kind: kind, Message: fmt.Sprintf(format, args...), At: w.now}
		w.emit(trace.Event{Kind: trace.Fail, What: kind, Text: w.failure.Message})
	}
}

// reseed is the task that gives the rest of the life another course.
func reseed(w *World, t *task) {
	w.network.seed(t.a, len(w.network.links))
	w.faults.reseed(t.a)
	for _, p := range w.processes {
		p.local, p.raft = plan.NewStream(t.a, "process", p.number), plan.NewStream(t.a, "raft", p.number)
	}
	for _, c := range w.clients {
		c.random = plan.NewStream(t.a, "client", uint64(c.number))
	}
}

func (w *World) process(number uint64) *process { return w.processes[number-1] }
