package bugs

// readBugs are about linearizable reads and the leases that make them cheap.
func readBugs() []Bug {
	return []Bug{
		{
			Name:  "leader-reads-locally",
			Title: "a leader answers reads from its own state without asking anybody",
			Edits: []Edit{{"cluster/read.go", `		if n.lease.valid(n.clock.now) {
`, `		if n.lease.fresh {
`}},
		},
		{
			Name:  "read-before-apply",
			Title: "a read is released when its index is committed, not when it is applied",
			Edits: []Edit{{"cluster/read.go", `		if read.index <= applied && n.failed == nil {
`, `		if read.index <= n.commit && n.failed == nil {
`}},
		},
		{
			Name:  "read-in-new-term",
			Title: "a new leader answers reads before it has applied an entry of its own term",
			Edits: []Edit{
				{"cluster/read.go", `		if n.applies.term != n.term {
			return false
		}
`, ``},
				{"cluster/node.go", `	return len(n.conf.GetVoters()) > 1 || n.applies.term == status.HardState.GetTerm()
`, `	return true
`},
			},
		},
		{
			Name:  "lease-without-margin",
			Title: "a lease lasts a whole election timeout: its margins are forgotten",
			Edits: []Edit{{"cluster/lease.go", `	return int64(c.ElectionTicks-2)*c.TickNanos - c.LeaseDriftNanos
`, `	return int64(c.ElectionTicks) * c.TickNanos
`}},
		},
		{
			Name:  "lease-from-the-answer",
			Title: "a lease begins when its round is confirmed, not when it was begun",
			Edits: []Edit{{"cluster/read.go", `		n.lease.extend(r.round.start, &n.config, n.term)
`, `		n.lease.extend(n.clock.now, &n.config, n.term)
`}},
		},
		{
			Name:  "lease-kept-in-transfer",
			Title: "a lease is kept while the leadership is handed over",
			Edits: []Edit{{"cluster/transfer.go", `	n.lease.bar(n.term)
`, ``}},
		},
		{
			Name:  "lease-with-old-time",
			Title: "a lease is judged by the time of an earlier step",
			Edits: []Edit{
				{"cluster/clock.go", `	now     int64  // of the last Tick event
`, `	now     int64  // of the last Tick event
	before  int64  // of the one before
`},
				{"cluster/clock.go", `	c.now = max(c.now, now)
`, `	c.before, c.now = c.now, max(c.now, now)
`},
				{"cluster/read.go", `		if n.lease.valid(n.clock.now) {
`, `		if n.lease.valid(n.clock.before) {
`},
			},
		},
		{
			Name:  "vote-without-patience",
			Title: "a node that answered a heartbeat gives its vote to another before a lease that counts on it has ended",
			Edits: []Edit{{"cluster/lease.go", `	return ticks >= l.patience || string(m.GetContext()) == campaignTransfer
`, `	return true
`}},
		},
		{
			Name:  "vote-after-restart",
			Title: "a restarted node votes at once, though it may have answered a heartbeat on which a lease counts",
			Edits: []Edit{
				{"cluster/node.go", `	n.lease.holdVotes = c.LeaseReads && r.Restarted
`, ``},
			},
		},
		{
			Name:  "read-joins-round",
			Title: "a read joins the round that is under way",
			Edits: []Edit{{"cluster/read.go", `	if r.round.active {
		return false
	}
`, `	if r.round.active {
		r.round.reads = append(r.round.reads, r.waiting...)
		r.waiting = r.waiting[:0]
		return false
	}
`}},
		},
		{
			Name:  "late-round-answer",
			Title: "the answer to an earlier round is taken for that to the present one",
			Edits: []Edit{{"cluster/read.go", `	if !r.round.active || string(rs.RequestCtx) != string(n.readContext(r.round.number)) {
`, `	if !r.round.active {
`}},
		},
		{
			Name:  "epoch-reused",
			Title: "a restarted node goes on under the epoch of its last start",
			Edits: []Edit{{"cluster/storage/recovery.go", `	l.state.epoch++
`, `	l.state.epoch = max(l.state.epoch, 1)
`}},
		},
		{
			Name:  "follower-reads-locally",
			Title: "a follower answers a linearizable read from what it knows to be committed",
			Edits: []Edit{{"cluster/read.go", `	if r.round.active {
		return false
	}
`, `	if n.role.State != Leader {
		n.readyAt(r.waiting, n.commit)
		r.waiting = r.waiting[:0]
		return false
	}
	if r.round.active {
		return false
	}
`}},
		},
		{
			Name:  "follower-passes-question-on",
			Title: "a node that does not lead any more passes a follower's question on in its name",
			Edits: []Edit{{"cluster/node.go", `		take = n.answersReadIndex()
`, ``}},
		},
	}
}
