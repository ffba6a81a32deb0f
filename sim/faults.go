package sim

import (
	"fmt"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
	"go.etcd.io/raft/v3/raftpb"
)

// faults injects what the plan asks for, and undoes it.
type faults struct {
	w        *World
	seed     uint64
	streams  map[int]*plan.Stream // of each fault
	now      int                  // the fault that is being carried out
	injected map[string]int
	waiting  []int // faults that wait for a node to become candidate
	undo     map[int]func()
	struck   map[int]uint64   // who suffers
	stays    map[int]*process // who suffers from a fault that is not healed
}

func (f *faults) init(w *World) {
	f.w, f.seed, f.streams, f.injected = w, w.plan.Seed, map[int]*plan.Stream{}, map[string]int{}
	f.undo, f.struck, f.stays = map[int]func(){}, map[int]uint64{}, map[int]*process{}
}

// stream is where a fault's random numbers come from. It is split off by what the fault does and when: that others come or go changes
// nothing in it.
func (f *faults) stream(i int) *plan.Stream {
	s := f.streams[i]
	if s == nil {
		fault := &f.w.plan.Faults[i]
		s = plan.NewStream(f.seed, "fault "+string(fault.Do), uint64(fault.At))
		f.streams[i] = s
	}
	return s
}

// random is the stream of the fault that is being carried out.
func (f *faults) random() *plan.Stream { return f.stream(f.now) }

// reseed has all faults go on from another seed.
func (f *faults) reseed(seed uint64) { f.seed, f.streams = seed, map[int]*plan.Stream{} }

// schedule puts all faults on the agenda.
func (f *faults) schedule() {
	for i := range f.w.plan.Faults {
		f.w.at(int64(f.w.plan.Faults[i].At), inject, uint64(i), 0, nil)
	}
}

// inject is the task that begins a fault.
func inject(w *World, t *task) {
	f := &w.plan.Faults[t.a]
	if w.ended {
		return
	}
	if f.Node == plan.Rising {
		w.faults.waiting = append(w.faults.waiting, int(t.a))
		return
	}
	w.faults.now = int(t.a)
	w.faults.begin(int(t.a), w.faults.target(f.Node))
}

// rising begins the faults that wait for a candidate.
func (f *faults) rising(p *process) {
	waiting := f.waiting
	f.waiting = nil
	for _, i := range waiting {
		// After the step: a crash must not happen in the middle of it.
		f.w.later(0, strike, uint64(i), p.number, nil)
	}
}

func strike(w *World, t *task) {
	if !w.ended {
		w.faults.begin(int(t.a), w.process(t.b))
	}
}

// target finds who suffers; nil if nobody can.
func (f *faults) target(t plan.Target) *process {
	if n := t.Node(); n > 0 {
		return f.w.process(uint64(n))
	}
	leader := f.w.leader()
	if t == plan.Deposed {
		t, leader = plan.Leader, f.w.leading(t)
	}
	var choice []*process
	for _, p := range f.w.processes {
		if p.up && (t == plan.Any || t == plan.Leader && (leader == nil || p == leader) || t == plan.Follower && p != leader) {
			choice = append(choice, p)
		}
	}
	if len(choice) == 0 {
		return nil
	}
	return choice[f.random().Below(len(choice))]
}

// leader is who leads in the highest term; nil if nobody does.
func (w *World) leader() (l *process) {
	for _, p := range w.processes {
		if p.up && p.role.State == cluster.Leader && (l == nil || p.role.Term > l.role.Term) {
			l = p
		}
	}
	return l
}

// leading is who leads in the highest term, or in the lowest one, as a target says; nil if nobody does.
func (w *World) leading(t plan.Target) (l *process) {
	switch t {
	case plan.Leader:
		return w.leader()
	case plan.Deposed:
		for _, p := range w.processes {
			if p.up && p.role.State == cluster.Leader && (l == nil || p.role.Term < l.role.Term) {
				l = p
			}
		}
	}
	return l
}

// begin does what a fault does and schedules its end.
func (f *faults) begin(i int, p *process) {
	fault := &f.w.plan.Faults[i]
	f.now = i
	if p == nil && fault.Node != "" {
		return
	}
	undo, done := f.apply(fault, p)
	if !done {
		return
	}
	if !waits(fault) {
		f.injected[string(fault.Do)]++
	}
	f.mark(i, fault, p)
	if fault.Stays {
		f.keep(i, fault, p)
	}
	if undo == nil {
		return
	}
	f.undo[i] = undo
	if f.stays[i] != nil {
		return
	}
	f.w.later(int64(fault.For), heal, uint64(i), 0, nil)
}

func (f *faults) mark(i int, fault *plan.Fault, p *process) {
	e := trace.Event{Kind: trace.Fault, What: string(fault.Do), Text: "for " + fault.For.String(), Numbers: numbers{uint64(i)}}
	to := f.w.now + int64(fault.For)
	if fault.Stays {
		e.Text, to = "for good", history.Forever
	}
	node := ""
	if p != nil {
		node, e.Node, f.struck[i] = fmt.Sprintf("n%d", p.number), p.number, p.number
	}
	f.w.emit(e)
	f.w.history.mark(f.w.now, to, node, string(fault.Do))
}

// heal is the task that ends a fault.
func heal(w *World, t *task) { w.faults.end(int(t.a)) }

func (f *faults) end(i int) {
	if undo := f.undo[i]; undo != nil {
		delete(f.undo, i)
		undo()
		f.w.emit(trace.Event{Kind: trace.Heal, Node: f.struck[i], What: string(f.w.plan.Faults[i].Do), Numbers: numbers{uint64(i)}})
	}
}

// waits says that a fault is armed when it begins, and counts when it strikes.
func waits(fault *plan.Fault) bool {
	switch fault.Do {
	case plan.CrashAt, plan.DiskError, plan.ShortWrite:
		return true
	case plan.Rot:
		return fault.Part == plan.PartTail
	}
	return false
}

// struckNow counts a fault that has waited.
func (f *faults) struckNow(kind plan.Kind) { f.injected[string(kind)]++ }

// keep has a fault stay for good, if the others can do without the node.
func (f *faults) keep(i int, fault *plan.Fault, p *process) {
	if p.away == "" && f.w.affords(p) {
		p.away, f.stays[i] = fault.Do, p
	}
}

// leftBehind are the probes of nodes that are not healed, by what they suffer from.
var leftBehind = map[plan.Kind]probe{plan.Crash: probeLeftDown, plan.Isolate: probeLeftAlone}

// endAll ends every fault, in order; but for those that stay, as long as the others are a quorum. They may be no more, if the membership
// has changed.
func (f *faults) endAll() {
	f.waiting = nil
	stays := f.w.affords(nil)
	for i := range f.w.plan.Faults {
		if p := f.stays[i]; p != nil && stays {
			f.w.probe(leftBehind[p.away])
			continue
		} else if p != nil {
			p.away = ""
		}
		f.end(i)
	}
}

// apply begins a fault and returns what ends it, nil if it ends by itself. Not done: it can't happen now.
func (f *faults) apply(fault *plan.Fault, p *process) (undo func(), done bool) {
	switch fault.Do {
	case plan.Wipe:
		return nil, f.wipe(fault, p)
	case plan.Rot:
		if fault.Part == plan.PartTail {
			return p.disk.set(trapOf(fault)), true
		}
		return nil, f.rot(fault, p)
	case plan.SwapDisks:
		undo = f.swap(fault, p)
		return undo, undo != nil
	}
	return f.applyToNetwork(fault, p), true
}

// applyToNetwork begins a fault of the network or of clients.
func (f *faults) applyToNetwork(fault *plan.Fault, p *process) (undo func()) {
	n := &f.w.network
	switch fault.Do {
	case plan.Partition:
		return n.part(groupsOf(fault.Groups, len(f.w.processes)))
	case plan.Ring:
		return n.ring()
	case plan.Isolate:
		return n.isolate(p.number)
	case plan.OneWay:
		return n.oneWay(p.number, uint64(fault.Peer.Node()))
	case plan.Deaf:
		return n.deaf(p.number, uint64(fault.Peer.Node()))
	case plan.Flap:
		return f.flap(fault, p)
	case plan.Lose:
		return n.losing(fault, p)
	case plan.Duplicate:
		n.double += fault.PPM
		return func() { n.double -= fault.PPM }
	case plan.Replay:
		n.replay += fault.PPM
		return func() { n.replay -= fault.PPM }
	case plan.Slow:
		n.slow[p.number] += int64(fault.Latency)
		return func() { n.slow[p.number] -= int64(fault.Latency) }
	case plan.Clog:
		return n.clog(p.number, uint64(fault.Peer.Node()))
	case plan.ClientCut:
		n.cut[0][p.number]++
		n.cut[p.number][0]++
		return func() { n.cut[0][p.number]--; n.cut[p.number][0]-- }
	case plan.ClientDies:
		f.w.clients[fault.Client-1].die()
		return nil
	}
	return f.applyToProcess(fault, p)
}

// applyToProcess begins a fault of processes, disks and clocks.
func (f *faults) applyToProcess(fault *plan.Fault, p *process) (undo func()) {
	switch fault.Do {
	case plan.Crash:
		f.w.crash(p, int64(fault.For)) // one that stays away does not start, whatever is on the agenda
	case plan.CrashAll:
		for _, p := range f.w.processes {
			f.w.crash(p, int64(fault.For)+f.random().Between(0, 200_000_000))
		}
	case plan.Storm:
		return f.storm(fault, p)
	case plan.Pause:
		return p.pause()
	case plan.CrashAt, plan.DiskError, plan.ShortWrite:
		undo = p.disk.set(trapOf(fault))
		if fault.Op == plan.OpRecovery {
			f.w.crash(p, f.random().Between(0, 1_000_000_000))
		}
		return undo
	case plan.DiskSlow:
		p.disk.slow += int64(fault.Latency)
		return func() { p.disk.slow -= int64(fault.Latency) }
	case plan.DiskFull:
		p.disk.full++
		return func() { p.disk.full-- }
	case plan.DiskLow:
		p.low++
		p.tellReserve()
		return func() { p.low--; p.tellReserve() }
	case plan.Drift:
		limit := f.driftMax()
		p.clock.drift(f.w.now, int64(fault.PPM), limit)
		return func() { p.clock.drift(f.w.now, -int64(fault.PPM), limit) }
	case plan.ClockJump:
		p.clock.jump(f.w.now, int64(fault.Latency))
		p.wake(0)
	}
	return nil
}

// driftMax is how far off a clock may run, in parts of a million. With lease reads two clocks must stay within the bound that a node
// has by default, an eighth.
func (f *faults) driftMax() int64 {
	if f.w.plan.Node.LeaseReads {
		return 60_000
	}
	return 500_000
}

// crash takes a process's power away and starts it again after a while.
func (w *World) crash(p *process, down int64) {
	if !p.up {
		return
	}
	p.crash("power lost")
	w.later(down, start, p.number, p.life, nil)
}

// pause has a process stand still until undo. A start in between is another process, which nobody paused.
func (p *process) pause() (undo func()) {
	life := p.life
	p.paused++
	return func() {
		if p.life != life {
			return
		}
		if p.paused--; p.paused == 0 && p.up {
			p.wake(0)
		}
	}
}

// tellReserve tells the node whether the reserve of free disk is reached.
func (p *process) tellReserve() {
	if p.up {
		p.give(cluster.Event{Kind: cluster.EventDiskReserve, Failed: p.low > 0})
	}
}

// storm crashes a process again and again.
func (f *faults) storm(fault *plan.Fault, p *process) func() {
	on, number := true, f.now
	var again func(*World, *task)
	again = func(w *World, _ *task) {
		if !on {
			return
		}
		w.crash(p, f.stream(number).Between(0, int64(fault.Period)))
		w.later(f.stream(number).Between(int64(fault.Period)/2, int64(fault.Period)*2), again, 0, 0, nil)
	}
	f.w.later(0, again, 0, 0, nil)
	return func() { on = false }
}

// flap isolates a process again and again.
func (f *faults) flap(fault *plan.Fault, p *process) func() {
	var undo func()
	on, number := true, f.now
	var again func(*World, *task)
	again = func(w *World, _ *task) {
		if !on {
			return
		}
		if undo == nil {
			undo = w.network.isolate(p.number)
		} else {
			undo()
			undo = nil
		}
		w.later(f.stream(number).Between(int64(fault.Period)/2, int64(fault.Period)*2), again, 0, 0, nil)
	}
	f.w.later(0, again, 0, 0, nil)
	return func() {
		on = false
		if undo != nil {
			undo()
			undo = nil
		}
	}
}

// groupsOf returns each process's group; a process in none is alone.
func groupsOf(groups [][]int, count int) []int {
	of := make([]int, count+1)
	for i := range of {
		of[i] = -1 - i
	}
	for g, members := range groups {
		for _, n := range members {
			if n >= 1 && n <= count {
				of[n] = g
			}
		}
	}
	return of
}

// block cuts the links that match, among processes, until undo.
func (n *network) block(matches func(from, to int) bool) (undo func()) {
	return n.count(n.cut, matches)
}

func (n *network) count(links [][]int, matches func(from, to int) bool) (undo func()) {
	var hit [][2]int
	for from := 1; from < len(links); from++ {
		for to := 1; to < len(links); to++ {
			if from != to && matches(from, to) {
				links[from][to]++
				hit = append(hit, [2]int{from, to})
			}
		}
	}
	return func() {
		for _, l := range hit {
			links[l[0]][l[1]]--
		}
	}
}

func (n *network) part(of []int) func() {
	return n.block(func(from, to int) bool { return of[from] != of[to] })
}

// ring leaves each process in touch with just enough neighbours for a majority.
func (n *network) ring() func() {
	count := n.w.plan.Nodes
	reach := (count/2 + 1) / 2
	return n.block(func(from, to int) bool {
		d := (from - to + count) % count
		return from <= count && to <= count && min(d, count-d) > reach
	})
}

func (n *network) isolate(p uint64) func() {
	return n.block(func(from, to int) bool { return from == int(p) || to == int(p) })
}

func (n *network) oneWay(p, peer uint64) func() {
	return n.block(func(from, to int) bool { return from == int(p) && (peer == 0 || to == int(peer)) })
}

func (n *network) deaf(p, peer uint64) func() {
	return n.block(func(from, to int) bool { return to == int(p) && (peer == 0 || from == int(peer)) })
}

func (n *network) clog(p, peer uint64) func() {
	undo := n.count(n.clogged, func(from, to int) bool { return from == int(p) && (peer == 0 || to == int(peer)) })
	return func() {
		undo()
		n.release()
	}
}

func (n *network) losing(fault *plan.Fault, p *process) func() {
	l := loss{random: n.w.faults.random(), ppm: fault.PPM, all: fault.Message == "", to: uint64(fault.Peer.Node())}
	if p != nil {
		l.from = p.number
	}
	l.message = raftpb.MessageType(raftpb.MessageType_value[fault.Message])
	n.lose = append(n.lose, l)
	return func() {
		for i := range n.lose {
			if n.lose[i] == l {
				n.lose = append(n.lose[:i:i], n.lose[i+1:]...)
				return
			}
		}
	}
}
