package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// client is a user of the store: the policy of the real client, over the simulated network.
type client struct {
	w      *World
	number int
	life   uint64 // counts deaths
	random *plan.Stream
	policy *policy.Client
	open   int // calls under way
	// waiting are calls whose time has come while the pipeline was full, in order.
	waiting []int
	// seen is the newest mod revision of each key that this client knows of, for conditions.
	seen map[string]uint64
}

// call is an operation under way.
type call struct {
	client   *client
	life     uint64
	plan     *plan.Operation
	op       policy.Operation
	expected uint64 // the revision of a condition
	recorded int    // place in the history; -1 if it is not recorded
	examined bool   // it is a question of the exam
	done     bool
	attempt  uint32 // the last one
	opening  bool   // it opened a session
	unknown  bool   // an attempt may have had its effect
}

func newClient(w *World, number int) *client {
	c := &client{w: w, number: number, random: plan.NewStream(w.plan.Seed, "client", uint64(number)), seen: map[string]uint64{}}
	c.reset()
	return c
}

// reset begins anew, as a new process of the same user does.
func (c *client) reset() {
	p := &c.w.plan.Clients
	var err error
	c.policy, err = policy.New(policy.Config{
		Nodes: c.w.plan.Nodes + c.w.plan.Spares, Sessions: p.Sessions, Identity: c.random.Next(), BackoffMin: 10_000_000, BackoffMax: 500_000_000,
		AttemptTime: int64(p.Attempt), InFlightMax: p.Pipeline, WaitingMax: p.Pipeline,
	})
	if err != nil {
		panic(err)
	}
	c.life++
	c.open = 0
}

// arrive is the task of an operation whose time has come.
func arrive(w *World, t *task) {
	o := &w.plan.Operations[t.a]
	c := w.clients[o.Client-1]
	w.arrived++
	if c.open >= w.plan.Clients.Pipeline {
		c.waiting = append(c.waiting, int(t.a))
		return
	}
	c.start(int(t.a))
}

// start begins the call of an operation of the plan.
func (c *client) start(number int) { c.begin(&call{plan: &c.w.plan.Operations[number]}) }

// begin begins a call, of which its operation is known.
func (c *client) begin(k *call) {
	o := k.plan
	k.client, k.life, k.recorded = c, c.life, -1
	deadline := int64(c.w.plan.Clients.Deadline)
	if k.examined {
		deadline = examTime
	}
	k.op = policy.Operation{Kind: policy.Write, Deadline: c.w.now + deadline, Owner: k}
	switch o.Do {
	case plan.Get:
		k.op.Kind = policy.Read
	case plan.GetFollower, plan.GetStale:
		k.op.Kind, k.op.Pinned, k.op.Node = policy.Read, o.Node > 0, o.Node-1
	case plan.AddMember, plan.Promote, plan.Remove, plan.Transfer:
		k.op.Sessionless = true
	case plan.Swap, plan.DeleteSwap:
		k.expected = c.seen[o.Key]
	}
	if p := c.w.leading(o.Target); p != nil {
		k.op.Pinned, k.op.Node = true, int(p.number)-1
	}
	c.open++
	c.w.history.invoke(c.w.now, k)
	c.w.emit(trace.Event{Kind: trace.Invoke, Client: c.number, What: string(o.Do), Text: o.Key, Numbers: numbers{uint64(o.Number)}})
	c.w.at(k.op.Deadline, expire, 0, 0, k)
	c.follow(k, c.policy.Start(c.w.now, c.random.Next(), &k.op), nil)
}

// follow does what the policy decides.
func (c *client) follow(k *call, d policy.Decision, a *answer) {
	switch d.Action {
	case policy.Send, policy.Open:
		c.send(k, &d)
	case policy.Wait:
		c.w.at(d.At, awake, c.life, 0, k)
	case policy.Finish:
		c.finish(k, &d, a)
	}
	for op := c.policy.Ready(); op != nil; op = c.policy.Ready() {
		next := op.Owner.(*call)
		c.follow(next, c.policy.Wake(c.w.now, c.random.Next(), op), nil)
	}
}

// send puts an attempt on its way.
func (c *client) send(k *call, d *policy.Decision) {
	if k.unknown && k.op.Kind == policy.Write && d.Action == policy.Send {
		c.w.probe(probeRetryAfterUnknown)
	}
	k.attempt, k.opening = d.Attempt, d.Action == policy.Open
	r := &request{call: k, attempt: d.Attempt, node: d.Node}
	if d.Action == policy.Open {
		r.do, r.command = askWrite, kv.Command{Kind: kv.OpenSession, Nonce: d.Nonce}
	} else {
		k.fill(r, d)
	}
	node := uint64(d.Node + 1)
	if c.w.network.cut[0][node] == 0 {
		c.w.later(c.w.network.latency(0, node), arrives, node, 0, r)
	}
	if d.At > 0 && d.At < k.op.Deadline {
		c.w.at(d.At, attemptOver, uint64(d.Attempt), 0, k)
	}
}

// fill says what the request asks for.
func (k *call) fill(r *request, d *policy.Decision) {
	o := k.plan
	r.command = kv.Command{Key: []byte(o.Key), Session: d.Session, Sequence: d.Sequence, Acknowledged: d.Acknowledged}
	switch o.Do {
	case plan.Get, plan.GetFollower:
		r.do = askRead
		return
	case plan.GetStale:
		r.do = askStale
		return
	case plan.AddMember, plan.Promote, plan.Remove:
		r.do, r.change = askChange, k.change()
		return
	case plan.Transfer:
		r.do, r.peer = askTransfer, uint64(o.Node)
		return
	}
	r.do = askWrite
	r.command.Kind, r.command.Value = kv.Put, []byte(value(k.client.w.plan, o))
	switch o.Do {
	case plan.PutAbsent:
		r.command.Condition = kv.MustNotExist
	case plan.PutPresent:
		r.command.Condition = kv.MustExist
	case plan.Swap:
		k.expect(&r.command)
	case plan.Delete, plan.DeleteSwap:
		r.command.Kind, r.command.Value = kv.Delete, nil
		if o.Do == plan.DeleteSwap {
			k.expect(&r.command)
		}
	}
}

// expect sets the condition on the revision that the client saw last; if it saw none, on absence.
func (k *call) expect(c *kv.Command) {
	c.Condition, c.ConditionRevision = kv.RevisionEquals, k.expected
	if k.expected == 0 {
		c.Condition = kv.MustNotExist
		if c.Kind == kv.Delete {
			c.Condition = kv.Always
		}
	}
}

// value returns what an operation writes: nobody else writes it.
func value(p *plan.Plan, o *plan.Operation) string {
	return fmt.Sprintf("v%d", o.Number) + strings.Repeat("-", p.Clients.Padding)
}

func (k *call) change() cluster.MemberChange {
	p := k.client.w.process(uint64(k.plan.Node))
	change := cluster.MemberChange{Member: p.member()}
	switch k.plan.Do {
	case plan.AddMember:
		change.Kind = cluster.AddLearner
	case plan.Promote:
		change.Kind = cluster.Promote
	case plan.Remove:
		change.Kind = cluster.Remove
	}
	return change
}

// answered is the task of an answer that reaches its client.
func answered(w *World, t *task) {
	v := t.it.(*response)
	k := v.r.call
	c := k.client
	if k.done || k.life != c.life || w.network.cut[uint64(v.r.node+1)][0] > 0 {
		return
	}
	if wrong := misnumbered(v); wrong != policy.ReasonNone {
		w.fail("session", "client %d is told %q of operation %d, which it has not finished", c.number, wrong, k.plan.Number)
		return
	}
	k.unknown = k.unknown || v.a.Outcome == policy.Unknown && v.r.command.Kind != kv.OpenSession
	c.follow(k, c.policy.Answered(w.now, c.random.Next(), &k.op, v.r.attempt, v.a.Answer), &v.a)
}

// misnumbered returns what a node says of a write that the client numbered wrong: no client does.
func misnumbered(v *response) policy.Reason {
	switch v.a.Reason {
	case policy.ReasonInvalid, policy.ReasonSequenceAcknowledged, policy.ReasonSequenceOutOfWindow, policy.ReasonSequenceReused:
		return v.a.Reason
	}
	return policy.ReasonNone
}

// attemptOver is the task at the end of an attempt's time.
func attemptOver(w *World, t *task) {
	k := t.it.(*call)
	if k.done || k.life != k.client.life {
		return
	}
	c := k.client
	k.unknown = k.unknown || uint32(t.a) == k.attempt && !k.opening
	c.follow(k, c.policy.Answered(w.now, c.random.Next(), &k.op, uint32(t.a), policy.LostAnswer()), nil)
}

// awake is the task at the end of a wait.
func awake(w *World, t *task) {
	k := t.it.(*call)
	if k.done || k.life != k.client.life {
		return
	}
	k.client.follow(k, k.client.policy.Wake(w.now, k.client.random.Next(), &k.op), nil)
}

// expire is the task at a call's deadline.
func expire(w *World, t *task) {
	k := t.it.(*call)
	if k.done || k.life != k.client.life {
		return
	}
	k.client.follow(k, k.client.policy.Expired(w.now, &k.op, false), nil)
}

// finish records the outcome and lets the next call begin.
func (c *client) finish(k *call, d *policy.Decision, a *answer) {
	k.done = true
	c.open--
	c.w.history.done(c.w.now, k, d, a)
	c.w.emit(trace.Event{Kind: trace.Return, Client: c.number, What: d.Outcome.String(), Text: reasonText(d), Numbers: a.numbers(k)})
	if k.examined {
		c.w.marked(k, d)
	}
	if len(c.waiting) > 0 {
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.start(next)
	}
}

// numbers are those of the event in which a client learns an answer; nil: there was none.
func (a *answer) numbers(k *call) numbers {
	n := numbers{uint64(k.plan.Number)}
	if a != nil {
		n[1], n[2] = max(a.at, a.result.Revision), xxhash.Sum64(a.item.Value)
	}
	return n
}

// reasonText says why an operation was not done.
func reasonText(d *policy.Decision) string {
	if d.Reason == policy.ReasonNone {
		return ""
	}
	return d.Reason.String()
}

// die forgets all calls: their outcomes stay unknown.
func (c *client) die() {
	c.reset()
	c.w.probe(probeClientDied)
	for len(c.waiting) > 0 && c.open < c.w.plan.Clients.Pipeline {
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.start(next)
	}
}

// sortedIDs returns a map's keys in order: a map's own order must not decide anything.
func sortedIDs[T any](m map[uint64]T) []uint64 {
	ids := make([]uint64, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
