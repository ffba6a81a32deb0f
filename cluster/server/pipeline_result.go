package server

import (
	"time"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
)

// resultBytes bounds what a result takes besides its value and message: fifteen fields of at most eleven bytes.
const resultBytes = 176

// sendAnswered sends everything that is answered by now, in as few messages as Options.ResponseBytes allows.
func (p *pipeline) sendAnswered() error {
	p.mu.Lock()
	p.taken, p.answered = p.answered, p.taken[:0]
	p.mu.Unlock()
	b := responseBatch{p: p, now: time.Now()}
	for i, head := range p.taken {
		p.taken[i] = nil
		for o := head; o != nil; {
			next := o.next
			if o != head {
				o.Reply = head.Reply
			}
			if err := b.add(o); err != nil {
				p.abandon(o, next, p.taken[i+1:])
				return err
			}
			o = next
		}
	}
	return b.send()
}

// abandon settles what a failed send leaves. What was already in the failed message is settled by the batch.
func (p *pipeline) abandon(o, next *operation, rest []*operation) {
	o.next = nil
	p.settle(o)
	p.settle(next)
	for _, head := range rest {
		p.settle(head)
	}
}

// responseBatch fills one response message after the other.
type responseBatch struct {
	p        *pipeline
	now      time.Time
	size     int // of the message so far, at most
	count    int // results in it
	accepted int // of those
	bytes    int // that they held in flight
	sent     int // bytes of values
	hinted   uint64
	leader   *kvpb.LeaderHint
}

// add makes an operation's result, the read included, and sends the message when it is full.
func (b *responseBatch) add(o *operation) error {
	s := b.p.s
	var item kv.Item
	var revision uint64
	var found bool
	f := b.failure(o)
	if f == nil && o.method == methodGet {
		item, revision, found = s.o.Backend.Machine().Get(o.op.Key)
	}
	if b.count > 0 && b.size+resultBytes+len(item.Value) > s.o.ResponseBytes {
		if err := b.send(); err != nil {
			return err
		}
	}
	r := b.next(o.op.Id)
	code := 0
	switch {
	case f != nil:
		b.fail(r, f, o)
		code = int(f.code)
	case o.method == methodGet:
		r.Revision, r.Found, r.Value = revision, found, item.Value
		r.CreateRevision, r.ModRevision, r.Version = item.CreateRevision, item.ModRevision, item.Version
	default:
		s.fillWrite(r, &o.Reply.Result, o.method)
	}
	b.size += resultBytes + len(item.Value) + len(r.Message)
	b.sent += len(item.Value)
	b.bytes += o.bytes
	if o.accepted {
		b.accepted++
	}
	s.metrics.count(overPipeline, o.method, code, 1)
	s.metrics.observe(overPipeline, o.method, b.now.Sub(o.start))
	return nil
}

// failure of an answered operation.
func (b *responseBatch) failure(o *operation) *failure {
	if o.method == methodGet {
		return readFailure(&o.Reply)
	}
	return failureOf(&o.Reply)
}

// next is the next result of the message, empty but for its id.
func (b *responseBatch) next(id uint64) *kvpb.OperationResult {
	p := b.p
	if b.count == len(p.results) {
		p.results = append(p.results, new(kvpb.OperationResult))
	}
	r := p.results[b.count]
	b.count++
	r.Reset()
	r.Id = id
	return r
}

// fail fills in a failure. The leader is looked up once a batch.
func (b *responseBatch) fail(r *kvpb.OperationResult, f *failure, o *operation) {
	s := b.p.s
	s.metrics.failed(f)
	r.Code, r.Reason, r.Message = uint32(f.code), f.reason, f.message(o.detail)
	if !f.hints() {
		return
	}
	if b.leader == nil || b.hinted != o.Reply.Leader {
		b.leader, b.hinted = s.hint(o.Reply.Leader), o.Reply.Leader
	}
	r.Leader = b.leader
	if f.status >= 500 {
		s.warn(b.p.ctx, overPipeline, o.method, f)
	}
}

// fillWrite fills in the result of a write.
func (s *Server) fillWrite(r *kvpb.OperationResult, result *kv.Result, k method) {
	r.Revision = result.Revision
	switch k {
	case methodOpenSession:
		r.Session, r.Window = result.Session, uint64(s.o.SessionWindow)
	case methodPut, methodDelete:
		r.ConditionFailed, r.Found = result.Status == kv.ConditionFailed, result.Existed
		r.ModRevision = result.ModRevision
		if k == methodPut {
			r.CreateRevision, r.Version = result.CreateRevision, result.Version
		}
	}
}

// send sends the message, if there is something in it, and makes room for as much.
func (b *responseBatch) send() error {
	if b.count == 0 {
		return nil
	}
	p := b.p
	p.response.Results = p.results[:b.count]
	err := p.stream.Send(&p.response)
	p.s.metrics.sent[overPipeline].Add(float64(b.sent))
	p.s.inflight.release(int64(b.bytes))
	p.s.metrics.inflight[overPipeline].Sub(float64(b.count))
	p.mu.Lock()
	p.operations -= b.count
	p.bytes -= b.bytes
	p.accepted -= b.accepted
	p.mu.Unlock()
	signal(p.room)
	b.dropValues()
	b.size, b.count, b.accepted, b.bytes, b.sent = 0, 0, 0, 0, 0
	return err
}

// dropValues lets go of values that the reused results would otherwise keep alive, and of results beyond what one
// message normally has.
func (b *responseBatch) dropValues() {
	p := b.p
	for _, r := range p.results[:b.count] {
		r.Value, r.Leader = nil, nil
	}
	if len(p.results) > resultsKept {
		clear(p.results[resultsKept:])
		p.results = p.results[:resultsKept]
	}
}

// resultsKept bounds the results that a stream keeps for reuse.
const resultsKept = 1024
