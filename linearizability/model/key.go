// Package model says what a key may do: the sequential specification that all tiers share.
//
// Key.Step is the whole of it for one key. Prepare turns a partition of a history into the operations that Step takes, and
// Replay verifies an order of them in full, which is how an accepted order becomes a proof.
package model

import "github.com/lockstepdb/lockstep/linearizability/history"

// Key is the specification of one key.
type Key struct {
	// Initial is what the key holds before the first operation.
	Initial history.Value
	// Contract makes revisions part of the result: see history.Contract. Otherwise they only decide conditions on revisions.
	Contract bool
}

// State is what a key holds between two operations. States are comparable.
type State struct {
	Value history.Value
	// Revision is the mod revision of a present value, 0 if it is not told or the key is absent.
	Revision uint64
	// Seen is the newest store revision known so far; only a contract keeps it.
	Seen uint64
	// Low and High bound the revision of a present value whose revision is not told (contract only; High 0: no bound).
	Low, High uint64
}

// Op is an operation together with the revision that it wrote: its own if it is done, and that which somebody read if its
// outcome is unknown. 0: not told.
type Op struct {
	*history.Operation
	Wrote uint64
}

// Start returns the state before the first operation.
func (k Key) Start() State { return State{Value: k.Initial} }

// Step applies an operation and says whether its result fits the state. The operation must constrain (see
// history.Operation.Constrains). An operation of unknown outcome always fits: where its condition does not hold it has no
// effect, and one that never took effect fits after all others.
func (k Key) Step(s State, o Op) (State, bool) {
	switch {
	case o.Outcome == history.Unknown:
		return k.perhaps(s, o)
	case o.Kind == history.Get || o.Outcome == history.ConditionFailed:
		return k.observe(s, o)
	}
	return k.write(s, o)
}

// perhaps applies an operation of unknown outcome.
func (k Key) perhaps(s State, o Op) (State, bool) {
	if !holds(s, o.Condition) || o.Kind == history.Delete && !s.Value.Present {
		// Somebody read what it wrote, so it did take effect, and not here.
		return s, !k.Contract || o.Wrote == 0
	}
	if k.Contract {
		if o.Wrote != 0 && o.Wrote <= s.Seen {
			return s, false
		}
		low := s.Seen + 1
		s.Seen = max(s.Seen+1, o.Wrote)
		s = effect(s, o)
		s.Low, s.High = 0, 0
		if s.Value.Present && s.Revision == 0 {
			s.Low = low
		}
		return s, true
	}
	return effect(s, o), true
}

// observe checks a read or a failed condition.
func (k Key) observe(s State, o Op) (State, bool) {
	if o.Kind == history.Get && o.Observed != s.Value {
		return s, false
	}
	if o.Outcome == history.ConditionFailed && (holds(s, o.Condition) || o.HasObserved && o.Observed != s.Value) {
		return s, false
	}
	return k.sees(s, o)
}

// sees checks the revisions of a result that changed nothing.
func (k Key) sees(s State, o Op) (State, bool) {
	if !k.Contract {
		return s, true
	}
	if o.Revision != 0 && o.Revision < s.Seen {
		return s, false
	}
	if s.Value.Present && s.Revision == 0 {
		if o.KeyRevision != 0 {
			if o.KeyRevision < s.Low || s.High != 0 && o.KeyRevision > s.High {
				return s, false
			}
			s.Revision = o.KeyRevision
		} else if o.Revision != 0 && (s.High == 0 || o.Revision < s.High) {
			s.High = o.Revision
		}
		if s.High != 0 && s.High == s.Low {
			s.Revision = s.High
		}
		if s.Revision != 0 {
			s.Low, s.High = 0, 0
			if o.Outcome == history.ConditionFailed && holds(s, o.Condition) {
				return s, false
			}
		}
	}
	if o.KeyRevision != 0 && (!s.Value.Present || s.Revision != o.KeyRevision) {
		return s, false
	}
	s.Seen = max(s.Seen, o.Revision, o.KeyRevision)
	return s, true
}

// write checks and applies a write that is done.
func (k Key) write(s State, o Op) (State, bool) {
	if !holds(s, o.Condition) {
		return s, false
	}
	if o.Existed == history.Yes && !s.Value.Present || o.Existed == history.No && s.Value.Present {
		return s, false
	}
	if o.Kind == history.Delete && !s.Value.Present {
		return k.sees(s, o)
	}
	if k.Contract && o.Revision != 0 {
		if o.Revision <= s.Seen {
			return s, false
		}
		s.Seen = o.Revision
	}
	if k.Contract {
		low := s.Seen + 1
		if o.Revision == 0 {
			s.Seen++
		}
		s = effect(s, o)
		s.Low, s.High = 0, 0
		if s.Value.Present && s.Revision == 0 {
			s.Low = low
		}
		return s, true
	}
	return effect(s, o), true
}

// effect returns the state after a write.
func effect(s State, o Op) State {
	s.Revision = o.Wrote
	switch o.Kind {
	case history.Put:
		s.Value = o.Value
	case history.Append:
		s.Value = history.Of(s.Value.Data + o.Value.Data)
	case history.Delete:
		s.Value, s.Revision = history.Absent, 0
	}
	return s
}

// holds says whether a condition holds. A present value whose revision is not told equals no revision: nobody met
// it, see Prepared.Guess.
func holds(s State, c history.Condition) bool {
	switch c.Kind {
	case history.MustNotExist:
		return !s.Value.Present
	case history.MustExist:
		return s.Value.Present
	case history.ValueEquals:
		return s.Value == c.Value
	case history.RevisionEquals:
		if c.Revision == 0 {
			return !s.Value.Present
		}
		return s.Value.Present && s.Revision == c.Revision
	}
	return true
}
