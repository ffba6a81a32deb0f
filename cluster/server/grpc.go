package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// errorDomain is the domain of every ErrorInfo.
const errorDomain = "lockstep"

// kvService answers lockstep.kv.v1.KV.
type kvService struct {
	kvpb.UnimplementedKVServer
	s *Server
}

func (k kvService) Get(ctx context.Context, q *kvpb.GetRequest) (*kvpb.GetResponse, error) {
	s := k.s
	s.metrics.received[overGRPC].Add(float64(len(q.Key)))
	if detail := s.invalidGet(q.Key, q.Consistency); detail != "" {
		return nil, s.fail(ctx, methodGet, failInvalid, 0, detail)
	}
	if q.Consistency == kvpb.Consistency_CONSISTENCY_LINEARIZABLE {
		if err := s.linearize(ctx); err != nil {
			return nil, err
		}
	}
	item, revision, found := s.o.Backend.Machine().Get(q.Key)
	s.metrics.sent[overGRPC].Add(float64(len(item.Value)))
	return &kvpb.GetResponse{Revision: revision, Found: found, Value: item.Value, CreateRevision: item.CreateRevision,
		ModRevision: item.ModRevision, Version: item.Version}, nil
}

// linearize waits until a read may be made.
func (s *Server) linearize(ctx context.Context) error {
	if s.refusesReads() {
		return s.fail(ctx, methodGet, failNotLeader, 0, "")
	}
	c := s.newCall(Read)
	reply, released := c.submit(ctx, s.timeout(ctx))
	if !released {
		c.release()
	}
	if f := readFailure(&reply); f != nil {
		return s.failOrContext(ctx, methodGet, f, reply.Leader)
	}
	return nil
}

// timeout is the server's bound or what the caller's deadline leaves of it.
func (s *Server) timeout(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(s.o.RequestTimeout, time.Until(deadline))
	}
	return s.o.RequestTimeout
}

func (k kvService) Put(ctx context.Context, q *kvpb.PutRequest) (*kvpb.PutResponse, error) {
	command := kv.Command{Kind: kv.Put, Key: q.Key, Value: q.Value, Condition: kv.Condition(q.Condition),
		ConditionRevision: q.ConditionRevision, Session: q.Session, Sequence: q.Sequence, Acknowledged: q.Acknowledged}
	r, err := k.s.write(ctx, methodPut, &command, uint32(q.Condition))
	if err != nil {
		return nil, err
	}
	return &kvpb.PutResponse{Revision: r.Revision, ConditionFailed: r.Status == kv.ConditionFailed, Existed: r.Existed,
		CreateRevision: r.CreateRevision, ModRevision: r.ModRevision, Version: r.Version}, nil
}

func (k kvService) Delete(ctx context.Context, q *kvpb.DeleteRequest) (*kvpb.DeleteResponse, error) {
	command := kv.Command{Kind: kv.Delete, Key: q.Key, Condition: kv.Condition(q.Condition),
		ConditionRevision: q.ConditionRevision, Session: q.Session, Sequence: q.Sequence, Acknowledged: q.Acknowledged}
	r, err := k.s.write(ctx, methodDelete, &command, uint32(q.Condition))
	if err != nil {
		return nil, err
	}
	return &kvpb.DeleteResponse{Revision: r.Revision, ConditionFailed: r.Status == kv.ConditionFailed, Existed: r.Existed,
		ModRevision: r.ModRevision}, nil
}

func (k kvService) OpenSession(ctx context.Context, q *kvpb.OpenSessionRequest) (*kvpb.OpenSessionResponse, error) {
	if len(q.Nonce) != kv.NonceBytes {
		return nil, k.s.fail(ctx, methodOpenSession, failInvalid, 0, errNonceBytes)
	}
	command := kv.Command{Kind: kv.OpenSession, Nonce: [kv.NonceBytes]byte(q.Nonce)}
	r, err := k.s.write(ctx, methodOpenSession, &command, 0)
	if err != nil {
		return nil, err
	}
	return &kvpb.OpenSessionResponse{Revision: r.Revision, Session: r.Session, Window: uint64(k.s.o.SessionWindow)}, nil
}

func (k kvService) CloseSession(ctx context.Context, q *kvpb.CloseSessionRequest) (*kvpb.CloseSessionResponse, error) {
	command := kv.Command{Kind: kv.CloseSession, Session: q.Session}
	r, err := k.s.write(ctx, methodCloseSession, &command, 0)
	if err != nil {
		return nil, err
	}
	return &kvpb.CloseSessionResponse{Revision: r.Revision}, nil
}

// write proposes a command and waits for its result.
func (s *Server) write(ctx context.Context, k method, command *kv.Command, condition uint32) (kv.Result, error) {
	bytes := int64(len(command.Key) + len(command.Value))
	s.metrics.received[overGRPC].Add(float64(bytes))
	if detail := s.invalidCommand(command, condition); detail != "" {
		return kv.Result{}, s.fail(ctx, k, failInvalid, 0, detail)
	}
	if !s.inflight.reserve(bytes) {
		return kv.Result{}, s.fail(ctx, k, failOverloaded, 0, "")
	}
	c := s.newCall(Write)
	c.bytes = bytes
	c.Command = *command
	c.NoForward = s.o.Writes == WritesRedirect
	reply, released := c.submit(ctx, s.timeout(ctx))
	if !released {
		c.release()
	}
	if f := failureOf(&reply); f != nil {
		return kv.Result{}, s.failOrContext(ctx, k, f, reply.Leader)
	}
	return reply.Result, nil
}

// What is said about operations that do not fit.
const (
	errNonceBytes     = "a nonce has 16 bytes"
	errConsistency    = "unknown consistency"
	errCondition      = "unknown condition"
	errKind           = "unknown kind of operation"
	errKeyEmpty       = "the key is empty"
	errOperationsMany = "the message holds more operations than the server takes"
)

func (s *Server) invalidKey(key []byte) string {
	switch {
	case len(key) == 0:
		return errKeyEmpty
	case len(key) > s.o.KeyBytesMax:
		return "the key is longer than " + strconv.Itoa(s.o.KeyBytesMax) + " bytes"
	}
	return ""
}

// invalidGet says what is wrong with a read; empty: nothing.
func (s *Server) invalidGet(key []byte, c kvpb.Consistency) string {
	if c != kvpb.Consistency_CONSISTENCY_LINEARIZABLE && c != kvpb.Consistency_CONSISTENCY_STALE {
		return errConsistency
	}
	return s.invalidKey(key)
}

// invalidCommand says what is wrong with a write; empty: nothing. condition is the number as it came. The state machine
// judges by the same rules; what a client can get wrong most easily is said here in the API's words.
func (s *Server) invalidCommand(c *kv.Command, condition uint32) string {
	if c.Kind == kv.Put || c.Kind == kv.Delete {
		if detail := s.invalidKey(c.Key); detail != "" {
			return detail
		}
	}
	switch {
	case len(c.Value) > s.o.ValueBytesMax:
		return "the value is longer than " + strconv.Itoa(s.o.ValueBytesMax) + " bytes"
	case condition > uint32(kv.RevisionEquals):
		return errCondition
	}
	if err := c.Validate(&s.bounds); err != nil {
		return err.Error()
	}
	return ""
}

// failOrContext prefers the caller's own deadline or cancellation to an outcome that is only unknown because of it.
func (s *Server) failOrContext(ctx context.Context, k method, f *failure, leader uint64) error {
	if err := ctx.Err(); err != nil {
		s.metrics.failed(f)
		return status.FromContextError(err).Err()
	}
	return s.fail(ctx, k, f, leader, "")
}

// fail is the error for a failure, counted and logged. detail may be empty.
func (s *Server) fail(ctx context.Context, k method, f *failure, leader uint64, detail string) error {
	s.metrics.failed(f)
	var hint *kvpb.LeaderHint
	if f.hints() {
		hint = s.hint(leader)
	}
	if f.status >= 500 {
		s.warn(ctx, overGRPC, k, f)
	}
	return f.err(detail, hint)
}

// warn tells of a failure that is not the caller's fault, with the request id that the caller sent, or one made now.
func (s *Server) warn(ctx context.Context, t transport, k method, f *failure) {
	if suppressed, ok := s.log.admit(time.Now()); ok {
		s.log.failure(s.log.id(requestID(ctx)), t, k, f, suppressed)
	}
}

// hints says whether it helps the caller to know the leader.
func (f *failure) hints() bool { return f.status >= 500 || f == failOverloaded }

// message is the text for people.
func (f *failure) message(detail string) string {
	if detail == "" {
		return f.title
	}
	return f.title + ": " + detail
}

// err is the failure as a gRPC status with details.
func (f *failure) err(detail string, hint *kvpb.LeaderHint) error {
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reasonName(f.reason), Domain: errorDomain}}
	if f.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.retry)})
	}
	if hint != nil {
		details = append(details, protoadapt.MessageV1Of(hint))
	}
	st, err := status.New(f.code, f.message(detail)).WithDetails(details...)
	if err != nil {
		panic(err) // only for an OK status or a message that cannot be marshalled
	}
	return st.Err()
}

// requestID is the x-request-id that the caller sent.
func requestID(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if ids := md.Get(headerRequestID); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// clusterService answers lockstep.kv.v1.Cluster.
type clusterService struct {
	kvpb.UnimplementedClusterServer
	s *Server
}

func (c clusterService) Status(context.Context, *kvpb.StatusRequest) (*kvpb.StatusResponse, error) {
	s := c.s
	st := s.o.Backend.Status()
	stats := s.o.Backend.Machine().Stats()
	r := &kvpb.StatusResponse{Cluster: s.o.Cluster, Node: st.ID, Role: roleName(st.Role.State), Term: st.Role.Term,
		Leader: st.Role.Leader, FirstIndex: st.FirstIndex, LastIndex: st.LastIndex, CommitIndex: st.Commit,
		AppliedIndex: st.Applied, SnapshotIndex: st.Snapshot, Revision: stats.Revision, Keys: uint64(stats.Keys),
		DataBytes: uint64(stats.DataBytes), DataBytesMax: uint64(st.DataBytesMax), Sessions: uint64(stats.Sessions),
		Version: s.o.Version, Ready: s.unready() == "", Epoch: st.Epoch}
	for _, p := range st.Peers {
		r.Peers = append(r.Peers, &kvpb.PeerProgress{Node: p.ID, State: p.State, Match: p.Match, Next: p.Next,
			RecentActive: p.RecentActive, Learner: p.Learner})
	}
	return r, nil
}

func members(m cluster.Membership) []*kvpb.Member {
	out := make([]*kvpb.Member, 0, len(m.Members))
	for i := range m.Members {
		one := &m.Members[i]
		out = append(out, &kvpb.Member{Node: one.ID, Instance: append([]byte(nil), one.Instance[:]...), PeerAddress: one.Peer,
			HttpAddress: one.HTTP, GrpcAddress: one.GRPC, Learner: one.Learner})
	}
	return out
}

func (c clusterService) Members(context.Context, *kvpb.MembersRequest) (*kvpb.MembersResponse, error) {
	st := c.s.o.Backend.Status()
	return &kvpb.MembersResponse{Members: members(st.Membership), Leader: st.Role.Leader}, nil
}

func (c clusterService) TransferLeader(ctx context.Context, q *kvpb.TransferLeaderRequest) (*kvpb.TransferLeaderResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.s.o.RequestTimeout)
	defer cancel()
	if err := c.s.o.Backend.Transfer(ctx, q.Node); err != nil {
		misfit := ""
		if q.Node != 0 {
			misfit = c.misfit(q.Node, true)
		}
		return nil, c.s.rejected(ctx, methodTransferLeader, err, misfit)
	}
	role := c.s.o.Backend.Status().Role
	return &kvpb.TransferLeaderResponse{Leader: role.Leader, Term: role.Term}, nil
}

func (c clusterService) ChangeMember(ctx context.Context, q *kvpb.ChangeMemberRequest) (*kvpb.ChangeMemberResponse, error) {
	change, detail := memberChange(q)
	if detail != "" {
		return nil, c.s.fail(ctx, methodChangeMember, failInvalid, 0, detail)
	}
	ctx, cancel := context.WithTimeout(ctx, c.s.o.RequestTimeout)
	defer cancel()
	if err := c.s.o.Backend.ChangeMember(ctx, change); err != nil {
		return nil, c.s.rejected(ctx, methodChangeMember, err, c.misfit(change.Member.ID, change.Kind != cluster.AddLearner))
	}
	return &kvpb.ChangeMemberResponse{Members: members(c.s.o.Backend.Status().Membership)}, nil
}

// misfit says why a request about a node does not fit the membership as this node knows it, "" when it finds nothing. It only explains a
// refusal: whether something fits is the leader's to say.
func (c clusterService) misfit(node uint64, wanted bool) string {
	st := c.s.o.Backend.Status()
	_, member := st.Membership.Find(node)
	switch {
	case wanted && !member:
		return fmt.Sprintf("no such member: node %d, as far as node %d knows", node, st.ID)
	case !wanted && member:
		return fmt.Sprintf("node %d is a member already", node)
	case slices.Contains(st.Membership.Removed, node):
		return fmt.Sprintf("node id %d was removed, and ids are not used again", node)
	}
	return ""
}

// memberChange checks a change and says what is wrong with it.
func memberChange(q *kvpb.ChangeMemberRequest) (c cluster.MemberChange, detail string) {
	m := q.Member
	if m.GetNode() == 0 {
		return c, "member.node is required"
	}
	c.Member = cluster.Member{ID: m.Node, Peer: m.PeerAddress, HTTP: m.HttpAddress, GRPC: m.GrpcAddress}
	switch q.Change {
	case kvpb.MemberChange_MEMBER_CHANGE_ADD_LEARNER:
		c.Kind = cluster.AddLearner
		c.Member.Learner = true
		if len(m.Instance) != len(c.Member.Instance) {
			return c, fmt.Sprintf("member.instance has %d bytes", len(c.Member.Instance))
		}
		copy(c.Member.Instance[:], m.Instance)
		if m.PeerAddress == "" || m.HttpAddress == "" || m.GrpcAddress == "" {
			return c, "a new member needs its three addresses"
		}
	case kvpb.MemberChange_MEMBER_CHANGE_PROMOTE:
		c.Kind = cluster.Promote
	case kvpb.MemberChange_MEMBER_CHANGE_REMOVE:
		c.Kind = cluster.Remove
	default:
		return c, "unknown change"
	}
	return c, ""
}

// rejected is the error for a change of leader or members that did not come about; misfit is told if the membership is the reason.
func (s *Server) rejected(ctx context.Context, k method, err error, misfit string) error {
	var r *cluster.Rejection
	if !errors.As(err, &r) {
		return s.failOrContext(ctx, k, failUnknown, 0)
	}
	f := failUnknown
	if r.Outcome == cluster.Refused {
		f = refusedBy(r.Reason)
	}
	if f != failMembership {
		misfit = ""
	}
	return s.fail(ctx, k, f, r.Leader, misfit)
}

// methodOf folds a full gRPC method name.
func methodOf(full string) method {
	service, name, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	switch service {
	case kvpb.KV_ServiceDesc.ServiceName, kvpb.Cluster_ServiceDesc.ServiceName:
	case "grpc.health.v1.Health":
		return methodHealth
	case "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection":
		return methodReflection
	default:
		return methodOther
	}
	switch name {
	case "Get":
		return methodGet
	case "Put":
		return methodPut
	case "Delete":
		return methodDelete
	case "OpenSession":
		return methodOpenSession
	case "CloseSession":
		return methodCloseSession
	case "Pipeline":
		return methodPipeline
	case "Status":
		return methodStatus
	case "Members":
		return methodMembers
	case "TransferLeader":
		return methodTransferLeader
	case "ChangeMember":
		return methodChangeMember
	}
	return methodOther
}

// codeIndex folds codes that gRPC does not define.
func codeIndex(err error) int {
	c := uint32(status.Code(err))
	if c > uint32(codes.Unauthenticated) {
		return int(grpcCodeOther)
	}
	return int(c)
}
