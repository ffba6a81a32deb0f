package client

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// queueBytesMax bounds what a stream holds that was not handed to gRPC yet. Beyond it operations are refused.
const queueBytesMax = 64 << 20

// stream is one Pipeline stream. Callers encode their operations into its queue; run sends what has queued, one message
// after the other; receive delivers results. It fails once, as a whole, and is not used again.
type stream struct {
	node   *node
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // one element: something queued, or the stream failed

	mu      sync.Mutex
	pending map[uint64]*call // by id
	lastID  uint64
	queue   []message
	spare   []message // an empty queue, swapped with queue
	queued  int       // bytes in queue
	count   uint64    // messages begun
	handed  uint64    // messages handed to gRPC: those up to this number may have been sent
	heard   bool      // something was received
	failed  bool
}

func newStream(n *node) *stream {
	s := &stream{node: n, wake: make(chan struct{}, 1), pending: map[uint64]*call{}}
	s.ctx, s.cancel = context.WithCancel(n.client.context)
	n.client.running.Add(1)
	go s.run()
	return s
}

type submission uint8

const (
	submitted submission = iota
	queueFull
	streamFailed
)

// submit encodes an operation into the message that gathers.
func (s *stream) submit(one *call, o *operation) submission {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := len(o.key) + len(o.value) + operationSlack
	switch {
	case s.failed:
		return streamFailed
	case s.queued > 0 && s.queued+size > queueBytesMax:
		return queueFull
	}
	s.lastID++
	m := s.gathering(size)
	before := len(*m.bytes)
	*m.bytes = o.appendTo(*m.bytes, s.lastID)
	m.operations++
	s.queued += len(*m.bytes) - before
	one.stream, one.id, one.carrier, one.offset = s, s.lastID, *m, before
	s.pending[s.lastID] = one
	s.signal()
	return submitted
}

// gathering is the message that an operation of at most size bytes goes into.
func (s *stream) gathering(size int) *message {
	if n := len(s.queue); n > 0 && s.queue[n-1].fits(size) {
		return &s.queue[n-1]
	}
	s.count++
	s.queue = append(s.queue, message{number: s.count, bytes: messageBuffers.Get().(*[]byte)})
	return &s.queue[len(s.queue)-1]
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run opens the stream and sends until it fails. What arrives before it is open waits in the queue.
func (s *stream) run() {
	defer s.node.client.running.Done()
	defer s.cancel()
	wire, err := s.open()
	if err != nil {
		s.fail(err)
		return
	}
	s.node.client.running.Add(1)
	go s.receive(wire)
	for s.sendQueued(wire) {
		<-s.wake
		// Callers that were woken by the same message as the one that queued first get to queue theirs, too. With nobody
		// else to run this costs next to nothing; many operations in one message save much on both sides.
		runtime.Gosched()
	}
}

// open waits for the connection, for a little longer than it may take at most.
func (s *stream) open() (grpc.ClientStream, error) {
	patience := time.AfterFunc(2*s.node.client.config.ConnectTimeout, s.cancel)
	defer patience.Stop()
	return s.node.conn.NewStream(s.ctx, &kvpb.KV_ServiceDesc.Streams[0], kvpb.KV_Pipeline_FullMethodName, grpc.ForceCodecV2(codec{}))
}

// sendQueued sends what has queued by now; false when the stream has failed.
func (s *stream) sendQueued(wire grpc.ClientStream) bool {
	s.mu.Lock()
	queue := s.queue
	s.queue, s.spare = s.spare[:0], nil
	s.queued = 0
	failed := s.failed
	s.mu.Unlock()
	for i := range queue {
		if failed || !s.hand(queue[i].number) {
			return false
		}
		// An error is the receiver's to tell: gRPC gives it the status of the whole stream.
		if wire.SendMsg(&queue[i]) != nil {
			return false
		}
	}
	clear(queue)
	s.mu.Lock()
	s.spare = queue[:0]
	s.mu.Unlock()
	return !failed
}

// hand notes that from now on the message may have been sent; false when the stream has failed.
func (s *stream) hand(number uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed = number
	return !s.failed
}

// receive delivers results until the stream ends.
func (s *stream) receive(wire grpc.ClientStream) {
	defer s.node.client.running.Done()
	var r response
	for {
		if err := wire.RecvMsg(&r); err != nil {
			s.fail(err)
			return
		}
		s.deliver(r.results)
	}
}

func (s *stream) deliver(results []result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = true
	for i := range results {
		r := &results[i]
		one, ok := s.pending[r.id]
		if !ok {
			continue // withdrawn
		}
		delete(s.pending, r.id)
		one.deliver(answerOfResult(r), *r)
	}
}

// withdraw ends waiting for a call. If its operation has not left yet, it is turned into a field that the servers skip,
// and unsent is true. A call that was settled in the meantime stays so.
func (s *stream) withdraw(one *call) (unsent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.answered.Load() {
		return false
	}
	delete(s.pending, one.id)
	if one.carrier.number <= s.handed {
		return false
	}
	one.carrier.void(one.offset)
	return true
}

// fail ends the stream and answers what is pending: what was handed to gRPC is lost, the rest was not sent.
func (s *stream) fail(err error) {
	s.cancel()
	s.node.drop(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	denied, message := deniedBy(err)
	for id, one := range s.pending {
		delete(s.pending, id)
		a := policy.LostAnswer()
		switch {
		case denied && !s.heard:
			a = policy.Answer{Outcome: policy.Refused, Reason: policy.ReasonUnsupported}
		case one.carrier.number > s.handed:
			a = policy.UnsentAnswer()
		}
		one.deliver(a, result{message: message})
	}
	s.queue, s.queued = nil, 0
	s.signal()
}

// deniedBy says that a call was turned away before it was looked at, and the error's text.
func deniedBy(err error) (bool, string) {
	st := status.Convert(err)
	switch st.Code() {
	case codes.Unimplemented, codes.PermissionDenied, codes.Unauthenticated:
		return true, st.Message()
	}
	return false, plainMessage(st.Message())
}
