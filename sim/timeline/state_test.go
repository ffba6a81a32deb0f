package timeline

import "github.com/lockstepdb/lockstep/sim/trace"

// standing is where a node stands, as far as events tell: the panel of the page must say the same.
type standing struct {
	up, role                          string
	term, vote, commit, applied, last uint64
	known                             bool // the numbers are those of a State event
}

// stateOf follows the events. It is written for this test, and shares nothing with the page's script.
func stateOf(events []trace.Event, nodes int) []standing {
	all := make([]standing, nodes)
	for i := range all {
		all[i].up = "not started"
	}
	for i := range events {
		e := &events[i]
		if e.Node < 1 || e.Node > uint64(nodes) {
			continue
		}
		s := &all[e.Node-1]
		switch e.Kind {
		case trace.Start:
			*s = standing{up: "up", role: "follower", term: e.Number("term"), commit: e.Number("commit"), applied: e.Number("snapshot")}
		case trace.Crash:
			s.up = "down"
		case trace.Exit:
			s.up = "exited"
		case trace.Role:
			s.role, s.term = e.What, e.Number("term")
		case trace.State:
			s.term, s.vote, s.commit, s.applied, s.last, s.known = e.Number("term"), e.Number("vote"), e.Number("commit"), e.Number("applied"), e.Number("last"), true
		case trace.Apply:
			s.applied = e.Number("index")
		}
	}
	return all
}
