package cluster

import (
	"fmt"

	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Node is one member of a cluster, as a pure value: events in, effects out. It is for one goroutine; only Machine may be
// read by others.
type Node struct {
	config  Config
	raw     *raft.RawNode
	log     *tail
	machine *kv.Machine
	members Membership
	conf    *raftpb.ConfState // of the applied index

	// What raft last told through a Ready. commit <= the last index; applied (machine.Applied) <= commit.
	role               Role
	term, vote, commit uint64

	clock     clock
	appends   appendQueue
	applies   applyQueue
	proposals proposals
	reads     reads
	lease     lease
	snapshots snapshots
	transfer  transfer

	diskLow bool
	failed  error // set once, with Effects.Fatal
	effects Effects
}

// New returns a node that goes on from what its driver recovered. Committed entries behind the snapshot are applied by
// the first Steps. The error names what is wrong with the configuration or the recovered state.
func New(c Config, r Recovered) (*Node, error) {
	c = c.WithDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	if r.Machine == nil || r.Machine.Applied() != r.Snapshot.Index {
		return nil, fmt.Errorf("cluster: recovered machine does not hold the snapshot at %d", r.Snapshot.Index)
	}
	saved := r.Snapshot
	if err := r.found(); err != nil {
		return nil, err
	}
	log, err := newTail(&r)
	if err != nil {
		return nil, err
	}
	log.snapshot = saved
	n := &Node{config: c, log: log, machine: r.Machine, members: r.Membership.clone(), conf: log.confState}
	n.term, n.vote, n.commit = log.hardState.Term, log.hardState.Vote, log.hardState.Commit
	n.appends.written = log.hardState
	n.applies.term, n.applies.told = r.Snapshot.Term, r.Snapshot.Index
	n.proposals.next = 1
	n.lease.holdVotes = c.LeaseReads && r.Restarted
	n.snapshots.since = newSnapshotCount(r.Snapshot.Index)
	n.role = Role{Term: n.term}
	if n.raw, err = raft.NewRawNode(c.raftConfig(log, r.Snapshot.Index)); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return n, nil
}

// Step takes events in order and returns what is to be done about them. Its work is bounded: see Effects.More.
// After Effects.Fatal every further Step returns the same error and nothing else.
func (n *Node) Step(events ...Event) Effects {
	if n.failed != nil {
		return Effects{Fatal: n.failed}
	}
	n.effects.reset()
	n.applies.bytes = 0
	n.lease.fresh = false
	for i := range events {
		n.handle(&events[i])
	}
	n.drive()
	n.effects.Fatal = n.failed
	return n.effects
}

// handle dispatches one event.
func (n *Node) handle(e *Event) {
	switch e.Kind {
	case EventTick:
		n.onTick(e.Now)
	case EventReceive:
		n.onReceive(e.Message, e.Staged)
	case EventPersisted:
		n.onPersisted(e.ID)
	case EventPropose:
		n.onPropose(e.ID, e.Command)
	case EventRead:
		n.onRead(e.ID)
	case EventChangeMember:
		n.onChangeMember(e.ID, e.Change)
	case EventTransfer:
		n.onTransfer(e.ID, e.Peer)
	case EventSnapshotSaved:
		n.onSnapshotSaved(e.Index, e.Failed)
	case EventSnapshotSent:
		n.onSnapshotSent(e.Peer, e.Failed)
	case EventUnreachable:
		n.raw.ReportUnreachable(e.Peer)
	case EventDiskReserve:
		n.diskLow = e.Failed
	case EventCancel:
		n.onCancel(e.ID)
	default:
		panic(fmt.Sprintf("cluster: unknown event kind %d", e.Kind))
	}
}

// drive brings raft and the node's queues to rest, within the bound on applied bytes.
func (n *Node) drive() {
	n.cancelRequests()
	n.drainReady()
	proposed := n.propose()
	if n.startReads() || proposed {
		n.drainReady()
	}
	n.dropStaged()
	n.releaseReads()
	n.startSnapshot()
	n.trimTail()
	if n.machine.Maintain(n.config.MaintainSteps) || n.applies.waiting() {
		n.effects.More = true
	}
}

// drainReady alternates between what raft has ready and applying it, until raft is at rest or the bound is reached.
func (n *Node) drainReady() {
	for n.failed == nil {
		if n.raw.HasReady() {
			n.onReady(n.raw.Ready())
			continue
		}
		if !n.applyNext() {
			return
		}
	}
}

// onReady sorts one Ready into the queues. Entries and hard state are in the messages to the local append thread.
func (n *Node) onReady(rd raft.Ready) {
	var votes []*raftpb.Message
	for _, m := range rd.Messages {
		switch {
		case m.GetTo() == raft.LocalAppendThread:
			n.onStorageAppend(m)
		case m.GetTo() == raft.LocalApplyThread:
			n.applies.push(m)
		case m.GetType() == raftpb.MsgVote:
			votes = append(votes, m)
		default:
			n.onOutgoing(m)
		}
	}
	// Raft would let a candidate ask for votes while its own is being written, since it does not count that one before it is
	// durable. But the others' votes may suffice: it would lead a term that it forgets in a crash, and could lead the same
	// term again, with other entries under the same index and term.
	n.respondAfterAppends(votes)
	if rd.SoftState != nil || n.term != n.role.Term {
		n.onRole(rd.SoftState)
	}
	for _, rs := range rd.ReadStates {
		n.onReadState(rs)
	}
}

// onOutgoing passes a message on that may leave at once.
func (n *Node) onOutgoing(m *raftpb.Message) {
	if m.GetType() == raftpb.MsgSnap {
		n.pinTransfer(m.GetTo(), m.GetSnapshot().GetMetadata().GetIndex())
	}
	n.effects.Messages = append(n.effects.Messages, m)
}

// onRole follows a change of term, leader or state.
func (n *Node) onRole(soft *raft.SoftState) {
	next := Role{State: n.role.State, Term: n.term, Leader: n.role.Leader}
	if soft != nil {
		next.State, next.Leader = stateOf(soft.RaftState), soft.Lead
	}
	if next.State == Follower || next.State == Learner {
		next.State = Follower
		if n.isLearner(n.config.ID) {
			next.State = Learner
		}
	}
	if next == n.role {
		return
	}
	led := n.role.State == Leader
	n.role = next
	n.effects.Role = &Role{State: next.State, Term: next.Term, Leader: next.Leader}
	if led && next.State != Leader {
		n.onLostLeadership()
	}
	n.lease.void()
	n.restartReads()
	n.settleTransfer()
}

// onLostLeadership refuses what never got into an entry. What did stays pending: the next leader may commit it.
func (n *Node) onLostLeadership() {
	n.refuseQueued(n.notLeaderReason())
	n.snapshots.transfers = n.snapshots.transfers[:0]
}

func stateOf(s raft.StateType) State {
	switch s {
	case raft.StateLeader:
		return Leader
	case raft.StateCandidate:
		return Candidate
	case raft.StatePreCandidate:
		return PreCandidate
	default:
		return Follower
	}
}

// onReceive takes a peer's message. What no peer of this version would send is dropped, since raft panics on some of it.
func (n *Node) onReceive(m *raftpb.Message, staged *Staged) {
	if !plausible(m, n.config.ID) {
		return
	}
	take := true
	switch m.GetType() {
	case raftpb.MsgVote, raftpb.MsgPreVote:
		take = n.lease.mayVote(m, n.clock.ticks)
	case raftpb.MsgTimeoutNow:
		take = !n.lease.holdVotes
	case raftpb.MsgHeartbeat:
		n.onHeartbeat(m)
	case raftpb.MsgReadIndex:
		take = n.answersReadIndex()
	case raftpb.MsgSnap:
		take = n.stage(m, staged)
	}
	if take {
		n.stepRaft(m)
	}
}

// answersReadIndex says whether raft may see a peer's question now. A follower would pass it on in the peer's name, and a
// single voter would answer at once, also before it applied an entry of its own term. The peer asks again.
func (n *Node) answersReadIndex() bool {
	status := n.raw.BasicStatus()
	if status.RaftState != raft.StateLeader {
		return false
	}
	return len(n.conf.GetVoters()) > 1 || n.applies.term == status.HardState.GetTerm()
}

// stepRaft gives raft a message. The errors that Step knows (a proposal that was dropped, an answer from a node that
// is no peer any more) are of no consequence for messages.
func (n *Node) stepRaft(m *raftpb.Message) {
	_ = n.raw.Step(m)
}

// fail stops the node for good.
func (n *Node) fail(err error) {
	if n.failed == nil {
		n.failed = err
	}
}

// reply answers a request.
func (n *Node) reply(r Reply) { n.effects.Replies = append(n.effects.Replies, r) }

// refuse answers that nothing happened and nothing will.
func (n *Node) refuse(id uint64, reason Reason) {
	n.reply(Reply{ID: id, Outcome: Refused, Reason: reason, Leader: n.role.Leader})
}

// notLeaderReason says why this node cannot propose.
func (n *Node) notLeaderReason() Reason {
	if n.role.Leader == 0 {
		return ReasonNoLeader
	}
	return ReasonNotLeader
}

// Machine is the serving state machine, safe for concurrent readers. It changes with Effects.Machine.
func (n *Node) Machine() *kv.Machine { return n.machine }

// reset keeps the slices' arrays: effects are valid until the next Step only.
func (e *Effects) reset() {
	clear(e.Appends)
	clear(e.Messages)
	*e = Effects{Appends: e.Appends[:0], Messages: e.Messages[:0], Replies: e.Replies[:0]}
}
