package cluster

import (
	"fmt"

	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// queuedProposal waits to be put into an entry. Nothing of it has left the node.
type queuedProposal struct {
	id       uint64
	command  *kv.Command
	bytes    int
	deadline uint64 // in ticks
}

// pendingProposal is in an entry of this start, and not answered yet.
type pendingProposal struct {
	id       uint64
	bytes    int
	put      bool
	answered bool
	deadline uint64 // in ticks
}

// batch is one entry that this start proposed.
type batch struct {
	term        uint64
	first, last uint64 // sequence numbers, inclusive
}

// proposals holds the requests to change the store from their arrival to their answer.
//
// Invariants: pending[i] has the sequence number next-len(pending)+i; batches are in the order of their sequence numbers
// and of their terms; deadlines never fall from one request to the next.
type proposals struct {
	queue       []queuedProposal
	queuedBytes int
	pending     []pendingProposal
	next        uint64 // sequence number of the next command, from 1
	batches     []batch
	open        int    // pending without an answer
	putBytes    int64  // of puts that are queued or pending: what the data may grow by
	changeTerm  uint64 // a conf change was proposed in this term and none was applied since
	canceled    []uint64
	commands    []*kv.Command // reused
}

// onPropose queues a command, or says why not.
func (n *Node) onPropose(id uint64, c *kv.Command) {
	if reason := n.admit(c); reason != ReasonNone {
		n.refuse(id, reason)
		return
	}
	p := &n.proposals
	size := c.Size()
	p.queue = append(p.queue, queuedProposal{id: id, command: c, bytes: size, deadline: n.deadline()})
	p.queuedBytes += size
	if c.Kind == kv.Put {
		p.putBytes += putBytes(size)
	}
}

// admit judges a command before it has any effect.
func (n *Node) admit(c *kv.Command) Reason {
	p := &n.proposals
	switch {
	case n.role.State != Leader:
		return n.notLeaderReason()
	case n.transfer.active:
		return ReasonTransferring
	case c.Validate(&n.config.Machine) != nil:
		return ReasonInvalid
	case len(p.queue)+p.open >= n.config.PendingMax || p.queuedBytes >= n.config.PendingBytesMax:
		return ReasonOverloaded
	case c.Kind != kv.Put:
		return ReasonNone
	case n.diskLow:
		return ReasonDiskFull
	case n.config.DataBytesMax > 0 && n.machine.DataBytes()+p.putBytes+putBytes(c.Size()) > n.config.DataBytesMax:
		return ReasonDataFull
	}
	return ReasonNone
}

// putBytes is what a put may add to kv.Machine.DataBytes at most: a command's size is above its key's and value's.
func putBytes(commandSize int) int64 { return int64(commandSize) + kv.ItemOverheadBytes }

func (n *Node) deadline() uint64 { return n.clock.ticks + uint64(n.config.RequestTicks) }

// propose puts what is queued into entries and proposes these together, as long as the disk keeps up: what queues up
// meanwhile is the next batch, which needs no timer. It says whether it proposed anything.
func (n *Node) propose() bool {
	p := &n.proposals
	if len(p.queue) == 0 || n.role.State != Leader || n.transfer.active || n.failed != nil {
		return false
	}
	if n.appends.withEntries >= n.config.AppendsInflightMax {
		return false
	}
	prop := &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(n.config.ID)}
	taken, total := 0, 0
	for taken < len(p.queue) && total < int(n.config.MessageBytesMax) {
		count, bytes := n.nextEntry(p.queue[taken:])
		prop.Entries = append(prop.Entries, n.encodeEntry(p.queue[taken:taken+count], bytes))
		taken += count
		total += bytes
	}
	n.submit(prop, taken)
	n.effects.More = n.effects.More || len(p.queue) > 0 && n.appends.withEntries+1 < n.config.AppendsInflightMax
	return true
}

// nextEntry says how many of the queued commands go into the next entry.
func (n *Node) nextEntry(queue []queuedProposal) (count, bytes int) {
	for count < len(queue) && count < n.config.EntryCommandsMax {
		if count > 0 && bytes+queue[count].bytes > n.config.EntryBytesMax {
			break
		}
		bytes += queue[count].bytes
		count++
	}
	return count, bytes
}

// encodeEntry numbers the commands and makes them pending.
func (n *Node) encodeEntry(queue []queuedProposal, bytes int) *raftpb.Entry {
	p := &n.proposals
	commands := p.commands[:0]
	first := p.next
	for i := range queue {
		q := &queue[i]
		commands = append(commands, q.command)
		p.pending = append(p.pending, pendingProposal{id: q.id, bytes: q.bytes, put: q.command.Kind == kv.Put, deadline: q.deadline})
	}
	p.next += uint64(len(queue))
	p.open += len(queue)
	p.batches = append(p.batches, batch{term: n.term, first: first, last: p.next - 1})
	id := kv.BatchID{Node: n.config.ID, Epoch: n.config.Epoch, Sequence: first}
	data := kv.AppendBatch(make([]byte, 0, bytes+batchHeaderBytesMax), id, commands)
	clear(commands)
	p.commands = commands[:0]
	return &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Data: data}
}

// batchHeaderBytesMax: a version and three numbers, each with its tag.
const batchHeaderBytesMax = 6 + 3*11

// submit gives raft the entries of the first taken queued commands, all or none.
func (n *Node) submit(prop *raftpb.Message, taken int) {
	p := &n.proposals
	err := n.raw.Step(prop)
	for i := range p.queue[:taken] {
		p.queuedBytes -= p.queue[i].bytes
	}
	rest := copy(p.queue, p.queue[taken:])
	clear(p.queue[rest:])
	p.queue = p.queue[:rest]
	if err == nil {
		return
	}
	// Raft dropped the proposal whole: too many uncommitted bytes.
	for i := len(p.pending) - taken; i < len(p.pending); i++ {
		n.settle(i, Reply{Outcome: Refused, Reason: ReasonOverloaded, Leader: n.role.Leader})
	}
	n.popSettled()
}

// settle answers pending[i], unless it was answered before.
func (n *Node) settle(i int, r Reply) {
	p := &n.proposals.pending[i]
	if p.answered {
		return
	}
	p.answered = true
	n.proposals.open--
	if p.put {
		n.proposals.putBytes -= putBytes(p.bytes)
	}
	r.ID = p.id
	n.reply(r)
}

// settleDone answers the commands of the entry that begins with the given sequence number.
func (n *Node) settleDone(sequence uint64, results []kv.Result) {
	p := &n.proposals
	base := p.next - uint64(len(p.pending))
	for i := range results {
		s := sequence + uint64(i)
		if s >= p.next {
			panic(fmt.Sprintf("cluster: entry answers command %d of epoch %d, the next one is %d", s, n.config.Epoch, p.next))
		}
		if s >= base {
			n.settle(int(s-base), Reply{Outcome: Done, Result: results[i]})
		}
	}
	n.popSettled()
}

// settleSuperseded refuses the commands of entries of earlier terms than one that was just applied. Terms never fall along a
// log, so an entry of an earlier term that was not applied by now is in no place where it could ever be.
func (n *Node) settleSuperseded(term uint64) {
	p := &n.proposals
	base := p.next - uint64(len(p.pending))
	done := 0
	for done < len(p.batches) && p.batches[done].term < term {
		b := p.batches[done]
		for s := max(b.first, base); s <= b.last; s++ {
			n.settle(int(s-base), Reply{Outcome: Refused, Reason: ReasonSuperseded, Leader: n.role.Leader})
		}
		done++
	}
	if done > 0 {
		p.batches = p.batches[done:]
		n.popSettled()
	}
}

// settleAllUnknown gives up on every pending command.
func (n *Node) settleAllUnknown(reason Reason) {
	p := &n.proposals
	for i := range p.pending {
		n.settle(i, Reply{Outcome: Unknown, Reason: reason, Leader: n.role.Leader})
	}
	p.batches = p.batches[:0]
	n.popSettled()
}

// popSettled forgets answered commands at the front, and the entries that have no others.
func (n *Node) popSettled() {
	p := &n.proposals
	done := 0
	for done < len(p.pending) && p.pending[done].answered {
		done++
	}
	if done == 0 {
		return
	}
	p.pending = p.pending[done:] // append copies what is left once the array is used up
	base := p.next - uint64(len(p.pending))
	gone := 0
	for gone < len(p.batches) && p.batches[gone].last < base {
		gone++
	}
	p.batches = p.batches[gone:]
}

// refuseQueued refuses what never got into an entry.
func (n *Node) refuseQueued(reason Reason) {
	n.dropQueued(reason, func(*queuedProposal) bool { return true })
}

// dropQueued refuses the queued commands that gone picks.
func (n *Node) dropQueued(reason Reason, gone func(*queuedProposal) bool) {
	p := &n.proposals
	kept := p.queue[:0]
	for i := range p.queue {
		q := p.queue[i]
		if !gone(&q) {
			kept = append(kept, q)
			continue
		}
		p.queuedBytes -= q.bytes
		if q.command.Kind == kv.Put {
			p.putBytes -= putBytes(q.bytes)
		}
		n.refuse(q.id, reason)
	}
	clear(p.queue[len(kept):])
	p.queue = kept
}

// expireProposals gives up on requests whose time has passed. Deadlines never fall along the queues.
func (n *Node) expireProposals() {
	p := &n.proposals
	if len(p.queue) > 0 && p.queue[0].deadline <= n.clock.ticks {
		n.dropQueued(ReasonExpired, func(q *queuedProposal) bool { return q.deadline <= n.clock.ticks })
	}
	for i := range p.pending {
		if p.pending[i].deadline > n.clock.ticks {
			break
		}
		n.settle(i, Reply{Outcome: Unknown, Reason: ReasonExpired, Leader: n.role.Leader})
	}
	n.popSettled()
}

// onCancel notes a request that nobody waits for; cancelRequests looks for all of a Step at once.
func (n *Node) onCancel(id uint64) { n.proposals.canceled = append(n.proposals.canceled, id) }

// cancelRequests answers canceled requests: refused if nothing of them left the node, unknown otherwise.
func (n *Node) cancelRequests() {
	p := &n.proposals
	if len(p.canceled) == 0 {
		return
	}
	wanted := make(map[uint64]bool, len(p.canceled)) // looked up, never walked
	for _, id := range p.canceled {
		wanted[id] = true
	}
	p.canceled = p.canceled[:0]
	n.dropQueued(ReasonCanceled, func(q *queuedProposal) bool { return wanted[q.id] })
	for i := range p.pending {
		if wanted[p.pending[i].id] {
			n.settle(i, Reply{Outcome: Unknown, Reason: ReasonExpired, Leader: n.role.Leader})
		}
	}
	n.popSettled()
	n.cancelReads(wanted)
}
