package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

func (g *rig) kv(options ...grpc.DialOption) kvpb.KVClient {
	return kvpb.NewKVClient(g.dial(options...))
}

func background(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// details of an error, checked for what all have.
func details(t testing.TB, err error) (reason string, retry time.Duration, leader *kvpb.LeaderHint) {
	t.Helper()
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			require.Equal(t, "lockstep", d.Domain)
			reason = d.Reason
		case *errdetails.RetryInfo:
			retry = d.RetryDelay.AsDuration()
		case *kvpb.LeaderHint:
			leader = d
		default:
			require.Failf(t, "unknown detail", "%T", d)
		}
	}
	require.NotEmpty(t, reason, "%v has no ErrorInfo", err)
	return reason, retry, leader
}

func TestUnaryOperations(t *testing.T) {
	g := start(t, nil)
	c, ctx := g.kv(), background(t)
	put, err := c.Put(ctx, &kvpb.PutRequest{Key: []byte("k"), Value: []byte("v")})
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 1, 1, 1}, []uint64{put.Revision, put.CreateRevision, put.ModRevision, put.Version})
	require.False(t, put.Existed)
	for _, consistency := range []kvpb.Consistency{kvpb.Consistency_CONSISTENCY_LINEARIZABLE, kvpb.Consistency_CONSISTENCY_STALE} {
		get, err := c.Get(ctx, &kvpb.GetRequest{Key: []byte("k"), Consistency: consistency})
		require.NoError(t, err)
		require.True(t, get.Found)
		require.Equal(t, "v", string(get.Value))
		require.Equal(t, uint64(1), get.ModRevision)
	}
	get, err := c.Get(ctx, &kvpb.GetRequest{Key: []byte("absent")})
	require.NoError(t, err)
	require.False(t, get.Found)
	require.Equal(t, uint64(1), get.Revision)

	put, err = c.Put(ctx, &kvpb.PutRequest{Key: []byte("k"), Value: []byte("w"), Condition: kvpb.Condition_CONDITION_REVISION_EQUALS, ConditionRevision: 9})
	require.NoError(t, err, "a condition that does not hold is no error")
	require.True(t, put.ConditionFailed)
	require.Equal(t, uint64(1), put.ModRevision)
	put, err = c.Put(ctx, &kvpb.PutRequest{Key: []byte("k"), Value: []byte("w"), Condition: kvpb.Condition_CONDITION_REVISION_EQUALS, ConditionRevision: 1})
	require.NoError(t, err)
	require.True(t, put.Existed)
	deleted, err := c.Delete(ctx, &kvpb.DeleteRequest{Key: []byte("k"), Condition: kvpb.Condition_CONDITION_MUST_NOT_EXIST})
	require.NoError(t, err)
	require.True(t, deleted.ConditionFailed)
	deleted, err = c.Delete(ctx, &kvpb.DeleteRequest{Key: []byte("k")})
	require.NoError(t, err)
	require.True(t, deleted.Existed)
	require.Equal(t, uint64(2), deleted.ModRevision)
	require.Equal(t, uint64(3), deleted.Revision)

	session, err := c.OpenSession(ctx, &kvpb.OpenSessionRequest{Nonce: make([]byte, 16)})
	require.NoError(t, err)
	require.NotZero(t, session.Session)
	require.Equal(t, uint64(4), session.Window)
	_, err = c.Put(ctx, &kvpb.PutRequest{Key: []byte("k"), Session: session.Session, Sequence: 1})
	require.NoError(t, err)
	_, err = c.Put(ctx, &kvpb.PutRequest{Key: []byte("other"), Session: session.Session, Sequence: 1})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	reason, retry, _ := details(t, err)
	require.Equal(t, "SEQUENCE_REUSED", reason)
	require.Zero(t, retry)
	_, err = c.CloseSession(ctx, &kvpb.CloseSessionRequest{Session: session.Session})
	require.NoError(t, err)
	_, err = c.CloseSession(ctx, &kvpb.CloseSessionRequest{Session: session.Session})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	reason, _, _ = details(t, err)
	require.Equal(t, "SESSION_EXPIRED", reason)
}

func TestUnaryInvalid(t *testing.T) {
	g := start(t, func(o *Options) { o.KeyBytesMax, o.ValueBytesMax = 4, 8 })
	c, ctx := g.kv(), background(t)
	put := func(q *kvpb.PutRequest) error { _, err := c.Put(ctx, q); return err }
	get := func(q *kvpb.GetRequest) error { _, err := c.Get(ctx, q); return err }
	del := func(q *kvpb.DeleteRequest) error { _, err := c.Delete(ctx, q); return err }
	k := []byte("k")
	_, nonceErr := c.OpenSession(ctx, &kvpb.OpenSessionRequest{Nonce: make([]byte, 15)})
	_, sessionErr := c.CloseSession(ctx, &kvpb.CloseSessionRequest{})
	for name, err := range map[string]error{
		"empty key":          get(&kvpb.GetRequest{}),
		"long key":           get(&kvpb.GetRequest{Key: []byte("12345")}),
		"consistency":        get(&kvpb.GetRequest{Key: k, Consistency: 7}),
		"long value":         put(&kvpb.PutRequest{Key: k, Value: make([]byte, 9)}),
		"condition":          put(&kvpb.PutRequest{Key: k, Condition: 4}),
		"condition folded":   put(&kvpb.PutRequest{Key: k, Condition: 256}),
		"negative condition": put(&kvpb.PutRequest{Key: k, Condition: -1}),
		"revision alone":     put(&kvpb.PutRequest{Key: k, ConditionRevision: 1}),
		"revision 0":         put(&kvpb.PutRequest{Key: k, Condition: kvpb.Condition_CONDITION_REVISION_EQUALS}),
		"session alone":      put(&kvpb.PutRequest{Key: k, Session: 1}),
		"sequence alone":     del(&kvpb.DeleteRequest{Key: k, Sequence: 1}),
		"acknowledged":       del(&kvpb.DeleteRequest{Key: k, Session: 1, Sequence: 1, Acknowledged: 2}),
		"nonce":              nonceErr,
		"session 0":          sessionErr,
	} {
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
		reason, _, _ := details(t, err)
		require.Equal(t, "INVALID", reason, name)
	}
	require.NoError(t, put(&kvpb.PutRequest{Key: []byte("1234"), Value: make([]byte, 8)}))
}

func TestUnaryFailures(t *testing.T) {
	g := start(t, nil)
	c, ctx := g.kv(), background(t)
	for _, f := range []struct {
		reply  cluster.Reply
		code   codes.Code
		reason string
		retry  bool
	}{
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonNotLeader, Leader: 2}, codes.Unavailable, "NOT_LEADER", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonNoLeader}, codes.Unavailable, "NO_LEADER", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonTransferring, Leader: 2}, codes.Unavailable, "NO_LEADER", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonStopping}, codes.Unavailable, "STOPPING", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonSuperseded}, codes.Unavailable, "SUPERSEDED", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonCanceled}, codes.Unavailable, "DEADLINE", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonOverloaded}, codes.ResourceExhausted, "OVERLOADED", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonDataFull}, codes.ResourceExhausted, "DATA_FULL", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonDiskFull}, codes.ResourceExhausted, "DISK_FULL", true},
		{cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonInvalid}, codes.InvalidArgument, "INVALID", false},
		{cluster.Reply{Outcome: cluster.Unknown, Reason: cluster.ReasonExpired}, codes.Aborted, "OUTCOME_UNKNOWN", false},
		{cluster.Reply{Outcome: cluster.Unknown, Reason: cluster.ReasonConnectionLost}, codes.Aborted, "OUTCOME_UNKNOWN", false},
	} {
		g.node.force(f.reply)
		_, err := c.Put(ctx, &kvpb.PutRequest{Key: []byte("k")})
		require.Equal(t, f.code, status.Code(err), "%v", err)
		reason, retry, leader := details(t, err)
		require.Equal(t, f.reason, reason)
		require.Equal(t, f.retry, retry > 0)
		if f.code == codes.InvalidArgument {
			continue
		}
		want := &kvpb.LeaderHint{Node: 1, Term: 7, HttpAddress: "127.0.0.1:2", GrpcAddress: "127.0.0.1:3"}
		if f.reply.Leader == 2 {
			want = &kvpb.LeaderHint{Node: 2, Term: 7, HttpAddress: "127.0.0.1:5", GrpcAddress: "127.0.0.1:6"}
		}
		require.Equal(t, want.String(), leader.String())
	}
	_, err := c.Get(ctx, &kvpb.GetRequest{Key: []byte("k")})
	require.Equal(t, codes.Unavailable, status.Code(err), "a read has no unknown outcome")
}

func TestUnaryDeadlines(t *testing.T) {
	g := start(t, func(o *Options) { o.RequestTimeout = time.Hour })
	c := g.kv()
	g.node.hold(true)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Put(ctx, &kvpb.PutRequest{Key: []byte("k"), Value: []byte("v")})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	eventually(t, "queued", func() bool { return g.node.queued() == 1 })
	g.node.mu.Lock()
	deadline := g.node.queue[0].DeadlineNanos
	g.node.mu.Unlock()
	require.Less(t, deadline, int64(time.Minute), "the caller's deadline wins when it is earlier")
	g.node.hold(false)
	eventually(t, "applied", func() bool { return g.inflight.used.Load() == 0 && g.node.machine.Revision() == 1 })

	g = start(t, func(o *Options) { o.RequestTimeout = 20 * time.Millisecond })
	g.node.hold(true)
	_, err = g.kv().Put(background(t), &kvpb.PutRequest{Key: []byte("k")})
	require.Equal(t, codes.Aborted, status.Code(err), "the server's bound wins when it is earlier")
}

func TestFollowerOverGRPC(t *testing.T) {
	k := []byte("k")
	for writes, want := range map[string]codes.Code{WritesAuto: codes.OK, WritesForward: codes.OK, WritesRedirect: codes.Unavailable} {
		g := start(t, func(o *Options) { o.Writes = writes })
		g.node.follow("127.0.0.1:9")
		_, err := g.kv().Put(background(t), &kvpb.PutRequest{Key: k})
		require.Equal(t, want, status.Code(err), writes)
		if want != codes.OK {
			reason, _, leader := details(t, err)
			require.Equal(t, "NOT_LEADER", reason)
			require.Equal(t, "127.0.0.1:6", leader.GrpcAddress)
			require.Equal(t, "127.0.0.1:9", leader.HttpAddress)
		}
		_, err = g.kv().Get(background(t), &kvpb.GetRequest{Key: k})
		require.NoError(t, err)
	}
	g := start(t, func(o *Options) { o.FollowerReads = false })
	g.node.follow("127.0.0.1:9")
	_, err := g.kv().Get(background(t), &kvpb.GetRequest{Key: k})
	require.Equal(t, codes.Unavailable, status.Code(err))
	_, err = g.kv().Get(background(t), &kvpb.GetRequest{Key: k, Consistency: kvpb.Consistency_CONSISTENCY_STALE})
	require.NoError(t, err)
}

func TestMessageSizes(t *testing.T) {
	g := start(t, func(o *Options) { o.ValueBytesMax = 6 << 20 })
	machine, err := kv.New(kv.Options{ValueBytesMax: 6 << 20})
	require.NoError(t, err)
	g.node.machine = machine
	c := g.kv(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)))
	value := make([]byte, 6<<20)
	_, err = c.Put(background(t), &kvpb.PutRequest{Key: make([]byte, 1024), Value: value})
	require.NoError(t, err)
	got, err := c.Get(background(t), &kvpb.GetRequest{Key: make([]byte, 1024)})
	require.NoError(t, err)
	require.Len(t, got.Value, len(value))
	_, err = c.Put(background(t), &kvpb.PutRequest{Key: []byte("k"), Value: make([]byte, 8<<20)})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

func TestUnaryPanic(t *testing.T) {
	g := start(t, nil)
	machine := g.node.machine
	g.node.machine = nil
	ctx := metadata.AppendToOutgoingContext(background(t), "x-request-id", "mine-1")
	_, err := g.kv().Get(ctx, &kvpb.GetRequest{Key: []byte("k")})
	require.Equal(t, codes.Internal, status.Code(err))
	require.Contains(t, g.logged.String(), "request=mine-1")
	require.Contains(t, g.logged.String(), "grpc.go")
	g.node.machine = machine
}

func TestClusterService(t *testing.T) {
	g := start(t, func(o *Options) { o.Version = "v9" })
	c, ctx := kvpb.NewClusterClient(g.dial()), background(t)
	g.put("k", "v")
	st, err := c.Status(ctx, &kvpb.StatusRequest{})
	require.NoError(t, err)
	require.Equal(t, "demo v9 leader", st.Cluster+" "+st.Version+" "+st.Role)
	require.Equal(t, []uint64{1, 7, 1, 1, 1, 3}, []uint64{st.Node, st.Term, st.Leader, st.Revision, st.Keys, st.Epoch})
	require.True(t, st.Ready)
	require.Equal(t, uint64(2), st.Peers[0].Node)
	m, err := c.Members(ctx, &kvpb.MembersRequest{})
	require.NoError(t, err)
	require.Len(t, m.Members, 2)
	require.Equal(t, "127.0.0.1:6", m.Members[1].GrpcAddress)

	var asked uint64
	g.node.transfer = func(_ context.Context, to uint64) error {
		asked = to
		g.node.follow("x")
		return nil
	}
	moved, err := c.TransferLeader(ctx, &kvpb.TransferLeaderRequest{Node: 2})
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 2}, []uint64{asked, moved.Leader})
	g.node.transfer = func(context.Context, uint64) error {
		return &cluster.Rejection{Outcome: cluster.Refused, Reason: cluster.ReasonMembership}
	}
	_, err = c.TransferLeader(ctx, &kvpb.TransferLeaderRequest{Node: 9})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.ErrorContains(t, err, "no such member: node 9")
	_, err = c.TransferLeader(ctx, &kvpb.TransferLeaderRequest{})
	require.NotContains(t, err.Error(), "no such member")
	g.node.change = func(context.Context, cluster.MemberChange) error {
		return &cluster.Rejection{Outcome: cluster.Refused, Reason: cluster.ReasonMembership}
	}
	_, err = c.ChangeMember(ctx, &kvpb.ChangeMemberRequest{Change: kvpb.MemberChange_MEMBER_CHANGE_REMOVE, Member: &kvpb.Member{Node: 9}})
	require.ErrorContains(t, err, "no such member: node 9")
	_, err = c.ChangeMember(ctx, &kvpb.ChangeMemberRequest{Change: kvpb.MemberChange_MEMBER_CHANGE_REMOVE, Member: &kvpb.Member{Node: 2}})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.NotContains(t, err.Error(), "no such member")
	g.node.transfer = func(context.Context, uint64) error { return errors.New("anything else") }
	_, err = c.TransferLeader(ctx, &kvpb.TransferLeaderRequest{})
	require.Equal(t, codes.Aborted, status.Code(err))

	var change cluster.MemberChange
	g.node.change = func(_ context.Context, c cluster.MemberChange) error { change = c; return nil }
	instance := []byte("0123456789abcdef")
	add := &kvpb.ChangeMemberRequest{Change: kvpb.MemberChange_MEMBER_CHANGE_ADD_LEARNER,
		Member: &kvpb.Member{Node: 3, Instance: instance, PeerAddress: "p", HttpAddress: "h", GrpcAddress: "g"}}
	_, err = c.ChangeMember(ctx, add)
	require.NoError(t, err)
	require.Equal(t, cluster.MemberChange{Kind: cluster.AddLearner, Member: cluster.Member{ID: 3, Instance: cluster.Instance(instance),
		Learner: true, Peer: "p", HTTP: "h", GRPC: "g"}}, change)
	_, err = c.ChangeMember(ctx, &kvpb.ChangeMemberRequest{Change: kvpb.MemberChange_MEMBER_CHANGE_REMOVE, Member: &kvpb.Member{Node: 3}})
	require.NoError(t, err)
	require.Equal(t, cluster.Remove, change.Kind)
	for _, bad := range []*kvpb.ChangeMemberRequest{{}, {Change: kvpb.MemberChange_MEMBER_CHANGE_PROMOTE},
		{Member: &kvpb.Member{Node: 1}},
		{Change: kvpb.MemberChange_MEMBER_CHANGE_ADD_LEARNER, Member: &kvpb.Member{Node: 3, Instance: instance}},
		{Change: kvpb.MemberChange_MEMBER_CHANGE_ADD_LEARNER, Member: &kvpb.Member{Node: 3, PeerAddress: "p", HttpAddress: "h", GrpcAddress: "g"}}} {
		_, err = c.ChangeMember(ctx, bad)
		require.Equal(t, codes.InvalidArgument, status.Code(err))
	}
	g.node.change = func(context.Context, cluster.MemberChange) error {
		return &cluster.Rejection{Outcome: cluster.Unknown, Reason: cluster.ReasonExpired}
	}
	_, err = c.ChangeMember(ctx, add)
	require.Equal(t, codes.Aborted, status.Code(err))
}

// A learner that is promoted before it has caught up was answered by a panic, since the counters had no place for the reason.
func TestEveryReasonIsCounted(t *testing.T) {
	require.Len(t, kvpb.Reason_name, reasonsMax)
	g := start(t, nil)
	g.node.change = func(context.Context, cluster.MemberChange) error {
		return &cluster.Rejection{Outcome: cluster.Refused, Reason: cluster.ReasonBehind}
	}
	promote := &kvpb.ChangeMemberRequest{Change: kvpb.MemberChange_MEMBER_CHANGE_PROMOTE, Member: &kvpb.Member{Node: 2}}
	_, err := kvpb.NewClusterClient(g.dial()).ChangeMember(background(t), promote)
	require.Equal(t, codes.Unavailable, status.Code(err))
	for _, f := range failures {
		g.Server.metrics.failed(f)
	}
}

func TestHealth(t *testing.T) {
	g := start(t, nil)
	c, ctx := healthpb.NewHealthClient(g.dial()), background(t)
	check := func(service string) healthpb.HealthCheckResponse_ServingStatus {
		r, err := c.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		require.NoError(t, err)
		return r.Status
	}
	for _, service := range healthServices {
		require.Equal(t, healthpb.HealthCheckResponse_SERVING, check(service))
	}
	_, err := c.Check(ctx, &healthpb.HealthCheckRequest{Service: "nobody"})
	require.Equal(t, codes.NotFound, status.Code(err))
	all, err := c.List(ctx, &healthpb.HealthListRequest{})
	require.NoError(t, err)
	require.Len(t, all.Statuses, len(healthServices))
	watch, err := c.Watch(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	next := func() healthpb.HealthCheckResponse_ServingStatus {
		r, err := watch.Recv()
		require.NoError(t, err)
		return r.Status
	}
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, next())
	g.node.set(func(s *cluster.Status) { s.Ready = false })
	require.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, next())
	require.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, check(""))
	g.node.set(func(s *cluster.Status) { s.Ready = true })
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, next())
	require.NoError(t, g.Stop(ctx), "an open watch does not hold up a stop")
	require.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, next(), "draining is told before the stream ends")
	_, err = watch.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
}

func TestReflection(t *testing.T) {
	g := start(t, nil)
	conn, ctx := g.dial(), background(t)
	v1, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	require.NoError(t, err)
	require.NoError(t, v1.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
	r, err := v1.Recv()
	require.NoError(t, err)
	var names []string
	for _, s := range r.GetListServicesResponse().Service {
		names = append(names, s.Name)
	}
	require.ElementsMatch(t, []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"lockstep.kv.v1.Cluster", "lockstep.kv.v1.KV"}, names)
	require.NoError(t, g.Stop(ctx), "open reflection streams do not hold up a stop")
}

// Every failure is told under one reason, whatever the transport, and refusals use codes that promise no effect.
func TestFailuresAreConsistent(t *testing.T) {
	seen := map[string]bool{}
	for r := cluster.ReasonNone; r <= cluster.ReasonConnectionLost; r++ {
		f := failureOf(&cluster.Reply{Outcome: cluster.Refused, Reason: r})
		require.Equal(t, effectNone, f.effect, r)
		require.NotEqual(t, codes.Aborted, f.code, r)
		require.NotEqual(t, 504, f.status, r)
		require.Equal(t, strings.ReplaceAll(strings.ToLower(reasonName(f.reason)), "_", "-"), f.slug)
		seen[f.slug] = true
		require.Same(t, failUnknown, failureOf(&cluster.Reply{Outcome: cluster.Unknown, Reason: r}))
	}
	require.Equal(t, effectUnknown, failUnknown.effect)
	require.Greater(t, len(seen), 8)
}
