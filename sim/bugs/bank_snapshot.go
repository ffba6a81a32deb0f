package bugs

// snapshotBugs are about what a snapshot holds, and what becomes of the rest when one takes its place.
func snapshotBugs() []Bug {
	return []Bug{
		{
			Name:  "snapshot-without-sessions",
			Title: "a snapshot lacks the session table",
			Edits: []Edit{{"kv/snapshot.go", `	sessions := m.sessions.capture()
`, `	sessions := captured{oldest: -1, last: m.sessions.last}
`}},
		},
		{
			Name:  "snapshot-without-results",
			Title: "a snapshot keeps the sessions, but not what their requests came to",
			Edits: []Edit{{"kv/snapshot.go", `		next.outcomes(func(*outcome) { count++ })
`, ``}, {"kv/snapshot.go", `	s.outcomes(func(o *outcome) {
		for _, number`, `	(&session{floor: s.floor}).outcomes(func(o *outcome) {
		for _, number`}},
		},
		{
			Name:  "snapshot-without-revision",
			Title: "a restored machine counts revisions from 0 again",
			Edits: []Edit{{"kv/restorer.go", `	m.revision.Store(r.header.revision)
`, ``}},
		},
		{
			Name:  "snapshot-while-writing",
			Title: "a write to a key that is there changes it in place while a snapshot is read",
			Edits: []Edit{{"kv/write.go", `	if m.phase == frozen {
		m.change(number, revision, func() { s.cover(item) })
`, `	if m.phase == frozen && old == nil {
		m.change(number, revision, func() { s.cover(item) })
`}},
		},
		{
			Name:  "session-shared-with-snapshot",
			Title: "the results that a snapshot is reading change under it",
			Edits: []Edit{{"kv/session.go", `	if t.sharedWithReads && s.copied != t.freezes {
`, `	if t.sharedWithReads && s.copied > t.freezes {
`}},
		},
		{
			Name:  "snapshot-keeps-membership",
			Title: "a received snapshot replaces the data, but not the membership",
			Edits: []Edit{{"cluster/snapshot.go", `	n.members, n.conf = members, conf
	n.log.restart(mark, conf)
`, `	members = n.members
	n.log.restart(mark, conf)
`}},
		},
		{
			Name:  "skipped-requests-refused",
			Title: "requests among the entries that a snapshot skips are told as refused",
			Edits: []Edit{{"cluster/proposal.go", `		n.settle(i, Reply{Outcome: Unknown, Reason: reason, Leader: n.role.Leader})
`, `		n.settle(i, Reply{Outcome: Refused, Reason: ReasonSuperseded, Leader: n.role.Leader})
`}},
		},
	}
}
