package bugs

// sessionBugs are about each write taking effect once, at the store and at the client.
func sessionBugs() []Bug {
	return []Bug{
		{
			Name:  "retry-applied-twice",
			Title: "a put without a condition is not looked up among the results of its session",
			Edits: []Edit{{"kv/write.go", `	if known := s.outcome(c.Sequence); known != nil {
`, `	if known := s.outcome(c.Sequence); known != nil && (c.Kind != Put || c.Condition != Always) {
`}},
		},
		{
			Name:  "failed-condition-not-kept",
			Title: "a condition that failed is judged anew when the request comes again",
			Edits: []Edit{{"kv/write.go", `	if known := s.outcome(c.Sequence); known != nil {
`, `	if known := s.outcome(c.Sequence); known != nil && known.status == OK {
`}},
		},
		{
			Name:  "result-lost-when-ring-grows",
			Title: "a session's oldest result is lost when there is room for more",
			Edits: []Edit{{"kv/session.go", `		if o := &s.ring[i]; o.sequence >= s.floor {
`, `		if o := &s.ring[i]; o.sequence > s.floor {
`}},
		},
		{
			Name:  "acknowledged-applied-again",
			Title: "a number that was acknowledged, or given up, is taken once more",
			Edits: []Edit{{"kv/write.go", `	case c.Sequence < s.floor:
		return m.refusal(SequenceAcknowledged)
`, `	case c.Sequence < s.floor:
		return m.write(c, hash)
`}},
		},
		{
			Name:  "sessions-evicted-by-ticks",
			Title: "each node ends idle sessions by its own ticks",
			Edits: []Edit{
				{"cluster/clock.go", `	n.expireProposals()
`, `	if n.clock.ticks%100 == 0 {
		n.machine.ExpireSession()
	}
	n.expireProposals()
`},
				{"kv/machine.go", `// Applied is the index of the last entry applied. Writer only.
`, `// ExpireSession ends the session that was not used for longest.
func (m *Machine) ExpireSession() {
	if m.sessions.count > 0 {
		m.sessions.close(m.sessions.oldest)
	}
}

// Applied is the index of the last entry applied. Writer only.
`},
			},
		},
		{
			Name:  "evicted-by-map-order",
			Title: "which session is evicted depends on the order of a map",
			Edits: []Edit{{"kv/session.go", `		t.close(t.oldest)
`, `		for _, entry := range t.byID {
			t.close(entry)
			break
		}
`}},
		},
		{
			Name:  "session-opened-twice",
			Title: "a session that is opened again under its nonce is another one",
			Edits: []Edit{{"kv/session.go", `	if entry, ok := t.byNonce[nonce]; ok {
`, `	if entry, ok := t.byNonce[nonce]; ok && t.entries[entry].floor > 1 {
`}},
		},
		{
			Name:  "retry-under-new-number",
			Title: "a client that sends a write again gives it a new number",
			Edits: []Edit{
				{"cluster/client/policy/policy.go", `	return op.sequence == 0 || op.session != c.session.id
`, `	return op.sequence == 0 || op.state == stateWaiting || op.session != c.session.id
`},
				{"cluster/client/policy/policy.go", `	if op.sequence != 0 && op.unknown {
`, `	if op.sequence != 0 && op.unknown && op.session != c.session.id {
`},
			},
		},
		{
			Name:  "refusal-after-unknown",
			Title: "a client tells a write as refused when its last attempt was, though an earlier one may have had an effect",
			Edits: []Edit{{"cluster/client/policy/answer.go", `		op.refuse(a.Reason)
`, `		op.unknown = false
		op.refuse(a.Reason)
`}},
		},
		{
			Name:  "unknown-sent-again",
			Title: "a client without a session sends a write again whose outcome it does not know",
			Edits: []Edit{{"cluster/client/policy/answer.go", `	case a.unknown() && op.unsafeToLose() && op.sequence == 0:
`, `	case a.unknown() && op.unsafeToLose() && op.sequence == 0 && a.Reason != ReasonNoAnswer:
`}},
		},
		{
			Name:  "renewed-after-unknown",
			Title: "a client whose session has expired sends a write again under a new one, though it may have had its effect",
			Edits: []Edit{{"cluster/client/policy/answer.go", `	if op.unknown {
		return c.stop(op, a.Reason)
	}
	if op.renewed {
`, `	if op.renewed {
`}},
		},
		{
			Name:  "acknowledged-too-early",
			Title: "a client acknowledges one number more than it has results for",
			Edits: []Edit{{"cluster/client/policy/policy.go", `		d.Acknowledged = c.session.floor
`, `		d.Acknowledged = min(c.session.floor+1, op.sequence)
`}},
		},
	}
}
