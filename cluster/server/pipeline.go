package server

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// operation is one pipelined operation from its message to its result. The operations of a message are one allocation
// and are never reused, so that a node that is late with a Done finds what it was given.
type operation struct {
	Request
	p      *pipeline
	op     *kvpb.Operation
	next   *operation // the next linearizable read of the same message, which shares this one's Request
	method method
	bytes  int // of key and value
	start  time.Time
	detail string // what is wrong with it, when Reply says ReasonInvalid
	// accepted: it came before the server began to stop, so that the stream does not end without its result.
	accepted bool
}

// pipeline is one stream. Its handler's goroutine writes, a second one reads; the node's goroutine only appends to
// answered. What is counted as in flight has no result on the wire yet.
type pipeline struct {
	s      *Server
	stream grpc.BidiStreamingServer[kvpb.PipelineRequest, kvpb.PipelineResponse]
	ctx    context.Context

	wake  chan struct{} // one element: answered is not empty any more
	room  chan struct{} // one element: something left, or the handler returned
	ended chan struct{} // closed by the reader, after readErr was set

	readErr error // nil: the client is done sending

	mu         sync.Mutex
	answered   []*operation // at most operations long
	operations int          // in flight, <= Options.PipelineOperationsMax
	bytes      int          // of those, <= Options.PipelineBytesMax
	accepted   int          // of operations: those that came before the server began to stop
	broken     bool         // the reader had a defect: the accounts above cannot be trusted
	gone       bool         // the handler returned: an answer has nobody to go to

	taken    []*operation // the writer's, swapped with answered
	response kvpb.PipelineResponse
	results  []*kvpb.OperationResult // reused: nothing looks at a message after Send
}

// Pipeline serves one stream until the client is done and everything is answered, the client is gone, or the server
// stops and everything that was submitted is answered.
func (k kvService) Pipeline(stream grpc.BidiStreamingServer[kvpb.PipelineRequest, kvpb.PipelineResponse]) error {
	p := &pipeline{s: k.s, stream: stream, ctx: stream.Context(), wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		ended: make(chan struct{})}
	k.s.metrics.streams.Inc()
	defer k.s.metrics.streams.Dec()
	defer p.leave()
	go p.read()
	return p.write()
}

// read takes messages until the stream ends.
func (p *pipeline) read() {
	defer close(p.ended)
	defer func() {
		if v := recover(); v != nil {
			p.readErr = p.s.recovered(p.ctx, methodPipeline, v)
			p.mu.Lock()
			p.broken = true
			p.mu.Unlock()
		}
	}()
	for {
		message, err := p.stream.Recv()
		if err == nil {
			err = p.take(message.Operations)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.readErr = err
			}
			return
		}
	}
}

// take brings a message's operations on their way. A message with too many is taken in parts, which bounds what it holds.
func (p *pipeline) take(ops []*kvpb.Operation) error {
	p.s.metrics.batches.Observe(float64(len(ops)))
	limit := p.s.o.MessageOperationsMax
	for first := true; len(ops) > 0; first = false {
		part := ops[:min(limit, len(ops))]
		ops = ops[len(part):]
		if err := p.takePart(part, !first); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) takePart(ops []*kvpb.Operation, excess bool) error {
	bytes := 0
	for _, op := range ops {
		bytes += len(op.Key) + len(op.Value)
	}
	refusal, err := p.enter(len(ops), bytes)
	if err != nil {
		return err
	}
	m := p.s.metrics
	m.inflight[overPipeline].Add(float64(len(ops)))
	m.received[overPipeline].Add(float64(bytes))
	part := make([]operation, len(ops))
	start := time.Now()
	for i, op := range ops {
		o := &part[i]
		o.p, o.op, o.start, o.bytes, o.method = p, op, start, len(op.Key)+len(op.Value), operationMethod(op.Kind)
		o.Caller, o.Done = o, operationDone
		o.accepted = refusal != cluster.ReasonStopping
	}
	if excess {
		refusal = cluster.ReasonInvalid
	}
	if refusal != cluster.ReasonNone {
		p.refuse(part, refusal)
		return nil
	}
	p.submit(part)
	return nil
}

// enter waits until n operations have room. A refusal is for all of them.
func (p *pipeline) enter(n, bytes int) (refusal cluster.Reason, err error) {
	for {
		p.mu.Lock()
		fits := p.operations+n <= p.s.o.PipelineOperationsMax && p.bytes+bytes <= p.s.o.PipelineBytesMax
		closing := p.s.isDraining() // within the lock, see atEnd
		if fits && !p.gone {
			p.operations += n
			p.bytes += bytes
			if !closing {
				p.accepted += n
			}
		}
		gone := p.gone
		p.mu.Unlock()
		switch {
		case gone:
			return 0, context.Canceled
		case fits && closing:
			p.s.inflight.used.Add(int64(bytes)) // given back with the refusal, like any other
			return cluster.ReasonStopping, nil
		case fits && !p.s.inflight.reserve(int64(bytes)):
			p.s.inflight.used.Add(int64(bytes))
			return cluster.ReasonOverloaded, nil
		case fits:
			return cluster.ReasonNone, nil
		}
		select {
		case <-p.room:
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
	}
}

// refuse answers operations that are not submitted.
func (p *pipeline) refuse(part []operation, why cluster.Reason) {
	for i := range part {
		part[i].refuse(why, errOperationsMany)
		p.push(&part[i])
	}
}

func (o *operation) refuse(why cluster.Reason, detail string) {
	o.Reply = cluster.Reply{Outcome: cluster.Refused, Reason: why}
	if why == cluster.ReasonInvalid {
		o.detail = detail
	}
}

// submit gives the node all that needs it by one call, and answers the rest.
func (p *pipeline) submit(part []operation) {
	s := p.s
	requests := make([]*Request, 0, len(part))
	deadline := s.o.Backend.Now() + int64(s.timeout(p.ctx))
	refusesReads := s.refusesReads()
	var reads *operation // the first linearizable read; the others hang on it
	for i := range part {
		o := &part[i]
		p.prepare(o, refusesReads)
		if o.Kind == 0 {
			p.push(o)
			continue
		}
		o.DeadlineNanos = deadline
		if o.Kind == Read && reads != nil {
			o.next, reads.next = reads.next, o
			continue
		}
		if o.Kind == Read {
			reads = o
		}
		requests = append(requests, &o.Request)
	}
	if len(requests) > 0 {
		s.o.Backend.Submit(requests...)
	}
}

// prepare fills the operation's Request, or its Reply when the node is not needed: then the Request has no kind.
func (p *pipeline) prepare(o *operation, refusesReads bool) {
	op, s := o.op, p.s
	if o.method == methodGet {
		detail := s.invalidGet(op.Key, op.Consistency)
		switch {
		case detail != "":
			o.refuse(cluster.ReasonInvalid, detail)
		case op.Consistency == kvpb.Consistency_CONSISTENCY_STALE:
			o.Reply.Outcome = cluster.Done
		case refusesReads:
			o.refuse(cluster.ReasonNotLeader, "")
		default:
			o.Kind = Read
		}
		return
	}
	if detail := s.operationCommand(op, &o.Command); detail != "" {
		o.refuse(cluster.ReasonInvalid, detail)
		return
	}
	o.Kind = Write
	o.NoForward = s.o.Writes == WritesRedirect
}

// operationCommand fills the command of a write and says what is wrong with it.
func (s *Server) operationCommand(op *kvpb.Operation, c *kv.Command) string {
	c.Condition, c.ConditionRevision = kv.Condition(op.Condition), op.ConditionRevision
	c.Session, c.Sequence, c.Acknowledged = op.Session, op.Sequence, op.Acknowledged
	switch op.Kind {
	case kvpb.OperationKind_OPERATION_KIND_PUT:
		c.Kind, c.Key, c.Value = kv.Put, op.Key, op.Value
	case kvpb.OperationKind_OPERATION_KIND_DELETE:
		c.Kind, c.Key = kv.Delete, op.Key
	case kvpb.OperationKind_OPERATION_KIND_OPEN_SESSION:
		if len(op.Nonce) != kv.NonceBytes {
			return errNonceBytes
		}
		*c = kv.Command{Kind: kv.OpenSession, Nonce: [kv.NonceBytes]byte(op.Nonce)}
	case kvpb.OperationKind_OPERATION_KIND_CLOSE_SESSION:
		*c = kv.Command{Kind: kv.CloseSession, Session: op.Session}
	default:
		return errKind
	}
	return s.invalidCommand(c, uint32(op.Condition))
}

// operationDone runs on the node's goroutine.
func operationDone(r *Request) {
	o := r.Caller.(*operation)
	o.p.push(o)
}

// push hands an answered operation, and the reads that hang on it, to the writer.
func (p *pipeline) push(o *operation) {
	p.mu.Lock()
	if p.gone {
		p.mu.Unlock()
		p.settle(o)
		return
	}
	p.answered = append(p.answered, o)
	first := len(p.answered) == 1
	p.mu.Unlock()
	if first {
		signal(p.wake)
	}
}

// signal sends to a channel of one element unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write sends what is answered until the stream is to end.
func (p *pipeline) write() error {
	draining, ended := p.s.draining, p.ended
	for {
		if err := p.sendAnswered(); err != nil {
			return err
		}
		if end, err := p.atEnd(); end {
			return err
		}
		select {
		case <-p.wake:
		case <-draining:
			draining = nil
		case <-ended:
			ended = nil
		case <-p.ctx.Done():
			return status.FromContextError(p.ctx.Err()).Err()
		}
	}
}

// atEnd says whether everything that can be answered was, and what the stream ends with. While the server stops that
// is what was accepted: a client that goes on sending gets refusals, and must not keep the stream open by it.
func (p *pipeline) atEnd() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answered) > 0 && !p.broken {
		return false, nil
	}
	if p.s.isDraining() && p.accepted == 0 {
		return true, nil
	}
	select {
	case <-p.ended:
		return p.operations == 0 || p.broken, p.readErr
	default:
		return false, nil
	}
}

// leave gives back what the operations without a result hold; those that the node still has give it back in their Done.
func (p *pipeline) leave() {
	p.mu.Lock()
	p.gone = true
	answered := p.answered
	p.answered = nil
	p.mu.Unlock()
	signal(p.room)
	for _, o := range answered {
		p.settle(o)
	}
}

// settle ends the accounts of an operation, and of the reads that hang on it, for which nobody waits any more.
func (p *pipeline) settle(o *operation) {
	for ; o != nil; o = o.next {
		p.s.inflight.release(int64(o.bytes))
		p.s.metrics.inflight[overPipeline].Dec()
	}
}

// operationMethod folds kinds.
func operationMethod(k kvpb.OperationKind) method {
	switch k {
	case kvpb.OperationKind_OPERATION_KIND_GET:
		return methodGet
	case kvpb.OperationKind_OPERATION_KIND_PUT:
		return methodPut
	case kvpb.OperationKind_OPERATION_KIND_DELETE:
		return methodDelete
	case kvpb.OperationKind_OPERATION_KIND_OPEN_SESSION:
		return methodOpenSession
	case kvpb.OperationKind_OPERATION_KIND_CLOSE_SESSION:
		return methodCloseSession
	}
	return methodOther
}
