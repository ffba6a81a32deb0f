package transport

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
)

func put(key, value string) *kv.Command {
	return &kv.Command{Kind: kv.Put, Key: []byte(key), Value: []byte(value), Session: 5, Sequence: 6, Acknowledged: 4}
}

func TestForwardedRequestsAreAnswered(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	got := make(chan Call, 3)
	b.forwarded = func(calls []Call, answers *Answers) {
		for _, c := range calls {
			got <- c
			answers.Answer(cluster.Reply{ID: c.ID, Outcome: cluster.Done, Leader: 2, Index: 8,
				Result: kv.Result{Status: kv.ConditionFailed, Existed: true, Replayed: true, Revision: 1, CreateRevision: 2, ModRevision: 3, Version: 4, Session: 5}})
		}
	}
	connect(a, b)
	awaitLinks(t, a, b)
	change := cluster.MemberChange{Kind: cluster.AddLearner, Member: cluster.Member{ID: 4, Instance: instanceOf(4), Learner: true, Peer: "p:1", HTTP: "h:1", GRPC: "g:1"}}
	calls := []*Call{
		{ID: 11, Kind: CallWrite, Timeout: time.Second, Command: put("k", "v")},
		{ID: 12, Kind: CallChangeMember, Change: change},
		{ID: 13, Kind: CallTransfer, Peer: 2},
	}
	for _, c := range calls {
		a.Forward(2, c)
		require.Equal(t, *c, <-got)
	}
	eventually(t, "all are answered", func() bool { return len(a.replies()) == 3 })
	require.Equal(t, cluster.Reply{ID: 11, Outcome: cluster.Done, Leader: 2, Index: 8,
		Result: kv.Result{Status: kv.ConditionFailed, Existed: true, Replayed: true, Revision: 1, CreateRevision: 2, ModRevision: 3, Version: 4, Session: 5}}, a.replies()[0])
}

func TestARequestWhoseStreamBreaksIsUnknown(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	arrived := make(chan *Answers, 2)
	b.forwarded = func(calls []Call, answers *Answers) {
		for range calls {
			arrived <- answers
		}
	}
	p := newProxy(t, b.address)
	a.SetPeers(map[uint64]string{2: p.listener.Addr().String()})
	eventually(t, "up", func() bool { return a.connected(2, Forward) })
	a.Forward(2, &Call{ID: 1, Kind: CallWrite, Command: put("k", "v")})
	answers := <-arrived
	p.sever()
	eventually(t, "it is answered", func() bool { return len(a.replies()) == 1 })
	require.Equal(t, cluster.Reply{ID: 1, Outcome: cluster.Unknown, Reason: cluster.ReasonConnectionLost}, a.replies()[0])

	a.Forward(2, &Call{ID: 2, Kind: CallWrite, Command: put("k", "v")})
	require.Len(t, a.replies(), 2)
	require.Equal(t, cluster.Reply{ID: 2, Outcome: cluster.Refused, Reason: cluster.ReasonNoLeader}, a.replies()[1])

	answers.Answer(cluster.Reply{ID: 1, Outcome: cluster.Done}) // to a stream that has ended
	p.mend()
	eventually(t, "up again", func() bool { return a.connected(2, Forward) })
	a.Forward(2, &Call{ID: 3, Kind: CallWrite, Command: put("k", "v")})
	(<-arrived).Answer(cluster.Reply{ID: 3, Outcome: cluster.Done})
	eventually(t, "it works again", func() bool { return len(a.replies()) == 3 })
	require.Equal(t, cluster.Done, a.replies()[2].Outcome)
}

func TestForwardToAStrangerIsRefused(t *testing.T) {
	a := newEndpoint(t, 1)
	a.Forward(9, &Call{ID: 1, Kind: CallWrite, Command: put("k", "v")})
	require.Equal(t, []cluster.Reply{{ID: 1, Outcome: cluster.Refused, Reason: cluster.ReasonNoLeader}}, a.replies())
	require.False(t, a.Withdraw(9, 1))
}

func TestACallThatLeftCanNotBeWithdrawn(t *testing.T) {
	var answered []cluster.Reply
	c := newCallbox(func(r []cluster.Reply) { answered = append(answered, r...) })
	c.opened()
	for id := uint64(1); id <= 3; id++ {
		require.Equal(t, cluster.ReasonNone, c.push(&Call{ID: id, Kind: CallTransfer}))
	}
	require.True(t, c.withdraw(2))
	_, n := c.take(nil)
	require.Equal(t, 2, n)
	require.False(t, c.withdraw(1))
	require.Equal(t, cluster.ReasonNone, c.push(&Call{ID: 4, Kind: CallTransfer}))
	c.broke(true)
	require.Len(t, answered, 3)
	outcomes := map[uint64]cluster.Outcome{}
	for _, r := range answered {
		outcomes[r.ID] = r.Outcome
	}
	require.Equal(t, map[uint64]cluster.Outcome{1: cluster.Unknown, 3: cluster.Unknown, 4: cluster.Refused}, outcomes)
	require.Zero(t, c.bytes)
}

func TestForwardedRequestsAreBounded(t *testing.T) {
	c := newCallbox(func([]cluster.Reply) {})
	c.opened()
	for id := range uint64(forwardCallsMax) {
		require.Equal(t, cluster.ReasonNone, c.push(&Call{ID: id, Kind: CallTransfer}))
	}
	require.Equal(t, cluster.ReasonOverloaded, c.push(&Call{ID: 1 << 40, Kind: CallTransfer}))

	a := &Answers{signal: make(chan struct{}, 1)}
	require.Equal(t, answersMax, a.admit(answersMax+5))
	require.Zero(t, a.admit(1))
	a.Answer(cluster.Reply{ID: 1})
	a.take(nil)
	require.Equal(t, 1, a.admit(7))
}

func FuzzCalls(f *testing.F) {
	for _, c := range []*Call{{ID: 1, Kind: CallWrite, Timeout: 5, Command: put("k", "v")}, {ID: 2, Kind: CallTransfer, Peer: 3},
		{ID: 3, Kind: CallChangeMember, Change: cluster.MemberChange{Kind: cluster.Remove, Member: cluster.Member{ID: 3}}}} {
		f.Add(appendCall(nil, c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		calls, err := decodeCalls(1, b)
		if err != nil {
			return
		}
		var again []byte
		for i := range calls {
			again = appendCall(again, &calls[i])
		}
		twice, err := decodeCalls(1, again)
		require.NoError(t, err)
		require.Equal(t, calls, twice)
	})
}

func FuzzReply(f *testing.F) {
	r := cluster.Reply{ID: 1, Outcome: cluster.Done, Result: kv.Result{Revision: 3, Existed: true}}
	f.Add(appendReply(nil, &r)[frameHeaderBytes:])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeReply(b)
		if err != nil {
			return
		}
		again, err := decodeReply(appendReply(nil, &r)[frameHeaderBytes:])
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
