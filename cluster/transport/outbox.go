package transport

import (
	"sync"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
)

// box is a link's bounded queue.
type box interface {
	// wake has room for one; it is signalled when something was queued.
	wake() <-chan struct{}
	// take appends frames of what is queued to dst, up to about flushBytes, and returns how many.
	take(dst []byte) ([]byte, int)
	// receive takes a frame that came down the link's stream.
	receive(k frameKind, payload []byte) error
	// flush hands on what receive gathered from one gRPC message.
	flush()
	// sent says that everything taken so far was handed to the connection.
	sent()
	// opened says that a session began.
	opened()
	// broke says that a session ended, or could not begin (connected false). It returns the number of what was dropped, and
	// whether the peer is to be reported as unreachable.
	broke(connected bool) (dropped int, report bool)
}

// outbox queues raft messages. While the link is broken it drops at once: an append that waited for the peer to come back
// would be stale, and raft probes anyway.
type outbox struct {
	messagesMax, bytesMax int
	signal                chan struct{}

	mu       sync.Mutex
	queued   []*raftpb.Message
	bytes    int
	shut     bool // the last attempt to connect failed
	dropping bool // within an episode that was reported

	batch []*raftpb.Message // of take alone
}

func newOutbox(messagesMax, bytesMax int) *outbox {
	return &outbox{messagesMax: messagesMax, bytesMax: bytesMax, signal: make(chan struct{}, 1)}
}

// push queues the message or drops it; first is true for the first drop of an episode.
func (o *outbox) push(m *raftpb.Message) (queued, first bool) {
	size := messageBytes(m)
	o.mu.Lock()
	defer o.mu.Unlock()
	full := len(o.queued) >= o.messagesMax || (len(o.queued) > 0 && o.bytes+size > o.bytesMax)
	if o.shut || full {
		first, o.dropping = !o.dropping, true
		return false, first
	}
	o.queued = append(o.queued, m)
	o.bytes += size
	select {
	case o.signal <- struct{}{}:
	default:
	}
	return true, false
}

func (o *outbox) wake() <-chan struct{} { return o.signal }

func (o *outbox) take(dst []byte) ([]byte, int) {
	o.batch = o.batch[:0]
	o.mu.Lock()
	n, size := 0, 0
	for n < len(o.queued) && (n == 0 || size+messageBytes(o.queued[n]) <= flushBytes) {
		size += messageBytes(o.queued[n])
		n++
	}
	o.batch = append(o.batch, o.queued[:n]...)
	rest := copy(o.queued, o.queued[n:])
	clear(o.queued[rest:])
	o.queued = o.queued[:rest]
	o.bytes -= size
	o.mu.Unlock()
	for i, m := range o.batch {
		var at int
		dst, at = beginFrame(dst, frameMessage)
		dst = endFrame(cluster.AppendMessage(dst, m), at)
		o.batch[i] = nil
	}
	return dst, n
}

func (o *outbox) receive(frameKind, []byte) error { return errUnexpected }

func (o *outbox) flush() {}

// sent ends an episode once the queue is empty: a single message that got through between two drops does not.
func (o *outbox) sent() {
	o.mu.Lock()
	o.dropping = o.dropping && len(o.queued) > 0
	o.mu.Unlock()
}

func (o *outbox) opened() {
	o.mu.Lock()
	o.shut = false
	o.mu.Unlock()
}

func (o *outbox) broke(connected bool) (dropped int, report bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	dropped = len(o.queued)
	clear(o.queued)
	o.queued, o.bytes, o.shut = o.queued[:0], 0, !connected
	report = !o.dropping && (connected || dropped > 0)
	o.dropping = o.dropping || report
	return dropped, report
}

// messageBytes is about what the message takes on the wire.
func messageBytes(m *raftpb.Message) int {
	n := 64 + len(m.GetContext())
	for _, e := range m.GetEntries() {
		n += 24 + len(e.GetData())
	}
	return n
}
