package cluster

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// pendingAppend is an append that is not durable yet, and the messages that must wait for it.
type pendingAppend struct {
	id        uint64
	hardState HardState
	entries   []*raftpb.Entry
	snapshot  *raftpb.Snapshot
	staged    *Staged // of snapshot
	responses []*raftpb.Message
}

// appendQueue holds the appends that the driver has, oldest first. Their number is bounded by raft's own limits: a
// leader stops proposing at Config.AppendsInflightMax, a follower is bounded by its leader's InflightMax.
type appendQueue struct {
	pending     []pendingAppend
	lastID      uint64
	withEntries int // of pending
	// written is the hard state as the last Append carried it. Its Commit may lag behind raft's: a commit index is worth
	// no write of its own, since it is learned again from the leader.
	written HardState
}

// onStorageAppend turns raft's MsgStorageAppend into an Append. A message that needs no write (only responses, or a commit
// index) makes none: its responses wait for the appends before it, as raft demands, or leave at once.
func (n *Node) onStorageAppend(m *raftpb.Message) {
	p := pendingAppend{entries: m.GetEntries(), responses: m.GetResponses()}
	hs := n.appends.written
	if m.GetTerm() != 0 {
		hs = HardState{Term: m.GetTerm(), Vote: m.GetVote(), Commit: m.GetCommit()}
		n.term, n.vote, n.commit = hs.Term, hs.Vote, hs.Commit
	}
	voted := hs.Term != n.appends.written.Term || hs.Vote != n.appends.written.Vote
	if !voted && len(p.entries) == 0 && raft.IsEmptySnap(m.GetSnapshot()) {
		n.respondAfterAppends(p.responses)
		return
	}
	hs.Commit = n.commit
	p.hardState = hs
	n.appends.written = hs
	n.appends.lastID++
	p.id = n.appends.lastID
	out := Append{ID: p.id, HardState: hs, Entries: p.entries, Sync: true}
	if !raft.IsEmptySnap(m.GetSnapshot()) {
		p.snapshot = m.GetSnapshot()
		p.staged = n.takeStaged(p.snapshot)
		out.Snapshot = markOf(p.snapshot)
	}
	if len(p.entries) > 0 {
		n.appends.withEntries++
	}
	n.appends.pending = append(n.appends.pending, p)
	n.effects.Appends = append(n.effects.Appends, out)
}

// respondAfterAppends lets responses go once every append so far is durable.
func (n *Node) respondAfterAppends(responses []*raftpb.Message) {
	if last := len(n.appends.pending) - 1; last >= 0 {
		n.appends.pending[last].responses = append(n.appends.pending[last].responses, responses...)
		return
	}
	n.deliver(responses)
}

// onPersisted takes the driver's word that all appends up to id are durable.
func (n *Node) onPersisted(id uint64) {
	if id > n.appends.lastID {
		panic(fmt.Sprintf("cluster: append %d persisted, the last one is %d", id, n.appends.lastID))
	}
	done := 0
	for done < len(n.appends.pending) && n.appends.pending[done].id <= id {
		n.finishAppend(&n.appends.pending[done])
		done++
	}
	rest := copy(n.appends.pending, n.appends.pending[done:])
	clear(n.appends.pending[rest:])
	n.appends.pending = n.appends.pending[:rest]
}

// finishAppend brings the in-memory tail in step with the disk first, since raft reads it as soon as it has the responses.
func (n *Node) finishAppend(p *pendingAppend) {
	n.log.hardState = p.hardState
	if p.snapshot != nil {
		n.swapMachine(p)
	}
	if len(p.entries) > 0 {
		n.log.append(p.entries)
		n.appends.withEntries--
	}
	n.deliver(p.responses)
}

// deliver sends messages on: the node's own to raft, others' to the driver.
func (n *Node) deliver(messages []*raftpb.Message) {
	for _, m := range messages {
		if m.GetTo() == n.config.ID {
			n.stepRaft(m)
		} else {
			n.effects.Messages = append(n.effects.Messages, m)
		}
	}
}

func markOf(s *raftpb.Snapshot) SnapshotMark {
	return SnapshotMark{Index: s.GetMetadata().GetIndex(), Term: s.GetMetadata().GetTerm()}
}
