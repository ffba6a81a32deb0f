package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/chaos/cluster"
	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/chaos/network"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// Options of an Injector.
type Options struct {
	Plan    *Plan
	Cluster *cluster.Cluster
	Driver  driver.Driver
	// Die has a client die and another one take its place.
	Die func(client int) error
	// FullAt is the size of files from which on writes fail on a full disk, where a node has no file system of its own; Reserve is
	// the room below which a node refuses writes, where it has.
	FullAt, Reserve int64
	// Begun and Ended are told when a fault begins and ends, one at a time.
	Begun func(i *Injected)
	Ended func(i *Injected)
	// Recovered waits until the cluster serves again, after so long since the start; it returns when it did.
	Recovered func(ctx context.Context, healed time.Duration) (time.Duration, error)
	// Now is the time since the start of the run.
	Now func() time.Duration
}

// Injected is a fault and what came of it.
type Injected struct {
	Fault    Fault
	Slots    []int // the nodes that it concerned; none: all, or clients
	From, To time.Duration
	// NotRun says why it was not carried out.
	NotRun string
	// Note is what else is worth telling, such as what a damaged node said.
	Note string
	// Err says that the store did what it must not.
	Err error
	// Judged says that no other fault began or lasted between the end and the recovery; Recovery is then how long that took.
	Judged   bool
	Recovery time.Duration
}

// Text is the fault in words, for reports.
func (i *Injected) Text() string {
	text := string(i.Fault.Do)
	if i.Fault.Node != "" && i.Fault.Node.Node() == 0 {
		text += " " + string(i.Fault.Node)
	}
	for _, part := range []struct {
		given bool
		text  string
	}{
		{i.Fault.Peer != "", "to " + string(i.Fault.Peer)},
		{len(i.Fault.Groups) > 0, fmt.Sprint(i.Fault.Groups)},
		{i.Fault.Latency > 0, i.Fault.Latency.String()},
		{i.Fault.Period > 0, "every " + i.Fault.Period.String()},
		{i.Fault.BytesPerSecond > 0, fmt.Sprintf("%d B/s", i.Fault.BytesPerSecond)},
		{i.Fault.Do == Rot, i.Fault.Op},
		{i.Fault.How == Refuse, "by reset"},
	} {
		if part.given {
			text += " " + part.text
		}
	}
	return text
}

// Injector carries out a plan.
type Injector struct {
	o      Options
	random *plan.Stream // guarded by mu
	// damaging has room for the one fault that may take a node's data.
	damaging chan struct{}

	mu      sync.Mutex
	weather map[*Injected]network.Weather
	busy    map[int]bool // slots whose process a fault has to itself
	active  int
	begins  int
	all     []*Injected
}

// NewInjector prepares one.
func NewInjector(o Options) *Injector {
	return &Injector{o: o, random: plan.NewStream(o.Plan.Seed, "injector", 0), damaging: make(chan struct{}, 1),
		weather: map[*Injected]network.Weather{}, busy: map[int]bool{}}
}

// Run carries out all faults at their times and returns when the last one is over and the cluster has recovered. When ctx ends,
// every fault ends at once.
func (j *Injector) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, f := range j.o.Plan.Faults {
		if !sleep(ctx, time.Duration(f.At)-j.o.Now()) {
			return
		}
		running.Go(func() { j.inject(ctx, f) })
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// All are the faults that have begun, in their order.
func (j *Injector) All() []*Injected {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.all)
}

// Active counts those that last.
func (j *Injector) Active() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.active
}

// Lasting counts the faults that have begun and names those that last.
func (j *Injector) Lasting() (begun int, lasting []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range j.all {
		if i.To == 0 {
			lasting = append(lasting, i.Text())
		}
	}
	return len(j.all), lasting
}

// inject carries out one fault from its beginning to the recovery.
func (j *Injector) inject(ctx context.Context, f Fault) {
	i := &Injected{Fault: f}
	run := j.action(ctx, i)
	i.From = j.o.Now()
	if run == nil {
		i.To = i.From
		j.mu.Lock()
		j.all = append(j.all, i)
		j.mu.Unlock()
		return
	}
	j.begin(i)
	err := run(ctx)
	j.end(ctx, i, err)
}

func (j *Injector) begin(i *Injected) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, i)
	j.active++
	j.begins++
	j.o.Begun(i)
}

// end notes how a fault ended, and waits for the recovery if no other fault is in the way.
func (j *Injector) end(ctx context.Context, i *Injected, err error) {
	j.mu.Lock()
	delete(j.weather, i)
	j.apply()
	for _, slot := range i.Slots {
		if ofProcess(i.Fault.Do) {
			delete(j.busy, slot)
		}
	}
	i.To = j.o.Now()
	var broken *Broken
	switch {
	case errors.As(err, &broken):
		i.Err = err
	case err != nil && ctx.Err() == nil:
		i.NotRun = err.Error()
	}
	j.active--
	alone, begins := j.active == 0, j.begins
	j.o.Ended(i)
	j.mu.Unlock()
	if !alone || ctx.Err() != nil {
		return
	}
	at, err := j.o.Recovered(ctx, i.To)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.begins == begins && ctx.Err() == nil {
		i.Judged, i.Recovery = true, at-i.To
		if err != nil {
			i.Err = err
		}
	}
}

// Broken says that the store did what it must not.
type Broken struct{ Text string }

func (b *Broken) Error() string { return b.Text }

func broken(format string, args ...any) error { return &Broken{fmt.Sprintf(format, args...)} }

// set makes a fault's weather known.
func (j *Injector) set(i *Injected, w network.Weather) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.weather[i] = w
	j.apply()
}

// apply gives the network what all faults together make of it. mu is held.
func (j *Injector) apply() {
	var all []network.Weather
	for _, w := range j.weather {
		all = append(all, w)
	}
	j.o.Cluster.Network().Set(network.Over(all...))
}

func (j *Injector) below(n int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.random.Below(n)
}

// target looks up whom a fault concerns now.
func (j *Injector) target(t plan.Target) int {
	n := j.o.Cluster.Nodes()
	if number := t.Node(); number > 0 {
		return number
	}
	leader := cluster.LeaderOf(j.o.Cluster.States(context.Background()))
	switch {
	case t == plan.Leader && leader > 0:
		return leader
	case (t == plan.Follower || t == plan.Rising) && n > 1: // who is about to rise can't be seen in time from outside
		return 1 + (max(leader, 1)-1+1+j.below(n-1))%n
	}
	return 1 + j.below(n)
}

// claim takes slots whose processes no other fault has; it waits for them for a while. False: one of them is still taken.
func (j *Injector) claim(ctx context.Context, slots ...int) bool {
	for end := j.o.Now() + claimTimeout; ; {
		if j.tryClaim(slots) {
			return true
		}
		if j.o.Now() > end || !sleep(ctx, claimPause) {
			return false
		}
	}
}

func (j *Injector) tryClaim(slots []int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, slot := range slots {
		if j.busy[slot] {
			return false
		}
	}
	for _, slot := range slots {
		j.busy[slot] = true
	}
	return true
}

const (
	// claimTimeout is how long a fault waits for the end of another one that has the same process.
	claimTimeout = 10 * time.Second
	claimPause   = 20 * time.Millisecond
)
