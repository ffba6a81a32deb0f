package client

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// fault is what becomes of an operation that reaches a node.
type fault uint8

const (
	none        fault = iota
	dropBefore        // the connection's stream breaks, nothing is applied
	dropAfter         // it is applied, then the stream breaks
	hang              // nothing is applied or answered
	hangAfter         // it is applied and never answered
	notLeader         // refused with a hint
	noLeader          // refused without
	overloaded        // refused
	full              // refused
	unknown           // not applied, told as unknown
	unknownDone       // applied, told as unknown
)

// fakeCluster is a few servers before one state machine: replication that never fails, on nodes that do.
type fakeCluster struct {
	t     testing.TB
	nodes []*fakeNode

	mu       sync.Mutex
	machine  *kv.Machine
	index    uint64
	leader   int // of nodes
	term     uint64
	redirect bool // nodes that do not lead refuse instead of forwarding
	// fault decides for each operation; nil: none. Under mu.
	fault func(node int, o *kvpb.Operation) fault
	// advertise is the address that hints tell; nil: the real one.
	advertise func(address string) string
	window    uint64

	opened, applied, asked atomic.Int64 // sessions opened, commands applied, Members calls
}

type fakeNode struct {
	kvpb.UnimplementedKVServer
	kvpb.UnimplementedClusterServer
	cluster *fakeCluster
	number  int
	address string
	server  *grpc.Server
	serves  atomic.Int64 // operations that came
}

func newFakeCluster(t testing.TB, nodes int) *fakeCluster {
	return newFakeClusterWith(t, nodes, insecure.NewCredentials())
}

func newFakeClusterWith(t testing.TB, nodes int, security credentials.TransportCredentials) *fakeCluster {
	machine, err := kv.New(kv.Options{})
	require.NoError(t, err)
	f := &fakeCluster{t: t, machine: machine, term: 1, window: 256}
	for i := range nodes {
		n := &fakeNode{cluster: f, number: i, address: "127.0.0.1:0"}
		f.nodes = append(f.nodes, n)
		n.start(t, security)
	}
	t.Cleanup(func() {
		for _, n := range f.nodes {
			n.server.Stop()
		}
	})
	return f
}

func (f *fakeCluster) addresses() []string {
	var all []string
	for _, n := range f.nodes {
		all = append(all, n.address)
	}
	return all
}

// inject sets what becomes of the operations that come from now on.
func (f *fakeCluster) inject(fault func(node int, o *kvpb.Operation) fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// lead makes a node the leader of a new term.
func (f *fakeCluster) lead(node int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leader = node
	f.term++
}

// item is what the store holds.
func (f *fakeCluster) item(key string) (kv.Item, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	item, _, found := f.machine.Get([]byte(key))
	return item, found
}

func (n *fakeNode) start(t testing.TB, security credentials.TransportCredentials) {
	listener, err := net.Listen("tcp", n.address)
	require.NoError(t, err)
	if address := listener.Addr().String(); address != n.address { // it stays the same over restarts
		n.address = address
	}
	n.server = grpc.NewServer(grpc.Creds(security))
	kvpb.RegisterKVServer(n.server, n)
	kvpb.RegisterClusterServer(n.server, n)
	go func() { _ = n.server.Serve(listener) }()
}

// kill ends the node with all its connections. restart brings it back at its address.
func (n *fakeNode) kill() { n.server.Stop() }

func (n *fakeNode) restart(t testing.TB) { n.start(t, insecure.NewCredentials()) }

// handle brings an operation to its result; nil when there is none. broken: the stream ends behind it.
func (n *fakeNode) handle(o *kvpb.Operation) (r *kvpb.OperationResult, broken bool) {
	f := n.cluster
	n.serves.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	what := none
	if f.fault != nil {
		what = f.fault(n.number, o)
	}
	if what == none && f.redirect && n.number != f.leader {
		what = notLeader
	}
	switch what {
	case dropBefore:
		return nil, true
	case dropAfter:
		f.apply(o)
		return nil, true
	case hang:
		return nil, false
	case hangAfter:
		f.apply(o)
		return nil, false
	case unknownDone:
		f.apply(o)
		return f.refusal(o, unknown), false
	case none:
		return f.apply(o), false
	}
	return f.refusal(o, what), false
}

func (f *fakeCluster) refusal(o *kvpb.Operation, what fault) *kvpb.OperationResult {
	r := &kvpb.OperationResult{Id: o.Id, Code: uint32(codes.Unavailable), Message: "injected"}
	switch what {
	case notLeader:
		r.Reason = kvpb.Reason_REASON_NOT_LEADER
		address := f.nodes[f.leader].address
		if f.advertise != nil {
			address = f.advertise(address)
		}
		r.Leader = &kvpb.LeaderHint{Node: uint64(f.leader + 1), Term: f.term, GrpcAddress: address}
	case noLeader:
		r.Reason = kvpb.Reason_REASON_NO_LEADER
	case overloaded:
		r.Code, r.Reason = uint32(codes.ResourceExhausted), kvpb.Reason_REASON_OVERLOADED
	case full:
		r.Code, r.Reason = uint32(codes.ResourceExhausted), kvpb.Reason_REASON_DATA_FULL
	default:
		r.Code, r.Reason = uint32(codes.Aborted), kvpb.Reason_REASON_OUTCOME_UNKNOWN
	}
	return r
}

// apply does the operation. Under mu.
func (f *fakeCluster) apply(o *kvpb.Operation) *kvpb.OperationResult {
	if o.Kind == kvpb.OperationKind_OPERATION_KIND_GET {
		item, revision, found := f.machine.Get(o.Key)
		return &kvpb.OperationResult{Id: o.Id, Revision: revision, Found: found, Value: item.Value,
			CreateRevision: item.CreateRevision, ModRevision: item.ModRevision, Version: item.Version}
	}
	command := kv.Command{Kind: kv.CommandKind(o.Kind - 1), Condition: kv.Condition(o.Condition),
		ConditionRevision: o.ConditionRevision, Key: o.Key, Value: o.Value, Session: o.Session, Sequence: o.Sequence,
		Acknowledged: o.Acknowledged}
	copy(command.Nonce[:], o.Nonce)
	if command.Kind == kv.OpenSession {
		f.opened.Add(1)
	}
	f.applied.Add(1)
	f.index++
	data := kv.AppendBatch(nil, kv.BatchID{Node: 1, Epoch: 1, Sequence: f.index}, []*kv.Command{&command})
	_, results, err := f.machine.Apply(f.index, data, nil)
	if err != nil {
		panic(err)
	}
	return f.resultOf(o, &results[0])
}

func (f *fakeCluster) resultOf(o *kvpb.Operation, applied *kv.Result) *kvpb.OperationResult {
	r := &kvpb.OperationResult{Id: o.Id, Revision: applied.Revision, Found: applied.Existed,
		CreateRevision: applied.CreateRevision, ModRevision: applied.ModRevision, Version: applied.Version}
	switch applied.Status {
	case kv.OK:
	case kv.ConditionFailed:
		r.ConditionFailed = true
	case kv.SessionExpired:
		r.Code, r.Reason = uint32(codes.FailedPrecondition), kvpb.Reason_REASON_SESSION_EXPIRED
	case kv.SequenceAcknowledged:
		r.Code, r.Reason = uint32(codes.FailedPrecondition), kvpb.Reason_REASON_SEQUENCE_ACKNOWLEDGED
	case kv.SequenceOutOfWindow:
		r.Code, r.Reason = uint32(codes.FailedPrecondition), kvpb.Reason_REASON_SEQUENCE_OUT_OF_WINDOW
	case kv.SequenceReused:
		r.Code, r.Reason = uint32(codes.FailedPrecondition), kvpb.Reason_REASON_SEQUENCE_REUSED
	default:
		r.Code, r.Reason = uint32(codes.InvalidArgument), kvpb.Reason_REASON_INVALID
	}
	if o.Kind == operationOpen {
		r.Session, r.Window = applied.Session, f.window
	}
	return r
}

func (n *fakeNode) Pipeline(stream grpc.BidiStreamingServer[kvpb.PipelineRequest, kvpb.PipelineResponse]) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		response := &kvpb.PipelineResponse{}
		for _, o := range request.Operations {
			r, broken := n.handle(o)
			if broken {
				return status.Error(codes.Unavailable, "injected: the stream breaks")
			}
			if r != nil {
				response.Results = append(response.Results, r)
			}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// unary is handle for a call of its own, its error as the real server tells it.
func (n *fakeNode) unary(ctx context.Context, o *kvpb.Operation) (*kvpb.OperationResult, error) {
	r, broken := n.handle(o)
	switch {
	case broken:
		return nil, status.Error(codes.Unavailable, "injected: the connection breaks")
	case r == nil:
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case r.Code == 0:
		return r, nil
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Domain: "lockstep", Reason: r.Reason.String()[len("REASON_"):]}}
	if r.Leader != nil {
		details = append(details, protoadapt.MessageV1Of(r.Leader))
	}
	st, err := status.New(codes.Code(r.Code), r.Message).WithDetails(details...)
	if err != nil {
		return nil, err
	}
	return nil, st.Err()
}

func (n *fakeNode) Get(ctx context.Context, q *kvpb.GetRequest) (*kvpb.GetResponse, error) {
	r, err := n.unary(ctx, &kvpb.Operation{Kind: operationGet, Key: q.Key, Consistency: q.Consistency})
	return &kvpb.GetResponse{Revision: r.GetRevision(), Found: r.GetFound(), Value: r.GetValue(), ModRevision: r.GetModRevision(),
		CreateRevision: r.GetCreateRevision(), Version: r.GetVersion()}, err
}

func (n *fakeNode) Put(ctx context.Context, q *kvpb.PutRequest) (*kvpb.PutResponse, error) {
	r, err := n.unary(ctx, &kvpb.Operation{Kind: operationPut, Key: q.Key, Value: q.Value, Condition: q.Condition,
		ConditionRevision: q.ConditionRevision, Session: q.Session, Sequence: q.Sequence, Acknowledged: q.Acknowledged})
	return &kvpb.PutResponse{Revision: r.GetRevision(), ConditionFailed: r.GetConditionFailed(), Existed: r.GetFound(),
		CreateRevision: r.GetCreateRevision(), ModRevision: r.GetModRevision(), Version: r.GetVersion()}, err
}

func (n *fakeNode) Delete(ctx context.Context, q *kvpb.DeleteRequest) (*kvpb.DeleteResponse, error) {
	r, err := n.unary(ctx, &kvpb.Operation{Kind: operationDelete, Key: q.Key, Condition: q.Condition,
		ConditionRevision: q.ConditionRevision, Session: q.Session, Sequence: q.Sequence, Acknowledged: q.Acknowledged})
	return &kvpb.DeleteResponse{Revision: r.GetRevision(), ConditionFailed: r.GetConditionFailed(), Existed: r.GetFound(),
		ModRevision: r.GetModRevision()}, err
}

func (n *fakeNode) OpenSession(ctx context.Context, q *kvpb.OpenSessionRequest) (*kvpb.OpenSessionResponse, error) {
	r, err := n.unary(ctx, &kvpb.Operation{Kind: operationOpen, Nonce: q.Nonce})
	return &kvpb.OpenSessionResponse{Revision: r.GetRevision(), Session: r.GetSession(), Window: r.GetWindow()}, err
}

func (n *fakeNode) CloseSession(ctx context.Context, q *kvpb.CloseSessionRequest) (*kvpb.CloseSessionResponse, error) {
	r, err := n.unary(ctx, &kvpb.Operation{Kind: kvpb.OperationKind_OPERATION_KIND_CLOSE_SESSION, Session: q.Session})
	return &kvpb.CloseSessionResponse{Revision: r.GetRevision()}, err
}

func (n *fakeNode) Members(context.Context, *kvpb.MembersRequest) (*kvpb.MembersResponse, error) {
	f := n.cluster
	f.asked.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &kvpb.MembersResponse{Leader: uint64(f.leader + 1)}
	for i, one := range f.nodes {
		r.Members = append(r.Members, &kvpb.Member{Node: uint64(i + 1), GrpcAddress: one.address})
	}
	return r, nil
}

func (n *fakeNode) Status(context.Context, *kvpb.StatusRequest) (*kvpb.StatusResponse, error) {
	return &kvpb.StatusResponse{Node: uint64(n.number + 1)}, nil
}

func (n *fakeNode) TransferLeader(ctx context.Context, q *kvpb.TransferLeaderRequest) (*kvpb.TransferLeaderResponse, error) {
	if q.Node == 0 || int(q.Node) > len(n.cluster.nodes) {
		_, err := n.refuse(kvpb.Reason_REASON_MEMBERSHIP)
		return nil, err
	}
	n.cluster.lead(int(q.Node) - 1)
	return &kvpb.TransferLeaderResponse{Leader: q.Node}, nil
}

func (n *fakeNode) ChangeMember(context.Context, *kvpb.ChangeMemberRequest) (*kvpb.ChangeMemberResponse, error) {
	return nil, status.Error(codes.Unavailable, "injected: the connection breaks")
}

func (n *fakeNode) refuse(reason kvpb.Reason) (any, error) {
	st, err := status.New(codes.FailedPrecondition, "injected").
		WithDetails(&errdetails.ErrorInfo{Domain: "lockstep", Reason: reason.String()[len("REASON_"):]})
	if err != nil {
		return nil, err
	}
	return nil, st.Err()
}

// connect makes a client that ends with the test.
func connect(t testing.TB, f *fakeCluster, change ...func(*Config)) *Client {
	config := Config{Addresses: f.addresses()}
	for _, c := range change {
		c(&config)
	}
	c, err := New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func unaryMode(c *Config)   { c.Unary = true }
func sessionless(c *Config) { c.DisableSessions = true }

// within is a context for a test's call.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
