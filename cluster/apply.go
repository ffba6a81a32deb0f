package cluster

import (
	"fmt"

	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// applyQueue holds committed entries in order. Raft bounds them by Config.ApplyBytesMax until they are acknowledged.
type applyQueue struct {
	messages []*raftpb.Message // MsgStorageApply, oldest first
	next     int               // entries of messages[0] that are applied
	bytes    uint64            // applied in this Step
	term     uint64            // of the last entry applied
	told     uint64            // index up to which raft knows that entries are applied; at most machine.Applied
	results  []kv.Result       // reused
}

func (q *applyQueue) push(m *raftpb.Message) { q.messages = append(q.messages, m) }

func (q *applyQueue) waiting() bool { return len(q.messages) > 0 }

// applyNext applies what is left of the oldest message as far as the bound of a Step allows. It says whether raft heard
// of anything, so that there may be more ready.
func (n *Node) applyNext() bool {
	q := &n.applies
	if !q.waiting() {
		return false
	}
	m := q.messages[0]
	entries := m.GetEntries()
	for q.next < len(entries) {
		if q.bytes >= n.config.ApplyBytesMax || n.failed != nil {
			return false
		}
		e := entries[q.next]
		q.bytes += uint64(len(e.GetData())) + entryOverheadBytes
		q.next++
		n.apply(e)
	}
	n.popApply()
	return n.failed == nil
}

// popApply tells raft that the oldest message's entries are applied.
func (n *Node) popApply() {
	m := n.applies.messages[0]
	n.applies.messages = n.applies.messages[1:]
	n.applies.next = 0
	if entries := m.GetEntries(); len(entries) > 0 {
		n.applies.told = max(n.applies.told, entries[len(entries)-1].GetIndex())
	}
	n.deliver(m.GetResponses())
}

// apply applies one committed entry.
func (n *Node) apply(e *raftpb.Entry) {
	if e.GetIndex() != n.machine.Applied()+1 {
		panic(fmt.Sprintf("cluster: applies entry %d after %d", e.GetIndex(), n.machine.Applied()))
	}
	n.applies.term = e.GetTerm()
	n.snapshots.since.add(e)
	switch e.GetType() {
	case raftpb.EntryNormal:
		n.applyBatch(e)
	case raftpb.EntryConfChangeV2:
		n.applyConfChange(e)
	default:
		n.fail(fmt.Errorf("cluster: entry %d of unknown type %v: this version is too old for the log", e.GetIndex(), e.GetType()))
	}
	n.settleSuperseded(e.GetTerm())
}

// applyBatch applies client commands and answers those that this start of this node proposed.
func (n *Node) applyBatch(e *raftpb.Entry) {
	id, results, err := n.machine.Apply(e.GetIndex(), e.GetData(), n.applies.results[:0])
	if err != nil {
		n.fail(fmt.Errorf("cluster: entry %d cannot be applied: %w", e.GetIndex(), err))
		return
	}
	n.applies.results = results[:0]
	if id.Node == n.config.ID && id.Epoch == n.config.Epoch {
		n.settleDone(id.Sequence, results)
	}
}
