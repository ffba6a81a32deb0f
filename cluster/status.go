package cluster

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Status is a copy of what a node knows of itself.
type Status struct {
	Cluster string
	ID      uint64
	Role    Role
	Epoch   uint64

	FirstIndex, LastIndex, Commit, Applied, Snapshot uint64

	Membership Membership
	Peers      []PeerStatus // of a leader, by id
	Pending    int          // proposals without an answer
	Reads      int          // reads without an answer
	// Ready: a leader is known and everything that was committed when the node learned of it is applied.
	Ready        bool
	DataBytesMax int64
	DiskLow      bool
}

// PeerStatus is a leader's view of a peer.
type PeerStatus struct {
	ID           uint64
	State        string // probe, replicate, snapshot
	Match, Next  uint64
	RecentActive bool
	Learner      bool
}

// Rejection is a Reply that is not Done, as an error.
type Rejection struct {
	Outcome Outcome // Refused or Unknown
	Reason  Reason
	Leader  uint64
}

func (r *Rejection) Error() string {
	return fmt.Sprintf("%v: %v", r.Outcome, r.Reason)
}

// readyLagMax is how many entries a ready node may have to apply.
const readyLagMax = 1000

// Status is a copy; only the goroutine that steps the node may call it.
func (n *Node) Status() Status {
	first, _ := n.log.FirstIndex()
	queues := n.Queues()
	s := Status{
		ID: n.config.ID, Role: n.role, Epoch: n.config.Epoch,
		FirstIndex: first, LastIndex: n.log.last(), Commit: n.commit, Applied: n.machine.Applied(), Snapshot: n.log.snapshot.Index,
		Membership: n.members.clone(), Pending: queues.Proposals, Reads: queues.Reads,
		DataBytesMax: n.config.DataBytesMax, DiskLow: n.diskLow,
	}
	// An entry of the leader's own term is applied: whatever was committed before it is, too.
	s.Ready = n.failed == nil && n.role.Leader != 0 && n.applies.term == n.term && s.Commit-s.Applied <= readyLagMax
	if n.role.State == Leader {
		s.Peers = n.peers()
	}
	return s
}

// peers tells a leader's view of the others, by id: raft visits them in that order.
func (n *Node) peers() (list []PeerStatus) {
	n.raw.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) {
		if id == n.config.ID {
			return
		}
		list = append(list, PeerStatus{
			ID: id, State: peerState(pr.State), Match: pr.Match, Next: pr.Next, RecentActive: pr.RecentActive,
			Learner: kind == raft.ProgressTypeLearner,
		})
	})
	return list
}

func peerState(s tracker.StateType) string {
	switch s {
	case tracker.StateReplicate:
		return "replicate"
	case tracker.StateSnapshot:
		return "snapshot"
	default:
		return "probe"
	}
}

// Marks are the numbers by which a node's progress is judged.
type Marks struct{ Term, Vote, Commit, Applied, Last uint64 }

// Marks costs nothing, unlike Status; only the goroutine that steps the node may call it.
func (n *Node) Marks() Marks {
	return Marks{Term: n.term, Vote: n.vote, Commit: n.commit, Applied: n.machine.Applied(), Last: n.log.last()}
}

// Queues counts what a node holds. Each has a bound in Config.
type Queues struct {
	Proposals int // changes without an answer; PendingMax
	Reads     int // without an answer; PendingMax
	Transfers int // of leadership, without an answer; 1
	Appends   int // not reported durable; AppendsInflightMax of a leader, InflightMax of a follower, and one for each term or vote
	Tail      int // entries in memory; TailEntries, but for those not applied and what a snapshot pins
}

// Queues costs nothing, unlike Status; only the goroutine that steps the node may call it.
func (n *Node) Queues() Queues {
	q := Queues{Proposals: n.proposals.open + len(n.proposals.queue), Reads: n.reads.count(), Appends: len(n.appends.pending), Tail: len(n.log.entries)}
	if n.transfer.active {
		q.Transfers = 1
	}
	return q
}
