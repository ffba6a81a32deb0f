package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockstepdb/lockstep/sim/plan"
)

// action is a fault from its beginning to its end: it returns when all is healed again, which is soon when the context ends.
type action func(context.Context) error

// ofProcess says that a kind has the processes of its nodes to itself.
func ofProcess(k plan.Kind) bool {
	return slices.Contains([]plan.Kind{plan.Crash, Minority, plan.CrashAll, plan.Storm, plan.Pause, Stop, Rolling, Wipe, Rot,
		plan.DiskError, plan.DiskFull, plan.DiskLow}, k)
}

// action looks up the target and returns what is to be done, nil with Injected.NotRun if nothing can be.
func (j *Injector) action(ctx context.Context, i *Injected) action {
	if !slices.Contains(Kinds(), i.Fault.Do) {
		i.NotRun = "real processes can't suffer it"
		return nil
	}
	i.Slots = j.slots(&i.Fault)
	for _, slot := range i.Slots {
		if slot > j.o.Cluster.Nodes() {
			i.NotRun = fmt.Sprintf("there is no node %d", slot)
			return nil
		}
	}
	if ofProcess(i.Fault.Do) && !j.claim(ctx, i.Slots...) {
		i.NotRun = "another fault has the process"
		return nil
	}
	return j.kind(i)
}

// slots are the nodes that a fault concerns.
func (j *Injector) slots(f *Fault) []int {
	n := j.o.Cluster.Nodes()
	switch f.Do {
	case plan.Partition, plan.Ring, plan.ClientDies:
		return nil
	case plan.CrashAll, Rolling:
		return j.some(n)
	case Minority:
		return j.some((n - 1) / 2)
	}
	return []int{j.target(f.Node)}
}

// some are so many nodes.
func (j *Injector) some(count int) []int {
	n := j.o.Cluster.Nodes()
	first := j.below(n)
	var slots []int
	for i := range count {
		slots = append(slots, 1+(first+i)%n)
	}
	return slots
}

func (j *Injector) kind(i *Injected) action {
	slot := 0
	if len(i.Slots) > 0 {
		slot = i.Slots[0]
	}
	switch i.Fault.Do {
	case plan.Crash, Minority, plan.CrashAll:
		return func(ctx context.Context) error { return j.crash(ctx, i) }
	case plan.Storm:
		return func(ctx context.Context) error { return j.storm(ctx, i, slot) }
	case plan.Pause:
		return func(ctx context.Context) error { return j.pause(ctx, i, slot) }
	case Stop:
		return func(ctx context.Context) error { return j.stop(ctx, i, slot) }
	case Rolling:
		return func(ctx context.Context) error { return j.rolling(ctx, i) }
	case Wipe:
		return j.damage(func(ctx context.Context) error { return j.wipe(ctx, i, slot) })
	case Rot:
		return j.damage(func(ctx context.Context) error { return j.rot(ctx, i, slot) })
	case plan.DiskError, plan.DiskFull, plan.DiskLow:
		return func(ctx context.Context) error { return j.disk(ctx, i, slot) }
	case plan.ClientDies:
		return func(context.Context) error { return j.o.Die(i.Fault.Client) }
	case plan.Flap:
		return func(ctx context.Context) error { return j.flap(ctx, i) }
	case Reset:
		return func(ctx context.Context) error { return j.reset(ctx, i, slot) }
	}
	return func(ctx context.Context) error {
		j.set(i, weatherOf(&i.Fault, slot, j.o.Cluster.Nodes()))
		sleep(ctx, time.Duration(i.Fault.For))
		return nil
	}
}

// flap isolates a node and lets it back, again and again.
func (j *Injector) flap(ctx context.Context, i *Injected) error {
	on := weatherOf(&i.Fault, i.Slots[0], j.o.Cluster.Nodes())
	for end := j.o.Now() + time.Duration(i.Fault.For); j.o.Now() < end; {
		j.set(i, on)
		if !sleep(ctx, time.Duration(i.Fault.Period)) {
			return nil
		}
		j.set(i, nil)
		if !sleep(ctx, time.Duration(i.Fault.Period)) {
			return nil
		}
	}
	return nil
}

func (j *Injector) reset(ctx context.Context, i *Injected, slot int) error {
	for end := j.o.Now() + time.Duration(i.Fault.For); j.o.Now() < end; {
		j.o.Cluster.Network().Reset(slot)
		if !sleep(ctx, time.Duration(i.Fault.Period)) {
			return nil
		}
	}
	return nil
}
