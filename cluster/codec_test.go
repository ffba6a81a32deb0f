package cluster

import (
	"testing"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// drawMessage draws a peer message with every field that AppendMessage knows.
func drawMessage(t *rapid.T) *raftpb.Message {
	number := rapid.Uint64()
	m := &raftpb.Message{
		Type: raftpb.MessageType(rapid.IntRange(0, int(messageTypeMax)).Draw(t, "type")).Enum(),
		To:   new(number.Draw(t, "to")), From: new(number.Draw(t, "from")), Term: new(number.Draw(t, "term")),
		LogTerm: new(number.Draw(t, "logTerm")), Index: new(number.Draw(t, "index")), Commit: new(number.Draw(t, "commit")),
		Vote: new(number.Draw(t, "vote")), RejectHint: new(number.Draw(t, "hint")),
		Context: drawBytes(t, "context"), Entries: drawEntries(t),
	}
	if rapid.Bool().Draw(t, "reject") {
		m.Reject = new(true)
	}
	if rapid.Bool().Draw(t, "snapshot") {
		m.Snapshot = &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			Index: new(number.Draw(t, "mark")), Term: new(number.Draw(t, "mark term")), ConfState: drawConfState(t),
		}}
	}
	return m
}

func drawBytes(t *rapid.T, label string) []byte {
	if b := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, label); len(b) > 0 {
		return b
	}
	return nil
}

func drawNumbers(t *rapid.T) []uint64 {
	if list := rapid.SliceOfN(rapid.Uint64(), 0, 4).Draw(t, "ids"); len(list) > 0 {
		return list
	}
	return nil
}

func drawConfState(t *rapid.T) *raftpb.ConfState {
	return &raftpb.ConfState{
		Voters: drawNumbers(t), Learners: drawNumbers(t), VotersOutgoing: drawNumbers(t), LearnersNext: drawNumbers(t),
		AutoLeave: new(rapid.Bool().Draw(t, "auto leave")),
	}
}

func drawEntries(t *rapid.T) (entries []*raftpb.Entry) {
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		entries = append(entries, &raftpb.Entry{
			Term: new(rapid.Uint64().Draw(t, "term")), Index: new(rapid.Uint64().Draw(t, "index")),
			Type: raftpb.EntryType(rapid.IntRange(0, 2).Draw(t, "type")).Enum(), Data: drawBytes(t, "data"),
		})
	}
	return entries
}

func drawMembership(t *rapid.T) (m Membership) {
	for range rapid.IntRange(0, 3).Draw(t, "members") {
		m.Members = append(m.Members, drawMember(t))
	}
	m.Removed = drawNumbers(t)
	return m
}

func drawMember(t *rapid.T) Member {
	return Member{
		ID: rapid.Uint64().Draw(t, "id"), Instance: Instance{rapid.Byte().Draw(t, "instance")}, Learner: rapid.Bool().Draw(t, "learner"),
		Peer: rapid.String().Draw(t, "peer"), HTTP: rapid.String().Draw(t, "http"), GRPC: rapid.String().Draw(t, "grpc"),
	}
}

func drawEvent(t *rapid.T) Event {
	e := Event{
		Kind: EventKind(rapid.IntRange(1, int(EventCancel)).Draw(t, "kind")), Failed: rapid.Bool().Draw(t, "failed"),
		ID: rapid.Uint64().Draw(t, "id"), Now: rapid.Int64().Draw(t, "now"), Peer: rapid.Uint64().Draw(t, "peer"), Index: rapid.Uint64().Draw(t, "index"),
	}
	if rapid.Bool().Draw(t, "with command") {
		e.Command = &kv.Command{
			Kind: kv.CommandKind(rapid.Byte().Draw(t, "command")), Condition: kv.Condition(rapid.Byte().Draw(t, "condition")),
			ConditionRevision: rapid.Uint64().Draw(t, "revision"), Key: drawBytes(t, "key"), Value: drawBytes(t, "value"),
			Session: rapid.Uint64().Draw(t, "session"), Sequence: rapid.Uint64().Draw(t, "sequence"),
			Acknowledged: rapid.Uint64().Draw(t, "acknowledged"), Nonce: [kv.NonceBytes]byte{rapid.Byte().Draw(t, "nonce")},
		}
	}
	if rapid.Bool().Draw(t, "with message") {
		e.Message = drawMessage(t)
	}
	if rapid.Bool().Draw(t, "with staged") {
		e.Staged = &Staged{Meta: kv.Meta{Index: rapid.Uint64().Draw(t, "index"), Term: rapid.Uint64().Draw(t, "term"), Cluster: drawBytes(t, "cluster")}}
	}
	if rapid.Bool().Draw(t, "with change") {
		e.Change = &MemberChange{Kind: ChangeKind(rapid.IntRange(1, 3).Draw(t, "change")), Member: drawMember(t)}
	}
	return e
}

func drawRecord(t *rapid.T) Record {
	r := Record{
		Compact: rapid.Uint64().Draw(t, "compact"), Machine: rapid.Uint64().Draw(t, "machine"), More: rapid.Bool().Draw(t, "more"),
		Fatal: rapid.String().Draw(t, "fatal"), Snapshot: SnapshotMark{rapid.Uint64().Draw(t, "index"), rapid.Uint64().Draw(t, "term")},
	}
	for range rapid.IntRange(0, 2).Draw(t, "appends") {
		r.Appends = append(r.Appends, Append{
			ID:        rapid.Uint64().Draw(t, "id"),
			HardState: HardState{rapid.Uint64().Draw(t, "term"), rapid.Uint64().Draw(t, "vote"), rapid.Uint64().Draw(t, "commit")},
			Entries:   drawEntries(t), Snapshot: SnapshotMark{Index: rapid.Uint64().Draw(t, "mark")}, Sync: rapid.Bool().Draw(t, "sync"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "messages") {
		r.Messages = append(r.Messages, drawMessage(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "replies") {
		r.Replies = append(r.Replies, Reply{
			ID: rapid.Uint64().Draw(t, "id"), Outcome: Outcome(rapid.IntRange(1, 3).Draw(t, "outcome")),
			Reason: Reason(rapid.IntRange(0, int(ReasonConnectionLost)).Draw(t, "reason")), Leader: rapid.Uint64().Draw(t, "leader"), Index: rapid.Uint64().Draw(t, "index"),
			Result: kv.Result{
				Status: kv.Status(rapid.IntRange(0, int(kv.Invalid)).Draw(t, "status")), Existed: rapid.Bool().Draw(t, "existed"), Replayed: rapid.Bool().Draw(t, "replayed"),
				Revision: rapid.Uint64().Draw(t, "revision"), CreateRevision: 1, ModRevision: 2, Version: 3, Session: 4,
			},
		})
	}
	if rapid.Bool().Draw(t, "with members") {
		m := drawMembership(t)
		r.Members = &m
	}
	if rapid.Bool().Draw(t, "with role") {
		r.Role = &Role{State: State(rapid.IntRange(0, 4).Draw(t, "state")), Term: rapid.Uint64().Draw(t, "term"), Leader: 3}
	}
	return r
}

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		b := AppendMessage(nil, m)
		got, err := DecodeMessage(b)
		require.NoError(t, err)
		require.Equal(t, b, AppendMessage(nil, got))
		if m.Reject == nil {
			got.Reject = nil
		}
		require.True(t, proto.Equal(m, got), "%v\n%v", m, got)
	})
}

func TestEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b := AppendEvent(nil, &e)
		got, err := DecodeEvent(b)
		require.NoError(t, err)
		require.Equal(t, b, AppendEvent(nil, &got))
		require.Equal(t, e.Command, got.Command)
		require.Equal(t, e.Change, got.Change)
		require.Equal(t, e.Staged, got.Staged)
		require.Equal(t, []any{e.Kind, e.Failed, e.ID, e.Now, e.Peer, e.Index}, []any{got.Kind, got.Failed, got.ID, got.Now, got.Peer, got.Index})
	})
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		b := AppendRecord(nil, &r)
		got, err := DecodeRecord(b)
		require.NoError(t, err)
		require.Equal(t, b, AppendRecord(nil, &got))
		require.Equal(t, r.Replies, got.Replies)
		require.Equal(t, r.Members, got.Members)
		require.Equal(t, r.Role, got.Role)
		require.Len(t, got.Appends, len(r.Appends))
	})
}

func TestMembershipRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, cs := drawMembership(t), drawConfState(t)
		got, gotState, err := DecodeMembership(AppendMembership(nil, m, cs))
		require.NoError(t, err)
		require.Equal(t, m, got)
		require.True(t, proto.Equal(cs, gotState))
	})
}

func TestDecodersSayWhere(t *testing.T) {
	whole := AppendMessage(nil, &raftpb.Message{Type: raftpb.MsgApp.Enum(), Entries: []*raftpb.Entry{{Data: []byte("x")}}})
	for cut := range whole {
		_, err := DecodeMessage(whole[:cut])
		var malformed *DecodeError
		require.ErrorAs(t, err, &malformed, "cut at %d", cut)
		require.LessOrEqual(t, malformed.Offset, cut)
	}
	_, err := DecodeMessage(append(whole, 0))
	require.ErrorContains(t, err, "left over")
	_, err = DecodeMessage(append([]byte{2}, whole[1:]...))
	require.ErrorContains(t, err, "version")
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add(AppendMessage(nil, &raftpb.Message{Type: raftpb.MsgApp.Enum(), Entries: []*raftpb.Entry{{Data: []byte("x")}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := DecodeMessage(b); err == nil {
			require.Equal(t, b, AppendMessage(nil, m))
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add(AppendEvent(nil, &Event{Kind: EventPropose, Command: &kv.Command{Kind: kv.Put, Key: []byte("k")}}))
	f.Add(AppendEvent(nil, &Event{Kind: EventReceive, Message: &raftpb.Message{}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := DecodeEvent(b); err == nil {
			require.Equal(t, b, AppendEvent(nil, &e))
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(AppendRecord(nil, &Record{Appends: []Append{{ID: 1}}, Replies: []Reply{{ID: 2, Outcome: Done}}, Role: &Role{}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRecord(b); err == nil {
			require.Equal(t, b, AppendRecord(nil, &r))
		}
	})
}

func FuzzDecodeMembership(f *testing.F) {
	m, cs := Founding(testMembers(1, 2, 3))
	f.Add(AppendMembership(nil, m, cs))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, cs, err := DecodeMembership(b); err == nil {
			require.Equal(t, b, AppendMembership(nil, m, cs))
		}
	})
}
