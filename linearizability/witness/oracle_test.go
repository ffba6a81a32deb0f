package witness

import (
	"math"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// oracle is a second implementation of the contract that is too dumb to be wrong: it tries all orders of all operations over
// all keys, and all revisions for writes whose results tell none. Stale reads take part as reads that may be as old as they
// like.
type oracle struct {
	ops     []history.Operation
	initial history.Value
	newest  uint64 // the newest revision in any result
	first   uint64 // the oldest revision of a write that is done, or that is in the order
	past    uint64 // the newest revision that was taken for that of an initial state
	used    []bool
	keys    map[string]held
	seen    uint64
	latest  int64
	steps   int
}

type held struct {
	value   history.Value
	mod     uint64
	written bool
}

// possible says whether a correct store can have given these results.
func possible(h *history.History) bool {
	o := oracle{initial: h.Origin.Initial, keys: map[string]held{}, latest: math.MinInt64, first: math.MaxUint64}
	for _, op := range h.Operations {
		if op.Outcome == history.Refused || op.Kind == history.Get && op.Outcome != history.Done {
			continue
		}
		if op.Stale {
			op.Invoke = math.MinInt64
		}
		if op.Outcome == history.Unknown {
			op.Revision, op.KeyRevision, op.Existed = 0, 0, history.NotSaid
		}
		o.ops = append(o.ops, op)
		if op.Revision != 0 && changed(&op) == certainly {
			o.first = min(o.first, op.Revision)
		}
		o.newest = max(o.newest, op.Revision, op.KeyRevision, op.Condition.Revision)
	}
	o.used = make([]bool, len(o.ops))
	return o.search()
}

func (o *oracle) search() bool {
	o.steps++
	done := true
	soonest := int64(math.MaxInt64)
	for i, op := range o.ops {
		if !o.used[i] && op.Outcome != history.Unknown {
			done = false
			soonest = min(soonest, op.Return)
		}
	}
	if done {
		return true
	}
	if soonest < o.latest {
		return false
	}
	for i, op := range o.ops {
		if !o.used[i] && op.Invoke <= soonest && o.try(i) {
			return true
		}
	}
	return false
}

// try puts an operation next.
func (o *oracle) try(i int) bool {
	op := o.ops[i]
	was, ok := o.keys[op.Key]
	if !ok {
		was = held{value: o.initial}
	}
	seen, latest, first, past := o.seen, o.latest, o.first, o.past
	o.used[i], o.latest = true, max(o.latest, op.Invoke)
	found := o.apply(op, was)
	if !found {
		o.used[i], o.latest, o.seen, o.keys[op.Key] = false, latest, seen, was
		o.first, o.past = first, past
	}
	return found
}

func (o *oracle) apply(op history.Operation, was held) bool {
	holds, open := was.holds(op.Condition)
	switch {
	case op.Outcome == history.Unknown:
		if !holds && !open || op.Kind == history.Delete && !was.value.Present {
			return false // to leave it out is the same
		}
		return o.write(op, was)
	case op.Kind == history.Get || op.Outcome == history.ConditionFailed:
		if op.Kind != history.Get && holds && !open || (op.Kind == history.Get || op.HasObserved) && op.Observed != was.value {
			return false
		}
		if op.KeyRevision != 0 && !was.is(op.KeyRevision) || op.KeyRevision != 0 && !was.written && !o.old(op.KeyRevision) {
			return false
		}
		if op.Revision != 0 && op.KeyRevision > op.Revision {
			return false
		}
		return o.see(op.Revision) && o.search()
	}
	if !holds && !open || open && !o.old(op.Condition.Revision) {
		return false
	}
	if op.Existed == history.Yes && !was.value.Present || op.Existed == history.No && was.value.Present {
		return false
	}
	if op.Kind == history.Delete && !was.value.Present {
		return o.see(op.Revision) && o.search()
	}
	return o.write(op, was)
}

// is says whether the key may have a mod revision. That of the initial state is any, below all revisions of the run.
func (h held) is(revision uint64) bool { return h.value.Present && (!h.written || h.mod == revision) }

// old says whether the initial state may have had a revision, and remembers that it had.
func (o *oracle) old(revision uint64) bool {
	o.past = max(o.past, revision)
	return revision < o.first
}

// holds says whether a condition holds. It is open if that depends on the revision of the initial state.
func (h held) holds(c history.Condition) (holds, open bool) {
	if c.Kind == history.RevisionEquals && c.Revision != 0 && h.value.Present && !h.written {
		return false, true
	}
	return meets(c, version{value: h.value, mod: h.mod}), false
}

func (o *oracle) see(revision uint64) bool {
	if revision == 0 {
		return true
	}
	if revision < o.seen {
		return false
	}
	o.seen = revision
	return true
}

// write tries the revisions that a write may have.
func (o *oracle) write(op history.Operation, was held) bool {
	from, to := o.seen+1, max(o.newest, o.seen)+1
	if op.Revision != 0 {
		if op.Revision <= o.seen {
			return false
		}
		from, to = op.Revision, op.Revision
	}
	now := held{written: true}
	switch op.Kind {
	case history.Put:
		now.value = op.Value
	case history.Append:
		now.value = history.Of(was.value.Data + op.Value.Data)
	}
	first := o.first
	for r := from; r <= to; r++ {
		if r <= o.past {
			continue
		}
		o.seen, o.first = r, min(first, r)
		if now.mod = 0; now.value.Present {
			now.mod = r
		}
		o.keys[op.Key] = now
		if o.search() {
			return true
		}
	}
	return false
}
