package sim

import (
	"fmt"
	"slices"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// exam is what a cluster is asked once it is at rest. A cluster that answers nobody is at rest, too: so every kind of operation must now
// succeed, one after the other, and every member must serve.
type exam struct {
	questions []plan.Operation
	asked     int
}

// examTime is how long a client may try to have a question answered, in nanoseconds: long enough to ask other nodes when one is cut off for good.
const examTime = 20_000_000_000

// examine asks the next question; false if there is none left.
func (w *World) examine() bool {
	if w.exam.questions == nil {
		w.exam.questions = w.questions()
	}
	if w.exam.asked == len(w.exam.questions) {
		return false
	}
	o := &w.exam.questions[w.exam.asked]
	w.exam.asked++
	w.clients[0].begin(&call{plan: o, examined: true})
	return true
}

// questions are reads of all keys, in which every acknowledged write must show; one write of each kind; and a read at each member.
func (w *World) questions() (all []plan.Operation) {
	keys, number := []string{}, 0
	for i := range w.plan.Operations {
		o := &w.plan.Operations[i]
		number = max(number, o.Number)
		if o.Key != "" && !slices.Contains(keys, o.Key) {
			keys = append(keys, o.Key)
		}
	}
	if len(keys) == 0 {
		keys = append(keys, "k1")
	}
	ask := func(do plan.Action, key string, node int) {
		number++
		all = append(all, plan.Operation{Client: 1, Do: do, Key: key, Node: node, Number: number})
	}
	for _, key := range keys {
		ask(plan.Get, key, 0)
	}
	for _, do := range []plan.Action{plan.Put, plan.Swap, plan.PutPresent, plan.Delete, plan.PutAbsent, plan.DeleteSwap, plan.Get} {
		ask(do, keys[0], 0)
	}
	for _, m := range w.leader().members.Members {
		if w.process(m.ID).has(&m) {
			ask(plan.GetFollower, keys[0], int(m.ID))
		}
	}
	return all
}

// marked judges the answer to a question. Limits that the plan set may still refuse it.
func (w *World) marked(k *call, d *policy.Decision) {
	switch {
	case d.Outcome == policy.Done:
	case d.Outcome == policy.Refused && d.Reason == policy.ReasonDataFull && w.plan.Node.DataBytes > 0:
	case d.Outcome == policy.Refused && d.Reason == policy.ReasonSessionExpired:
	default:
		at := ""
		if k.plan.Node > 0 {
			at = fmt.Sprintf(" at n%d", k.plan.Node)
		}
		w.fail("liveness", "%s of %s%s, asked when all was at rest, is %v: %v", k.plan.Do, k.plan.Key, at, d.Outcome, d.Reason)
	}
}
