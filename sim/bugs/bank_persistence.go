package bugs

// persistenceBugs are about what is durable when something is said to be.
func persistenceBugs() []Bug {
	return []Bug{
		{
			Name:  "append-answered-early",
			Title: "a follower answers an append before it is durable",
			Edits: []Edit{{"cluster/append.go", `	n.appends.pending = append(n.appends.pending, p)
`, `	waiting := p.responses[:0]
	for _, r := range p.responses {
		if r.GetType() == raftpb.MsgAppResp && r.GetTo() != n.config.ID {
			n.effects.Messages = append(n.effects.Messages, r)
		} else {
			waiting = append(waiting, r)
		}
	}
	p.responses = waiting
	n.appends.pending = append(n.appends.pending, p)
`}},
		},
		{
			Name:  "vote-answered-early",
			Title: "a vote is given before it is durable",
			Edits: []Edit{{"cluster/append.go", `	n.appends.pending = append(n.appends.pending, p)
`, `	waiting := p.responses[:0]
	for _, r := range p.responses {
		if r.GetType() == raftpb.MsgVoteResp && r.GetTo() != n.config.ID {
			n.effects.Messages = append(n.effects.Messages, r)
		} else {
			waiting = append(waiting, r)
		}
	}
	p.responses = waiting
	n.appends.pending = append(n.appends.pending, p)
`}},
		},
		{
			Name:  "vote-asked-early",
			Title: "a candidate asks for votes before its own term and vote are durable",
			Edits: []Edit{{"cluster/node.go", `	n.respondAfterAppends(votes)
`, `	n.deliver(votes)
`}},
		},
		{
			Name:  "entries-not-synced",
			Title: "only a change of term or vote asks for a sync, entries do not",
			Edits: []Edit{{"cluster/append.go", `Sync: true}`, `Sync: voted}`}},
		},
		{
			Name:  "vote-not-synced",
			Title: "only entries and snapshots ask for a sync, term and vote do not",
			Edits: []Edit{{"cluster/append.go", `Sync: true}`, `Sync: len(p.entries) > 0 || !raft.IsEmptySnap(m.GetSnapshot())}`}},
		},
		{
			Name:  "only-last-append-synced",
			Title: "of a batch of appends the last one decides whether it is synced",
			Edits: []Edit{
				{"cluster/append.go", `Sync: true}`, `Sync: voted || len(p.entries) > 0}`},
				{"cluster/storage/log.go", `		sync = sync || appends[i].Sync
`, `		sync = appends[i].Sync && len(appends[i].Entries) > 0
`},
			},
		},
		{
			Name:  "segment-ended-unsynced",
			Title: "the end of a segment is not synced before the next one begins",
			Edits: []Edit{{"cluster/storage/log.go", `	if err := s.sync(); err != nil {
		return err
	}
	old := l.current()
`, `	old := l.current()
`}},
		},
		{
			Name:  "fsync-error-ignored",
			Title: "an fsync that fails is taken for one that did its work",
			Edits: []Edit{{"cluster/storage/log.go", `	if err := l.file.SyncData(); err != nil {
		return &FailedError{Op: "sync", File: l.current().name, Err: err}
	}
`, `	_ = l.file.SyncData()
`}},
		},
		{
			Name:  "fsync-error-retried",
			Title: "an fsync that failed is tried again, and believed the second time",
			Edits: []Edit{{"cluster/storage/log.go", `	if err := l.file.SyncData(); err != nil {
		return &FailedError{Op: "sync", File: l.current().name, Err: err}
	}
`, `	if err := l.file.SyncData(); err != nil {
		if err = l.file.SyncData(); err != nil {
			return &FailedError{Op: "sync", File: l.current().name, Err: err}
		}
	}
`}},
		},
		{
			Name:  "torn-tail-kept",
			Title: "a torn tail is found on recovery, but not cut",
			Edits: []Edit{
				{"cluster/storage/recovery.go", `	prev := link{last.seq, r.tail.end}
`, `	prev := link{last.seq, r.tail.end + r.tail.cut}
`},
				{"cluster/storage/recovery.go", `	if err := f.Truncate(t.end); err != nil {
`, `	if err := f.Truncate(t.end + t.cut); err != nil {
`},
				{"cluster/storage/recovery.go", `	seg.bytes = t.end
`, `	seg.bytes = t.end + t.cut
`},
			},
		},
		{
			Name:  "damage-taken-for-tail",
			Title: "damage below what was durable is taken for a torn tail, and cut off with all behind it",
			Edits: []Edit{{"cluster/storage/scan.go", `		if h.durable > t.end {
`, `		if h.durable > off {
`}},
		},
		{
			Name:  "segment-name-not-durable",
			Title: "the directory is not synced after a segment gets its name",
			Edits: []Edit{{"cluster/storage/log.go", `	return rename(s.fs, temp, name)
`, `	if err := s.fs.Rename(temp, name); err != nil {
		return &FailedError{Op: "rename", File: name, Err: err}
	}
	return nil
`}},
		},
		{
			Name:  "snapshot-name-not-durable",
			Title: "the directory is not synced after a snapshot gets its name",
			Edits: []Edit{{"cluster/storage/snapshot.go", `	if err := rename(s.fs, w.temp, s.snapshotPath(w.mark)); err != nil {
		return s.fail(err)
	}
`, `	if err := s.fs.Rename(w.temp, s.snapshotPath(w.mark)); err != nil {
		return s.fail(&FailedError{Op: "rename", File: w.temp, Err: err})
	}
`}},
		},
		{
			Name:  "snapshot-not-synced",
			Title: "a snapshot gets its name before its contents are durable",
			Edits: []Edit{{"cluster/storage/snapshot.go", `	if err := w.sync(w.file.Sync); err != nil {
		return err
	}
	w.done = true
`, `	w.done = true
`}},
		},
	}
}
