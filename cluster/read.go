package cluster

import (
	"encoding/binary"

	"go.etcd.io/raft/v3"
)

// waitingRead is a read that no round was started for.
type waitingRead struct {
	id       uint64
	deadline uint64 // in ticks
}

// readRound is one ReadIndex question to raft. It serves the reads that arrived before it was asked, and no others.
type readRound struct {
	active bool
	number uint64
	term   uint64
	start  int64  // clock.now when it was asked: a lease begins here
	tick   uint64 // clock.ticks then
	reads  []waitingRead
}

// readyRead waits for its index to be applied.
type readyRead struct {
	id       uint64
	index    uint64
	deadline uint64
}

// reads holds linearizable reads from their arrival to their release. At most Config.PendingMax in all.
type reads struct {
	waiting []waitingRead
	round   readRound
	rounds  uint64 // started so far; makes contexts unique within an epoch
	ready   []readyRead
	// doublings of the patience with a round, see retryReads.
	doublings uint
}

func (r *reads) count() int { return len(r.waiting) + len(r.round.reads) + len(r.ready) }

// onRead queues a linearizable read. Any member serves it: a follower asks its leader for the index.
func (n *Node) onRead(id uint64) {
	switch {
	case n.role.Leader == 0:
		n.refuse(id, ReasonNoLeader)
	case n.reads.count() >= n.config.PendingMax:
		n.refuse(id, ReasonOverloaded)
	default:
		n.reads.waiting = append(n.reads.waiting, waitingRead{id: id, deadline: n.deadline()})
	}
}

// startReads asks one question for all waiting reads, unless one is under way or a lease makes it needless. It says
// whether it asked.
func (n *Node) startReads() bool {
	r := &n.reads
	if len(r.waiting) == 0 || n.role.Leader == 0 || n.failed != nil {
		return false
	}
	if n.role.State == Leader {
		// A new leader does not know yet what its predecessors committed: it must apply an entry of its own term first
		// (thesis, section 6.4, step 1). Raft makes that exception to none but a cluster of one, where it asks nobody.
		if n.applies.term != n.term {
			return false
		}
		if n.lease.valid(n.clock.now) {
			n.readyAt(r.waiting, n.commit)
			r.waiting = r.waiting[:0]
			return false
		}
	}
	if r.round.active {
		return false
	}
	n.startRound()
	return true
}

// startRound moves the waiting reads into a round under a context that was never used.
func (n *Node) startRound() {
	r := &n.reads
	r.rounds++
	r.round = readRound{
		active: true, number: r.rounds, term: n.term, start: n.clock.now, tick: n.clock.ticks,
		reads: append(r.round.reads[:0], r.waiting...),
	}
	r.waiting = r.waiting[:0]
	n.raw.ReadIndex(n.readContext(r.rounds))
}

// readContext names a round for good: node, epoch of its start, number within it.
func (n *Node) readContext(number uint64) []byte {
	b := make([]byte, 0, 24)
	b = binary.BigEndian.AppendUint64(b, n.config.ID)
	b = binary.BigEndian.AppendUint64(b, n.config.Epoch)
	return binary.BigEndian.AppendUint64(b, number)
}

// onReadState takes raft's answer to a round. A late answer to an earlier one is dropped: its index may be older than reads that
// were received since.
func (n *Node) onReadState(rs raft.ReadState) {
	r := &n.reads
	if !r.round.active || string(rs.RequestCtx) != string(n.readContext(r.round.number)) {
		return
	}
	n.readyAt(r.round.reads, rs.Index)
	if n.role.State == Leader && r.round.term == n.term {
		n.lease.extend(r.round.start, &n.config, n.term)
	}
	if took := n.clock.ticks - r.round.tick; r.doublings > 0 && 4*took < n.readPatience() {
		r.doublings--
	}
	r.round.active = false
	r.round.reads = r.round.reads[:0]
	n.startReads()
}

// readyAt lets reads go once index is applied.
func (n *Node) readyAt(reads []waitingRead, index uint64) {
	for _, w := range reads {
		n.reads.ready = append(n.reads.ready, readyRead{id: w.id, index: index, deadline: w.deadline})
	}
}

// releaseReads answers the reads whose index is applied.
func (n *Node) releaseReads() {
	r := &n.reads
	applied := n.machine.Applied()
	kept := r.ready[:0]
	for _, read := range r.ready {
		if read.index <= applied && n.failed == nil {
			n.reply(Reply{ID: read.id, Outcome: Done, Index: applied})
		} else {
			kept = append(kept, read)
		}
	}
	r.ready = kept
}

// restartReads abandons the round, whose answer may never come, and lets its reads wait for the next one.
func (n *Node) restartReads() {
	r := &n.reads
	if !r.round.active {
		return
	}
	r.waiting = append(r.round.reads, r.waiting...)
	r.round = readRound{}
}

// readDoublingsMax bounds how often the patience with rounds is doubled.
const readDoublingsMax = 6

// retryReads starts a round that was not answered in time again, and has more patience with it: where answers take longer than
// ReadRetryTicks each would come to a round that was given up, for ever.
func (n *Node) retryReads() {
	r := &n.reads
	if r.round.active && n.clock.ticks-r.round.tick >= n.readPatience() {
		n.restartReads()
		r.doublings = min(r.doublings+1, readDoublingsMax)
	}
}

// readPatience is how many ticks a round is given.
func (n *Node) readPatience() uint64 { return uint64(n.config.ReadRetryTicks) << n.reads.doublings }

// expireReads refuses reads whose time has passed.
func (n *Node) expireReads() {
	n.refuseReads(ReasonExpired, func(_, deadline uint64) bool { return deadline <= n.clock.ticks })
}

// cancelReads refuses reads that nobody waits for.
func (n *Node) cancelReads(wanted map[uint64]bool) {
	n.refuseReads(ReasonCanceled, func(id, _ uint64) bool { return wanted[id] })
}

// refuseReads refuses the reads that gone picks, wherever they are.
func (n *Node) refuseReads(reason Reason, gone func(id, deadline uint64) bool) {
	r := &n.reads
	r.waiting = n.refuseWaiting(r.waiting, reason, gone)
	r.round.reads = n.refuseWaiting(r.round.reads, reason, gone)
	kept := r.ready[:0]
	for _, read := range r.ready {
		if gone(read.id, read.deadline) {
			n.refuse(read.id, reason)
		} else {
			kept = append(kept, read)
		}
	}
	r.ready = kept
}

func (n *Node) refuseWaiting(reads []waitingRead, reason Reason, gone func(id, deadline uint64) bool) []waitingRead {
	kept := reads[:0]
	for _, read := range reads {
		if gone(read.id, read.deadline) {
			n.refuse(read.id, reason)
		} else {
			kept = append(kept, read)
		}
	}
	return kept
}
