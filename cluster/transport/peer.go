package transport

import (
	"context"

	"go.etcd.io/raft/v3/raftpb"
)

// peer holds the three links to one node.
type peer struct {
	id       uint64
	address  string
	counters *counters
	t        *Transport
	control  *link
	bulk     *link
	forward  *link
	cancel   context.CancelFunc
}

// startPeer is called with t.mu held.
func (t *Transport) startPeer(id uint64, address string) *peer {
	ctx, cancel := context.WithCancel(t.ctx)
	p := &peer{id: id, address: address, counters: t.idle[id], t: t, cancel: cancel}
	if p.counters == nil {
		p.counters = &counters{}
	}
	delete(t.idle, id)
	control := newOutbox(controlMessagesMax, controlBytesMax)
	bulk := newOutbox(bulkMessagesMax, bulkBytesMax)
	p.control = newLink(p, Control, control)
	p.bulk = newLink(p, Bulk, bulk)
	p.forward = newLink(p, Forward, newCallbox(t.handler.Answered))
	for _, l := range []*link{p.control, p.bulk, p.forward} {
		t.work.Go(func() { l.run(ctx) })
	}
	return p
}

func (p *peer) stop() { p.cancel() }

// send queues the message on its link and reports the first drop of an episode.
func (p *peer) send(m *raftpb.Message) {
	l := p.bulk
	if onControl(m.GetType()) {
		l = p.control
	}
	queued, first := l.box.(*outbox).push(m)
	if !queued {
		p.counters[l.kind].dropped.Add(1)
	}
	if first {
		p.t.handler.Unreachable(p.id)
	}
}

// kick ends the backoff of all links: the peer is there, since it dialled this node.
func (p *peer) kick() {
	for _, l := range []*link{p.control, p.bulk, p.forward} {
		l.kick()
	}
}

// reset breaks the current connection of all links: the peer went silent.
func (p *peer) reset() {
	for _, l := range []*link{p.control, p.bulk, p.forward} {
		l.reset()
	}
}

// onControl says which messages go apart from appends, so that none of them waits behind megabytes.
func onControl(k raftpb.MessageType) bool {
	switch k {
	case raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgPreVote,
		raftpb.MsgPreVoteResp, raftpb.MsgReadIndex, raftpb.MsgReadIndexResp, raftpb.MsgTimeoutNow, raftpb.MsgTransferLeader:
		return true
	}
	return false
}
