package sim

import (
	"slices"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
	"go.etcd.io/raft/v3/raftpb"
)

// network carries messages between processes, and between them and clients.
type network struct {
	w     *World
	links [][]*plan.Stream // by sender and receiver, since what happens on one link must not change what happens on another
	last  [][]int64        // when the latest message arrives on a link that keeps the order
	// cut[from][to] counts the faults that keep messages from passing, by process number; 0 stands for the clients.
	cut     [][]int
	clogged [][]int
	held    []*packet // on clogged links
	slow    []int64   // by process number
	lose    []loss
	double  int // parts of a million, on top of the plan's
	replay  int
	sent    uint64 // messages so far
	free    []*packet
}

// loss is a fault that loses messages of one type, or all.
type loss struct {
	random  *plan.Stream // of the fault
	ppm     int
	message raftpb.MessageType
	all     bool
	// from and to are whose messages, and to whom; 0: anybody.
	from, to uint64
}

func (l *loss) hits(k *packet) bool {
	return (l.all || l.message == k.kind) && (l.from == 0 || l.from == k.from) && (l.to == 0 || l.to == k.to)
}

// packet is a peer message on its way. Its bytes are not changed before its last copy is gone, so that it can be delivered twice.
type packet struct {
	from, to uint64
	sender   cluster.Introduction
	kind     raftpb.MessageType
	number   uint64 // counts the messages of a life
	bytes    []byte
	copies   int // on their way
}

func (n *network) init(w *World) {
	n.w = w
	count := w.plan.Nodes + w.plan.Spares + 1
	n.seed(w.plan.Seed, count)
	n.cut, n.clogged = make([][]int, count), make([][]int, count)
	for i := range n.cut {
		n.cut[i], n.clogged[i] = make([]int, count), make([]int, count)
	}
	n.slow = make([]int64, count)
}

// seed gives each link a stream.
func (n *network) seed(seed uint64, count int) {
	n.links, n.last = make([][]*plan.Stream, count), make([][]int64, count)
	for from := range n.links {
		n.links[from], n.last[from] = make([]*plan.Stream, count), make([]int64, count)
		for to := range n.links[from] {
			n.links[from][to] = plan.NewStream(seed, "link", uint64(from*count+to))
		}
	}
}

// replayMax is how much later a message may come once more, in nanoseconds.
const replayMax = 10_000_000_000

// latency draws how long a message between two takes.
func (n *network) latency(from, to uint64) int64 {
	p := &n.w.plan.Network
	random := n.links[from][to]
	d := random.Between(int64(p.LatencyMin), int64(p.LatencyMax)) + n.slow[from] + n.slow[to]
	late, hit := random.Between(0, int64(p.ReorderMax)), random.Hit(p.ReorderPPM)
	if hit {
		d += late
	}
	return d
}

// arrival draws when a peer's message arrives. A connection keeps the order; where the plan asks for it, so does the link.
func (n *network) arrival(from, to uint64) int64 {
	at := n.w.now + n.latency(from, to)
	if n.w.plan.Network.Ordered {
		at = max(at, n.last[from][to])
		n.last[from][to] = at
	}
	return at
}

// send puts a peer message on its way, or loses it.
func (n *network) send(from *process, m *raftpb.Message) {
	if to := m.GetTo(); to < 1 || int(to) > len(n.w.processes) {
		return
	}
	if m.GetFrom() != from.number {
		n.w.fail("sender", "n%d sends a %s in the name of n%d: its peers would break the connection", from.number, messageNames[m.GetType()], m.GetFrom())
		return
	}
	k := n.pack(from, m)
	n.w.message(trace.Send, k.from, k.to, k, m)
	if n.lost(k) {
		n.w.message(trace.Lose, k.from, k.to, k, m)
		from.unreached(k.to)
		n.recycle(k)
		return
	}
	n.dispatch(k)
	random := n.links[k.from][k.to]
	if random.Hit(n.w.plan.Network.DuplicatePPM + n.double) {
		n.dispatch(k)
	}
	late, hit := random.Between(0, replayMax), random.Hit(n.replay)
	if hit {
		k.copies++
		n.w.later(late, deliver, k.to, 0, k)
	}
}

// unreachedMax is how late a node hears that a peer can't be reached, in nanoseconds.
const unreachedMax = 50_000_000

// unreached tells a node that what it sent to a peer was lost: the connection broke.
func (p *process) unreached(peer uint64) {
	p.w.later(p.w.network.links[p.number][peer].Between(0, unreachedMax), unreachable, p.number, p.life, peer)
}

func unreachable(w *World, t *task) {
	if p := w.process(t.a); p.up && p.life == t.b {
		p.give(cluster.Event{Kind: cluster.EventUnreachable, Peer: t.it.(uint64)})
	}
}

// pack makes the packet of a message, out of one that has arrived if there is any.
func (n *network) pack(from *process, m *raftpb.Message) *packet {
	last := len(n.free) - 1
	if last < 0 {
		n.free, last = append(n.free, new(packet)), 0
	}
	k := n.free[last]
	n.free = n.free[:last]
	n.sent++
	bytes := cluster.AppendMessage(slices.Grow(k.bytes[:0], cluster.MessageSize(m)), m)
	*k = packet{from: from.number, to: m.GetTo(), sender: from.introduce(m.GetTo()), kind: m.GetType(), number: n.sent, bytes: bytes}
	return k
}

// recycle takes back a packet that has no copy on its way any more.
func (n *network) recycle(k *packet) {
	if k.copies == 0 {
		n.free = append(n.free, k)
	}
}

// lost draws whether a message gets lost.
func (n *network) lost(k *packet) bool {
	if lost := n.links[k.from][k.to].Hit(n.w.plan.Network.LossPPM); lost || n.cut[k.from][k.to] > 0 {
		return true
	}
	for i := range n.lose {
		if n.lose[i].hits(k) && n.lose[i].random.Hit(n.lose[i].ppm) {
			return true
		}
	}
	return false
}

// dispatch sends one copy.
func (n *network) dispatch(k *packet) {
	k.copies++
	if n.clogged[k.from][k.to] > 0 {
		n.held = append(n.held, k)
		return
	}
	n.w.at(n.arrival(k.from, k.to), deliver, k.to, 0, k)
}

// release sends what a clog held back.
func (n *network) release() {
	held := n.held
	n.held = nil
	for _, k := range held {
		k.copies--
		n.dispatch(k)
	}
}

// deliver hands a message over.
func deliver(w *World, t *task) {
	k := t.it.(*packet)
	k.copies--
	p := w.process(k.to)
	switch {
	case !p.up:
		w.undelivered(k, "to a node that is down")
	case w.network.cut[k.from][k.to] > 0:
		w.undelivered(k, "on a link that was cut")
	case !p.accepts(k.sender):
		w.undelivered(k, "to a node that does not take it")
	default:
		p.receive(k)
	}
	w.network.recycle(k)
}

// undelivered tells of a message that was sent and does not arrive.
func (w *World) undelivered(k *packet, why string) {
	w.emit(trace.Event{Kind: trace.Lose, Node: k.from, Peer: k.to, What: messageNames[k.kind], Text: why, Numbers: numbers{4: k.number}})
}

// receive takes a copy of a packet's message.
func (p *process) receive(k *packet) {
	m, err := k.open()
	if err != nil {
		p.w.fail("codec", "a message of n%d does not decode: %v", k.from, err)
		return
	}
	p.w.message(trace.Receive, k.to, k.from, k, m)
	p.give(cluster.Event{Kind: cluster.EventReceive, Message: m})
}

// open decodes a message of its own for each copy, since raft keeps and changes messages. What the message refers to lies in
// the bytes: the last copy keeps those of the packet if there is any of that.
func (k *packet) open() (*raftpb.Message, error) {
	if k.copies > 0 {
		return cluster.DecodeMessage(slices.Clone(k.bytes))
	}
	m, err := cluster.DecodeMessage(k.bytes)
	if len(m.GetContext()) > 0 || len(m.GetEntries()) > 0 {
		k.bytes = nil
	}
	return m, err
}
