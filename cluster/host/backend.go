package host

import (
	"context"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/cluster/transport"
	"github.com/lockstepdb/lockstep/kv"
)

var _ server.Backend = (*Host)(nil)

// Submit hands requests to the node; see server.Backend.
func (h *Host) Submit(requests ...*server.Request) { h.queue.submit(requests) }

// Machine is the serving state machine; empty until Run has recovered it.
func (h *Host) Machine() *kv.Machine { return h.machine.Load() }

// Status is at most a tick old, and follows a change of role or membership at once.
func (h *Host) Status() cluster.Status { return *h.status.Load() }

// Stopping is closed when a graceful stop begins.
func (h *Host) Stopping() <-chan struct{} { return h.stopping }

// Transfer hands leadership over, to 0 for the best voter, and returns when another node leads. *cluster.Rejection says why it did not.
func (h *Host) Transfer(ctx context.Context, to uint64) error {
	r, err := h.await(ctx, &call{kind: transport.CallTransfer, peer: to, forward: true})
	if err != nil {
		return err
	}
	h.awaitLeader(ctx, r.Leader)
	return nil
}

// awaitLeader returns when this node has heard of the leader as well, or ctx ends.
func (h *Host) awaitLeader(ctx context.Context, leader uint64) {
	poll := time.NewTicker(leaderPollInterval)
	defer poll.Stop()
	for h.Status().Role.Leader != leader {
		select {
		case <-ctx.Done():
			return
		case <-h.life.Done():
			return
		case <-poll.C:
		}
	}
}

// ChangeMember changes the membership. A member that is added must name its instance: without it the node could lose its directory
// and vote again.
func (h *Host) ChangeMember(ctx context.Context, change cluster.MemberChange) error {
	if change.Kind == cluster.AddLearner && change.Member.Instance == (cluster.Instance{}) {
		return &cluster.Rejection{Outcome: cluster.Refused, Reason: cluster.ReasonMembership}
	}
	_, err := h.await(ctx, &call{kind: transport.CallChangeMember, change: change, forward: true})
	return err
}

// await gives a call to the loop and waits for its answer or the caller's end, after which the outcome is not known.
func (h *Host) await(ctx context.Context, c *call) (cluster.Reply, error) {
	if deadline, ok := ctx.Deadline(); ok {
		c.deadline = h.nanos(deadline)
	}
	answer := make(chan cluster.Reply, 1)
	c.done = func(r cluster.Reply) { answer <- r }
	h.queue.pushCall(c)
	select {
	case r := <-answer:
		if r.Outcome == cluster.Done {
			return r, nil
		}
		return r, &cluster.Rejection{Outcome: r.Outcome, Reason: r.Reason, Leader: r.Leader}
	case <-ctx.Done():
		return cluster.Reply{}, &cluster.Rejection{Outcome: cluster.Unknown, Reason: cluster.ReasonExpired, Leader: h.Status().Role.Leader}
	}
}
