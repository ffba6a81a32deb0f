package server

import (
	"context"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
)

// RequestKind says what a Request is.
type RequestKind uint8

const (
	Write RequestKind = iota + 1 // Command is proposed
	Read                         // a linearizable read: once Done with outcome cluster.Done the caller reads Backend.Machine
)

// Request is one operation on its way through the node. The caller owns it before Submit and again once Done was called.
type Request struct {
	Kind    RequestKind
	Command kv.Command // Write only; key and value must stay unchanged until Done
	// DeadlineNanos, when not 0, is in the host's monotonic nanoseconds (Backend.Now): a request that was not proposed by then is
	// refused (ReasonCanceled); one that was proposed and is not answered by then is Unknown (a Write) or refused (a Read), with ReasonExpired.
	DeadlineNanos int64
	// NoForward: this node answers itself or refuses with ReasonNotLeader (Write only).
	NoForward bool

	Reply cluster.Reply
	// Done is called exactly once, from the node's own goroutine: it must not block and must not call Submit.
	Done func(*Request)

	// Caller is the caller's own, so that one Done can serve many requests; the host leaves it alone.
	Caller any

	ID uint64 // the host's
}

// Backend is what the servers need of the node; the host implements it.
type Backend interface {
	// Submit hands requests to the node with one wake-up. It never blocks: beyond the queue's bound a request's Done is
	// called at once with ReasonOverloaded. Writes on a follower are forwarded to the leader unless NoForward says otherwise.
	Submit(requests ...*Request)
	// Now is the host's monotonic clock in nanoseconds.
	Now() int64
	// Machine is the serving state machine.
	Machine() *kv.Machine
	Status() cluster.Status
	// Transfer hands leadership over, to 0 for the best voter, and returns when another node leads. Called on any node.
	Transfer(ctx context.Context, to uint64) error
	// ChangeMember changes the membership, on any node. *cluster.Rejection tells refused from unknown.
	ChangeMember(ctx context.Context, change cluster.MemberChange) error
	// Stopping is closed when the node begins a graceful stop.
	Stopping() <-chan struct{}
}
