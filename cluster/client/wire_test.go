package client

import (
	"testing"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func TestOperationsAreProtobuf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes, number := rapid.SliceOfN(rapid.Byte(), 0, 300), rapid.Uint64()
		var encoded []byte
		want := &kvpb.PipelineRequest{}
		for id := range uint64(rapid.IntRange(0, 3).Draw(t, "operations")) {
			o := operation{kind: kvpb.OperationKind(rapid.IntRange(0, 5).Draw(t, "kind")), condition: kvpb.Condition(rapid.IntRange(0, 3).Draw(t, "condition")),
				consistency: kvpb.Consistency(rapid.IntRange(0, 1).Draw(t, "consistency")), conditionRevision: number.Draw(t, "revision"),
				key: bytes.Draw(t, "key"), value: bytes.Draw(t, "value"), session: number.Draw(t, "session"), sequence: number.Draw(t, "sequence"),
				acknowledged: number.Draw(t, "acknowledged"), nonce: bytes.Draw(t, "nonce")[:0]}
			before := len(encoded)
			encoded = o.appendTo(encoded, id)
			require.LessOrEqual(t, len(encoded)-before, len(o.key)+len(o.value)+operationSlack)
			want.Operations = append(want.Operations, &kvpb.Operation{Id: id, Kind: o.kind, Condition: o.condition, Consistency: o.consistency,
				ConditionRevision: o.conditionRevision, Key: o.key, Value: o.value, Session: o.session, Sequence: o.sequence,
				Acknowledged: o.acknowledged, Nonce: o.nonce})
		}
		got := &kvpb.PipelineRequest{}
		require.NoError(t, proto.Unmarshal(encoded, got))
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(got)
		require.NoError(t, err)
		expected, err := proto.MarshalOptions{Deterministic: true}.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, expected, again)
	})
}

func TestOperationSlackHolds(t *testing.T) {
	most := ^uint64(0)
	o := operation{kind: 5, condition: 3, consistency: 1, conditionRevision: most, session: most, sequence: most, acknowledged: most,
		nonce: make([]byte, policy.NonceBytes), key: make([]byte, 1<<10), value: make([]byte, 1<<21)}
	require.LessOrEqual(t, len(o.appendTo(nil, most)), len(o.key)+len(o.value)+operationSlack)
}

func TestResultsAreProtobuf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64()
		r := &kvpb.OperationResult{Id: number.Draw(t, "id"), Code: rapid.Uint32().Draw(t, "code"), Reason: kvpb.Reason(rapid.IntRange(0, 15).Draw(t, "reason")),
			Message: rapid.String().Draw(t, "message"), Revision: number.Draw(t, "revision"), ConditionFailed: rapid.Bool().Draw(t, "failed"),
			Found: rapid.Bool().Draw(t, "found"), Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value"), CreateRevision: number.Draw(t, "create"),
			ModRevision: number.Draw(t, "mod"), Version: number.Draw(t, "version"), Session: number.Draw(t, "session"), Window: number.Draw(t, "window"),
			Leader: &kvpb.LeaderHint{Node: 3, Term: number.Draw(t, "term"), GrpcAddress: rapid.String().Draw(t, "address"), HttpAddress: "h"}}
		encoded, err := proto.Marshal(&kvpb.PipelineResponse{Results: []*kvpb.OperationResult{{Id: 1}, r}})
		require.NoError(t, err)
		got, err := decodeResults(encoded, nil)
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, result{id: 1}, got[0])
		want := result{id: r.Id, code: r.Code, reason: r.Reason, message: r.Message, revision: r.Revision, conditionFailed: r.ConditionFailed,
			found: r.Found, createRevision: r.CreateRevision, modRevision: r.ModRevision, version: r.Version, session: r.Session, window: r.Window,
			leader: leaderHint{term: r.Leader.Term, address: r.Leader.GrpcAddress}}
		require.Equal(t, len(r.Value), len(got[1].value))
		require.Equal(t, string(r.Value), string(got[1].value))
		got[1].value = nil
		require.Equal(t, want, got[1])
	})
}

// What decodes here decodes by the generated code, and to the same ids.
func FuzzDecodeResults(f *testing.F) {
	seed, err := proto.Marshal(&kvpb.PipelineResponse{Results: []*kvpb.OperationResult{{Id: 1, Value: []byte("v"), Leader: &kvpb.LeaderHint{Term: 2}}}})
	require.NoError(f, err)
	f.Add(seed)
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x02, 0x08})
	f.Add([]byte{0x0d, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeResults(data, nil)
		want := &kvpb.PipelineResponse{}
		if proto.Unmarshal(data, want) != nil {
			return // it is stricter: about text that is no UTF-8, about a known field of another type
		}
		require.NoError(t, err)
		for i, r := range want.Results {
			if i < len(got) && len(want.Results) == len(got) && len(r.ProtoReflect().GetUnknown()) == 0 {
				require.Equal(t, r.Id, got[i].id)
			}
		}
	})
}

func TestReasonsAreThoseOfTheAPI(t *testing.T) {
	for number, name := range kvpb.Reason_name {
		if number == 0 {
			continue
		}
		require.NotEqual(t, "undefined", policy.Reason(number).String(), name)
		require.LessOrEqual(t, policy.Reason(number), policy.ReasonLearnerBehind, name)
		require.Equal(t, kvpb.Reason(number), reasonNamed(name[len("REASON_"):]))
	}
	require.EqualValues(t, kvpb.Reason_REASON_LEARNER_BEHIND, policy.ReasonLearnerBehind)
	require.EqualValues(t, kvpb.Reason_REASON_SESSION_EXPIRED, policy.ReasonSessionExpired)
	require.EqualValues(t, kvpb.Reason_REASON_OUTCOME_UNKNOWN, policy.ReasonOutcomeUnknown)
	require.Equal(t, reasonUnknownYet, reasonNamed("OF_A_LATER_VERSION"))
}

// What is not known for sure to be without effect is unknown.
func TestAnswersAreCareful(t *testing.T) {
	for _, c := range []struct {
		code   codes.Code
		reason kvpb.Reason
		want   policy.Outcome
	}{
		{codes.Unavailable, kvpb.Reason_REASON_NOT_LEADER, policy.Refused},
		{codes.Aborted, kvpb.Reason_REASON_NOT_LEADER, policy.Unknown},
		{codes.Aborted, kvpb.Reason_REASON_OUTCOME_UNKNOWN, policy.Unknown},
		{codes.Unavailable, kvpb.Reason_REASON_OUTCOME_UNKNOWN, policy.Unknown},
		{codes.Unavailable, kvpb.Reason_REASON_UNSPECIFIED, policy.Unknown},
		{codes.Internal, 99, policy.Unknown},
		{codes.ResourceExhausted, 99, policy.Refused},
		{codes.FailedPrecondition, reasonUnknownYet, policy.Refused},
	} {
		require.Equal(t, c.want, answerOf(c.code, c.reason).Outcome, "%v %v", c.code, c.reason)
	}
}
