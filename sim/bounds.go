package sim

import (
	"path"
	"strconv"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// bounds checks that nothing in a node grows beyond what its configuration says, and that it forgets no request.
type bounds struct {
	w      *World
	config cluster.Config // in effect
	logs   []logGrowth    // by process number-1
	most   int            // bytes of an entry, so far
}

// logGrowth notes how much a process had written to its log when it was allowed to drop entries.
type logGrowth struct {
	life    uint64
	written [4]uint64 // at the last compactions, the newest last
	last    [4]uint64 // index of the log's last entry then
	allowed [4]uint64 // up to which index entries could go then
	count   int
	peak    uint64 // the highest index that the log ever held, over all lives
}

func (b *bounds) init(w *World) {
	b.w = w
	b.config = configOf(&w.plan.Node).WithDefaults()
	b.config.Machine = w.machineOptions().WithDefaults()
	b.logs = make([]logGrowth, w.plan.Nodes+w.plan.Spares)
}

// A node appends also for each new term and vote, which no configuration bounds: this many may wait for a slow disk.
const votesWaitingMax = 64

// pinnedTail is how many times its bound the tail may grow while a snapshot is on its way.
const pinnedTail = 8

// entryOverheadBytes is what the node counts for an entry beside its data.
const entryOverheadBytes = 16

// stepped looks at a node after a step, before its effects are carried out.
func (b *bounds) stepped(p *process, v *view, e *cluster.Effects, s *cluster.Marks) {
	q, g := p.node.Queues(), &b.logs[p.number-1]
	g.peak = max(g.peak, v.last())
	b.requests(p, e, &q)
	if most := max(b.config.AppendsInflightMax, b.config.InflightMax) + votesWaitingMax; q.Appends > most {
		b.w.fail("bounds", "n%d has %d appends waiting for its disk; up to %d", p.number, q.Appends, most)
	}
	if !e.More {
		b.tail(p, q.Tail, int(s.Last)-int(s.Applied))
	}
	if e.Compact > 0 {
		b.compacted(p, s.Last, e.Compact)
	}
	if e.Machine == nil {
		b.applied(p, v.applied, s.Applied)
	}
	for _, m := range e.Messages {
		if m.GetType() == raftpb.MsgApp && len(m.GetEntries()) > 1 {
			b.message(p, m)
		}
	}
	if n := p.node.Machine().Stats().Sessions; n > b.config.Machine.SessionsMax {
		b.w.fail("bounds", "n%d holds %d sessions; up to %d", p.number, n, b.config.Machine.SessionsMax)
	}
}

// requests checks that every request is somewhere: waiting to be taken, held by the node, or answered just now.
func (b *bounds) requests(p *process, e *cluster.Effects, q *cluster.Queues) {
	waiting := 0
	for i := range p.inbox {
		if asks(p.inbox[i].Kind) {
			waiting++
		}
	}
	held := q.Proposals + q.Reads + q.Transfers
	if held+waiting+len(e.Replies) != len(p.requests) {
		b.w.fail("requests", "n%d was asked %d times; it holds %d requests, answers %d, and %d wait for it", p.number, len(p.requests), held, len(e.Replies), waiting)
	}
	if q.Proposals > b.config.PendingMax || q.Reads > b.config.PendingMax {
		b.w.fail("bounds", "n%d holds %d proposals and %d reads; up to %d each", p.number, q.Proposals, q.Reads, b.config.PendingMax)
	}
}

func asks(k cluster.EventKind) bool {
	switch k {
	case cluster.EventPropose, cluster.EventRead, cluster.EventChangeMember, cluster.EventTransfer:
		return true
	}
	return false
}

// tail checks the entries that are kept in memory. Those that are not applied yet are needed, however many they are.
func (b *bounds) tail(p *process, held, needed int) {
	if most := max(needed, pinnedTail*int(b.config.TailEntries)); held > most {
		b.w.fail("bounds", "n%d keeps %d entries in memory; up to %d", p.number, held, most)
	}
}

// applied checks that one step applies no more than it may: the last entry may go beyond.
func (b *bounds) applied(p *process, from, to uint64) {
	sum := uint64(0)
	for i := max(from, cluster.FoundingIndex) + 1; i < to; i++ {
		sum += uint64(len(b.w.checks.committed[i].entry.GetData())) + entryOverheadBytes
	}
	if sum >= b.config.ApplyBytesMax {
		b.w.fail("bounds", "n%d applied entries %d to %d in one step: %d bytes before the last one; up to %d", p.number, from+1, to, sum, b.config.ApplyBytesMax)
	}
}

// message checks the size of an append message of several entries.
func (b *bounds) message(p *process, m *raftpb.Message) {
	sum := uint64(0)
	for _, e := range m.GetEntries() {
		sum += uint64(len(e.GetData()))
	}
	if sum > b.config.MessageBytesMax {
		b.w.fail("bounds", "n%d sends %d entries of %d bytes in a message; up to %d", p.number, len(m.GetEntries()), sum, b.config.MessageBytesMax)
	}
}

// batch checks the size of an entry of several commands.
func (b *bounds) batch(index uint64, batch *kv.Batch, e *raftpb.Entry) {
	n := len(batch.Commands)
	b.most = max(b.most, len(e.GetData()))
	if n > b.config.EntryCommandsMax || n > 1 && len(e.GetData()) > b.config.EntryBytesMax+kv.BatchHeaderBytesMax {
		b.w.fail("bounds", "entry %d holds %d commands in %d bytes; up to %d and %d", index, n, len(e.GetData()), b.config.EntryCommandsMax, b.config.EntryBytesMax)
	}
}

func (b *bounds) compacted(p *process, last, allowed uint64) {
	g := &b.logs[p.number-1]
	if g.life != p.life {
		*g = logGrowth{life: p.life, peak: g.peak}
	}
	for i := range len(g.written) - 1 {
		g.written[i], g.last[i], g.allowed[i] = g.written[i+1], g.last[i+1], g.allowed[i+1]
	}
	newest := len(g.written) - 1
	g.written[newest], g.last[newest], g.allowed[newest] = p.store.Stats().AppendedBytes, last, allowed
	g.count++
}

// segmentHeadBytes is above what a segment has besides entries. One that a single large entry does not fit into is as long as that needs.
const segmentHeadBytes = 512

// segmentsKept is how many segments a log may have beside those that it needs: one that is written, one of which a part is needed, four spare
// files, and those that starts and snapshots ended early.
const segmentsKept = 12

// olderSnapshot is the index of the second-newest snapshot on a process's disk; 0 if there are not two.
func olderSnapshot(p *process) uint64 {
	names := p.disk.mem.DurableNames(nil, path.Join(dataDir, "snapshots"))
	if len(names) < 2 {
		return 0
	}
	index, err := strconv.ParseUint(names[len(names)-2][:16], 16, 64)
	if err != nil {
		return 0
	}
	return index
}

// log checks that a log that was compacted several times has dropped what was written before the third-last time. Entries that another leader
// replaced may keep their segments until the older one of two snapshots has passed their highest index, and what was far from being applied
// then may still be needed.
func (b *bounds) log(p *process) {
	g, stats := &b.logs[p.number-1], p.store.Stats()
	if g.life != p.life || g.count < len(g.written) || g.peak > olderSnapshot(p) || g.last[0] > g.allowed[len(g.allowed)-2] {
		return
	}
	most := int64(stats.AppendedBytes-g.written[0])*2 + segmentsKept*int64(b.w.plan.Node.SegmentBytes+b.most+segmentHeadBytes)
	if stats.LogBytes > most {
		b.w.fail("bounds", "n%d has a log of %d bytes in %d segments at the end; up to %d", p.number, stats.LogBytes, stats.Segments, most)
	}
}
