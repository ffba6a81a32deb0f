package server

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pipe is a client's end of a stream.
type pipe struct {
	kvpb.KV_PipelineClient
	t testing.TB
}

func (g *rig) pipeline() *pipe {
	stream, err := g.kv().Pipeline(background(g.t))
	require.NoError(g.t, err)
	return &pipe{stream, g.t}
}

func (p *pipe) send(ops ...*kvpb.Operation) {
	p.t.Helper()
	require.NoError(p.t, p.Send(&kvpb.PipelineRequest{Operations: ops}))
}

// receive collects n results by id; one that comes twice fails the test.
func (p *pipe) receive(n int) map[uint64]*kvpb.OperationResult {
	p.t.Helper()
	got := map[uint64]*kvpb.OperationResult{}
	for len(got) < n {
		message, err := p.Recv()
		require.NoError(p.t, err)
		for _, r := range message.Results {
			if got[r.Id] != nil {
				require.Failf(p.t, "answered twice", "%d", r.Id)
			}
			got[r.Id] = r
		}
	}
	require.Len(p.t, got, n)
	return got
}

const (
	opGet    = kvpb.OperationKind_OPERATION_KIND_GET
	opPut    = kvpb.OperationKind_OPERATION_KIND_PUT
	opDelete = kvpb.OperationKind_OPERATION_KIND_DELETE
	opOpen   = kvpb.OperationKind_OPERATION_KIND_OPEN_SESSION
	opClose  = kvpb.OperationKind_OPERATION_KIND_CLOSE_SESSION
	opStale  = kvpb.Consistency_CONSISTENCY_STALE
)

func TestPipelineMixedOperations(t *testing.T) {
	g := start(t, func(o *Options) { o.KeyBytesMax, o.ValueBytesMax = 8, 8 })
	p := g.pipeline()
	k := []byte("k")
	p.send(&kvpb.Operation{Id: 1, Kind: opPut, Key: k, Value: []byte("v")})
	r := p.receive(1)[1]
	require.Equal(t, []uint64{0, 1, 1, 1, 1}, []uint64{uint64(r.Code), r.Revision, r.CreateRevision, r.ModRevision, r.Version})
	p.send(
		&kvpb.Operation{Id: 2, Kind: opGet, Key: k},
		&kvpb.Operation{Id: 3, Kind: opGet, Key: k, Consistency: opStale},
		&kvpb.Operation{Id: 4, Kind: opGet, Key: []byte("absent")},
		&kvpb.Operation{Id: 5, Kind: opPut, Key: k, Condition: kvpb.Condition_CONDITION_MUST_NOT_EXIST},
		&kvpb.Operation{Id: 6, Kind: opOpen, Nonce: make([]byte, 16)},
		&kvpb.Operation{Id: 7, Kind: opGet},
		&kvpb.Operation{Id: 8, Kind: opPut, Key: k, Value: make([]byte, 9)},
		&kvpb.Operation{Id: 9, Kind: 77, Key: k},
		&kvpb.Operation{Id: 10},
		&kvpb.Operation{Id: 11, Kind: opOpen, Nonce: make([]byte, 3)},
		&kvpb.Operation{Id: 12, Kind: opClose},
		&kvpb.Operation{Id: 13, Kind: opDelete, Key: k, Condition: 9},
		&kvpb.Operation{Id: 14, Kind: opPut, Key: k, Session: 99, Sequence: 1},
		&kvpb.Operation{Id: 15, Kind: opDelete, Key: []byte("absent")},
	)
	got := p.receive(14)
	for _, id := range []uint64{2, 3} {
		require.True(t, got[id].Found)
		require.Equal(t, "v", string(got[id].Value))
		require.Equal(t, uint64(1), got[id].ModRevision)
	}
	require.False(t, got[4].Found)
	require.Equal(t, uint64(1), got[4].Revision)
	require.True(t, got[5].ConditionFailed)
	require.Equal(t, uint64(1), got[5].ModRevision)
	require.NotZero(t, got[6].Session)
	require.Equal(t, uint64(4), got[6].Window)
	for id := uint64(7); id <= 13; id++ {
		require.Equal(t, uint32(codes.InvalidArgument), got[id].Code, id)
		require.Equal(t, kvpb.Reason_REASON_INVALID, got[id].Reason)
		require.NotEmpty(t, got[id].Message)
		require.Nil(t, got[id].Leader)
	}
	require.Equal(t, uint32(codes.FailedPrecondition), got[14].Code)
	require.Equal(t, kvpb.Reason_REASON_SESSION_EXPIRED, got[14].Reason)
	require.Equal(t, uint32(codes.OK), got[15].Code)
	require.False(t, got[15].Found)

	p.send(&kvpb.Operation{Id: 16, Kind: opClose, Session: got[6].Session})
	require.Zero(t, p.receive(1)[16].Code)
	require.NoError(t, p.CloseSend())
	_, err := p.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, g.inflight.used.Load())
}

// One message is one Submit, in which the linearizable reads share one Request.
func TestPipelineSubmitsOnce(t *testing.T) {
	g := start(t, nil)
	p := g.pipeline()
	var ops []*kvpb.Operation
	for id := uint64(1); id <= 100; id++ {
		ops = append(ops, &kvpb.Operation{Id: id, Kind: opGet, Key: []byte("k")},
			&kvpb.Operation{Id: 1000 + id, Kind: opPut, Key: []byte("k")})
	}
	p.send(ops...)
	p.receive(200)
	require.Equal(t, []int{101}, g.node.submits)
}

func TestPipelineFailures(t *testing.T) {
	g := start(t, func(o *Options) { o.Writes, o.FollowerReads = WritesRedirect, false })
	p := g.pipeline()
	g.node.follow("127.0.0.1:9")
	ops := []*kvpb.Operation{{Id: 1, Kind: opPut, Key: []byte("k")}, {Id: 2, Kind: opGet, Key: []byte("k")}}
	p.send(ops...)
	for _, r := range p.receive(2) {
		require.Equal(t, uint32(codes.Unavailable), r.Code)
		require.Equal(t, kvpb.Reason_REASON_NOT_LEADER, r.Reason)
		require.Equal(t, "127.0.0.1:6", r.Leader.GrpcAddress)
	}
	g.node.set(func(s *cluster.Status) { s.Role.State = cluster.Leader })
	g.node.force(cluster.Reply{Outcome: cluster.Unknown, Reason: cluster.ReasonExpired})
	p.send(ops...)
	got := p.receive(2)
	require.Equal(t, uint32(codes.Aborted), got[1].Code)
	require.Equal(t, kvpb.Reason_REASON_OUTCOME_UNKNOWN, got[1].Reason)
	require.Equal(t, uint32(codes.Unavailable), got[2].Code, "a read has no unknown outcome")
	g.node.refuse(cluster.ReasonOverloaded)
	p.send(ops...)
	for _, r := range p.receive(2) {
		require.Equal(t, uint32(codes.ResourceExhausted), r.Code)
	}
	g.node.answerBy(nil)
	p.send(ops[0])
	r := p.receive(1)[1]
	require.Zero(t, r.Code)
	require.Nil(t, r.Leader, "nothing is left of an earlier result")
	require.Empty(t, r.Message)
}

func TestPipelineTooManyOperationsInAMessage(t *testing.T) {
	g := start(t, func(o *Options) { o.MessageOperationsMax, o.PipelineOperationsMax = 4, 4 })
	p := g.pipeline()
	var ops []*kvpb.Operation
	for id := range uint64(11) {
		ops = append(ops, &kvpb.Operation{Id: id, Kind: opPut, Key: []byte("k")})
	}
	p.send(ops...)
	for id, r := range p.receive(11) {
		require.Equal(t, id < 4, r.Code == 0, "%d: %v", id, r)
	}
}

// A stream takes no more than its bound; the client is slowed down, nothing is refused, nothing is lost.
func TestPipelineBackpressure(t *testing.T) {
	g := start(t, func(o *Options) { o.MessageOperationsMax, o.PipelineOperationsMax = 10, 20 })
	p := g.pipeline()
	g.node.hold(true)
	const messages = 30
	go func() {
		for m := range messages {
			var ops []*kvpb.Operation
			for i := range 10 {
				ops = append(ops, &kvpb.Operation{Id: uint64(m*10 + i), Kind: opPut, Key: []byte(strconv.Itoa(i))})
			}
			if p.Send(&kvpb.PipelineRequest{Operations: ops}) != nil {
				return
			}
		}
		p.CloseSend()
	}()
	eventually(t, "the bound is reached", func() bool { return g.node.queued() == 20 })
	for range 50 { // more must not come
		require.Equal(t, 20, g.node.queued())
		<-time.After(time.Millisecond)
	}
	g.node.hold(false)
	for id, r := range p.receive(messages * 10) {
		require.Zero(t, r.Code, id)
	}
	_, err := p.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// Large values are cut into messages that any client takes.
func TestPipelineLargeValues(t *testing.T) {
	g := start(t, func(o *Options) { o.ResponseBytes = 64 << 10 })
	p := g.pipeline()
	value := make([]byte, 50<<10)
	p.send(&kvpb.Operation{Id: 1, Kind: opPut, Key: []byte("k"), Value: value})
	p.receive(1)
	var ops []*kvpb.Operation
	for id := range uint64(100) {
		ops = append(ops, &kvpb.Operation{Id: id, Kind: opGet, Key: []byte("k")})
	}
	p.send(ops...)
	for received := 0; received < 100; {
		message, err := p.Recv()
		require.NoError(t, err)
		require.Len(t, message.Results, 1, "two would not fit")
		require.Len(t, message.Results[0].Value, len(value))
		received += len(message.Results)
	}
}

// A client that goes away with operations in flight leaves no accounts open, and the node finds its requests as they were.
func TestPipelineClientGoesAway(t *testing.T) {
	g := start(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := g.kv().Pipeline(ctx)
	require.NoError(t, err)
	g.node.hold(true)
	require.NoError(t, stream.Send(&kvpb.PipelineRequest{Operations: []*kvpb.Operation{{Id: 1, Kind: opPut, Key: []byte("k"), Value: []byte("v")},
		{Id: 2, Kind: opGet, Key: []byte("k")}, {Id: 3, Kind: opGet, Key: []byte("k")}}}))
	eventually(t, "queued", func() bool { return g.node.queued() == 2 })
	cancel()
	_, err = stream.Recv()
	require.Equal(t, codes.Canceled, status.Code(err))
	eventually(t, "the stream ended", func() bool { return gauge(t, g, "lockstep_pipeline_streams") == 0 })
	require.Equal(t, int64(4), g.inflight.used.Load())
	g.node.hold(false)
	eventually(t, "given back", func() bool { return g.inflight.used.Load() == 0 && gauge(t, g, "lockstep_requests_in_flight") == 0 })
	item, _, found := g.node.machine.Get([]byte("k"))
	require.True(t, found)
	require.Equal(t, "v", string(item.Value))
}

func TestPipelineInflightBytes(t *testing.T) {
	g := start(t, func(o *Options) { o.KeyBytesMax, o.ValueBytesMax, o.InflightBytesMax = 8, 16, 24 })
	p := g.pipeline()
	g.node.hold(true)
	p.send(&kvpb.Operation{Id: 1, Kind: opPut, Key: []byte("k"), Value: make([]byte, 16)})
	eventually(t, "queued", func() bool { return g.node.queued() == 1 })
	p.send(&kvpb.Operation{Id: 2, Kind: opPut, Key: []byte("k"), Value: make([]byte, 16)})
	r := p.receive(1)[2]
	require.Equal(t, kvpb.Reason_REASON_OVERLOADED, r.Reason)
	g.node.hold(false)
	require.Zero(t, p.receive(1)[1].Code)
	eventually(t, "given back", func() bool { return g.inflight.used.Load() == 0 })
}

func TestPipelineReaderPanic(t *testing.T) {
	g := start(t, nil)
	p := g.pipeline()
	machine := g.node.machine
	g.node.machine = nil
	p.send(&kvpb.Operation{Id: 1, Kind: opGet, Key: []byte("k"), Consistency: opStale})
	_, err := p.Recv()
	require.Equal(t, codes.Internal, status.Code(err))
	g.node.machine = machine
}

// Stop answers what is in flight on a stream, refuses what still comes, and then ends the stream.
func TestStopWithStreamsInFlight(t *testing.T) {
	g := start(t, nil)
	p, idle := g.pipeline(), g.pipeline()
	idle.send(&kvpb.Operation{Id: 1, Kind: opPut, Key: []byte("i")})
	idle.receive(1)
	g.node.hold(true)
	p.send(&kvpb.Operation{Id: 1, Kind: opPut, Key: []byte("a")}, &kvpb.Operation{Id: 2, Kind: opGet, Key: []byte("a")})
	inflight := make(chan int)
	go func() {
		r, _ := g.send("PUT /v1/http", "", "v")
		inflight <- r.StatusCode
	}()
	eventually(t, "queued", func() bool { return g.node.queued() == 3 })
	stopped := make(chan error)
	go func() { stopped <- g.Stop(background(t)) }()
	_, err := idle.Recv()
	require.ErrorIs(t, err, io.EOF, "an idle stream ends at once")
	p.send(&kvpb.Operation{Id: 3, Kind: opPut, Key: []byte("late")})
	late := p.receive(1)[3]
	require.Equal(t, kvpb.Reason_REASON_STOPPING, late.Reason)
	require.Equal(t, uint32(codes.Unavailable), late.Code)
	g.node.hold(false)
	for id, r := range p.receive(2) {
		require.Zero(t, r.Code, id)
	}
	_, err = p.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 201, <-inflight)
	require.NoError(t, <-stopped)
	require.NoError(t, g.Stop(background(t)), "stopping twice is harmless")
	requireNoneLeft(t)
}

func TestStopIsBounded(t *testing.T) {
	g := start(t, nil)
	p := g.pipeline()
	g.node.hold(true)
	p.send(&kvpb.Operation{Id: 1, Kind: opPut, Key: []byte("a")})
	eventually(t, "queued", func() bool { return g.node.queued() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, g.Stop(ctx), context.DeadlineExceeded)
	_, err := p.Recv()
	require.Error(t, err)
	require.False(t, errors.Is(err, io.EOF), "cut, not ended")
}

// Many streams and unary calls beside each other; every operation is answered once, and what the answers say is what the store has.
func TestPipelineStress(t *testing.T) {
	g := start(t, func(o *Options) { o.MessageOperationsMax, o.PipelineOperationsMax, o.ResponseBytes = 50, 100, 2048 })
	var clients sync.WaitGroup
	for client := range 6 {
		clients.Go(func() {
			p := g.pipeline()
			random := rand.New(rand.NewPCG(1, uint64(client)))
			key := []byte("key" + strconv.Itoa(client))
			const messages, each = 60, 40
			go func() {
				for m := range messages {
					var ops []*kvpb.Operation
					for i := range each {
						op := &kvpb.Operation{Id: uint64(m*each + i), Kind: []kvpb.OperationKind{opGet, opPut, opDelete}[random.IntN(3)], Key: key,
							Value: make([]byte, random.IntN(100)), Consistency: kvpb.Consistency(random.IntN(2))}
						if op.Kind != opPut {
							op.Value = nil
						}
						ops = append(ops, op)
					}
					if p.Send(&kvpb.PipelineRequest{Operations: ops}) != nil {
						return
					}
				}
				p.CloseSend()
			}()
			for _, r := range p.receive(messages * each) {
				if r.Code != 0 {
					t.Errorf("%v", r)
				}
			}
		})
	}
	clients.Wait()
	require.Zero(t, g.inflight.used.Load())
	require.Zero(t, gauge(t, g, "lockstep_requests_in_flight"))
}
