package sim

import (
	"testing"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// A cluster at rest has to serve: an answer that refuses is a failure, whatever the plan was about.
func TestTheExam(t *testing.T) {
	w, r := lived(t, small(1, 3, 0))
	require.Equal(t, len(w.exam.questions), w.exam.asked)
	require.GreaterOrEqual(t, w.exam.asked, 1+7+3, "a key, each kind of write, and each member")
	require.Nil(t, r.Failure)

	k := &call{plan: &w.exam.questions[0], examined: true}
	w.marked(k, &policy.Decision{Outcome: policy.Refused, Reason: policy.ReasonSessionExpired})
	require.Nil(t, w.failure)
	w.marked(k, &policy.Decision{Outcome: policy.Refused, Reason: policy.ReasonOverloaded})
	require.Equal(t, "liveness", w.failure.Kind)
}

func TestMessagesOfPlansAreRafts(t *testing.T) {
	for _, name := range plan.Messages[1:] {
		require.Contains(t, raftpb.MessageType_value, name)
	}
}
