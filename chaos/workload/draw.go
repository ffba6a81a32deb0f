package workload

import (
	"fmt"
	"strings"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// operation is one that a worker is about to do.
type operation struct {
	history.Operation
	kind string // for the counts
	at   int    // slot; 0: any
}

// share is how often an action is drawn, of all shares together.
type share struct {
	do    plan.Action
	times int
}

var shares = []share{{plan.Get, 26}, {plan.GetFollower, 10}, {plan.GetStale, 5}, {plan.Put, 30}, {plan.Swap, 14}, {plan.PutAbsent, 4},
	{plan.PutPresent, 3}, {plan.Delete, 5}, {plan.DeleteSwap, 3}}

// hotPercent of the operations are on the hot keys.
const hotPercent = 60

// drawer draws the operations of one worker.
type drawer struct {
	*plan.Stream
	client   int32
	nodes    int
	hot      int
	spread   int
	claims   driver.Claims
	number   int
	seen     map[string]uint64 // mod revisions, 0: absent
	seenList []string          // the keys of seen, in the order in which they were first seen
}

func newDrawer(seed uint64, client int32, nodes, hot, spread int, claims driver.Claims) *drawer {
	return &drawer{Stream: plan.NewStream(seed, "client", uint64(client)), client: client, nodes: nodes, hot: hot, spread: spread, claims: claims,
		seen: map[string]uint64{}}
}

func (d *drawer) next() operation {
	o := operation{Operation: history.Operation{Client: d.client, Key: d.key()}}
	action := d.action()
	o.kind = string(action)
	switch action {
	case plan.Get:
		o.Kind = history.Get
	case plan.GetFollower:
		o.Kind, o.at = history.Get, 1+d.Below(d.nodes)
	case plan.GetStale:
		o.Kind, o.at, o.Stale = history.Get, 1+d.Below(d.nodes), true
	case plan.Delete, plan.DeleteSwap:
		o.Kind = history.Delete
	default:
		o.Kind, o.Value = history.Put, d.value()
	}
	o.Condition = d.condition(action, o.Key)
	return o
}

func (d *drawer) action() plan.Action {
	total := 0
	for _, s := range shares {
		total += s.times
	}
	for n := d.Below(total); ; {
		for _, s := range shares {
			if n -= s.times; n < 0 {
				return d.supported(s.do)
			}
		}
	}
}

// supported replaces what the store does not claim.
func (d *drawer) supported(a plan.Action) plan.Action {
	switch a {
	case plan.GetStale:
		if !d.claims.Stale {
			return plan.Get
		}
	case plan.Swap, plan.PutAbsent, plan.PutPresent:
		if !d.claims.Conditions {
			return plan.Put
		}
	case plan.DeleteSwap:
		if !d.claims.Conditions {
			return plan.Delete
		}
	}
	return a
}

func (d *drawer) condition(a plan.Action, key string) history.Condition {
	switch a {
	case plan.PutAbsent:
		return history.Condition{Kind: history.MustNotExist}
	case plan.PutPresent:
		return history.Condition{Kind: history.MustExist}
	case plan.Swap, plan.DeleteSwap:
		if seen := d.seen[key]; seen > 0 {
			return history.Condition{Kind: history.RevisionEquals, Revision: seen}
		}
		return history.Condition{Kind: history.MustExist}
	}
	return history.Condition{}
}

// key is a hot one more often than not, and some of those are hotter than others.
func (d *drawer) key() string {
	if d.Below(100) < hotPercent {
		return fmt.Sprintf("hot-%02d", d.Below(1+d.Below(d.hot)))
	}
	return fmt.Sprintf("key-%05d", d.Below(d.spread))
}

// value is unique. Most are short.
func (d *drawer) value() history.Value {
	d.number++
	text := fmt.Sprintf("%d-%d", d.client, d.number)
	pad := 0
	switch n := d.Below(1000); {
	case n < 3:
		pad = 16 << 10
	case n < 50:
		pad = d.Below(1 << 10)
	case n < 500:
		pad = d.Below(64)
	}
	return history.Of(text + strings.Repeat("-", pad))
}

// learn remembers the revision that a result tells of its key.
func (d *drawer) learn(o *operation, r *history.Operation) {
	revision := r.KeyRevision
	switch {
	case r.Outcome == history.Done && o.Kind == history.Put:
		revision = r.Revision
	case r.Outcome == history.Done && o.Kind == history.Delete:
		revision = 0
	case r.Outcome == history.Unknown || r.Outcome == history.Refused || o.Stale:
		return
	}
	if _, there := d.seen[o.Key]; !there {
		if len(d.seenList) == seenMax {
			delete(d.seen, d.seenList[0])
			d.seenList = append(d.seenList[:0], d.seenList[1:]...)
		}
		d.seenList = append(d.seenList, o.Key)
	}
	d.seen[o.Key] = revision
}
