package search

import (
	"github.com/cespare/xxhash/v2"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// specification is a sequential specification as the search needs it.
type specification[S any] interface {
	Start() S
	Replay(ops []model.Op, order []int32) error

	// step applies an operation and says whether it fits. It may leave out of the state what no operation can tell.
	step(state S, c *call) (S, bool)
	equal(a, b S) bool
	hash(state S) uint64
	// idle says that an operation of unknown outcome, which leads from before to after, had no effect worth a place in the
	// order: without it everything that could follow still can.
	idle(before, after S) bool
	// study fills in what the specification knows of an operation beforehand.
	study(c *call)
}

// keySpecification is that of one key.
type keySpecification struct {
	model.Key
	horizon horizon
	dead    map[int32]bool // see deadEnds
}

func newKeySpecification(spec model.Key, ops []model.Op, kept []int32) *keySpecification {
	return &keySpecification{Key: spec, horizon: newHorizon(ops, kept), dead: deadEnds(ops, kept)}
}

func (k *keySpecification) equal(a, b model.State) bool { return a == b }

func (k *keySpecification) hash(s model.State) uint64 {
	h := xxhash.Sum64String(s.Value.Data)
	if s.Value.Present {
		h = ^h
	}
	const odd = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio
	return (h^s.Revision*odd)*odd ^ s.Seen*odd
}

// idle ignores the newest revision known, which only refuses more as it grows.
func (k *keySpecification) idle(before, after model.State) bool {
	return before.Value == after.Value && before.Revision == after.Revision && before.Low == after.Low && before.High == after.High
}

func (k *keySpecification) study(c *call) {
	c.needs = k.needs(c.op)
	c.dead = k.dead[c.index]
	if c.op.Kind == history.Put && c.op.Writes() {
		c.nameless = !k.horizon.tells(c.op.Value, c.op.Invoke)
	}
}

// needs is false of a write without condition that does not tell what it found. Under a contract a delete's revision depends
// on whether it found the key.
func (k *keySpecification) needs(op *model.Op) bool {
	switch {
	case op.Kind == history.Get || op.Kind == history.Append:
		return true
	case op.Condition.Kind != history.Always || op.Existed != history.NotSaid || op.Outcome == history.ConditionFailed:
		return true
	}
	return op.Kind == history.Delete && k.Contract
}

func (k *keySpecification) step(s model.State, c *call) (model.State, bool) {
	next, ok := k.Step(s, *c.op)
	if !ok {
		return s, false
	}
	if !k.Contract && !k.horizon.revisions {
		next.Revision = 0
	}
	nameless := c.nameless
	if c.op.Kind == history.Append && c.op.Writes() {
		nameless = !k.horizon.tells(next.Value, c.op.Invoke)
	}
	if !nameless {
		return next, true
	}
	if c.op.Outcome == history.Unknown && next == s {
		return s, true // its condition did not hold
	}
	next.Value = k.horizon.nameless
	return next, !c.dead
}

// storeSpecification is that of a store with transactions. Its revisions have no gaps, so that every operation notices
// whether another one took effect.
type storeSpecification struct{ model.Store }

func (storeSpecification) equal(a, b model.StoreState) bool         { return a.Equal(b) }
func (storeSpecification) hash(s model.StoreState) uint64           { return s.Hash() }
func (storeSpecification) idle(before, after model.StoreState) bool { return before.Equal(after) }
func (storeSpecification) study(c *call)                            { c.needs = true }

func (m storeSpecification) step(s model.StoreState, c *call) (model.StoreState, bool) {
	return m.Step(s, *c.op)
}
