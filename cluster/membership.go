package cluster

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// Instance is drawn at random when a node's directory is made. A node that lost its directory comes back with another
// one and is refused under its old id, since the votes and entries that it promised to keep are gone.
type Instance [16]byte

// Member is one node of the cluster as the replicated membership tells it.
type Member struct {
	ID       uint64
	Instance Instance
	Learner  bool
	// Addresses as host:port. Peer is where other nodes connect; HTTP and GRPC are what clients are told.
	Peer, HTTP, GRPC string
}

// Membership is who belongs to the cluster, by id in ascending order. It is part of every snapshot.
type Membership struct {
	Members []Member
	// Removed ids are never used again.
	Removed []uint64
}

// A cluster is founded at this place of its log, on every founding node alike: its first real entry has the next index,
// its first election the next term. So a node that joins later, whose log is empty, can never be served from the log
// alone, which does not tell whom the cluster was founded by: it gets a snapshot, which does.
const (
	FoundingIndex = 1
	FoundingTerm  = 1
)

// Founding is the membership that every founding node starts a cluster from.
func Founding(members []Member) (Membership, *raftpb.ConfState) {
	m := Membership{Members: slices.Clone(members)}
	sort.Slice(m.Members, func(i, j int) bool { return m.Members[i].ID < m.Members[j].ID })
	cs := &raftpb.ConfState{AutoLeave: new(false)}
	for _, member := range m.Members {
		cs.Voters = append(cs.Voters, member.ID)
	}
	return m, cs
}

// Find returns the member of an id.
func (m *Membership) Find(id uint64) (Member, bool) {
	for _, member := range m.Members {
		if member.ID == id {
			return member, true
		}
	}
	return Member{}, false
}

func (m *Membership) clone() Membership {
	return Membership{Members: slices.Clone(m.Members), Removed: slices.Clone(m.Removed)}
}

// ChangeKind says how the membership changes.
type ChangeKind uint8

const (
	AddLearner ChangeKind = iota + 1
	Promote
	Remove
)

// MemberChange is one change; Promote and Remove need only Member.ID.
type MemberChange struct {
	Kind   ChangeKind
	Member Member
}

// check says why a change does not fit, "" if it does.
func (m *Membership) check(c *MemberChange) string {
	member, known := m.Find(c.Member.ID)
	switch c.Kind {
	case AddLearner:
		return m.checkAdd(c, known)
	case Promote:
		if !known || !member.Learner {
			return fmt.Sprintf("node %d is no learner", c.Member.ID)
		}
	case Remove:
		if !known {
			return fmt.Sprintf("node %d is no member", c.Member.ID)
		}
		if !member.Learner && m.voters() == 1 {
			return fmt.Sprintf("node %d is the last voter", c.Member.ID)
		}
	default:
		return fmt.Sprintf("unknown change %d", c.Kind)
	}
	return ""
}

func (m *Membership) checkAdd(c *MemberChange, known bool) string {
	switch {
	case c.Member.ID == 0:
		return "node id 0"
	case known:
		return fmt.Sprintf("node %d is a member already", c.Member.ID)
	case slices.Contains(m.Removed, c.Member.ID):
		return fmt.Sprintf("node id %d was removed; ids are not used twice", c.Member.ID)
	case c.Member.Instance == Instance{}:
		return fmt.Sprintf("node %d without an instance", c.Member.ID)
	case len(m.Members) >= MembersMax:
		return fmt.Sprintf("%d members already", len(m.Members))
	}
	return ""
}

// MembersMax bounds the members of a cluster.
const MembersMax = 64

func (m *Membership) voters() int {
	n := 0
	for _, member := range m.Members {
		if !member.Learner {
			n++
		}
	}
	return n
}

// apply makes a change that fits.
func (m *Membership) apply(c *MemberChange) {
	at := sort.Search(len(m.Members), func(i int) bool { return m.Members[i].ID >= c.Member.ID })
	switch c.Kind {
	case AddLearner:
		member := c.Member
		member.Learner = true
		m.Members = slices.Insert(m.Members, at, member)
	case Promote:
		m.Members[at].Learner = false
	case Remove:
		m.Members = slices.Delete(m.Members, at, at+1)
		m.Removed = append(m.Removed, c.Member.ID)
		slices.Sort(m.Removed)
	}
}

// confChange is raft's form of the change; its context carries ours and the number of the request.
func (c *MemberChange) confChange(context []byte) *raftpb.ConfChangeV2 {
	kind := raftpb.ConfChangeAddLearnerNode
	switch c.Kind {
	case Promote:
		kind = raftpb.ConfChangeAddNode
	case Remove:
		kind = raftpb.ConfChangeRemoveNode
	}
	return &raftpb.ConfChangeV2{
		Changes: []*raftpb.ConfChangeSingle{{Type: kind.Enum(), NodeId: new(c.Member.ID)}},
		Context: context,
	}
}

func (n *Node) isLearner(id uint64) bool {
	member, known := n.members.Find(id)
	return known && member.Learner
}

// onChangeMember proposes a change. One at a time: raft would turn a second one into an empty entry without a word.
func (n *Node) onChangeMember(id uint64, c *MemberChange) {
	p := &n.proposals
	switch {
	case n.role.State != Leader:
		n.refuse(id, n.notLeaderReason())
		return
	case n.transfer.active:
		n.refuse(id, ReasonTransferring)
		return
	case n.applies.term != n.term || p.changeTerm == n.term || len(p.queue)+p.open >= n.config.PendingMax:
		n.refuse(id, ReasonOverloaded)
		return
	case n.members.check(c) != "":
		n.refuse(id, ReasonMembership)
		return
	case c.Kind == Promote && !n.caughtUp(c.Member.ID):
		n.refuse(id, ReasonBehind)
		return
	}
	context := binary.AppendUvarint(nil, n.config.ID)
	context = binary.AppendUvarint(context, n.config.Epoch)
	context = binary.AppendUvarint(context, p.next)
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.confChange(appendChange(context, c)))
	if err != nil {
		panic(err) // no field of a ConfChangeV2 can fail
	}
	prop := &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(n.config.ID), Entries: []*raftpb.Entry{
		{Type: raftpb.EntryConfChangeV2.Enum(), Data: data},
	}}
	if n.raw.Step(prop) != nil {
		n.refuse(id, ReasonOverloaded)
		return
	}
	if prop.Entries[0].GetType() != raftpb.EntryConfChangeV2 {
		// Raft has not been told yet that an earlier change is applied, and put an empty entry in this one's place.
		n.refuse(id, ReasonOverloaded)
		return
	}
	p.changeTerm = n.term
	p.batches = append(p.batches, batch{term: n.term, first: p.next, last: p.next})
	p.pending = append(p.pending, pendingProposal{id: id, deadline: n.deadline()})
	p.next++
	p.open++
}

// caughtUp says whether a learner follows the log closely: as a voter it must not hold up a commit while it catches up.
func (n *Node) caughtUp(learner uint64) (ok bool) {
	n.raw.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
		if id == learner {
			ok = pr.RecentActive && pr.State == tracker.StateReplicate && pr.Match+readyLagMax >= n.commit
		}
	})
	return ok
}

// applyConfChange applies a committed change of the membership. One that does not fit any more changes nothing, on any node.
func (n *Node) applyConfChange(e *raftpb.Entry) {
	if _, _, err := n.machine.Apply(e.GetIndex(), nil, nil); err != nil {
		n.fail(err)
		return
	}
	cc := &raftpb.ConfChangeV2{}
	if err := proto.Unmarshal(e.GetData(), cc); err != nil {
		n.fail(fmt.Errorf("cluster: entry %d: %w", e.GetIndex(), err))
		return
	}
	origin, change, err := decodeChange(cc.GetContext())
	if err != nil {
		n.fail(fmt.Errorf("cluster: entry %d: %w", e.GetIndex(), err))
		return
	}
	n.proposals.changeTerm = 0
	fits := n.members.check(&change) == ""
	if !fits {
		cc = &raftpb.ConfChangeV2{} // tells raft that the change is void
		cc.Changes = []*raftpb.ConfChangeSingle{{Type: raftpb.ConfChangeUpdateNode.Enum(), NodeId: new(uint64(0))}}
	}
	n.conf = n.raw.ApplyConfChange(cc)
	n.lease.void()
	if fits {
		n.members.apply(&change)
		n.log.confIndex = e.GetIndex()
		published := n.members.clone()
		n.effects.Members = &published
		n.onRole(nil)
	}
	n.settleChange(origin, fits)
}

// changeOrigin names the request behind a conf change.
type changeOrigin struct{ node, epoch, sequence uint64 }

// settleChange answers the request if it is this start's.
func (n *Node) settleChange(o changeOrigin, fits bool) {
	p := &n.proposals
	base := p.next - uint64(len(p.pending))
	if o.node != n.config.ID || o.epoch != n.config.Epoch || o.sequence < base || o.sequence >= p.next {
		return
	}
	r := Reply{Outcome: Done, Leader: n.role.Leader}
	if !fits {
		r.Outcome, r.Reason = Refused, ReasonMembership
	}
	n.settle(int(o.sequence-base), r)
	n.popSettled()
}
