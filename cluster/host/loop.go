package host

import (
	"context"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/cluster/transport"
)

// Recorder gets the batches given to Node.Step, before each Step. Events are only valid within the call.
type Recorder interface {
	Record(events []cluster.Event)
}

// loop owns the node. Everything here runs on its goroutine.
type loop struct {
	host     *Host
	node     *cluster.Node
	recorder Recorder

	slab     slab
	role     cluster.Role
	answered int // requests that were answered since the last swap
	spare    batch
	events   []cluster.Event
	messages []*raftpb.Message // of one Step, without snapshots
	statusAt int64             // when the published status was made
}

// run turns until ctx ends, and then answers whoever waits.
func (l *loop) run(ctx context.Context) {
	defer l.abandon()
	for more := false; ; {
		if !more {
			select {
			case <-ctx.Done():
			case <-l.host.queue.wake:
			}
		}
		if ctx.Err() != nil {
			return
		}
		more = l.turn()
	}
}

// turn takes what is waiting through the node. more says that the node wants another turn.
func (l *loop) turn() (more bool) {
	b := l.host.queue.swap(l.spare, l.answered)
	l.answered = 0
	now := l.host.Now() // after the swap: later than the arrival of every request in the batch
	l.events = l.events[:0]
	for i := range b.events {
		l.event(now, b.events[i])
	}
	for _, r := range b.requests {
		l.request(now, r)
	}
	for _, c := range b.calls {
		l.call(now, c)
	}
	for i := range b.answers {
		l.reply(&b.answers[i])
	}
	l.slab.overdue(now, func(id uint64, v *slot) { l.overdue(now, id, v) })
	if len(l.events) == 0 {
		l.event(now, cluster.Event{Kind: cluster.EventTick, Now: now})
	}
	more = l.step()
	l.spare = b
	l.publish(now, b.tick)
	return more
}

// event queues an event for the node; each Step's begins with the time.
func (l *loop) event(now int64, e cluster.Event) {
	if len(l.events)%stepEventsMax == 0 && e.Kind != cluster.EventTick {
		l.events = append(l.events, cluster.Event{Kind: cluster.EventTick, Now: now})
	}
	l.events = append(l.events, e)
}

// step gives the node its events, in bounded portions.
func (l *loop) step() (more bool) {
	for from := 0; from < len(l.events); from += stepEventsMax {
		portion := l.events[from:min(from+stepEventsMax, len(l.events))]
		if l.recorder != nil {
			l.recorder.Record(portion)
		}
		began := time.Now()
		effects := l.node.Step(portion...)
		l.host.metrics.stepDuration.Observe(time.Since(began).Seconds())
		l.releaseUnused(portion, &effects)
		l.carryOut(&effects)
		more = effects.More && effects.Fatal == nil
	}
	clear(l.events)
	return more
}

// releaseUnused lets the files go of received snapshots that the node had no use for. That of one that it takes is held until
// its mark is in the log.
func (l *loop) releaseUnused(events []cluster.Event, e *cluster.Effects) {
	for i := range events {
		if staged := events[i].Staged; staged != nil && !e.Takes(staged) {
			l.host.store.Release(cluster.SnapshotMark{Index: staged.Meta.Index, Term: staged.Meta.Term})
		}
	}
}

// request takes a request in: to the node, or on to the leader.
func (l *loop) request(now int64, r *server.Request) {
	v := slot{request: r, deadline: r.DeadlineNanos, began: now}
	switch {
	case v.deadline != 0 && v.deadline <= now:
		l.finish(&v, cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonCanceled})
	case r.Kind == server.Read:
		r.ID = l.slab.add(v)
		l.event(now, cluster.Event{Kind: cluster.EventRead, ID: r.ID})
	case l.elsewhere() && !r.NoForward:
		r.ID = l.slab.add(v)
		l.forward(now, r.ID, &transport.Call{Kind: transport.CallWrite, Command: &r.Command})
	default:
		r.ID = l.slab.add(v)
		l.event(now, cluster.Event{Kind: cluster.EventPropose, ID: r.ID, Command: &r.Command})
	}
}

// elsewhere says that another node leads.
func (l *loop) elsewhere() bool {
	return l.role.State != cluster.Leader && l.role.Leader != 0 && l.role.Leader != l.host.config.Node
}

// call takes a membership change or a leader transfer in.
func (l *loop) call(now int64, c *call) {
	id := l.slab.add(slot{call: c, deadline: c.deadline, began: now})
	switch {
	case l.elsewhere() && c.forward:
		l.forward(now, id, &transport.Call{Kind: c.kind, Change: c.change, Peer: c.peer})
	case c.kind == transport.CallTransfer:
		l.event(now, cluster.Event{Kind: cluster.EventTransfer, ID: id, Peer: c.peer})
	default:
		l.event(now, cluster.Event{Kind: cluster.EventChangeMember, ID: id, Change: &c.change})
	}
}

// forward sends a request on to the leader.
func (l *loop) forward(now int64, id uint64, c *transport.Call) {
	v := l.slab.get(id)
	if v.deadline != 0 && v.deadline <= now {
		l.reply(&cluster.Reply{ID: id, Outcome: cluster.Refused, Reason: cluster.ReasonCanceled})
		return
	}
	v.forwarded, v.peer = true, l.role.Leader
	c.ID = id
	if v.deadline != 0 {
		c.Timeout = time.Duration(v.deadline - now)
	}
	l.host.metrics.forwarded.Inc()
	l.host.transport.Forward(v.peer, c)
}

// overdue gives a request up whose deadline has passed: one that the node has is canceled there, which answers it.
func (l *loop) overdue(now int64, id uint64, v *slot) {
	if !v.forwarded {
		v.canceled = true
		l.event(now, cluster.Event{Kind: cluster.EventCancel, ID: id})
		return
	}
	r := cluster.Reply{ID: id, Outcome: cluster.Unknown, Reason: cluster.ReasonExpired, Leader: v.peer}
	if l.host.transport.Withdraw(v.peer, id) {
		r.Outcome, r.Reason = cluster.Refused, cluster.ReasonCanceled
	}
	l.reply(&r)
}

// carryOut does what the node asks for. The machine goes first, since a read that is released is made from it.
func (l *loop) carryOut(e *cluster.Effects) {
	h := l.host
	if e.Machine != nil {
		h.machine.Store(e.Machine)
	}
	if e.Role != nil {
		l.onRole(*e.Role)
	}
	if e.Members != nil {
		l.onMembers(e.Members)
	}
	if len(e.Appends) > 0 || e.Compact > 0 {
		h.writer.push(e.Appends, e.Compact)
	}
	l.send(e.Messages)
	for i := range e.Replies {
		l.reply(&e.Replies[i])
	}
	if e.Snapshot != nil {
		h.saveSnapshot(e.Snapshot)
	}
	if e.Fatal != nil {
		h.fail(e.Fatal)
	}
}

// send hands messages on; a snapshot is streamed first.
func (l *loop) send(messages []*raftpb.Message) {
	l.messages = l.messages[:0]
	for _, m := range messages {
		if m.GetType() == raftpb.MsgSnap {
			l.host.sendSnapshot(m)
			continue
		}
		l.messages = append(l.messages, m)
	}
	l.host.transport.Send(l.messages)
	clear(l.messages)
}

func (l *loop) onRole(r cluster.Role) {
	before := l.role
	l.role = r
	l.statusAt = 0
	switch {
	case r.Leader == before.Leader && r.Term == before.Term:
	case r.Leader != 0:
		l.host.metrics.leaderChanges.Inc()
		l.host.log.Info("leader elected", "leader", r.Leader, "term", r.Term)
	case before.Leader != 0:
		l.host.log.Warn("leader lost", "leader", before.Leader, "term", r.Term)
	}
}

func (l *loop) onMembers(m *cluster.Membership) {
	l.host.identity.setMembership(*m)
	l.host.connect()
	l.statusAt = 0
	l.host.log.Info("membership changed", "members", len(m.Members), "removed", len(m.Removed))
}

// reply answers a request, or sends it on when it turned out that another node leads.
func (l *loop) reply(r *cluster.Reply) {
	v := l.slab.get(r.ID)
	if v == nil {
		return // answered already: its deadline passed while it was with another node
	}
	if l.sendOn(r, v) {
		return
	}
	done := *v
	l.slab.release(r.ID)
	l.finish(&done, *r)
}

// sendOn forwards a write that this node refused only because another one leads. A request is sent on once.
func (l *loop) sendOn(r *cluster.Reply, v *slot) bool {
	w := v.request
	if r.Outcome != cluster.Refused || r.Reason != cluster.ReasonNotLeader || v.forwarded || v.canceled || w == nil || w.Kind != server.Write || w.NoForward || !l.elsewhere() {
		return false
	}
	l.forward(l.host.Now(), r.ID, &transport.Call{Kind: transport.CallWrite, Command: &w.Command})
	return true
}

// finish tells the caller.
func (l *loop) finish(v *slot, r cluster.Reply) {
	l.answered++
	l.host.metrics.observeReply(v, &r, l.host.Now())
	if v.request != nil {
		v.request.Reply = r
		v.request.Done(v.request)
		return
	}
	v.call.done(r)
}

// publish makes a status for everyone else: at ticks, after changes, and often while the node is not ready.
func (l *loop) publish(now int64, tick bool) {
	if !tick && l.statusAt != 0 && now-l.statusAt < int64(statusInterval) {
		return
	}
	l.statusAt = now
	s := l.node.Status()
	s.Cluster = l.host.config.Cluster
	l.host.identity.overlay(&s.Membership)
	l.host.status.Store(&s)
}

// abandon answers whoever still waits: what reached the node, or the leader, may have taken effect.
func (l *loop) abandon() {
	rest := l.host.queue.close(cluster.ReasonStopping)
	for i := range rest.answers {
		l.reply(&rest.answers[i])
	}
	l.slab.each(func(id uint64, v *slot) {
		r := cluster.Reply{ID: id, Outcome: cluster.Unknown, Reason: cluster.ReasonStopping}
		if v.request != nil && v.request.Kind == server.Read {
			r.Outcome = cluster.Refused
		}
		done := *v
		l.slab.release(id)
		l.finish(&done, r)
	})
	for _, r := range rest.requests {
		l.finish(&slot{request: r}, cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonStopping})
	}
	for _, c := range rest.calls {
		l.finish(&slot{call: c}, cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonStopping})
	}
}
