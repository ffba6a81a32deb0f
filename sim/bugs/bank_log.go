package bugs

// logBugs are about what the log holds after a restart, after a compaction, and in memory.
func logBugs() []Bug {
	return []Bug{
		{
			Name:  "vote-forgotten",
			Title: "a restarted node does not tell raft whom it voted for",
			Edits: []Edit{{"cluster/tail.go", `Term: new(hs.Term), Vote: new(hs.Vote), Commit: new(hs.Commit)`, `Term: new(hs.Term), Commit: new(hs.Commit)`}},
		},
		{
			Name:  "vote-not-recovered",
			Title: "recovery returns the term without the vote",
			Edits: []Edit{{"cluster/storage/recovery.go", `	h := r.state.hard
`, `	h := cluster.HardState{Term: r.state.hard.Term, Commit: r.state.hard.Commit}
`}},
		},
		{
			Name:  "old-suffix-recovered",
			Title: "recovery puts entries in their places and never cuts what stood behind those that were replaced",
			Edits: []Edit{
				{"cluster/storage/span.go", `	replaced := false
	for len(list) > 0 && list[len(list)-1].first >= n.first {
		list, replaced = list[:len(list)-1], true
	}
`, `	replaced := false
`},
				{"cluster/storage/span.go", `			top.last, replaced = n.first-1, true
`, `			replaced = true
`},
				{"cluster/storage/span.go", `		if n := len(l.entries); n > 0 && l.entries[n-1].GetIndex()+1 != e.index {
			reason = fmt.Sprintf("entry %d follows entry %d, on second reading", e.index, l.entries[n-1].GetIndex())
			return false
		}
`, `		if len(l.entries) > 0 {
			if at := e.index - l.entries[0].GetIndex(); at < uint64(len(l.entries)) {
				l.entries[at] = l.own(e)
				return true
			}
		}
`},
				{"cluster/storage/span.go", `l.entries[n-1].GetIndex() != r.state.last.index ||`, `l.entries[n-1].GetIndex() < r.state.last.index ||`},
			},
		},
		{
			Name:  "old-suffix-in-memory",
			Title: "entries that replace others leave those behind them in the tail in memory",
			Edits: []Edit{{"cluster/tail.go", `	for _, e := range t.entries[kept:] {
		t.bytes -= uint64(len(e.GetData()))
	}
	t.entries = append(t.entries[:kept], entries...) // in place: Entries gives raft copies
`, `	replaced := t.entries[kept:min(uint64(len(t.entries)), kept+uint64(len(entries)))]
	for _, e := range replaced {
		t.bytes -= uint64(len(e.GetData()))
	}
	n := copy(replaced, entries)
	t.entries = append(t.entries, entries[n:]...)
`}},
		},
		{
			Name:  "compacted-before-snapshot",
			Title: "the log is compacted as soon as a snapshot is begun",
			Edits: []Edit{
				{"cluster/snapshot.go", `	s.since = newSnapshotCount(applied)
`, `	s.since = newSnapshotCount(applied)
	n.effects.Compact = mark.Index
`},
				{"cluster/storage/compact.go", `	if index > newest.mark.Index {
`, `	if index > newest.mark.Index && len(s.writing) == 0 {
`},
			},
		},
		{
			Name:  "mark-not-durable",
			Title: "the log's segments go before the snapshot mark that makes them void is durable",
			Edits: []Edit{
				{"cluster/append.go", `Sync: true}`, `Sync: voted || len(p.entries) > 0}`},
				{"cluster/storage/compact.go", `	if err := s.sync(); err != nil {
		return s.fail(err)
	}
`, ``},
			},
		},
		{
			Name:  "tail-trimmed-too-far",
			Title: "entries leave memory once they are committed, though they are not applied",
			Edits: []Edit{{"cluster/snapshot.go", `	applied := n.applies.told
	pinned := applied
`, `	applied := n.commit
	pinned := applied
`}},
		},
		{
			Name:  "applied-index-kept",
			Title: "a restarted node takes its commit index for applied, though its data is the snapshot's",
			Edits: []Edit{
				{"cluster/node.go", `c.raftConfig(log, r.Snapshot.Index)`, `c.raftConfig(log, log.hardState.Commit)`},
				{"cluster/apply.go", `	if e.GetIndex() != n.machine.Applied()+1 {
`, `	if e.GetIndex() <= n.machine.Applied() {
`},
			},
		},
		{
			Name:  "appends-reordered",
			Title: "of the appends that are written together, those with entries come last",
			Edits: []Edit{{"cluster/storage/log.go", `	for i := range appends {
		sync = sync || appends[i].Sync
		if err := s.add(&appends[i]); err != nil {
			return s.log.reserve.low, s.fail(err)
		}
	}
`, `	for _, last := range []bool{false, true} {
		for i := range appends {
			if last != (len(appends[i].Entries) > 0) {
				continue
			}
			sync = sync || appends[i].Sync
			if err := s.add(&appends[i]); err != nil {
				return s.log.reserve.low, s.fail(err)
			}
		}
	}
`}},
		},
	}
}
