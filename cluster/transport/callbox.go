package transport

import (
	"slices"
	"sync"

	"github.com/lockstepdb/lockstep/cluster"
)

// Forward queues the call for the peer and encodes it at once; nothing of it is kept. It never blocks. Handler.Answered tells the answer,
// also when the call could not be queued; it may be called before Forward returns.
func (t *Transport) Forward(to uint64, c *Call) {
	reason := cluster.ReasonNoLeader
	if p := t.peer(to); p != nil {
		if reason = p.forward.box.(*callbox).push(c); reason == cluster.ReasonNone {
			return
		}
		p.counters[Forward].dropped.Add(1)
	}
	t.handler.Answered([]cluster.Reply{{ID: c.ID, Outcome: cluster.Refused, Reason: reason}})
}

// Withdraw takes a call back that has not left yet. True means that it certainly has no effect; it is then not answered.
func (t *Transport) Withdraw(to, id uint64) bool {
	p := t.peer(to)
	return p != nil && p.forward.box.(*callbox).withdraw(id)
}

// queuedCall is an encoded frame.
type queuedCall struct {
	id    uint64
	frame []byte
}

// callbox queues forwarded requests and remembers those that left.
type callbox struct {
	answered func([]cluster.Reply)
	signal   chan struct{}

	mu     sync.Mutex
	open   bool // a session is up; otherwise calls are refused at once
	queued []queuedCall
	bytes  int
	left   map[uint64]struct{} // calls that left and are not answered

	replies []cluster.Reply // of receive and flush alone
}

func newCallbox(answered func([]cluster.Reply)) *callbox {
	return &callbox{answered: answered, signal: make(chan struct{}, 1), left: map[uint64]struct{}{}}
}

// push queues the call or says why not.
func (c *callbox) push(call *Call) cluster.Reason {
	frame := appendCall(nil, call)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.open:
		return cluster.ReasonNoLeader
	case len(c.queued)+len(c.left) >= forwardCallsMax, c.bytes+len(frame) > forwardBytesMax:
		return cluster.ReasonOverloaded
	}
	c.queued = append(c.queued, queuedCall{id: call.ID, frame: frame})
	c.bytes += len(frame)
	select {
	case c.signal <- struct{}{}:
	default:
	}
	return cluster.ReasonNone
}

func (c *callbox) withdraw(id uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.queued, func(q queuedCall) bool { return q.id == id })
	if i < 0 {
		return false
	}
	c.bytes -= len(c.queued[i].frame)
	c.queued = slices.Delete(c.queued, i, i+1)
	return true
}

func (c *callbox) wake() <-chan struct{} { return c.signal }

// take counts a call as left before the connection has it: whether a failed write reached the peer can't be known.
func (c *callbox) take(dst []byte) ([]byte, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.queued) && (n == 0 || len(dst)+len(c.queued[n].frame) <= flushBytes) {
		dst = append(dst, c.queued[n].frame...)
		c.bytes -= len(c.queued[n].frame)
		c.left[c.queued[n].id] = struct{}{}
		n++
	}
	c.queued = slices.Delete(c.queued, 0, n)
	return dst, n
}

func (c *callbox) receive(k frameKind, payload []byte) error {
	if k != frameAnswer {
		return errUnexpected
	}
	r, err := decodeReply(payload)
	if err != nil {
		return err
	}
	c.replies = append(c.replies, r)
	return nil
}

// flush hands on the answers that are still waited for.
func (c *callbox) flush() {
	c.mu.Lock()
	known := c.replies[:0]
	for _, r := range c.replies {
		if _, ok := c.left[r.ID]; ok {
			delete(c.left, r.ID)
			known = append(known, r)
		}
	}
	c.mu.Unlock()
	if len(known) > 0 {
		c.answered(known)
	}
	c.replies = known[:0]
}

func (c *callbox) sent() {}

func (c *callbox) opened() {
	c.mu.Lock()
	c.open = true
	c.mu.Unlock()
}

// broke answers everything: refused what did not leave, unknown what did.
func (c *callbox) broke(bool) (dropped int, report bool) {
	c.mu.Lock()
	var replies []cluster.Reply
	for _, q := range c.queued {
		replies = append(replies, cluster.Reply{ID: q.id, Outcome: cluster.Refused, Reason: cluster.ReasonNoLeader})
	}
	dropped = len(c.queued)
	for id := range c.left {
		replies = append(replies, cluster.Reply{ID: id, Outcome: cluster.Unknown, Reason: cluster.ReasonConnectionLost})
	}
	clear(c.left)
	c.open, c.queued, c.bytes = false, nil, 0
	c.mu.Unlock()
	if len(replies) > 0 {
		c.answered(replies)
	}
	return dropped, false
}
