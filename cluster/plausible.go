package cluster

import (
	"go.etcd.io/raft/v3/raftpb"
)

// indexMax bounds an index that is believed: one more can be added to it, and a few after that.
const indexMax = 1 << 62

// plausible says whether a peer of this version could have sent the message to this node. A message that passed the
// transport's checksums and the decoder can still come from a faulty or a newer release; raft takes it on trust.
func plausible(m *raftpb.Message, self uint64) bool {
	if m.GetTo() != self || m.GetFrom() == self || m.GetFrom() == 0 || m.GetFrom() > indexMax || m.GetIndex() > indexMax {
		return false
	}
	switch m.GetType() {
	case raftpb.MsgReadIndex:
		return m.GetTerm() == 0 && len(m.GetEntries()) == 1 // raft's one question without a term
	case raftpb.MsgReadIndexResp:
		return m.GetTerm() > 0 && len(m.GetEntries()) == 1
	case raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp:
		return m.GetTerm() > 0 && (len(m.GetContext()) == 0 || len(m.GetContext()) == 8)
	case raftpb.MsgApp:
		return m.GetTerm() > 0 && entriesFollow(m)
	case raftpb.MsgSnap:
		return m.GetTerm() > 0 && m.GetSnapshot().GetMetadata().GetConfState() != nil
	case raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgPreVote, raftpb.MsgPreVoteResp, raftpb.MsgTimeoutNow:
		return m.GetTerm() > 0 // without one raft takes a message for its own, of whatever age
	}
	return false
}

// entriesFollow says whether an append's entries come one after the other behind its index, in terms that a leader could have.
func entriesFollow(m *raftpb.Message) bool {
	index, term := m.GetIndex(), m.GetLogTerm()
	for _, e := range m.GetEntries() {
		index++
		if e.GetIndex() != index || e.GetTerm() < term || e.GetTerm() > m.GetTerm() {
			return false
		}
		if e.GetType() != raftpb.EntryNormal && e.GetType() != raftpb.EntryConfChangeV2 {
			return false
		}
		term = e.GetTerm()
	}
	return true
}
