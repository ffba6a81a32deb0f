package host

import (
	"sync"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/cluster/transport"
)

// batch is what the loop takes in one go.
type batch struct {
	events   []cluster.Event
	requests []*server.Request
	calls    []*call
	answers  []cluster.Reply // to requests that were forwarded
	tick     bool
	bytes    int // of the messages among events
}

// call is a membership change or a leader transfer on its way.
type call struct {
	kind     transport.CallKind
	change   cluster.MemberChange
	peer     uint64
	deadline int64               // monotonic nanoseconds; 0: none
	forward  bool                // may be sent on to the leader
	done     func(cluster.Reply) // called once, from the loop or from pushCall; must not block
}

// queue is everything that waits for the loop.
type queue struct {
	wake chan struct{} // has room for one

	mu         sync.Mutex
	batch      batch
	pending    int // requests that were taken in and not answered
	pendingMax int
	reason     cluster.Reason // not ReasonNone: requests are refused with it, and events are dropped
	dropped    uint64         // received messages
}

func newQueue(pendingMax int) *queue {
	return &queue{wake: make(chan struct{}, 1), pendingMax: pendingMax, reason: cluster.ReasonNoLeader}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// open lets requests and events in.
func (q *queue) open() {
	q.mu.Lock()
	q.reason = cluster.ReasonNone
	q.mu.Unlock()
}

// close refuses all further requests with the reason and returns what was waiting.
func (q *queue) close(reason cluster.Reason) batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.batch
	q.reason, q.batch = reason, batch{}
	return rest
}

// submit takes requests in, or answers those beyond the bound at once.
func (q *queue) submit(requests []*server.Request) {
	reason := cluster.ReasonOverloaded
	q.mu.Lock()
	room := max(q.pendingMax-q.pending, 0)
	if q.reason != cluster.ReasonNone {
		reason, room = q.reason, 0
	}
	n := min(room, len(requests))
	q.batch.requests = append(q.batch.requests, requests[:n]...)
	q.pending += n
	q.mu.Unlock()
	if n > 0 {
		q.signal()
	}
	for _, r := range requests[n:] {
		r.Reply = cluster.Reply{Outcome: cluster.Refused, Reason: reason}
		r.Done(r)
	}
}

func (q *queue) pushCall(c *call) {
	q.mu.Lock()
	reason := q.reason
	if reason == cluster.ReasonNone && q.pending >= q.pendingMax {
		reason = cluster.ReasonOverloaded
	}
	if reason == cluster.ReasonNone {
		q.batch.calls = append(q.batch.calls, c)
		q.pending++
	}
	q.mu.Unlock()
	if reason != cluster.ReasonNone {
		c.done(cluster.Reply{Outcome: cluster.Refused, Reason: reason})
		return
	}
	q.signal()
}

// push takes an event in; it is lost when the loop does not run.
func (q *queue) push(e cluster.Event) {
	q.mu.Lock()
	if q.reason == cluster.ReasonNone {
		q.batch.events = append(q.batch.events, e)
	}
	q.mu.Unlock()
	q.signal()
}

// receive takes raft messages in, or drops them above receivedBytesMax.
func (q *queue) receive(messages []*raftpb.Message) {
	q.mu.Lock()
	for _, m := range messages {
		size := messageBytes(m)
		if q.reason != cluster.ReasonNone {
			continue // there is no node yet, or none any more
		}
		if q.batch.bytes+size > receivedBytesMax && q.batch.bytes > 0 {
			q.dropped++
			continue
		}
		q.batch.bytes += size
		q.batch.events = append(q.batch.events, cluster.Event{Kind: cluster.EventReceive, Message: m})
	}
	q.mu.Unlock()
	q.signal()
}

func messageBytes(m *raftpb.Message) int {
	n := 64
	for _, e := range m.GetEntries() {
		n += 24 + len(e.GetData())
	}
	return n
}

func (q *queue) answer(replies []cluster.Reply) {
	q.mu.Lock()
	if q.reason == cluster.ReasonNone {
		q.batch.answers = append(q.batch.answers, replies...)
	}
	q.mu.Unlock()
	q.signal()
}

// tick marks time as due.
func (q *queue) tick() {
	q.mu.Lock()
	q.batch.tick = true
	q.mu.Unlock()
	q.signal()
}

// swap gives what is waiting for an emptied batch, and counts requests that were answered since the last swap.
func (q *queue) swap(spare batch, answered int) batch {
	spare.reset()
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.batch
	q.batch = spare
	q.pending -= answered
	return out
}

// waiting is the number of requests without an answer.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending
}

// overflow is the number of received messages that were dropped for want of room.
func (q *queue) overflow() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// reset keeps arrays of usual size and drops what they point to.
func (b *batch) reset() {
	clear(b.events)
	clear(b.requests)
	clear(b.calls)
	*b = batch{events: b.events[:0], requests: b.requests[:0], calls: b.calls[:0], answers: b.answers[:0]}
}
