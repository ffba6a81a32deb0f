package sim

import (
	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// recording is the history of what the clients saw. Virtual time makes it exact.
type recording struct {
	h        history.History
	outcomes map[string]int
	leads    int // the mark of who leads, behind its place; 0: nobody does
}

func (r *recording) init(p *plan.Plan) {
	r.h.Origin = history.Origin{Format: "lockstep", Store: "lockstep", Seed: p.Seed, HasSeed: true, Revisions: history.Contract}
	r.outcomes = map[string]int{}
}

var kinds = map[plan.Action]history.Kind{
	plan.Get: history.Get, plan.GetFollower: history.Get, plan.GetStale: history.Get, plan.Put: history.Put, plan.PutAbsent: history.Put,
	plan.PutPresent: history.Put, plan.Swap: history.Put, plan.Delete: history.Delete, plan.DeleteSwap: history.Delete,
}

var outcomeNames = [...]string{history.Unknown: "unknown", history.Done: "done", history.ConditionFailed: "condition failed", history.Refused: "refused"}

// invoke records a call. Until it returns, and if it never does, its outcome is unknown.
func (r *recording) invoke(now int64, k *call) {
	kind, ok := kinds[k.plan.Do]
	if !ok {
		return
	}
	o := history.Operation{Client: int32(k.client.number), Kind: kind, Key: k.plan.Key, Stale: k.plan.Do == plan.GetStale, Invoke: now, Return: history.Forever}
	if kind == history.Put {
		o.Value = history.Of(value(k.client.w.plan, k.plan))
	}
	switch k.plan.Do {
	case plan.PutAbsent:
		o.Condition.Kind = history.MustNotExist
	case plan.PutPresent:
		o.Condition.Kind = history.MustExist
	case plan.Swap, plan.DeleteSwap:
		switch {
		case k.expected != 0:
			o.Condition = history.Condition{Kind: history.RevisionEquals, Revision: k.expected}
		case kind == history.Put:
			o.Condition.Kind = history.MustNotExist
		}
	}
	k.recorded = len(r.h.Operations)
	r.h.Operations = append(r.h.Operations, o)
}

// done records what the client learned.
func (r *recording) done(now int64, k *call, d *policy.Decision, a *answer) {
	if k.recorded < 0 {
		r.outcomes["membership "+d.Outcome.String()]++
		return
	}
	defer func() { r.outcomes[outcomeNames[r.h.Operations[k.recorded].Outcome]]++ }()
	o := &r.h.Operations[k.recorded]
	switch d.Outcome {
	case policy.Refused:
		o.Outcome, o.Return = history.Refused, now
	case policy.Done:
		o.Outcome, o.Return = history.Done, now
		if o.Kind == history.Get {
			r.read(o, k, a)
		} else {
			r.written(o, k, &a.result)
		}
	}
}

func (r *recording) read(o *history.Operation, k *call, a *answer) {
	o.Revision, o.HasObserved = a.at, true
	if a.found {
		o.Observed, o.KeyRevision = history.Of(string(a.item.Value)), a.item.ModRevision
	}
	if !o.Stale {
		k.client.seen[o.Key] = a.item.ModRevision
	}
}

func (r *recording) written(o *history.Operation, k *call, v *kv.Result) {
	o.Revision = v.Revision
	if v.Status == kv.ConditionFailed {
		o.Outcome, o.KeyRevision = history.ConditionFailed, v.ModRevision
		k.client.seen[o.Key] = v.ModRevision
		return
	}
	o.Existed = history.No
	if v.Existed {
		o.Existed = history.Yes
	}
	k.client.seen[o.Key] = v.ModRevision
	if o.Kind == history.Delete {
		k.client.seen[o.Key] = 0
	}
}

// mark records a fault for reports.
func (r *recording) mark(from, to int64, node, text string) {
	r.h.Marks = append(r.h.Marks, history.Mark{Kind: history.Fault, Node: node, From: from, To: to, Text: text})
}

// leader records that a node leads from now on; "" for nobody.
func (r *recording) leader(now int64, node string) {
	if r.leads > 0 {
		r.h.Marks[r.leads-1].To = now
		r.leads = 0
	}
	if node != "" {
		r.h.Marks = append(r.h.Marks, history.Mark{Kind: history.Leader, Node: node, From: now, To: history.Forever})
		r.leads = len(r.h.Marks)
	}
}
