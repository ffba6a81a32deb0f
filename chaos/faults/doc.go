// Package faults is what goes wrong, when, and to whom: plans of faults against real processes, and the Injector that
// carries them out.
//
// Draw makes a Plan from a seed; Encode and Decode turn it into a file. The file is one of package plan, the simulator's fault
// language, with some kinds of its own: Decode takes the simulator's plans as they are, and Sim makes one of what both know.
package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/sim/plan"
)

// The kinds of faults that only real processes can suffer. In brackets the fields that count besides At and For.
const (
	Minority  plan.Kind = "crash-minority" // as many at once as leave a majority
	Stop      plan.Kind = "stop"           // [Node] asked to stop, and started again after For
	Rolling   plan.Kind = "rolling"        // one after the other is stopped and started again, as in an upgrade
	Jitter    plan.Kind = "jitter"         // [Node, Latency] everything to and from Node takes up to this much longer
	Bandwidth plan.Kind = "bandwidth"      // [Node, BytesPerSecond] of each of its connections
	Reset     plan.Kind = "reset"          // [Node, Period] its connections break, again and again
	HalfOpen  plan.Kind = "half-open"      // [Node] its connections end for one side only; new ones lead nowhere
	SlowClose plan.Kind = "slow-close"     // [Node, Latency] the end of a connection is told this much later
	Wipe      plan.Kind = "wipe"           // [Node] loses its directory: it must be refused, and is replaced
	Rot       plan.Kind = "rot"            // [Node, Op] a byte of its log or snapshot changes while it is down
)

// Fault is one of the simulator's, with fields for real processes.
type Fault struct {
	plan.Fault `yaml:",inline"`
	// How says what becomes of connections that a cut concerns. Drop, the default: nothing passes, and what was under way is
	// lost when the cut ends. Refuse: they are reset, and new ones are refused.
	How            string `yaml:"how,omitempty"`
	BytesPerSecond int    `yaml:"bytes_per_second,omitempty"`
}

// Ways to cut.
const (
	Drop   = "drop"
	Refuse = "refuse"
)

// Group is a name for several kinds, for --faults.
type Group struct {
	Name  string
	Kinds []plan.Kind
}

// Groups lists all groups, and in them all kinds that can be carried out.
var Groups = []Group{
	{"kill", []plan.Kind{plan.Crash, Minority, plan.CrashAll, plan.Storm}},
	{"pause", []plan.Kind{plan.Pause}},
	{"stop", []plan.Kind{Stop, Rolling}},
	{"partition", []plan.Kind{plan.Partition, plan.Isolate, plan.OneWay, plan.Ring, plan.Flap}},
	{"slow", []plan.Kind{plan.Slow, plan.Clog, Jitter, Bandwidth}},
	{"connection", []plan.Kind{plan.ClientCut, plan.ClientDies, Reset, HalfOpen, SlowClose}},
	{"disk", []plan.Kind{plan.DiskError, plan.DiskFull, plan.DiskLow}},
	{"wipe", []plan.Kind{Wipe}},
	{"rot", []plan.Kind{Rot}},
}

// Kinds lists every kind that can be carried out.
func Kinds() []plan.Kind {
	var all []plan.Kind
	for _, g := range Groups {
		all = append(all, g.Kinds...)
	}
	return all
}

// Parse reads a list of groups and kinds with commas. "all" stands for every kind, "none" for none, and a minus takes
// away: "all,-disk".
func Parse(list string) ([]plan.Kind, error) {
	chosen := map[plan.Kind]bool{}
	for i, word := range strings.Split(list, ",") {
		name, away := strings.CutPrefix(strings.TrimSpace(word), "-")
		kinds, err := named(name)
		if err != nil {
			return nil, err
		}
		if away && i == 0 {
			for _, k := range Kinds() {
				chosen[k] = true
			}
		}
		for _, k := range kinds {
			chosen[k] = !away
		}
	}
	return slices.DeleteFunc(Kinds(), func(k plan.Kind) bool { return !chosen[k] }), nil
}

func named(name string) ([]plan.Kind, error) {
	switch name {
	case "all":
		return Kinds(), nil
	case "none":
		return nil, nil
	}
	var names []string
	for _, g := range Groups {
		if g.Name == name {
			return g.Kinds, nil
		}
		names = append(names, g.Name)
	}
	if slices.Contains(Kinds(), plan.Kind(name)) {
		return []plan.Kind{plan.Kind(name)}, nil
	}
	return nil, fmt.Errorf("unknown fault %q: say all, none, %s, or a kind as plans name it", name, strings.Join(names, ", "))
}
