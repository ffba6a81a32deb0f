package cluster

import (
	"fmt"
	"testing"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"
)

// scene is a stage for stories that a golden trace tells badly, since messages are picked out one by one.
type scene struct {
	*stage
	replies map[uint64]Reply
}

func newScene(t *testing.T, nodes int, change func(*Config)) *scene {
	s := &scene{stage: &stage{t: t, check: t, nodes: map[uint64]*actor{}, quiet: true}, replies: map[uint64]Reply{}}
	s.onReply = func(_ uint64, r *Reply) { s.replies[r.ID] = *r }
	var ids []uint64
	for id := uint64(1); id <= uint64(nodes); id++ {
		ids = append(ids, id)
	}
	founding, conf := Founding(testMembers(ids...))
	for _, id := range ids {
		c := testConfig(id)
		if change != nil {
			change(&c)
		}
		s.nodes[id] = &actor{config: c, disk: disk{founding: founding, conf: conf, files: map[SnapshotMark][][]byte{}}}
		s.start(id)
	}
	return s
}

// everyone settles among all nodes.
func (s *scene) everyone() {
	all := map[uint64]bool{}
	for id := range s.nodes {
		all[id] = true
	}
	s.settle(all)
}

func (s *scene) campaign(id uint64) {
	for range s.nodes[id].config.ElectionTicks {
		s.tickOnce(id)
	}
	s.everyone()
	require.Equal(s.t, Leader, s.nodes[id].node.role.State)
}

func (s *scene) put(node, request uint64, value string) {
	s.step(node, Event{Kind: EventPropose, ID: request, Command: &kv.Command{Kind: kv.Put, Key: []byte("k"), Value: []byte(value)}})
}

func (s *scene) readAt(node, request uint64) {
	s.step(node, Event{Kind: EventRead, ID: request}, Event{Kind: EventTick, Now: s.nodes[node].now})
}

// pick takes messages off the network.
func (s *scene) pick(from, to uint64, kind raftpb.MessageType) (picked []*raftpb.Message) {
	var kept []*raftpb.Message
	for _, m := range s.network {
		if m.GetFrom() == from && m.GetTo() == to && m.GetType() == kind {
			picked = append(picked, m)
		} else {
			kept = append(kept, m)
		}
	}
	s.network = kept
	return picked
}

// TestLeaseOutlivesAForgottenLeader: a late refusal of a pre-vote, in a higher term, makes raft forget the leader whose heartbeat it
// has just answered. Its vote must be kept all the same, or another leader is elected within the first one's lease.
func TestLeaseOutlivesAForgottenLeader(t *testing.T) {
	s := newScene(t, 3, func(c *Config) { c.LeaseReads = true })
	s.campaign(1)
	s.everyTick()
	s.everyone()
	for range 5 { // node 1 is cut off, 2 and 3 lose patience
		s.everyTick()
	}
	require.Equal(t, Leader, s.nodes[1].node.role.State)
	from2, from3 := s.pick(2, 3, raftpb.MsgPreVote), s.pick(3, 2, raftpb.MsgPreVote)
	s.network = nil
	s.deliverOne(from3[0])
	s.deliverOne(s.pick(2, 3, raftpb.MsgPreVoteResp)[0]) // 3 is a candidate of the next term
	s.persistFirst(3, len(s.nodes[3].appends))
	vote := s.pick(3, 2, raftpb.MsgVote) // slow
	s.deliverOne(from2[0])
	refusal := s.pick(3, 2, raftpb.MsgPreVoteResp) // slow, too
	require.True(t, refusal[0].GetReject())

	s.network = nil
	s.readAt(1, 1) // node 1 reaches 2 again, which confirms its round: a lease
	s.settle(map[uint64]bool{1: true, 2: true})
	require.Equal(t, Done, s.replies[1].Outcome)

	s.network = nil
	s.deliverOne(refusal[0])
	s.deliverOne(vote[0])
	s.settle(map[uint64]bool{2: true, 3: true})
	require.NotEqual(t, Leader, s.nodes[3].node.role.State, "elected within a lease")
	s.readAt(1, 2)
	require.Equal(t, Done, s.replies[2].Outcome, "the lease still lasts")
}

func (s *scene) everyTick() {
	for _, id := range s.ids() {
		s.tickOnce(id)
	}
	for _, id := range s.ids() {
		s.persistFirst(id, len(s.nodes[id].appends))
	}
}

// TestLearnerWaitsForTheLeadersTerm: raft answers a question at once where there is a single voter, also before that knows
// its own term's beginning. A learner must not be told the commit index of before the restart.
func TestLearnerWaitsForTheLeadersTerm(t *testing.T) {
	s := newScene(t, 1, nil)
	s.campaign(1)
	s.nodes[2] = &actor{config: testConfig(2), disk: disk{files: map[SnapshotMark][][]byte{}}}
	s.start(2)
	s.step(1, Event{Kind: EventChangeMember, ID: 100, Change: &MemberChange{Kind: AddLearner, Member: testMembers(2)[0]}})
	for range 10 {
		s.everyone()
		if s.nodes[1].snapshot != nil {
			s.saveSnapshot(1)
		}
		s.tickOnce(1)
		s.everyone()
		s.step(1, Event{Kind: EventSnapshotSent, Peer: 2})
	}
	require.Equal(t, s.nodes[1].node.machine.Applied(), s.nodes[2].node.machine.Applied())
	s.put(1, 101, "new") // acknowledged, and unknown to the learner
	s.persistFirst(1, len(s.nodes[1].appends))
	require.Equal(t, Done, s.replies[101].Outcome)

	s.network = nil
	s.start(1)
	for range s.nodes[1].config.ElectionTicks {
		s.tickOnce(1)
	}
	s.persistFirst(1, 1) // its vote; the entry of its term is still on its way to the disk
	require.Equal(t, Leader, s.nodes[1].node.role.State)
	s.tickOnce(1)
	for _, m := range s.pick(1, 2, raftpb.MsgHeartbeat) {
		s.deliverOne(m)
	}
	s.persistFirst(2, len(s.nodes[2].appends))
	s.readAt(2, 102)
	for _, m := range s.pick(2, 1, raftpb.MsgReadIndex) {
		s.deliverOne(m)
	}
	require.Empty(t, s.pick(1, 2, raftpb.MsgReadIndexResp))
	for range 5 {
		s.everyone()
		s.tickOnce(1)
		s.tickOnce(2)
	}
	require.Equal(t, Done, s.replies[102].Outcome)
	item, _, found := s.nodes[2].node.Machine().Get([]byte("k"))
	require.True(t, found)
	require.Equal(t, "new", string(item.Value))
}

// TestCampaignWithABacklog: a node that restarts with many committed entries and a small tail campaigns before it has applied them. Raft
// looks through what it does not know to be applied, so that must still be there.
func TestCampaignWithABacklog(t *testing.T) {
	founding, conf := Founding(testMembers(1))
	machine, err := kv.New(kv.Options{})
	require.NoError(t, err)
	r := Recovered{Machine: machine, Membership: founding, ConfState: conf, Restarted: true}
	for i := uint64(FoundingIndex + 1); i <= 3000; i++ {
		put := &kv.Command{Kind: kv.Put, Key: fmt.Appendf(nil, "key-%d", i), Value: make([]byte, 100)}
		data := kv.AppendBatch(nil, kv.BatchID{Node: 1, Epoch: 1, Sequence: i}, []*kv.Command{put})
		r.Entries = append(r.Entries, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(2)), Index: new(i), Data: data})
	}
	r.HardState = HardState{Term: 2, Vote: 1, Commit: 3000}
	c := testConfig(1)
	c.Epoch, c.ApplyBytesMax, c.TailEntries, c.TailBytes = 2, 10_000, 10, 1000
	node, err := New(c, r)
	require.NoError(t, err)
	for now := int64(0); node.machine.Applied() < 3000; now += c.TickNanos {
		effects := node.Step(Event{Kind: EventTick, Now: now})
		require.NoError(t, effects.Fatal)
	}
	require.LessOrEqual(t, len(node.log.entries), 10)
}

// TestNothingIsForwardedInAnothersName: raft lets a follower pass questions and transfers on as if the asker had sent them.
func TestNothingIsForwardedInAnothersName(t *testing.T) {
	s := newScene(t, 3, nil)
	s.campaign(1)
	s.step(2, Event{Kind: EventReceive, Message: &raftpb.Message{
		Type: raftpb.MsgReadIndex.Enum(), From: new(uint64(3)), To: new(uint64(2)), Entries: []*raftpb.Entry{{Data: []byte("x")}},
	}})
	require.Empty(t, s.network, "node 3 takes node 2 for the leader; it will ask again")
	s.step(1,
		Event{Kind: EventReceive, Message: &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(9))}},
		Event{Kind: EventTransfer, ID: 5, Peer: 3})
	for _, m := range s.network {
		require.EqualValues(t, 1, m.GetFrom(), describeMessage(m))
	}
	require.Equal(t, Refused, s.replies[5].Outcome)
}

// TestImplausibleMessagesAreDropped gives a node what a faulty peer could send. It must go on, and its group as well.
func TestImplausibleMessagesAreDropped(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(t, 3, nil)
		s.campaign(uint64(rapid.IntRange(1, 2).Draw(rt, "leader")))
		s.put(1, 1, "v")
		s.everyone()
		for range rapid.IntRange(1, 4).Draw(rt, "messages") {
			m := drawFaulty(rt)
			if plausible(m, 1) && !harmless(m.GetType()) {
				continue // a lie that fits the form can be told only by a node that breaks the protocol
			}
			s.step(1, Event{Kind: EventReceive, Message: m})
			s.persistFirst(1, len(s.nodes[1].appends))
		}
		for range 20 {
			s.everyTick()
			s.everyone()
		}
		require.NotZero(rt, s.nodes[1].node.role.Leader)
	})
}

// harmless kinds carry no claim about logs and votes.
func harmless(kind raftpb.MessageType) bool {
	return kind == raftpb.MsgReadIndex || kind == raftpb.MsgReadIndexResp || kind == raftpb.MsgHeartbeatResp || kind == raftpb.MsgTimeoutNow
}

func drawFaulty(t *rapid.T) *raftpb.Message {
	small := rapid.OneOf(rapid.Uint64Range(0, 6), rapid.Just(uint64(1)<<63))
	m := &raftpb.Message{
		Type: raftpb.MessageType(rapid.IntRange(0, int(messageTypeMax)).Draw(t, "type")).Enum(), From: new(uint64(2)), To: new(uint64(1)),
		Term: new(rapid.SampledFrom([]uint64{0, 1, 2, 2, 3}).Draw(t, "term")), LogTerm: new(small.Draw(t, "log term")),
		Index: new(small.Draw(t, "index")), Commit: new(small.Draw(t, "commit")), RejectHint: new(small.Draw(t, "hint")),
		Reject: new(rapid.Bool().Draw(t, "reject")), Context: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "context"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		m.Entries = append(m.Entries, &raftpb.Entry{
			Type: raftpb.EntryType(rapid.IntRange(0, 2).Draw(t, "entry type")).Enum(), Term: new(small.Draw(t, "entry term")),
			Index: new(small.Draw(t, "entry index")), Data: []byte{1},
		})
	}
	return m
}

// TestStagedSnapshotMustBeTheMessages: raft takes term and configuration from the message, the node from the file.
func TestStagedSnapshotMustBeTheMessages(t *testing.T) {
	s := newScene(t, 1, nil)
	machine, err := kv.New(kv.Options{})
	require.NoError(t, err)
	_, _, err = machine.Apply(9, nil, nil)
	require.NoError(t, err)
	founding, conf := Founding(testMembers(1, 2))
	_, other := Founding(testMembers(1, 2, 3))
	staged := func() *Staged {
		return &Staged{Machine: machine, Meta: kv.Meta{Index: 9, Term: 2, Cluster: AppendMembership(nil, founding, conf)}}
	}
	message := func(index, term uint64, cs *raftpb.ConfState) *raftpb.Message {
		return &raftpb.Message{Type: raftpb.MsgSnap.Enum(), Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			Index: new(index), Term: new(term), ConfState: cs,
		}}}
	}
	n := s.nodes[1].node
	require.True(t, n.stage(message(9, 2, conf), staged()))
	require.False(t, n.stage(message(8, 2, conf), staged()))
	require.False(t, n.stage(message(9, 3, conf), staged()))
	require.False(t, n.stage(message(9, 2, other), staged()))
	require.False(t, n.stage(message(9, 2, conf), nil))
}

// TestACandidateAsksOnlyWithADurableVote: found by the simulator. A candidate that asked for votes while its own was being
// written led by the others' votes, lost power, came back in the term before, and could have led the same term once more with
// other entries, which no follower can tell from the first ones.
func TestACandidateAsksOnlyWithADurableVote(t *testing.T) {
	s := newScene(t, 5, nil)
	for s.nodes[1].node.role.State != PreCandidate {
		s.tickOnce(1)
	}
	s.persistFirst(1, len(s.nodes[1].appends))
	for _, id := range []uint64{2, 3} {
		for _, m := range s.pick(1, id, raftpb.MsgPreVote) {
			s.deliverOne(m)
		}
		for _, m := range s.pick(id, 1, raftpb.MsgPreVoteResp) {
			s.deliverOne(m)
		}
	}
	require.Equal(t, Candidate, s.nodes[1].node.role.State)
	require.Empty(t, s.pick(1, 2, raftpb.MsgVote), "asked before its own vote was durable")
	s.persistFirst(1, len(s.nodes[1].appends))
	require.Len(t, s.pick(1, 2, raftpb.MsgVote), 1)
}

// TestReadsOutlastSlowAnswers: where a round trip takes longer than ReadRetryTicks, each answer came to a round that had been given up,
// and no read was ever answered, though writes were.
func TestReadsOutlastSlowAnswers(t *testing.T) {
	s := newScene(t, 3, func(c *Config) { c.ReadRetryTicks, c.ElectionTicks, c.RequestTicks = 1, 10, 100 })
	s.campaign(1)
	for node := uint64(1); node <= 3; node++ {
		s.readAt(node, 10+node)
	}
	const lag = 3 // ticks each way
	var late [lag][]*raftpb.Message
	for tick := range 60 {
		s.everyTick()
		now := late[tick%lag]
		late[tick%lag], s.network = s.network, nil
		for _, m := range now {
			s.deliverOne(m)
		}
	}
	for node := uint64(1); node <= 3; node++ {
		require.Equal(t, Done, s.replies[10+node].Outcome, "asked at n%d", node)
	}
}
