package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
)

// Reason says why a call was refused, or what made its outcome unknown.
type Reason = policy.Reason

// What errors.Is finds in the three typed errors.
var (
	ErrCondition = errors.New("lockstep: condition failed")
	ErrRefused   = errors.New("lockstep: refused, without effect")
	ErrUnknown   = errors.New("lockstep: outcome unknown")
)

// ConditionError says that a conditional write found the key in another state. Nothing was written, for sure. It is
// ErrCondition to errors.Is.
type ConditionError struct {
	Operation string // put or delete
	Exists    bool   // the key exists
	Revision  uint64 // of the store at which the condition was judged
	// ModRevision is what the key has, 0 if it does not exist. CreateRevision and Version are told by Put alone.
	ModRevision, CreateRevision, Version uint64
}

func (e *ConditionError) Error() string {
	if !e.Exists {
		return fmt.Sprintf("lockstep: %s not done: the key does not exist (store revision %d)", e.Operation, e.Revision)
	}
	return fmt.Sprintf("lockstep: %s not done: the key exists with mod revision %d (store revision %d); read it again and decide anew",
		e.Operation, e.ModRevision, e.Revision)
}

// Is says that it is ErrCondition.
func (e *ConditionError) Is(target error) bool { return target == ErrCondition }

// RefusedError says that a call had no effect and never will have one: it may safely be made again. It is ErrRefused to
// errors.Is; when the time ran out or the context ended it wraps context.DeadlineExceeded or context.Canceled.
type RefusedError struct {
	Operation string
	Reason    Reason
	Node      string // address of the node that said why, or else of the one that was asked last, if any
	Message   string // what that node said
	Attempts  int
	Cause     error // why no further attempt was made, if it was for the context or the deadline
}

func (e *RefusedError) Error() string {
	return describe(e.Operation+" refused, nothing was changed", e.Reason, e.Node, e.Message, e.Attempts, e.Cause) + refusedAdvice(e.Reason)
}

// Is says that it is ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// Unwrap returns Cause.
func (e *RefusedError) Unwrap() error { return e.Cause }

// UnknownError says that a write took effect once, or not at all, or may still do so. It is ErrUnknown to errors.Is; when
// the time ran out or the context ended it wraps context.DeadlineExceeded or context.Canceled.
type UnknownError struct {
	Operation string
	Reason    Reason // what made it unknown first
	Node      string // address of the node that was asked last
	Message   string // what that node said
	Attempts  int
	Cause     error // why no further attempt was made, if it was for the context or the deadline
}

func (e *UnknownError) Error() string {
	return describe(e.Operation+" has an unknown outcome", e.Reason, e.Node, e.Message, e.Attempts, e.Cause) +
		": it may have taken effect; read the key before you write it again"
}

// Is says that it is ErrUnknown.
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// Unwrap returns Cause.
func (e *UnknownError) Unwrap() error { return e.Cause }

func describe(what string, reason Reason, node, message string, attempts int, cause error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lockstep: %s: %v", what, reason)
	if message != "" {
		fmt.Fprintf(&b, " (%s)", message)
	}
	var details []string
	if attempts > 1 {
		details = append(details, fmt.Sprintf("%d attempts", attempts))
	}
	if node != "" {
		details = append(details, "last at "+node)
	}
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		details = append(details, "until the deadline")
	case cause != nil:
		details = append(details, "until the context ended: "+cause.Error())
	}
	if len(details) > 0 {
		fmt.Fprintf(&b, " [%s]", strings.Join(details, ", "))
	}
	return b.String()
}

// refusedAdvice says what to do next.
func refusedAdvice(r Reason) string {
	switch r {
	case policy.ReasonUnreachable:
		return "; check that the nodes run and that the addresses are their gRPC addresses"
	case policy.ReasonNoLeader, policy.ReasonNoAnswer:
		return "; check that a majority of the nodes runs, then try again"
	case policy.ReasonOverloaded, policy.ReasonTooMany:
		return "; send less at a time, or try again later"
	case policy.ReasonDataFull, policy.ReasonDiskFull:
		return "; delete keys or add room, then try again (deletes still work)"
	case policy.ReasonInvalid:
		return "; change the operation, trying again will not help"
	case policy.ReasonClosed:
		return "; make a new client"
	case policy.ReasonNotLeader:
		return "; leave the node to the client, or ask the leader"
	case policy.ReasonMembership:
		return "; look at the members and change the request"
	case policy.ReasonLearnerBehind:
		return "; wait until the learner has caught up (see the status of the leader), then try again"
	case policy.ReasonUnsupported:
		return "; check the server's version and your permissions"
	}
	return "; try again"
}
