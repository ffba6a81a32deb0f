package bugs

// proposalBugs are about the answers to those who want something changed.
func proposalBugs() []Bug {
	return []Bug{
		{
			Name:  "reply-by-index",
			Title: "an entry is matched to its request by its place in the log alone",
			Edits: []Edit{
				{"cluster/proposal.go", `	first, last uint64 // sequence numbers, inclusive
`, `	first, last uint64 // sequence numbers, inclusive
	index       uint64 // of the entry; 0 until it is appended
`},
				{"cluster/proposal.go", `// settle answers pending[i], unless it was answered before.
`, `func (n *Node) placeBatches(entries []*raftpb.Entry) {
	for _, e := range entries {
		for i := range n.proposals.batches {
			if b := &n.proposals.batches[i]; b.index == 0 && b.term == e.GetTerm() && len(e.GetData()) > 0 {
				b.index = e.GetIndex()
				break
			}
		}
	}
}

// settle answers pending[i], unless it was answered before.
`},
				{"cluster/append.go", `		n.appends.withEntries++
`, `		n.appends.withEntries++
		n.placeBatches(p.entries)
`},
				{"cluster/apply.go", `	if id.Node == n.config.ID && id.Epoch == n.config.Epoch {
		n.settleDone(id.Sequence, results)
	}
`, `	for _, b := range n.proposals.batches {
		if b.index == e.GetIndex() && id.Sequence != 0 {
			n.settleDone(b.first, results)
			break
		}
	}
`},
			},
		},
		{
			Name:  "reply-of-another-start",
			Title: "an entry is matched to its request by node and number, whichever start of the node proposed it",
			Edits: []Edit{{"cluster/apply.go", `	if id.Node == n.config.ID && id.Epoch == n.config.Epoch {
`, `	if id.Node == n.config.ID && id.Sequence < n.proposals.next {
`}},
		},
		{
			Name:  "unknown-told-as-refused",
			Title: "a request whose time is over is told as refused, though its entry may still be committed",
			Edits: []Edit{{"cluster/proposal.go", `		n.settle(i, Reply{Outcome: Unknown, Reason: ReasonExpired, Leader: n.role.Leader})
	}
	n.popSettled()
}
`, `		n.settle(i, Reply{Outcome: Refused, Reason: ReasonExpired, Leader: n.role.Leader})
	}
	n.popSettled()
}
`}},
		},
		{
			Name:  "refused-when-leadership-is-lost",
			Title: "a node that loses the leadership refuses what it proposed, though the next leader may commit it",
			Edits: []Edit{{"cluster/node.go", `	n.refuseQueued(n.notLeaderReason())
`, `	n.refuseQueued(n.notLeaderReason())
	for i := range n.proposals.pending {
		n.settle(i, Reply{Outcome: Refused, Reason: n.notLeaderReason(), Leader: n.role.Leader})
	}
	n.popSettled()
`}},
		},
		{
			Name:  "superseded-too-early",
			Title: "requests of earlier terms are refused as soon as another leader is known",
			Edits: []Edit{{"cluster/node.go", `	n.lease.void()
	n.restartReads()
`, `	n.settleSuperseded(n.term)
	n.lease.void()
	n.restartReads()
`}},
		},
		{
			Name:  "apply-error-skips-entry",
			Title: "a node whose disk is low skips an entry instead of stopping",
			Edits: []Edit{{"cluster/apply.go", `	id, results, err := n.machine.Apply(e.GetIndex(), e.GetData(), n.applies.results[:0])
`, `	data := e.GetData()
	if n.diskLow {
		data = nil
	}
	id, results, err := n.machine.Apply(e.GetIndex(), data, n.applies.results[:0])
`}},
		},
		{
			Name:  "full-table-drops-reply",
			Title: "a request that finds the table of pending ones full gets no answer",
			Edits: []Edit{{"cluster/proposal.go", `	if reason := n.admit(c); reason != ReasonNone {
		n.refuse(id, reason)
`, `	if reason := n.admit(c); reason != ReasonNone {
		if reason != ReasonOverloaded {
			n.refuse(id, reason)
		}
`}},
		},
		{
			Name:  "queued-not-refused",
			Title: "a node that loses the leadership forgets the requests that wait for an entry",
			Edits: []Edit{{"cluster/node.go", `	n.refuseQueued(n.notLeaderReason())
`, `	n.proposals.queue = n.proposals.queue[:0]
`}},
		},
		{
			Name:  "map-order-decides",
			Title: "who takes the leadership over depends on the order of a map",
			Twice: true,
			Edits: []Edit{{"cluster/transfer.go", `	n.raw.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) {
		if id == n.config.ID || kind == raft.ProgressTypeLearner || (wanted != 0 && id != wanted) {
			return
		}
		// Raft visits in the order of ids, so that equals are decided by the lowest.
		if wanted != 0 || pr.RecentActive && (to == 0 || pr.Match > match) {
			to, match = id, pr.Match
		}
	})
`, `	var all map[uint64]tracker.Progress = n.raw.Status().Progress
	for id, pr := range all {
		if id == n.config.ID || pr.IsLearner || (wanted != 0 && id != wanted) {
			continue
		}
		if wanted != 0 || pr.RecentActive && (to == 0 || pr.Match > match) {
			to, match = id, pr.Match
		}
	}
`}},
		},
	}
}
