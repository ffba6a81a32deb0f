package cluster

import "go.etcd.io/raft/v3/raftpb"

// lease lets a leader answer reads by its own clock. It is our own, and stricter than raft's ReadOnlyLeaseBased, which
// ends only when check-quorum notices, up to two election timeouts late.
//
// Why it holds: a node that answered a heartbeat gives no vote, without a transfer, until it has counted ElectionTicks ticks since
// (patience), and its own election timer began anew. Raft's check-quorum does nearly that; but a message of a higher term, such as a late
// refusal of a pre-vote, makes raft forget the leader and with it what was promised, so the node counts by itself. The first
// tick may come at once and the second early after a late first, so that ElectionTicks-2 whole ticks pass at least. A quorum
// answered heartbeats that were sent after the round began. So no other leader is elected within that time of the round's
// begin, measured on the followers' clocks; LeaseDriftNanos is taken off for how far those may run ahead of ours. A follower
// that restarts forgets that it answered: with leases on it keeps its vote to itself for an election timeout (holdVotes). A transfer
// skips the followers' patience: there is no lease in a term in which one was tried. A conf change may move the quorum: it
// voids the lease. Ticks and ElectionTicks must be the same on all nodes.
type lease struct {
	until     int64  // the lease is valid before this time
	fresh     bool   // a Tick event came with this Step: its time is later than the reads'
	barred    uint64 // a transfer was tried in this term
	holdVotes bool
	patience  uint64 // in ticks: no vote before, since a heartbeat was answered
}

// leaseNanos is how long a lease lasts from the begin of its round.
func (c *Config) leaseNanos() int64 {
	return int64(c.ElectionTicks-2)*c.TickNanos - c.LeaseDriftNanos
}

// valid says whether reads that were received before now may be answered. Without a fresh time the answer is no: the
// process may have been paused since the last one.
func (l *lease) valid(now int64) bool { return l.fresh && now < l.until }

// extend begins a lease at the begin of a confirmed round.
func (l *lease) extend(start int64, c *Config, term uint64) {
	if c.LeaseReads && l.barred != term {
		l.until = max(l.until, start+c.leaseNanos())
	}
}

func (l *lease) void() { l.until = 0 }

// bar voids the lease for the rest of the term.
func (l *lease) bar(term uint64) {
	l.until = 0
	l.barred = term
}

// campaignTransfer is the context of a vote request that comes from a transfer (raft's CampaignType of that name).
const campaignTransfer = "CampaignTransfer"

// mayVote says whether a request for a vote may be looked at.
func (l *lease) mayVote(m *raftpb.Message, ticks uint64) bool {
	if l.holdVotes {
		return false
	}
	return ticks >= l.patience || string(m.GetContext()) == campaignTransfer
}

// onHeartbeat begins the patience that another node's lease may count on.
func (n *Node) onHeartbeat(m *raftpb.Message) {
	if n.config.LeaseReads && m.GetTerm() >= n.term {
		n.lease.patience = n.clock.ticks + uint64(n.config.ElectionTicks)
	}
}

// onTick ends a restarted node's silence.
func (l *lease) onTick(ticks uint64, electionTicks int) {
	if ticks >= uint64(electionTicks) {
		l.holdVotes = false
	}
}
