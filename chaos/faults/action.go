package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockstepdb/lockstep/chaos/network"
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
		j.set(i, j.weatherOf(&i.Fault, slot))
		sleep(ctx, time.Duration(i.Fault.For))
		return nil
	}
}

// cut is what a direction that is cut is like.
func (f *Fault) cut() network.Condition {
	if f.How == Refuse {
		return network.Condition{Refuse: true}
	}
	return network.Condition{Cut: true}
}

// weatherOf is what a fault of the network does to it.
func (j *Injector) weatherOf(f *Fault, slot int) network.Weather {
	n := j.o.Cluster.Nodes()
	w := network.Weather{}
	switch f.Do {
	case plan.Partition:
		j.partition(w, f)
	case plan.Isolate, plan.Flap:
		toPeers(w, slot, n, f.cut())
	case plan.OneWay:
		each(slot, n, f.Peer, func(peer int) { w.Add(network.Link{From: slot, To: peer}, f.cut()) })
	case plan.Ring:
		ring(w, n, f.cut())
	case plan.Clog:
		each(slot, n, f.Peer, func(peer int) { w.Both(slot, peer, network.Condition{Hold: true}) })
	case plan.ClientCut:
		w.Both(network.Clients, slot, f.cut())
	case plan.Slow:
		everywhere(w, slot, n, network.Condition{Delay: time.Duration(f.Latency)})
	case Jitter:
		everywhere(w, slot, n, network.Condition{Jitter: time.Duration(f.Latency)})
	case Bandwidth:
		everywhere(w, slot, n, network.Condition{BytesPerSecond: f.BytesPerSecond})
	case HalfOpen:
		everywhere(w, slot, n, network.Condition{HalfOpen: true})
	case SlowClose:
		everywhere(w, slot, n, network.Condition{CloseDelay: time.Duration(f.Latency)})
	}
	return w
}

// each visits the peer that is named, or all.
func each(slot, n int, peer plan.Target, do func(int)) {
	for other := 1; other <= n; other++ {
		if other != slot && (peer.Node() == 0 || peer.Node() == other) {
			do(other)
		}
	}
}

func toPeers(w network.Weather, slot, n int, c network.Condition) {
	each(slot, n, "", func(peer int) { w.Both(slot, peer, c) })
}

func everywhere(w network.Weather, slot, n int, c network.Condition) {
	toPeers(w, slot, n, c)
	w.Both(network.Clients, slot, c)
}

// partition cuts what lies between groups; a node in none is alone.
func (j *Injector) partition(w network.Weather, f *Fault) {
	group := map[int]int{}
	for g, nodes := range f.Groups {
		for _, n := range nodes {
			group[n] = g + 1
		}
	}
	n := j.o.Cluster.Nodes()
	for a := 1; a <= n; a++ {
		for b := a + 1; b <= n; b++ {
			if group[a] != group[b] || group[a] == 0 {
				w.Both(a, b, f.cut())
			}
		}
	}
}

// ring leaves each node its nearest neighbours. Three nodes are all neighbours of each other: they stand in a line.
func ring(w network.Weather, n int, c network.Condition) {
	for a := 1; a <= n; a++ {
		for b := a + 2; b <= n; b++ {
			if a != 1 || b != n || n <= 3 {
				w.Both(a, b, c)
			}
		}
	}
}

// flap isolates a node and lets it back, again and again.
func (j *Injector) flap(ctx context.Context, i *Injected) error {
	on := j.weatherOf(&i.Fault, i.Slots[0])
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
