package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
	"go.etcd.io/raft/v3/raftpb"
)

// process is one node with its directory: what package host is in production. It starts, is stepped in batches, writes its log
// one batch at a time, and dies.
type process struct {
	w        *World
	number   uint64
	instance cluster.Instance
	join     bool

	disk    disk
	durable durableLog   // what the disk holds for certain, by an independent reader
	local   *plan.Stream // scheduling, latencies, what becomes of unsynced writes
	raft    *plan.Stream // raft's jitter
	clock   clock
	up      bool
	life    uint64 // counts starts: tasks of an earlier life are void
	epoch   uint64 // of this start
	paused  int    // pauses that are on
	low     int    // faults that have the disk reach its reserve
	// What has happened to the directory, or will not end.
	unborn  bool      // it is gone, and made at the next start
	lost    bool      // what it held can't be counted on any more
	swapped bool      // it is another node's
	rot     *rot      // nil: none
	gone    []gone    // what was there before
	away    plan.Kind // the fault that stays for good

	store   *storage.Store
	node    *cluster.Node
	machine *kv.Machine
	role    cluster.Role
	members cluster.Membership
	told    cluster.Marks

	inbox  []cluster.Event
	batch  []cluster.Event // room for those of one step
	waking bool
	// hearsAt is when the node hears of the latest append that is durable.
	hearsAt int64

	queued  []cluster.Append // handed out by the node, not being written yet
	writing []cluster.Append // being written
	compact uint64
	// compacting is the index up to which the log is to be compacted once what is being written is durable; 0: none.
	compacting uint64

	requests  map[uint64]*request
	sent      uint64 // requests so far
	receiving bool   // a snapshot
	chunk     []byte // room for one of a snapshot
	transfers int    // snapshots being sent
}

// Bounds as package host has them.
const (
	stepEventsMax   = 8192
	transfersOutMax = 2
)

// clock is a process's monotonic clock, which may run fast or slow.
type clock struct {
	base, since int64 // it showed base when the world's clock showed since
	ppm         int64
	asked       int64 // the sum of what faults ask for; ppm is within what the plan allows
}

func (c *clock) now(world int64) int64 {
	passed := world - c.since
	return c.base + passed + passed/1_000_000*c.ppm + passed%1_000_000*c.ppm/1_000_000
}

// set changes the rate from now on.
func (c *clock) set(world, ppm int64) { c.base, c.since, c.ppm = c.now(world), world, ppm }

// drift has the clock run faster, or slower, by so much more.
func (c *clock) drift(world, ppm, limit int64) {
	c.asked += ppm
	c.set(world, max(-limit, min(limit, c.asked)))
}

// jump sets the clock forward.
func (c *clock) jump(world, by int64) {
	c.set(world, c.ppm)
	c.base += by
}

// after returns how much world time passes while the clock advances by d.
func (c *clock) after(d int64) int64 { return d * 1_000_000 / (1_000_000 + c.ppm) }

func newProcess(w *World, number uint64) *process {
	p := &process{w: w, number: number, local: plan.NewStream(w.plan.Seed, "process", number), raft: plan.NewStream(w.plan.Seed, "raft", number)}
	p.join = int(number) > w.plan.Nodes
	p.disk.init(p)
	p.clock.base = p.local.Between(0, 1_000_000_000_000)
	p.identify()
	return p
}

// identify draws the instance of a new directory.
func (p *process) identify() {
	if _, err := p.local.Read(p.instance[:]); err != nil {
		panic(err)
	}
}

const dataDir = "/node"

// settings is what decides what commands come to.
const settings = "simulated"

func (w *World) machineOptions() kv.Options {
	return kv.Options{Shards: 4, SessionsMax: w.plan.Node.SessionsMax, SessionWindow: 64}
}

// found makes the directories of all founding nodes, who have met.
func (w *World) found() {
	var members []cluster.Member
	for _, p := range w.processes[:w.plan.Nodes] {
		members = append(members, p.member())
	}
	founding, _ := cluster.Founding(members)
	w.budget.changed(founding, 0)
	for _, p := range w.processes {
		if err := p.create(&founding); err != nil {
			panic(err)
		}
		if !p.join {
			p.members = founding
		}
	}
}

func (p *process) member() cluster.Member {
	return cluster.Member{ID: p.number, Instance: p.instance}
}

// create makes the directory; of a cluster that was founded by others if founding is nil.
func (p *process) create(founding *cluster.Membership) error {
	id := storage.Identity{Cluster: "sim", Node: p.number, Instance: p.instance, Join: p.join, Settings: settings}
	if founding != nil && !p.join {
		id.Formed, id.Founding = true, *founding
	}
	return storage.Create(p.disk.mem, dataDir, id)
}

// start is the task that begins a life.
func start(w *World, t *task) {
	p := w.process(t.a)
	if p.up || p.life != t.b || p.away == plan.Crash {
		return
	}
	p.begin()
}

// begin recovers and goes on.
func (p *process) begin() {
	p.life++
	p.told = cluster.Marks{}
	p.disk.resume()
	p.disk.recovering = true
	recovered, epoch, err := p.recover()
	p.disk.recovering = false
	if p.disk.lost {
		p.w.probe(probeRecoveryPower)
		p.crash("power lost during recovery")
		p.w.later(p.local.Between(10_000_000, 2_000_000_000), start, p.number, p.life, nil)
		return
	}
	if err != nil {
		p.cannotStart(err)
		return
	}
	p.w.jitter.current = p.raft
	node, err := cluster.New(p.config(epoch), recovered)
	p.w.jitter.current = nil
	if err != nil {
		p.w.fail("start", "n%d can't start from what it recovered: %v", p.number, err)
		return
	}
	if p.swapped {
		p.w.fail("identity", "n%d started on another node's directory", p.number)
		return
	}
	p.outlivedRot(&recovered)
	p.readDurable()
	p.node, p.machine, p.members, p.role = node, recovered.Machine, recovered.Membership, cluster.Role{Term: recovered.HardState.Term}
	p.up, p.paused, p.waking = true, 0, false
	p.requests = map[uint64]*request{}
	p.epoch = epoch
	p.w.checks.started(p, &recovered)
	p.w.witness.started(p, &recovered)
	p.w.emit(trace.Event{Kind: trace.Start, Node: p.number, Numbers: numbers{epoch, recovered.HardState.Term, recovered.HardState.Commit,
		recovered.Snapshot.Index, uint64(len(recovered.Entries))}})
	p.tellState()
	p.w.later(p.clock.after(p.local.Between(0, int64(p.w.plan.Node.Tick))), tick, p.number, p.life, nil)
	p.wake(0)
	p.w.later(knockEvery, knock, p.number, p.life, nil)
}

// recover reads the directory.
func (p *process) recover() (r cluster.Recovered, epoch uint64, err error) {
	if p.unborn {
		if err := p.create(nil); err != nil && !errors.Is(err, fs.ErrExist) {
			return r, 0, err
		}
		p.unborn = false
	}
	s, err := storage.Open(p.disk.mem, dataDir, storage.Options{SegmentBytes: int64(p.w.plan.Node.SegmentBytes), DiskReserveBytes: -1})
	if err != nil {
		return r, 0, err
	}
	p.store = s
	if err := p.owns(s.Identity()); err != nil {
		return r, 0, err
	}
	read, err := s.Recover()
	if err != nil {
		return r, 0, err
	}
	if read.TailCutBytes > 0 {
		p.w.probe(probeTornTail)
	}
	r = cluster.Recovered{HardState: read.HardState, Snapshot: read.Snapshot, Entries: read.Entries, Restarted: read.Restarted}
	if read.Snapshot.Index != 0 {
		var meta kv.Meta
		if r.Machine, meta, err = p.restore(read.Snapshot); err != nil {
			return r, 0, err
		}
		p.w.probe(probeSnapshotStart)
		r.Membership, r.ConfState, err = cluster.DecodeMembership(meta.Cluster)
		return r, read.Epoch, err
	}
	r.Membership, r.ConfState = s.Identity().Founding, &raftpb.ConfState{}
	for _, m := range r.Membership.Members {
		r.ConfState.Voters = append(r.ConfState.Voters, m.ID)
	}
	r.Machine, err = kv.New(p.w.machineOptions())
	return r, read.Epoch, err
}

// restore builds a machine from a snapshot file.
func (p *process) restore(mark cluster.SnapshotMark) (*kv.Machine, kv.Meta, error) {
	r, err := p.store.OpenSnapshot(mark)
	if err != nil {
		return nil, kv.Meta{}, err
	}
	defer r.Close()
	return cluster.RestoreMachine(p.w.machineOptions(), r.Next)
}

// cannotStart judges a start that failed: an injected error means another try, anything else is a bug.
func (p *process) cannotStart(err error) {
	switch {
	case errors.Is(err, errUnformed):
		p.leave(err)
		p.w.later(0, knock, p.number, p.life, nil)
	case errors.Is(err, errInjected):
		p.w.probe(probeRecoveryError)
		p.leave(err)
		p.w.later(p.local.Between(100_000_000, 2_000_000_000), start, p.number, p.life, nil)
	case p.swapped:
		p.refusesSwap(err)
	case p.refusesRot(err):
	case errors.Is(err, fs.ErrNotExist):
		p.w.fail("start", "n%d has no directory: %v", p.number, err)
	case p.rot != nil:
		p.w.fail("rot", "n%d can't start, but that byte %d of %s had rotted does not explain it: %v", p.number, p.rot.off, p.rot.name, err)
	default:
		p.w.fail("start", "n%d can't start, and nothing damaged its data: %v", p.number, err)
	}
}

func (p *process) config(epoch uint64) cluster.Config {
	c := configOf(&p.w.plan.Node)
	c.ID, c.Epoch, c.Machine, c.Logger = p.number, epoch, p.w.machineOptions(), raftLog{p}
	return c
}

// configOf is what all nodes have in common.
func configOf(o *plan.Node) cluster.Config {
	return cluster.Config{
		TickNanos: int64(o.Tick), ElectionTicks: o.ElectionTicks, HeartbeatTicks: o.HeartbeatTicks,
		RequestTicks: o.RequestTicks, EntryBytesMax: o.EntryBytes, EntryCommandsMax: o.EntryCommands, MessageBytesMax: uint64(o.MessageBytes),
		InflightMax: o.Inflight, ApplyBytesMax: uint64(o.ApplyBytes), AppendsInflightMax: o.AppendsInflight,
		PendingMax: o.Pending, UncommittedBytesMax: uint64(o.Uncommitted), ReadRetryTicks: o.ReadRetryTicks, MaintainSteps: o.MaintainSteps,
		DataBytesMax: int64(o.DataBytes), SnapshotEntries: uint64(o.SnapshotEntries), SnapshotBytes: uint64(o.SnapshotBytes), TailEntries: uint64(o.TailEntries), LeaseReads: o.LeaseReads,
	}
}

// tick passes time at the rate of the process's clock.
func tick(w *World, t *task) {
	p := w.process(t.a)
	if !p.up || p.life != t.b {
		return
	}
	w.later(p.clock.after(int64(w.plan.Node.Tick)), tick, t.a, t.b, nil)
	if p.low > 0 {
		p.tellReserve()
	}
	p.wake(0)
}

// give queues an event for the next step.
func (p *process) give(e cluster.Event) {
	p.inbox = append(p.inbox, e)
	p.wake(p.local.Between(0, 20_000))
}

// wake has the node stepped soon.
func (p *process) wake(after int64) {
	if p.waking || p.paused > 0 {
		return
	}
	p.waking = true
	p.w.later(after, turn, p.number, p.life, nil)
}

// turn is the task that steps a node with what is waiting for it.
func turn(w *World, t *task) {
	p := w.process(t.a)
	if !p.up || p.life != t.b {
		return
	}
	p.waking = false
	if p.paused > 0 {
		return
	}
	taken := min(len(p.inbox), stepEventsMax-1)
	p.batch = append(p.batch[:0], cluster.Event{Kind: cluster.EventTick, Now: p.clock.now(w.now)})
	p.batch = append(p.batch, p.inbox[:taken]...)
	p.inbox = slices.Delete(p.inbox, 0, taken)
	if len(p.inbox) > 0 {
		p.wake(0)
	}
	p.step(p.batch)
	clear(p.batch)
}

// step steps the node and carries its effects out.
func (p *process) step(events []cluster.Event) {
	w := p.w
	w.jitter.current = p.raft
	effects := p.node.Step(events...)
	w.jitter.current = nil
	w.nodeSteps++
	if effects.Fatal != nil {
		w.fail("fatal", "n%d can't go on: %v", p.number, effects.Fatal)
		return
	}
	for i := range events {
		if s := events[i].Staged; s != nil && !effects.Takes(s) {
			w.probe(probeSnapshotUseless)
			p.store.Release(cluster.SnapshotMark{Index: s.Meta.Index, Term: s.Meta.Term})
		}
	}
	w.checks.stepped(p, &effects)
	w.witness.stepped(p, events, &effects)
	p.tellState()
	p.carryOut(&effects)
	if effects.More {
		// Left undone for a while now and then: nothing may depend on it.
		p.wake(p.local.Between(0, 1)*p.local.Between(0, 100_000_000) + 1000)
	}
}

// tellState tells of the node's place in term and log, if it has moved.
func (p *process) tellState() {
	if m := p.node.Marks(); m != p.told {
		p.told = m
		p.w.emit(trace.Event{Kind: trace.State, Node: p.number, Numbers: numbers{m.Term, m.Vote, m.Commit, m.Applied, m.Last}})
	}
}

// tellExit tells that the process ends by itself.
func (p *process) tellExit(err error) {
	p.w.emit(trace.Event{Kind: trace.Exit, Node: p.number, Text: err.Error()})
}

// carryOut does what the node asks for, in the order in which package host does.
func (p *process) carryOut(e *cluster.Effects) {
	if e.Machine != nil {
		p.machine = e.Machine
	}
	if e.Role != nil {
		p.onRole(*e.Role)
	}
	if e.Members != nil {
		p.members = *e.Members
		p.w.budget.changed(p.members, p.node.Marks().Applied)
	}
	p.queued = append(p.queued, e.Appends...)
	p.compact = max(p.compact, e.Compact)
	p.write()
	for _, m := range e.Messages {
		if m.GetType() == raftpb.MsgSnap {
			p.sendSnapshot(m)
			continue
		}
		p.w.network.send(p, m)
	}
	for i := range e.Replies {
		p.reply(&e.Replies[i])
	}
	if e.Snapshot != nil {
		p.saveSnapshot(e.Snapshot)
	}
}

func (p *process) onRole(r cluster.Role) {
	p.role = r
	p.w.emit(trace.Event{Kind: trace.Role, Node: p.number, Peer: r.Leader, What: r.State.String(), Numbers: numbers{r.Term}})
	if r.State == cluster.Leader && r.Term > p.w.led {
		p.w.led = r.Term
		p.w.history.leader(p.w.now, fmt.Sprintf("n%d", p.number))
	}
	if r.State == cluster.Candidate || r.State == cluster.PreCandidate {
		p.w.faults.rising(p)
	}
}

// crash takes the power away: what was not synced is in doubt.
func (p *process) crash(why string) {
	p.w.emit(trace.Event{Kind: trace.Crash, Node: p.number, Text: why})
	if p.up && len(p.writing) > 0 {
		p.interrupt()
	}
	p.disk.crash()
	p.halt()
}

// halt ends a life. Whoever waits for an answer learns that the connection broke, or nothing.
func (p *process) halt() {
	p.up, p.waking, p.receiving, p.transfers = false, false, false, 0
	p.life++
	p.node, p.store, p.machine = nil, nil, nil
	p.inbox, p.queued, p.writing, p.compact, p.compacting = nil, nil, nil, 0, 0
	p.abandon()
	p.w.witness.down()
}

// close lets the directory go, as the end of a process does. What it wrote stays in the page cache.
func (p *process) close() {
	if p.store != nil {
		p.disk.resume()
		if err := p.store.Close(); err != nil {
			p.w.fail("disk", "n%d can't close its store: %v", p.number, err)
		}
	}
}

// exit is what a process does about a disk that failed: it ends at once, and is started again.
func (p *process) exit(err error) {
	p.tellExit(err)
	if !errors.Is(err, errInjected) {
		p.w.fail("disk", "n%d ended though its disk did nothing wrong: %v", p.number, err)
		return
	}
	p.w.probe(probeEnded)
	p.close()
	p.halt()
	p.w.later(p.local.Between(100_000_000, 2_000_000_000), start, p.number, p.life, nil)
}
