package cluster

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// transfer is a leadership transfer that was asked for and is not settled.
type transfer struct {
	active   bool
	id       uint64
	to       uint64
	deadline uint64 // in ticks
}

// onTransfer hands leadership to a voter, 0 for the one that is furthest. Answered when another node leads.
func (n *Node) onTransfer(id, to uint64) {
	// Raft may have heard of a new leader within this Step: it would pass the request on in the transferee's name.
	if n.role.State != Leader || n.raw.BasicStatus().RaftState != raft.StateLeader {
		n.refuse(id, n.notLeaderReason())
		return
	}
	if n.transfer.active {
		n.refuse(id, ReasonTransferring)
		return
	}
	if to == n.config.ID {
		n.reply(Reply{ID: id, Outcome: Done, Leader: to})
		return
	}
	if to = n.transferee(to); to == 0 {
		n.refuse(id, ReasonMembership)
		return
	}
	n.lease.bar(n.term)
	n.transfer = transfer{active: true, id: id, to: to, deadline: n.clock.ticks + 2*uint64(n.config.ElectionTicks)}
	n.raw.TransferLeader(to)
}

// transferee is the voter to transfer to; 0 if there is none such.
func (n *Node) transferee(wanted uint64) (to uint64) {
	match := uint64(0)
	n.raw.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) {
		if id == n.config.ID || kind == raft.ProgressTypeLearner || (wanted != 0 && id != wanted) {
			return
		}
		// Raft visits in the order of ids, so that equals are decided by the lowest.
		if wanted != 0 || pr.RecentActive && (to == 0 || pr.Match > match) {
			to, match = id, pr.Match
		}
	})
	return to
}

// settleTransfer answers a transfer once it is known how it came out.
func (n *Node) settleTransfer() {
	t := &n.transfer
	if !t.active {
		return
	}
	r := Reply{ID: t.id, Leader: n.role.Leader}
	switch {
	case n.role.State != Leader && n.role.Leader != 0:
		r.Outcome = Done
	case n.role.State == Leader && n.raw.BasicStatus().LeadTransferee == 0:
		// Raft gave it up after an election timeout; what it sent may still arrive.
		r.Outcome, r.Reason = Unknown, ReasonExpired
	case n.clock.ticks >= t.deadline:
		r.Outcome, r.Reason = Unknown, ReasonExpired
	default:
		return
	}
	t.active = false
	n.reply(r)
}
