package cluster

import (
	"bytes"
	"fmt"

	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// snapshots holds what goes on with snapshots: one that is being saved, one that was received, those on their way to peers.
type snapshots struct {
	saving    *saving
	since     snapshotCount
	retry     uint64 // clock.ticks before which no save is tried; 0 for none
	ticks     uint64
	transfers []transferPin // by arrival
	staged    *Staged       // of the MsgSnap that is being stepped
}

// saving is a snapshot whose file is being written.
type saving struct {
	mark    SnapshotMark
	conf    *raftpb.ConfState
	machine *kv.Machine // that is frozen: a received snapshot may have taken its place since
}

// transferPin keeps the tail from which a peer goes on once it has the snapshot.
type transferPin struct{ peer, index uint64 }

// snapshotCount counts what was applied since the last snapshot.
type snapshotCount struct{ index, entries, bytes uint64 }

func newSnapshotCount(index uint64) snapshotCount { return snapshotCount{index: index} }

func (c *snapshotCount) add(e *raftpb.Entry) {
	c.entries++
	c.bytes += uint64(len(e.GetData())) + entryOverheadBytes
}

// onTick lets a failed save be tried again in time.
func (s *snapshots) onTick(ticks uint64, _ int) { s.ticks = ticks }

// startSnapshot freezes the machine when enough was applied since the last snapshot, or a peer needs a newer one.
func (n *Node) startSnapshot() {
	s := &n.snapshots
	due := s.since.entries >= n.config.SnapshotEntries || s.since.bytes >= n.config.SnapshotBytes || n.log.wanted
	applied := n.machine.Applied()
	if !due || s.saving != nil || s.ticks < s.retry || applied <= n.log.snapshot.Index || n.machine.Frozen() || n.failed != nil {
		return
	}
	n.log.wanted = false
	mark := SnapshotMark{Index: applied, Term: n.applies.term}
	s.saving = &saving{mark: mark, conf: n.conf, machine: n.machine}
	n.effects.Snapshot = n.machine.Freeze(kv.Meta{
		Index: mark.Index, Term: mark.Term, Cluster: AppendMembership(nil, n.members, n.conf),
	})
	s.since = newSnapshotCount(applied)
}

// onSnapshotSaved ends a save.
func (n *Node) onSnapshotSaved(index uint64, failed bool) {
	s := n.snapshots.saving
	if s == nil || (!failed && index != s.mark.Index) {
		panic(fmt.Sprintf("cluster: snapshot %d saved, which nobody asked for", index))
	}
	n.snapshots.saving = nil
	if s.machine == n.machine {
		s.machine.Thaw()
	}
	if failed {
		n.snapshots.retry = n.clock.ticks + uint64(n.config.SnapshotRetryTicks)
		n.snapshots.since.entries = n.config.SnapshotEntries // due again at once after that
		return
	}
	if s.mark.Index > n.log.snapshot.Index {
		n.log.snapshot, n.log.snapshotConfState = s.mark, s.conf
		n.effects.Compact = s.mark.Index
	}
}

// stage keeps the machine that was built from a received snapshot until raft has judged its message.
func (n *Node) stage(m *raftpb.Message, staged *Staged) bool {
	meta := m.GetSnapshot().GetMetadata()
	if staged == nil || staged.Machine == nil || staged.Meta.Index != meta.GetIndex() || staged.Meta.Term != meta.GetTerm() ||
		staged.Machine.Applied() != staged.Meta.Index {
		return false
	}
	// Raft takes the configuration from the message, the node from the snapshot.
	_, conf, err := DecodeMembership(staged.Meta.Cluster)
	if err != nil || !bytes.Equal(appendConfState(nil, conf), appendConfState(nil, meta.GetConfState())) {
		return false
	}
	n.drainReady() // what an earlier MsgSnap of this Step left is taken before this one is stepped
	n.snapshots.staged = staged
	return true
}

// takeStaged is called when raft accepted the snapshot.
func (n *Node) takeStaged(snapshot *raftpb.Snapshot) *Staged {
	s := n.snapshots.staged
	if s == nil || s.Meta.Index != snapshot.GetMetadata().GetIndex() {
		panic(fmt.Sprintf("cluster: raft restores snapshot %d, which is not staged", snapshot.GetMetadata().GetIndex()))
	}
	n.snapshots.staged = nil
	return s
}

// dropStaged forgets a machine whose snapshot raft had no use for.
func (n *Node) dropStaged() { n.snapshots.staged = nil }

// swapMachine replaces the state by a received snapshot's, whose mark is durable now.
func (n *Node) swapMachine(p *pendingAppend) {
	members, conf, err := DecodeMembership(p.staged.Meta.Cluster)
	if err != nil {
		n.fail(fmt.Errorf("cluster: received snapshot %d: %w", p.staged.Meta.Index, err))
		return
	}
	n.dropApplies()
	mark := markOf(p.snapshot)
	n.machine = p.staged.Machine
	n.members, n.conf = members, conf
	n.log.restart(mark, conf)
	n.applies.term, n.applies.told = mark.Term, mark.Index
	n.snapshots.since = newSnapshotCount(mark.Index)
	n.lease.void()
	// Some of them may be among the entries that the snapshot stands for.
	n.settleAllUnknown(ReasonSnapshotSkipped)
	published := members.clone()
	n.effects.Machine, n.effects.Members, n.effects.Compact = n.machine, &published, mark.Index
	n.onRole(nil)
}

// dropApplies forgets committed entries that the snapshot covers; raft still hears of each message.
func (n *Node) dropApplies() {
	for n.applies.waiting() {
		n.popApply()
	}
}

// onSnapshotSent ends a transfer to a peer.
func (n *Node) onSnapshotSent(peer uint64, failed bool) {
	n.unpinTransfer(peer)
	status := raft.SnapshotFinish
	if failed {
		status = raft.SnapshotFailure
	}
	n.raw.ReportSnapshot(peer, status)
}

// pinTransfer notes that a snapshot is on its way to a peer. There is one for a peer at a time.
func (n *Node) pinTransfer(peer, index uint64) {
	n.unpinTransfer(peer)
	n.snapshots.transfers = append(n.snapshots.transfers, transferPin{peer: peer, index: index})
}

func (n *Node) unpinTransfer(peer uint64) {
	kept := n.snapshots.transfers[:0]
	for _, t := range n.snapshots.transfers {
		if t.peer != peer {
			kept = append(kept, t)
		}
	}
	n.snapshots.transfers = kept
}

// pinnedTailFactor: how much more of the tail is kept for a snapshot that is being saved or sent. A follower that needs
// more than that meanwhile needs another snapshot.
const pinnedTailFactor = 8

// trimTail bounds the entries in memory. What is trimmed is applied, and on disk until a snapshot covers it. Raft must know that it is
// applied: before it campaigns it looks through the rest for conf changes.
func (n *Node) trimTail() {
	applied := n.applies.told
	pinned := applied
	if n.snapshots.saving != nil {
		pinned = min(pinned, n.snapshots.saving.mark.Index)
	}
	for _, t := range n.snapshots.transfers {
		pinned = min(pinned, t.index)
	}
	n.log.trim(pinned, n.config.TailEntries, n.config.TailBytes)
	n.log.trim(applied, pinnedTailFactor*n.config.TailEntries, pinnedTailFactor*n.config.TailBytes)
}
