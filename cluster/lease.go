package cluster

// lease lets a leader answer reads by its own clock. It is our own, and stricter than raft's ReadOnlyLeaseBased, which
// ends only when check-quorum notices, up to two election timeouts late.
//
// Why it holds: a follower that answered a heartbeat refuses its vote, without a transfer, until it has counted ElectionTicks
// ticks since (check-quorum). Its first tick may come at once and its second early after a late first, so that
// ElectionTicks-2 whole ticks pass at least. A quorum answered heartbeats that were sent after the round began. So no other
// leader is elected within that time of the round's begin, measured on the followers' clocks; LeaseDriftNanos is
// taken off for how far those may run ahead of ours. A follower that restarts forgets that it answered: with leases on
// it keeps its vote to itself for an election timeout (holdVotes). A transfer skips the followers' patience: there is no lease in a
// term in which one was tried. A conf change may move the quorum: it voids the lease.
type lease struct {
	until     int64  // the lease is valid before this time
	fresh     bool   // a Tick event came with this Step: its time is later than the reads'
	barred    uint64 // a transfer was tried in this term
	holdVotes bool
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

// onTick ends a restarted node's silence.
func (l *lease) onTick(ticks uint64, electionTicks int) {
	if ticks >= uint64(electionTicks) {
		l.holdVotes = false
	}
}
