package host

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/cluster/transport"
	"github.com/lockstepdb/lockstep/kv"
)

func TestASingleNodeServesAndKeeps(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 1, nil).start()
	m := g.leader()
	m.mustPut("k", "v")
	value, found := m.get("k")
	require.True(t, found)
	require.Equal(t, "v", value)
	m.kill()
	m.start()
	value, found = m.get("k")
	require.True(t, found, "an acknowledged write is lost")
	require.Equal(t, "v", value)
	require.Contains(t, m.logs.String(), "msg=recovered")
	m.stop()
	m.start()
	_, found = m.get("k")
	require.True(t, found)
}

func TestThreeNodesServeAndKeep(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, nil).start()
	g.leader()
	for i, m := range g.members {
		m.awaitReady()
		m.mustPut(fmt.Sprint("k", i), fmt.Sprint("v", i)) // forwarded by two of them
	}
	for _, m := range g.members {
		for i := range g.members {
			value, found := m.get(fmt.Sprint("k", i))
			require.True(t, found)
			require.Equal(t, fmt.Sprint("v", i), value)
		}
	}
	g.kill()
	g.start()
	for _, m := range g.members {
		for i := range g.members {
			_, found := m.get(fmt.Sprint("k", i))
			require.True(t, found, "node %d lost key %d", m.id, i)
		}
	}
}

// Everything committed is back after all nodes were killed behind a snapshot: it is restored before a node serves.
func TestAllNodesKilledBehindASnapshot(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, func(c *Config) {
		c.Raft.SnapshotBytes, c.Raft.TailBytes, c.Raft.TailEntries = 1<<20, 256<<10, 100
	}).start()
	g.leader().fill("a", 4000, 1000)
	for _, m := range g.members {
		eventually(t, "a snapshot is written", func() bool { return m.host.store.Stats().SnapshotIndex > 0 })
	}
	g.leader().fill("b", 500, 1000)
	g.kill()
	g.start()
	for _, m := range g.members {
		m.get("a000000") // waits for what is committed
		require.Equal(t, 4500, m.host.Machine().Stats().Keys)
		require.Regexp(t, `msg=recovered .*snapshot=[1-9]`, m.logs.String())
	}
}

func TestTheLeaderIsKilled(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, nil).start()
	first := g.leader()
	first.mustPut("k", "1")
	first.kill()
	second := g.leader()
	require.NotEqual(t, first.id, second.id)
	value, _ := second.get("k")
	require.Equal(t, "1", value)
	second.mustPut("k", "2")
	first.start()
	value, _ = first.get("k")
	require.Equal(t, "2", value)
}

func TestAGracefulStopHandsLeadershipOver(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, nil).start()
	first := g.leader()
	other := g.follower()
	other.mustPut("k", "1")
	first.stop()
	require.Contains(t, first.logs.String(), "leadership handed over")
	second := g.leader()
	require.NotEqual(t, first.id, second.id)
	second.mustPut("k", "2")
}

func TestTransferOnAnyNode(t *testing.T) {
	g := newGroup(t, 3, nil).start()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	from := g.leader()
	to := g.follower()
	require.NoError(t, to.host.Transfer(ctx, to.id)) // asked for on a follower
	eventually(t, "it leads", func() bool { return to.host.Status().Role.State == cluster.Leader })
	to.mustPut("k", "v")
	err := from.host.Transfer(ctx, 99)
	var r *cluster.Rejection
	require.ErrorAs(t, err, &r)
	require.Equal(t, cluster.Refused, r.Outcome)
	require.Equal(t, cluster.ReasonMembership, r.Reason)
}

// A follower that is behind by more than any single message catches up from the log, and leads nobody astray meanwhile.
func TestAFollowerBehindByALargeLogCatchesUp(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, func(c *Config) { c.Raft.TailBytes, c.Raft.TailEntries = 256<<20, 1_000_000 }).start()
	late := g.follower()
	late.kill()
	lead := g.leader()
	lead.fill("k", 60_000, 400) // 24 MB
	term := lead.host.Status().Role.Term
	late.start()
	late.get("k000000")
	eventually(t, "it has everything", func() bool { return late.host.Machine().Stats().Keys == 60_000 })
	require.Equal(t, term, g.leader().host.Status().Role.Term, "there was an election")
	require.Zero(t, late.host.store.Stats().SnapshotIndex, "it came by snapshot and not by the log")
}

func TestAFollowerBehindTheLogGetsASnapshot(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, func(c *Config) {
		c.Raft.SnapshotBytes, c.Raft.TailBytes, c.Raft.TailEntries = 2<<20, 256<<10, 100
	}).start()
	late := g.follower()
	late.kill()
	lead := g.leader()
	lead.fill("k", 10_000, 1000)
	eventually(t, "a snapshot is written", func() bool { return lead.host.store.Stats().SnapshotIndex > 0 })
	late.start()
	late.get("k000000")
	eventually(t, "it has everything", func() bool { return late.host.Machine().Stats().Keys == 10_000 })
	require.True(t, contains(late, "snapshot received"))
	eventually(t, "the sender knows", func() bool { // whoever leads by now
		return slices.ContainsFunc(g.members, func(m *member) bool { return contains(m, "snapshot sent") })
	})
	lead.fill("m", 100, 1000)
	late.kill()
	late.start()
	late.get("k000000")
	require.Equal(t, 10_100, late.host.Machine().Stats().Keys)
}

func TestTheClusterFormsOnlyWithAllFoundingNodes(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, nil)
	g.members[0].start()
	g.members[1].start()
	m := g.members[0]
	eventually(t, "it says whom it waits for", func() bool {
		return contains(m, "waiting for founding nodes", "node 3")
	})
	require.Zero(t, m.host.Status().Role.Leader)
	require.False(t, m.host.Status().Ready)
	r := m.put("k", "v")
	require.Equal(t, cluster.Refused, r.Outcome)
	require.Equal(t, cluster.ReasonNoLeader, r.Reason)
	require.Equal(t, 200, statusOf(t, "http://"+m.config.HTTPAddress+"/livez"))
	require.Equal(t, 503, statusOf(t, "http://"+m.config.HTTPAddress+"/readyz"))
	require.False(t, m.host.store.Identity().Formed)
	m.kill() // what it met, it remembers
	m.start()
	g.members[2].start()
	g.leader()
	m.awaitReady()
	m.mustPut("k", "v")
	founding := m.host.store.Identity().Founding
	for _, o := range g.members {
		require.Equal(t, founding, o.host.store.Identity().Founding)
	}
}

func TestAWipedNodeIsRefused(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 3, nil).start()
	g.leader().mustPut("k", "v")
	wiped := g.follower()
	wiped.kill()
	require.NoError(t, os.RemoveAll(wiped.dir))
	wiped.start()
	err := <-wiped.ran
	wiped.ran <- nil
	remedy := fmt.Sprintf("node %d came back with another instance: its directory was lost; remove the member and add it under a new id", wiped.id)
	require.Contains(t, refusalText(t, err), remedy)
	lead := g.leader()
	eventually(t, "the others say so", func() bool { return contains(lead, "refused", remedy) })
	require.False(t, wiped.host.store.Identity().Formed)
	lead.mustPut("k", "2")
}

// One of two survivors is wiped as well: the two that lost everything can't form a cluster with the one that did not.
func TestTwoWipedNodesDoNotFormAnotherCluster(t *testing.T) {
	g := newGroup(t, 3, nil).start()
	g.leader().mustPut("k", "v")
	g.kill()
	for _, m := range g.members[1:] {
		require.NoError(t, os.RemoveAll(m.dir))
	}
	g.start()
	for _, m := range g.members[1:] {
		require.ErrorContains(t, <-m.ran, "came back with another instance")
		m.ran <- nil
	}
	require.Zero(t, g.members[0].host.Status().Role.Leader)
}

func TestFoundingListsMustBeTheSame(t *testing.T) {
	g := newGroup(t, 3, nil)
	g.members[2].config.Peers = append([]Peer(nil), g.members[2].config.Peers...)
	g.members[2].config.Peers[0].HTTP = "127.0.0.1:1"
	g.start()
	eventually(t, "the difference is told", func() bool {
		return contains(g.members[0], "waiting for founding nodes", "its list of founding nodes and their addresses is not that of node")
	})
}

func TestANodeJoinsAndLeaves(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 4, nil)
	joiner := g.members[3]
	for _, m := range g.members {
		m.config.Peers = append([]Peer(nil), m.config.Peers[:3]...)
	}
	joiner.config.Join = true
	g.start()
	lead := g.leader()
	lead.fill("k", 1000, 100)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	added := cluster.Member{ID: 4, Instance: joiner.host.Identity().Instance, Peer: joiner.config.PeerAddress, HTTP: joiner.config.HTTPAddress, GRPC: joiner.config.GRPCAddress}
	nameless := added
	nameless.Instance = cluster.Instance{}
	require.Error(t, lead.host.ChangeMember(ctx, cluster.MemberChange{Kind: cluster.AddLearner, Member: nameless}))
	require.NoError(t, g.follower().host.ChangeMember(ctx, cluster.MemberChange{Kind: cluster.AddLearner, Member: added}))
	eventually(t, "the learner has everything", func() bool { return joiner.host.Machine().Stats().Keys == 1000 })
	eventually(t, "it is promoted", func() bool { // refused until the leader sees that it caught up
		return lead.host.ChangeMember(ctx, cluster.MemberChange{Kind: cluster.Promote, Member: cluster.Member{ID: 4}}) == nil
	})
	joiner.mustPut("from", "joiner")
	eventually(t, "all know it", func() bool {
		for _, m := range g.members {
			if len(m.host.Status().Membership.Members) != 4 {
				return false
			}
		}
		return true
	})
	joiner.kill()
	joiner.start()
	_, found := joiner.get("from")
	require.True(t, found)
	require.NoError(t, lead.host.ChangeMember(ctx, cluster.MemberChange{Kind: cluster.Remove, Member: cluster.Member{ID: 4}}))
	eventually(t, "it is gone", func() bool { return len(lead.host.Status().Membership.Members) == 3 })
	for range 2 { // when it is told so, and whenever it is started again
		var refusal *transport.Refusal
		require.ErrorAs(t, joiner.ended(), &refusal)
		require.Equal(t, transport.RefusedRemoved, refusal.Code)
		require.Equal(t, uint64(4), refusal.Node)
		require.ErrorContains(t, refusal, "it was removed from the cluster; add it under a new id")
		joiner.host = nil
		joiner.start()
	}
	lead.mustPut("after", "it")
}

// TestANodeFollowsALeaderThatItDoesNotKnowYet: node 3 is away while node 4 is added, and
// everybody else whom it knows goes.
func TestANodeFollowsALeaderThatItDoesNotKnowYet(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 4, nil)
	joiner, away := g.members[3], g.members[2]
	for _, m := range g.members {
		m.config.Peers = append([]Peer(nil), m.config.Peers[:3]...)
	}
	joiner.config.Join = true
	g.start()
	lead := g.leader()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if lead == away {
		require.NoError(t, lead.host.Transfer(ctx, 1))
		lead = g.members[0]
	}
	away.awaitReady()
	away.kill()
	added := cluster.Member{ID: 4, Instance: joiner.host.Identity().Instance, Peer: joiner.config.PeerAddress, HTTP: joiner.config.HTTPAddress, GRPC: joiner.config.GRPCAddress}
	require.NoError(t, lead.host.ChangeMember(ctx, cluster.MemberChange{Kind: cluster.AddLearner, Member: added}))
	eventually(t, "it is promoted", func() bool {
		return lead.host.ChangeMember(ctx, cluster.MemberChange{Kind: cluster.Promote, Member: cluster.Member{ID: 4}}) == nil
	})
	eventually(t, "it leads", func() bool { return lead.host.Transfer(ctx, 4) == nil })
	eventually(t, "node 1 is removed", func() bool { // refused until the new leader has applied an entry of its own
		return joiner.host.ChangeMember(ctx, cluster.MemberChange{Kind: cluster.Remove, Member: cluster.Member{ID: 1}}) == nil
	})
	joiner.mustPut("from", "joiner")
	// Of the voters 2, 3 and 4 only 3 and 4 are left, and 3 has never heard of 4.
	g.members[0].kill()
	g.members[1].kill()
	away.start()
	away.awaitReady()
	value, found := away.get("from")
	require.True(t, found)
	require.Equal(t, "joiner", value)
}

func TestSettingsThatDecideResultsAreFixed(t *testing.T) {
	g := newGroup(t, 1, nil).start()
	m := g.leader()
	m.kill()
	m.config.KV.SessionWindow++
	_, err := m.open()
	var fixed *SettingsError
	require.ErrorAs(t, err, &fixed)
	require.ErrorContains(t, err, "kv.session-window=257")
	m.config.KV.SessionWindow--
	m.start()
	g.leader()
}

func TestSettingsThatDecideResultsMustBeTheSame(t *testing.T) {
	g := newGroup(t, 3, nil)
	g.members[2].config.KV.KeyBytesMax = 99
	g.start()
	eventually(t, "the difference is told", func() bool {
		return contains(g.members[0], "waiting for founding nodes", "these decide what commands come to")
	})
}

func TestADirectoryOfAnotherNodeIsRefused(t *testing.T) {
	g := newGroup(t, 1, nil).start()
	m := g.leader()
	m.kill()
	for _, change := range []func(*Config){
		func(c *Config) { c.Cluster = "other" },
		func(c *Config) { c.Node, c.Peers = 2, nil },
		func(c *Config) { c.Join = true },
	} {
		before := m.config
		change(&m.config)
		_, err := m.open()
		var d *DirectoryError
		require.ErrorAs(t, err, &d)
		require.ErrorContains(t, err, m.dir)
		m.config = before
	}
	m.start()
	g.leader()
}

func TestTwoProcessesOnOneDirectory(t *testing.T) {
	g := newGroup(t, 1, nil).start()
	second := newGroup(t, 1, nil).members[0]
	second.config.DataDir, second.config.Peers = g.members[0].dir, g.members[0].config.Peers
	_, err := second.open()
	require.Error(t, err)
	g.leader().mustPut("k", "v")
}

// A port in use is told before a directory is made.
func TestAPortInUseTouchesNothing(t *testing.T) {
	g := newGroup(t, 2, nil)
	m := g.members[0]
	m.config.PeerAddress = g.members[1].config.PeerAddress
	m.sockets.Peer.Close()
	m.sockets.Peer = nil
	_, err := m.open()
	require.ErrorContains(t, err, "peer-address")
	require.ErrorContains(t, err, "in use")
	require.NoDirExists(t, m.dir)
}

func TestRequestsBeyondTheBoundAreRefused(t *testing.T) {
	q := newQueue(2)
	q.open()
	var refused []*server.Request
	requests := make([]*server.Request, 3)
	for i := range requests {
		requests[i] = &server.Request{Done: func(r *server.Request) { refused = append(refused, r) }}
	}
	q.submit(requests)
	require.Equal(t, []*server.Request{requests[2]}, refused)
	require.Equal(t, cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonOverloaded}, requests[2].Reply)
	require.Len(t, q.swap(batch{}, 0).requests, 2)
	require.Equal(t, 2, q.waiting())
	q.swap(batch{}, 2)
	require.Zero(t, q.waiting())
}

// Every request is answered, and truthfully, however the node ends.
func TestRequestsOfAKilledNodeAreAnswered(t *testing.T) {
	g := newGroup(t, 1, nil).start()
	m := g.leader()
	m.mustPut("k", "v")
	const n = 5000
	replies := make(chan cluster.Reply, n)
	h := m.host
	killed := make(chan struct{})
	go func() {
		m.kill()
		close(killed)
	}()
	for i := range n {
		h.Submit(&server.Request{Kind: server.Write, Command: kv.Command{Kind: kv.Put, Key: fmt.Appendf(nil, "k%d", i)},
			Done: func(r *server.Request) { replies <- r.Reply }})
	}
	done := 0
	for range n {
		select {
		case r := <-replies:
			if r.Outcome == cluster.Done {
				done++
			}
		case <-time.After(patience):
			t.Fatal("a request was not answered")
		}
	}
	<-killed
	m.start()
	m.get("k")
	require.GreaterOrEqual(t, m.host.Machine().Stats().Keys, done+1)
}

func TestDeadlines(t *testing.T) {
	g := newGroup(t, 3, nil).start()
	lead := g.leader()
	past := &server.Request{Kind: server.Write, DeadlineNanos: 1, Command: kv.Command{Kind: kv.Put, Key: []byte("k")}}
	done := make(chan struct{}, 1)
	past.Done = func(*server.Request) { done <- struct{}{} }
	lead.host.Submit(past)
	<-done
	require.Equal(t, cluster.Refused, past.Reply.Outcome)
	require.Equal(t, cluster.ReasonCanceled, past.Reply.Reason)

	for _, m := range g.members {
		if m != lead {
			m.kill()
		}
	}
	h := lead.host // without a quorum nothing can be committed
	late := &server.Request{Kind: server.Write, DeadlineNanos: h.Now() + int64(300*time.Millisecond), Command: kv.Command{Kind: kv.Put, Key: []byte("k")}}
	late.Done = func(*server.Request) { done <- struct{}{} }
	h.Submit(late)
	<-done
	require.Contains(t, []cluster.Outcome{cluster.Unknown, cluster.Refused}, late.Reply.Outcome)
	if late.Reply.Outcome == cluster.Refused {
		require.NotEqual(t, cluster.ReasonNone, late.Reply.Reason)
	}
}
