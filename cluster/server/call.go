package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
)

// call is one Request that one goroutine waits for. Calls are pooled: a call that is waited for goes back when its
// answer was taken; one that was abandoned goes back when its Done ran, never earlier, since until then the node may
// read it and what it points to.
type call struct {
	Request
	state atomic.Uint32
	ready chan struct{} // one element: Done ran
	timer *time.Timer   // stopped while the call is not waited for

	server *Server
	bytes  int64  // reserved of Options.InflightBytesMax until the call is released
	key    []byte // buffers of HTTP requests, kept with the call
	value  []byte
}

// States of a call.
const (
	waiting uint32 = iota
	answered
	abandoned
)

// bufferKeptBytes bounds the buffer that a pooled call keeps; a larger one is dropped.
const bufferKeptBytes = 64 << 10

// answerGrace is how much longer than the request's deadline the server waits for the node to tell its outcome, since
// the node counts in ticks. It only matters when the node hangs.
const answerGrace = time.Second

var callPool = sync.Pool{New: func() any {
	c := &call{ready: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	c.timer.Stop()
	return c
}}

func (s *Server) newCall(kind RequestKind) *call {
	c := callPool.Get().(*call)
	c.server = s
	c.Kind = kind
	c.Caller = c
	c.Done = callDone
	c.state.Store(waiting)
	return c
}

// callDone runs on the node's goroutine. Nothing may touch the call after the send: its waiter may have released it.
func callDone(r *Request) {
	c := r.Caller.(*call)
	if c.state.CompareAndSwap(waiting, answered) {
		c.ready <- struct{}{}
		return
	}
	c.release()
}

// release gives the call back. Only its owner may: who took the answer, who never submitted it, or an abandoned call's Done.
func (c *call) release() {
	if c.bytes != 0 {
		c.server.inflight.release(c.bytes)
		c.bytes = 0
	}
	c.Request = Request{}
	c.server = nil
	if cap(c.value) > bufferKeptBytes {
		c.value = nil
	}
	callPool.Put(c)
}

// await submits the call and waits for its reply, for at most timeout and the grace. It returns false when the caller's
// context ended or no answer came: the call is then abandoned and must not be touched any more.
func (c *call) await(ctx context.Context, timeout time.Duration) bool {
	b := c.server.o.Backend
	c.DeadlineNanos = b.Now() + int64(timeout)
	c.timer.Reset(timeout + answerGrace)
	b.Submit(&c.Request)
	select {
	case <-c.ready:
		c.timer.Stop()
		return true
	case <-ctx.Done():
	case <-c.timer.C:
	}
	// Once the call is abandoned it may be another's at any moment, so that the timer is stopped before.
	c.timer.Stop()
	if c.state.CompareAndSwap(waiting, abandoned) {
		return false
	}
	<-c.ready
	return true
}

// submit waits for the reply to a call. The reply of one without an answer is unknown for a write. released says that
// the call is no longer the caller's; otherwise the caller releases it.
func (c *call) submit(ctx context.Context, timeout time.Duration) (reply cluster.Reply, released bool) {
	kind := c.Kind
	if c.await(ctx, timeout) {
		return c.Reply, false
	}
	if kind == Read {
		return cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonExpired}, true
	}
	return cluster.Reply{Outcome: cluster.Unknown, Reason: cluster.ReasonExpired}, true
}

// budget counts bytes against a bound. The zero value admits nothing.
type budget struct {
	max  int64
	used atomic.Int64
}

// reserve takes n bytes, or says false and takes none.
func (b *budget) reserve(n int64) bool {
	if b.used.Add(n) > b.max {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) release(n int64) { b.used.Add(-n) }
