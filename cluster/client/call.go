package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
)

// call is one call of a user on its way. The goroutine that made it owns it and does all that its decisions say; a
// stream writes to it in deliver alone, under the stream's lock and only while the call is pending there. So a call
// that is pending nowhere can be reused.
type call struct {
	op        policy.Operation
	operation operation
	// wake has one element: an attempt was answered (answered is set), or Ready returned the operation.
	wake  chan struct{}
	timer *time.Timer

	// Where the attempt is pending. Guarded by the stream's lock.
	stream  *stream
	id      uint64
	carrier message // that holds it; its bytes may be looked at until they are handed to gRPC
	offset  int     // where in it

	// answered is set behind answer and result; an earlier signal may still wake the goroutine before.
	answered atomic.Bool
	answer   policy.Answer
	result   result

	// invoke makes an attempt as a call of its own, for what does not go by a stream.
	invoke  invocation
	node    string // that the last attempt went to
	speaker string // the last node that said why not; one that could not be reached, if none did
	message string // what it said
	spoken  bool   // speaker was reached
	cause   error  // why the caller gave up
}

// settle sets what came of the attempt.
func (c *call) settle(a policy.Answer, r result) {
	c.answer, c.result = a, r
	c.answered.Store(true)
}

// hear keeps what a node said of the attempt. That another one cannot be reached tells less than what any node said.
func (c *call) hear() {
	reached := c.answer.Reason != policy.ReasonUnreachable
	silent := c.result.message == "" && !(reached && c.answer.Outcome == policy.Refused)
	if c.answer.Outcome == policy.Done || silent || c.spoken && !reached {
		return
	}
	c.speaker, c.message, c.spoken = c.node, c.result.message, reached
}

// deliver sets what came of the attempt and wakes the call's goroutine. That may be awake already, by an earlier signal: once answered
// is set it may release the call, so that only the channel is touched after that. A signal that comes late wakes the
// call's next use for nothing.
func (c *call) deliver(a policy.Answer, r result) {
	wake := c.wake
	c.settle(a, r)
	select {
	case wake <- struct{}{}:
	default:
	}
}

// invocation makes one attempt on a node and sets the call's answer and result.
type invocation func(ctx context.Context, n *node, c *call, d *policy.Decision)

var calls = sync.Pool{New: func() any {
	c := &call{wake: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	c.timer.Stop()
	c.op.Owner = c
	return c
}}

func newCall(kind policy.Kind) *call {
	c := calls.Get().(*call)
	c.op.Kind = kind
	return c
}

// release gives a finished call back.
func (c *call) release() {
	c.timer.Stop()
	select {
	case <-c.wake:
	default:
	}
	*c = call{wake: c.wake, timer: c.timer}
	c.op.Owner = c
	calls.Put(c)
}

// signal wakes the call's goroutine, now or when it waits next.
func (c *call) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// do brings a call to its end. The last decision tells the outcome.
func (c *Client) do(ctx context.Context, one *call) policy.Decision {
	d := c.start(ctx, one)
	for d.Action != policy.Finish {
		switch d.Action {
		case policy.Send, policy.Open:
			d = c.attempt(ctx, one, &d)
		default: // Wait, Park
			d = c.pause(ctx, one, &d)
		}
	}
	return d
}

// start begins with the deadline: the context's, or the default from now.
func (c *Client) start(ctx context.Context, one *call) policy.Decision {
	now := c.now()
	one.op.Deadline = now + int64(c.config.Timeout)
	if deadline, ok := ctx.Deadline(); ok {
		one.op.Deadline = now + int64(time.Until(deadline))
	}
	if err := ctx.Err(); err != nil {
		one.cause = err
		return policy.Decision{Action: policy.Finish, Outcome: policy.Refused, Reason: policy.ReasonDeadline}
	}
	random := rand.Uint64()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decided(c.policy.Start(now, random, &one.op))
}

// decided lets others go on that can because of a decision. Under c.mu.
func (c *Client) decided(d policy.Decision) policy.Decision {
	for op := c.policy.Ready(); op != nil; op = c.policy.Ready() {
		op.Owner.(*call).signal()
	}
	return d
}

// attempt makes one attempt, waits for its answer, and tells it.
func (c *Client) attempt(ctx context.Context, one *call, d *policy.Decision) policy.Decision {
	n := c.nodeOf(d.Node)
	one.node = n.address
	one.answered.Store(false)
	if invoke := c.invocation(one, d.Action); invoke != nil {
		c.invokeOnce(ctx, invoke, n, one, d)
	} else if unsent := c.exchange(ctx, n, one, d); !one.answered.Load() && ctx.Err() != nil {
		return c.expired(ctx, one, unsent)
	} else if unsent {
		one.settle(policy.UnsentAnswer(), result{})
	}
	if !one.answered.Load() {
		one.settle(policy.LostAnswer(), result{})
	}
	return c.answeredAt(ctx, one, d.Attempt)
}

// invocation is how the attempt is made without a stream; nil by a stream.
func (c *Client) invocation(one *call, action policy.Action) invocation {
	switch {
	case one.invoke != nil: // such calls need no session
		return one.invoke
	case c.config.Unary && action == policy.Open:
		return invokeOpen
	case c.config.Unary:
		return invokeOperation
	}
	return nil
}

// invokeOnce bounds an invocation by the attempt's end.
func (c *Client) invokeOnce(ctx context.Context, invoke invocation, n *node, one *call, d *policy.Decision) {
	ctx, cancel := context.WithDeadline(ctx, c.origin.Add(time.Duration(d.At)))
	defer cancel()
	decision := *d // so that the caller's, on the way by streams, can stay on its stack
	invoke(ctx, n, one, &decision)
}

// exchange makes an attempt by the node's stream. The call is settled, or else was waited for in vain: unsent then says
// that nothing was sent, nor will be.
func (c *Client) exchange(ctx context.Context, n *node, one *call, d *policy.Decision) (unsent bool) {
	o := &one.operation
	if d.Action == policy.Open {
		open := operation{kind: operationOpen, nonce: d.Nonce[:]}
		o = &open
	} else {
		o.session, o.sequence, o.acknowledged = d.Session, d.Sequence, d.Acknowledged
	}
	if answer, ok := n.submit(one, o); !ok {
		one.settle(answer, result{})
		return false
	}
	for !one.answered.Load() {
		if !c.wait(ctx, one, d.At) {
			return one.stream.withdraw(one)
		}
	}
	return false
}

// wait waits for a signal; false when the instant came or the context ended first.
func (c *Client) wait(ctx context.Context, one *call, at int64) bool {
	one.timer.Reset(time.Duration(at - c.now()))
	select {
	case <-one.wake:
		return true
	case <-ctx.Done():
	case <-one.timer.C:
	}
	return false
}

// pause waits for an instant (a Wait) or for a place (a Park), and goes on.
func (c *Client) pause(ctx context.Context, one *call, d *policy.Decision) policy.Decision {
	at := d.At
	if d.Action != policy.Wait {
		at = one.op.Deadline
	}
	one.timer.Reset(time.Duration(at - c.now()))
	select {
	case <-one.wake:
	case <-one.timer.C:
	case <-ctx.Done():
		return c.expired(ctx, one, true)
	case <-c.closing:
		return c.expired(ctx, one, true)
	}
	now := c.now()
	if now >= one.op.Deadline {
		return c.expired(ctx, one, true)
	}
	if d.Action == policy.Wait && now < at {
		return *d // woken by a signal of an earlier time
	}
	return c.wake(now, one)
}

func (c *Client) wake(now int64, one *call) policy.Decision {
	random := rand.Uint64()
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.policy.Wake(now, random, &one.op)
	if d.Action == policy.Nothing {
		return policy.Decision{Action: policy.Park} // woken by a signal of an earlier time
	}
	return c.decided(d)
}

// expired ends a call whose caller gives up, or whose deadline has passed. unsent says that of the attempt under way, if
// there is one, nothing was sent.
func (c *Client) expired(ctx context.Context, one *call, unsent bool) policy.Decision {
	one.cause = ctx.Err()
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decided(c.policy.Expired(now, &one.op, unsent))
}

// answeredAt tells the policy what came of an attempt.
func (c *Client) answeredAt(ctx context.Context, one *call, attempt uint32) policy.Decision {
	now, random := c.now(), rand.Uint64()
	a := &one.answer
	if a.Reason == policy.ReasonNoAnswer && (ctx.Err() != nil || now >= one.op.Deadline) {
		return c.expired(ctx, one, false)
	}
	one.hear()
	c.mu.Lock()
	defer c.mu.Unlock()
	if hint := &one.result.leader; hint.address != "" {
		a.Leader, a.Hinted = c.nodeAt(c.resolve(hint.address))
		a.Term = hint.term
	}
	d := c.policy.Answered(now, random, &one.op, attempt, *a)
	if err := ctx.Err(); err != nil && d.Action != policy.Finish {
		one.cause = err
		d = c.policy.Expired(now, &one.op, true) // the attempt that was decided on is not made
	}
	d = c.decided(d)
	if a.Outcome == policy.Done && !one.op.Pinned && c.policy.Locate(now) {
		c.locate(c.nodes[c.policy.Target()])
	}
	return d
}
