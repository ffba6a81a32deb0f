package client

import (
	"context"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

const (
	operationGet    = kvpb.OperationKind_OPERATION_KIND_GET
	operationPut    = kvpb.OperationKind_OPERATION_KIND_PUT
	operationDelete = kvpb.OperationKind_OPERATION_KIND_DELETE
	operationOpen   = kvpb.OperationKind_OPERATION_KIND_OPEN_SESSION
)

// conclude sets the answer of a unary attempt. gRPC tells the peer of a call only when it had a connection for it, so
// that without one nothing was sent.
func (c *call) conclude(err error, p *peer.Peer) {
	if err != nil {
		var r result
		a := answerOfError(err, p.Addr != nil, &r)
		c.settle(a, r)
		return
	}
	c.settle(policy.Answer{Outcome: policy.Done, Session: c.result.session, Window: c.result.window}, c.result)
}

// invokeOpen opens a session by a unary call.
func invokeOpen(ctx context.Context, n *node, one *call, d *policy.Decision) {
	var p peer.Peer
	opened, err := kvpb.NewKVClient(n.conn).OpenSession(ctx, &kvpb.OpenSessionRequest{Nonce: d.Nonce[:]}, grpc.Peer(&p))
	one.result = result{session: opened.GetSession(), window: opened.GetWindow()}
	one.conclude(err, &p)
}

// invokeOperation makes an attempt at a get, put or delete by a unary call.
func invokeOperation(ctx context.Context, n *node, one *call, d *policy.Decision) {
	var p peer.Peer
	var err error
	switch one.operation.kind {
	case operationPut:
		one.result, err = invokePut(ctx, n, &one.operation, d, &p)
	case operationDelete:
		one.result, err = invokeDelete(ctx, n, &one.operation, d, &p)
	default:
		one.result, err = invokeGet(ctx, n, &one.operation, &p)
	}
	one.conclude(err, &p)
}

func invokeGet(ctx context.Context, n *node, o *operation, p *peer.Peer) (result, error) {
	r, err := kvpb.NewKVClient(n.conn).Get(ctx, &kvpb.GetRequest{Key: o.key, Consistency: o.consistency}, grpc.Peer(p))
	return result{revision: r.GetRevision(), found: r.GetFound(), value: r.GetValue(), createRevision: r.GetCreateRevision(),
		modRevision: r.GetModRevision(), version: r.GetVersion()}, err
}

func invokePut(ctx context.Context, n *node, o *operation, d *policy.Decision, p *peer.Peer) (result, error) {
	r, err := kvpb.NewKVClient(n.conn).Put(ctx, &kvpb.PutRequest{Key: o.key, Value: o.value, Condition: o.condition,
		ConditionRevision: o.conditionRevision, Session: d.Session, Sequence: d.Sequence, Acknowledged: d.Acknowledged}, grpc.Peer(p))
	return result{revision: r.GetRevision(), conditionFailed: r.GetConditionFailed(), found: r.GetExisted(),
		createRevision: r.GetCreateRevision(), modRevision: r.GetModRevision(), version: r.GetVersion()}, err
}

func invokeDelete(ctx context.Context, n *node, o *operation, d *policy.Decision, p *peer.Peer) (result, error) {
	r, err := kvpb.NewKVClient(n.conn).Delete(ctx, &kvpb.DeleteRequest{Key: o.key, Condition: o.condition,
		ConditionRevision: o.conditionRevision, Session: d.Session, Sequence: d.Sequence, Acknowledged: d.Acknowledged}, grpc.Peer(p))
	return result{revision: r.GetRevision(), conditionFailed: r.GetConditionFailed(), found: r.GetExisted(),
		modRevision: r.GetModRevision()}, err
}
