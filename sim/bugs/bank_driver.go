package bugs

// driverBugs are about what a driver decides. Package host does so in production; the simulator has a driver of its own, and these
// are there.
func driverBugs() []Bug {
	return []Bug{
		{
			Name: "lost-disk-accepted",
			// In production the handshake of package transport compares the instances.
			Title: "a node that lost its disk is taken for the one that it was",
			Edits: []Edit{{"sim/process.go", `			return m.Instance == k.instance
`, `			return true
`}},
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
