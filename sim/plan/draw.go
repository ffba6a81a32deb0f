package plan

import (
	"fmt"
	"sort"
)

// Profiles lists the names that Draw takes.
var Profiles = []string{"standard", "production", "quiet"}

// Draw makes the plan of a seed. The same seed and profile give the same plan.
//
// Each seed is a swarm of its own (Groce et al., "Swarm Testing", ISSTA 2012): it switches whole kinds of faults and
// operations off, and others up, since what is always on hides what only shows in its absence.
//
//   - standard: five nodes as a rule, one to seven at all; a minute; ticks of 100 ms
//   - production: the same faults at the timings that a node has by default
//   - quiet: no faults
func Draw(seed uint64, profile string) (*Plan, error) {
	d := &draw{Stream: NewStream(seed, "plan", 0), p: &Plan{Version: Version, Seed: seed, Profile: profile}}
	switch profile {
	case "standard":
		d.shape(100e6)
		d.faults()
	case "production":
		d.shape(50e6)
		d.defaults()
		d.faults()
	case "quiet":
		d.shape(100e6)
	default:
		return nil, fmt.Errorf("unknown profile %q: %v", profile, Profiles)
	}
	d.operations()
	return d.p, d.p.Validate()
}

// draw is a plan in the making.
type draw struct {
	*Stream
	p    *Plan
	lost []Fault // that are to be followed by the remedy: another member
	// What operations are drawn to.
	stage     []scene
	transfers []Duration
}

// one returns one of several.
func one[T any](d *draw, of ...T) T { return of[d.Below(len(of))] }

const (
	micro  = Duration(1e3)
	milli  = Duration(1e6)
	second = Duration(1e9)
)

// time draws evenly from least to most.
func (d *draw) time(least, most Duration) Duration {
	// Whole microseconds read better.
	return Duration(d.Between(int64(least), int64(most))) / micro * micro
}

// shape draws who takes part and under which options.
func (d *draw) shape(tick Duration) {
	p := d.p
	p.Nodes = one(d, 5, 5, 5, 5, 5, 3, 3, 3, 1, 2, 4, 6, 7)
	p.Spares = one(d, 0, 0, 1, 2)
	p.Safety, p.Liveness = 60*second, 30*second
	p.Node = Node{
		Tick: tick, ElectionTicks: one(d, 10, 10, 10, 5, 3), HeartbeatTicks: one(d, 1, 1, 2), RequestTicks: one(d, 20, 50, 100),
		EntryBytes: one(d, 0, 0, 200, 2000), EntryCommands: one(d, 0, 0, 1, 3), MessageBytes: one(d, 0, 0, 1, 300), Inflight: one(d, 0, 0, 1, 2, 8),
		ApplyBytes: one(d, 0, 0, 1, 300), AppendsInflight: one(d, 0, 0, 1, 2),
		Pending: one(d, 0, 0, 0, 2, 5), Uncommitted: one(d, 0, 0, 0, 500, 5000), ReadRetryTicks: one(d, 0, 0, 1, 2), MaintainSteps: one(d, 0, 1, 4),
		DataBytes: one(d, 0, 0, 0, 0, 0, 500), SnapshotBytes: one(d, 0, 0, 500, 5000),
		SnapshotEntries: one(d, 5, 20, 20, 50, 100, 1000), TailEntries: one(d, 1, 10, 10, 50, 1000), SegmentBytes: one(d, 1<<10, 4<<10, 16<<10, 64<<10),
		SessionsMax: one(d, 0, 0, 3, 8), LeaseReads: d.Below(3) == 0,
	}
	if d.Below(8) == 0 {
		p.Node.EntryCommands, p.Node.MessageBytes, p.Node.Inflight = 1, 1, 1 // each entry on its own
	}
	p.Network = Network{LatencyMin: one(d, 50*micro, 500*micro), LatencyMax: one(d, 1*milli, 5*milli, 20*milli)}
	if d.Below(2) == 0 {
		p.Network.LossPPM, p.Network.DuplicatePPM = one(d, 0, 1000, 20_000), one(d, 0, 1000, 20_000)
		p.Network.ReorderPPM, p.Network.ReorderMax = one(d, 0, 10_000, 200_000), one(d, 5*milli, 50*milli, 500*milli)
	}
	if p.Network.Ordered = d.Below(2) == 0; p.Network.Ordered {
		p.Network.ReorderPPM, p.Network.ReorderMax = 0, 0 // where the order is kept, one that is late delays all behind it
	}
	p.Disk = Disk{SyncMin: 100 * micro, SyncMax: one(d, 2*milli, 10*milli, 40*milli)}
	p.Clients = Clients{Count: one(d, 3, 5, 8), Pipeline: one(d, 1, 1, 2, 4, 8), Padding: one(d, 0, 0, 0, 0, 50, 1000), Sessions: d.Below(4) > 0, Attempt: one(d, 500*milli, 2*second), Deadline: one(d, 2*second, 5*second, 10*second)}
}

// defaults takes the timings and the bounds of messages and entries that a node has by default. Snapshots and segments stay small:
// nobody would see one within a minute.
func (d *draw) defaults() {
	n := &d.p.Node
	n.HeartbeatTicks, n.RequestTicks = 1, 0
	n.EntryBytes, n.EntryCommands, n.MessageBytes, n.Inflight, n.ApplyBytes, n.AppendsInflight = 0, 0, 0, 0, 0, 0
}

// weight is how often something is drawn, relative to the others.
type weight[T any] struct {
	of    T
	times int
}

// swarm switches each kind off in one of three cases, and up in one of six. Something always stays on.
func swarm[T any](d *draw, all []weight[T]) []T {
	var bag []T
	for _, w := range all {
		times := w.times * one(d, 0, 0, 1, 1, 1, 4)
		for range times {
			bag = append(bag, w.of)
		}
	}
	if len(bag) == 0 {
		bag = append(bag, all[d.Below(len(all))].of)
	}
	return bag
}

const operationsPerPlan = 400

// operations draws what the clients do: bursts and lulls, on few keys.
func (d *draw) operations() {
	bag := swarm(d, []weight[Action]{{Put, 6}, {Get, 5}, {GetFollower, 3}, {GetStale, 1}, {Swap, 3}, {PutAbsent, 1}, {PutPresent, 1}, {Delete, 2}, {DeleteSwap, 1}})
	bag = append(bag, Put, Get, Put, Get)
	keys, when := one(d, 1, 2, 4, 8), d.arrivals()
	for i := 1; i <= operationsPerPlan; i++ {
		o := Operation{At: when(), Client: 1 + d.Below(d.p.Clients.Count), Do: bag[d.Below(len(bag))], Number: i}
		o.Key = fmt.Sprintf("k%d", 1+d.Below(keys))
		if o.Do == GetFollower || o.Do == GetStale {
			o.Node = 1 + d.Below(d.p.Nodes+d.p.Spares)
		}
		if len(d.stage) > 0 && d.Below(4) > 0 {
			d.enact(&o)
		}
		d.p.Operations = append(d.p.Operations, o)
	}
	d.membership()
	for _, at := range d.transfers {
		d.change(at, Transfer, 0)
		d.p.Operations[len(d.p.Operations)-1].Target = Leader
	}
	d.replace()
	sort.SliceStable(d.p.Operations, func(i, j int) bool { return d.p.Operations[i].At < d.p.Operations[j].At })
}

// arrivals draws when operations come: evenly, or in bursts, which are what fills batches and queues.
func (d *draw) arrivals() func() Duration {
	if d.Below(2) == 0 {
		return func() Duration { return d.time(0, d.p.Safety) }
	}
	bursts := make([]Duration, one(d, 5, 15, 40))
	for i := range bursts {
		bursts[i] = d.time(0, d.p.Safety-second)
	}
	spread := one(d, milli, 10*milli, 500*milli)
	return func() Duration {
		if d.Below(4) == 0 {
			return d.time(0, d.p.Safety)
		}
		return bursts[d.Below(len(bursts))] + d.time(0, spread)
	}
}

// membership draws changes of who belongs to the cluster.
func (d *draw) membership() {
	if d.Below(2) == 0 {
		return
	}
	for i := 1; i <= d.p.Spares; i++ {
		spare, at := d.p.Nodes+i, d.time(0, 40*second)
		d.change(at, AddMember, spare)
		for range d.Below(4) {
			d.change(at+d.time(0, 10*second), Promote, spare)
		}
		if d.Below(2) == 0 {
			d.change(at+d.time(5*second, 15*second), Remove, spare)
		}
	}
	if d.p.Nodes >= 4 && d.Below(3) == 0 {
		d.change(d.time(10*second, 50*second), Remove, 1+d.Below(d.p.Nodes))
	}
	for range d.Below(6) {
		d.change(d.time(0, d.p.Safety), Transfer, d.Below(d.p.Nodes+1))
	}
}

// replace draws what an operator does about nodes that lost their disks: remove them, and add others under new ids.
func (d *draw) replace() {
	for i := range min(len(d.lost), d.p.Spares) {
		f, spare := &d.lost[i], d.p.Nodes+d.p.Spares-i
		at := f.At + f.For + d.time(0, 5*second)
		d.change(at, Remove, f.Node.Node())
		d.change(at+d.time(0, 5*second), AddMember, spare)
		for range 3 {
			d.change(at+d.time(5*second, 15*second), Promote, spare)
		}
	}
}

// change adds an operation on the membership, while faults still happen.
func (d *draw) change(at Duration, do Action, node int) {
	at = min(at, d.p.Safety)
	d.p.Operations = append(d.p.Operations, Operation{At: at, Client: 1 + d.Below(d.p.Clients.Count), Do: do, Node: node, Number: len(d.p.Operations) + 1})
}

const faultsPerPlan = 50

// faults draws what goes wrong.
func (d *draw) faults() {
	bag := swarm(d, []weight[Kind]{{Partition, 4}, {Isolate, 4}, {OneWay, 3}, {Deaf, 3}, {Ring, 1}, {Flap, 1}, {Lose, 3}, {Duplicate, 2}, {Replay, 2}, {Slow, 2}, {Clog, 2},
		{ClientCut, 2}, {Crash, 6}, {CrashAll, 1}, {Storm, 1}, {Pause, 4}, {CrashAt, 5}, {ClientDies, 1}, {DiskSlow, 2}, {DiskError, 2}, {DiskFull, 1}, {DiskLow, 1}, {ShortWrite, 1}, {Rot, 1}, {SwapDisks, 1}, {Drift, 2}, {ClockJump, d.unlessLeases(2)}})
	for range d.Below(faultsPerPlan) + faultsPerPlan/4 {
		f := Fault{At: d.time(0, d.p.Safety-second), For: d.length(), Do: bag[d.Below(len(bag))]}
		d.parameters(&f)
		d.p.Faults = append(d.p.Faults, f)
	}
	d.scenes()
	d.clocks()
	d.losses()
	d.leftBehind()
	sort.SliceStable(d.p.Faults, func(i, j int) bool { return d.p.Faults[i].At < d.p.Faults[j].At })
}

// losses draws disks that are lost: few, since what is lost is lost for the rest of the life.
func (d *draw) losses() {
	if d.Below(3) > 0 {
		return
	}
	for range 1 + d.Below(2) {
		f := Fault{At: d.time(0, d.p.Safety-second), For: d.length(), Do: one(d, Wipe, Wipe, Rot), Node: one(d, Leader, Follower, Any, Number(1+d.Below(d.p.Nodes)))}
		if f.Do == Rot {
			f.Part = one(d, "", PartLog, PartSnapshot, PartIdentity)
		}
		d.p.Faults = append(d.p.Faults, f)
		if f.Node.Node() > 0 {
			d.lost = append(d.lost, f)
		}
	}
}

// leftBehind draws nodes that are not healed when the others are.
func (d *draw) leftBehind() {
	if d.Below(3) > 0 {
		return
	}
	for range 1 + d.Below((d.p.Nodes+1)/2) {
		d.p.Faults = append(d.p.Faults, Fault{At: d.time(d.p.Safety-10*second, d.p.Safety-milli), Do: one(d, Crash, Isolate), Node: d.target(), Stays: true})
	}
}

// unlessLeases is the weight of what lease reads do not allow.
func (d *draw) unlessLeases(times int) int {
	if d.p.Node.LeaseReads {
		return 0
	}
	return times
}

// length draws how long a fault lasts: mostly short, sometimes longer than an election takes.
func (d *draw) length() Duration {
	return d.time(0, one(d, 100*milli, second, 3*second, 3*second, 10*second))
}

var messages = []string{"", "", "MsgApp", "MsgAppResp", "MsgHeartbeat", "MsgHeartbeatResp", "MsgVote", "MsgVoteResp", "MsgPreVote", "MsgPreVoteResp", "MsgTimeoutNow", "MsgReadIndex", "MsgReadIndexResp"}

// parameters draws the fields that the kind needs.
func (d *draw) parameters(f *Fault) {
	switch f.Do {
	case Partition:
		f.Groups = d.groups()
	case Lose:
		f.PPM, f.Message = one(d, 50_000, 300_000, 1_000_000), messages[d.Below(len(messages))]
		if d.Below(3) == 0 {
			f.Node = d.target()
		}
	case Duplicate, Replay:
		f.PPM = one(d, 20_000, 200_000)
	case Ring, CrashAll:
	case ClientDies:
		f.Client = 1 + d.Below(d.p.Clients.Count)
	default:
		f.Node = d.target()
	}
	switch f.Do {
	case Lose, OneWay, Deaf, Clog:
		if d.Below(2) == 0 {
			f.Peer = Number(1 + d.Below(d.p.Nodes))
		}
	case Flap, Storm:
		f.Period = d.time(20*milli, 2*second)
	case Slow, DiskSlow:
		f.Latency = d.time(milli, one(d, 20*milli, 200*milli, 2*second))
	case CrashAt:
		f.Op, f.Nth = one(d, "", "write", "sync", "sync", "create", "rename", "syncdir", "remove", OpPersisted, OpPersisted, OpRecovery, OpRecovery), 1+d.Below(one(d, 1, 4, 12))
		f.For += 5 * second
	case DiskError:
		f.Op, f.Nth = one(d, "", "read", "write", "sync", "create", "rename", "syncdir", "remove"), 1+d.Below(one(d, 1, 1, 4, 12))
		f.For += 5 * second
	case ShortWrite:
		f.Nth = 1 + d.Below(one(d, 1, 4, 20))
		f.For += 5 * second
	case ClockJump:
		f.Latency = d.time(milli, one(d, 100*milli, second, 20*second))
	case Rot:
		// Whole logs are lost by losses.
		f.Part = one(d, PartTail, PartTail, PartTail, PartSnapshot)
		f.For += 5 * second
	case SwapDisks:
		f.Part = one(d, "", PartLog)
	case Drift:
		f.PPM = one(d, -40_000, -10_000, 10_000, 40_000) * one(d, 1, 1, 1+d.unlessLeases(9))
	}
}

func (d *draw) target() Target {
	return one(d, Leader, Leader, Follower, Any, Rising, Number(1+d.Below(d.p.Nodes)))
}

// groups splits the nodes in two.
func (d *draw) groups() [][]int {
	a, b := []int{}, []int{}
	for i := 1; i <= d.p.Nodes+d.p.Spares; i++ {
		if d.Below(2) == 0 {
			a = append(a, i)
		} else {
			b = append(b, i)
		}
	}
	return [][]int{a, b}
}
