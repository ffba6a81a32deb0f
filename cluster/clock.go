package cluster

// clock turns the monotonic time that Tick events carry into raft ticks.
type clock struct {
	started bool
	now     int64  // of the last Tick event
	last    int64  // of the last tick, a multiple of TickNanos after the first
	ticks   uint64 // ticks so far
}

// advance says whether a tick is due. Ticks that were missed (a pause, a long Step) count as one: a follower that was
// held up must not campaign because of its own absence, and a slow tick is always safe.
func (c *clock) advance(now, tickNanos int64) bool {
	if !c.started {
		c.started, c.now, c.last = true, now, now
		return false
	}
	c.now = max(c.now, now)
	missed := (c.now - c.last) / tickNanos
	if missed < 1 {
		return false
	}
	c.last += missed * tickNanos
	c.ticks++
	return true
}

// onTick passes time.
func (n *Node) onTick(now int64) {
	n.lease.fresh = true
	if !n.clock.advance(now, n.config.TickNanos) {
		return
	}
	n.raw.Tick()
	n.lease.onTick(n.clock.ticks, n.config.ElectionTicks)
	n.expireProposals()
	n.expireReads()
	n.retryReads()
	n.snapshots.onTick(n.clock.ticks, n.config.SnapshotRetryTicks)
	n.settleTransfer()
}
