package bugs

// driverBugs are about what a driver decides. Package host does so in production; the simulator has a driver of its own, and these
// are there.
func driverBugs() []Bug {
	return []Bug{
		{
			Name:  "lost-disk-accepted",
			Title: "a node that lost its disk is taken for the one that it was, and votes with an empty log",
			Edits: []Edit{
				{"sim/identity.go", `	return p.members.Standing(p.instance, of)
`, `	if _, member := p.members.Find(of.Node); member {
		return cluster.KnownPeer
	}
	return p.members.Standing(p.instance, of)
`},
				// In production package host looks at the directory before it starts a node on it.
				{"sim/process.go", `	if founding != nil && !p.join {
		id.Formed, id.Founding = true, *founding
	}
`, `	if !p.join {
		var members []cluster.Member
		for _, q := range p.w.processes[:p.w.plan.Nodes] {
			members = append(members, q.member())
		}
		id.Formed = true
		id.Founding, _ = cluster.Founding(members)
	}
`},
			},
		},
		{
			Name: "appends-merged-out-of-order",
			// In production package host's queue hands the appends to the goroutine that writes.
			Title: "of two appends that wait to be written the later one is written first",
			Edits: []Edit{{"sim/disk.go", `	p.writing, p.queued = p.queued, nil
`, `	p.writing, p.queued = p.queued, nil
	if n := len(p.writing); n > 1 {
		p.writing[n-1], p.writing[n-2] = p.writing[n-2], p.writing[n-1]
	}
`}},
		},
	}
}
