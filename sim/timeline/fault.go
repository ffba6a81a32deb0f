package timeline

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// fault is a band on the page.
type fault struct {
	Kind string `json:"kind"`
	Node uint64 `json:"node"` // 0: none
	From int    `json:"from"` // the event that begins it
	To   int    `json:"to"`   // the event that ends it; -1: none does
	// Until is when it ends if no event says so, in nanoseconds; 0: not before the end of the life.
	Until int64  `json:"until"`
	Says  string `json:"says"`
}

// faultsOf joins the beginnings and ends of faults with what the plan says of them.
func faultsOf(in *Input) []fault {
	list, open := []fault{}, map[uint64]int{}
	for i := range in.Events {
		switch e := &in.Events[i]; e.Kind {
		case trace.Fault:
			open[e.Number("number")] = len(list)
			list = append(list, faultOf(in.Plan, e, i))
		case trace.Heal:
			n := e.Number("number")
			if p, ok := open[n]; ok && list[p].Kind == clean(e.What) {
				list[p].To, list[p].Until = i, 0
				delete(open, n)
			}
		}
	}
	return list
}

func faultOf(p *plan.Plan, e *trace.Event, i int) fault {
	f := fault{Kind: clean(e.What), Node: e.Node, From: i, To: -1, Says: clean(e.Text)}
	n := e.Number("number")
	if n >= uint64(len(p.Faults)) || string(p.Faults[n].Do) != e.What {
		return f
	}
	planned := &p.Faults[n]
	f.Says = clean(describe(planned))
	switch planned.Do { // nothing ends these
	case plan.Crash, plan.CrashAll:
		f.Until = e.At + max(int64(planned.For), 1)
	case plan.ClientDies:
		f.Until = e.At + 1
	}
	return f
}

// describe says what a fault does, without its node, which is known only when it begins.
func describe(f *plan.Fault) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if len(f.Groups) > 0 {
		say("%s", groups(f.Groups))
	}
	if f.Peer != "" {
		say("towards %s", nodeName(f.Peer))
	}
	if f.Client != 0 {
		say("client %d", f.Client)
	}
	switch {
	case f.Do == plan.Drift:
		say("%+g%%", float64(f.PPM)/10_000)
	case f.PPM != 0 && f.Message != "":
		say("%g%% of %s", float64(f.PPM)/10_000, f.Message)
	case f.PPM != 0:
		say("%g%%", float64(f.PPM)/10_000)
	}
	if f.Latency != 0 {
		say("by %v", f.Latency)
	}
	if f.Period != 0 {
		say("every %v or so", f.Period)
	}
	if f.Nth != 0 {
		say("at %s %d from then on", operationName(f.Op), f.Nth)
	}
	if f.For != 0 {
		say("for %v", f.For)
	}
	return strings.Join(parts, ", ")
}

func groups(list [][]int) string {
	var b strings.Builder
	for i, g := range list {
		if i > 0 {
			b.WriteString(" | ")
		}
		for j, n := range g {
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString("n" + strconv.Itoa(n))
		}
	}
	return b.String()
}

func nodeName(t plan.Target) string {
	if n := t.Node(); n > 0 {
		return "n" + strconv.Itoa(n)
	}
	return string(t)
}

func operationName(op string) string {
	if op == "" {
		return "disk operation"
	}
	return op
}
