package explain

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// answer is what a sweep finds out.
type answer uint8

const (
	undecided answer = iota
	possible
	impossible
)

// pendingMax bounds how many operations of a set may be under way at once; a set with more is undecided.
const pendingMax = 64

// sweep decides a set of operations by going through its invocations and returns in order of time, with all states that the
// key may be in and, for each, which of the pending operations have taken effect. An operation takes effect at the latest
// when it returns: this is the just-in-time linearization of Lowe, "Testing for linearizability" (2017), section 4, done
// breadth first, so that the moment at which no state is left is where the set becomes impossible.
type sweep struct {
	spec      model.Key
	lens      *lens
	slots     [pendingMax]model.Op
	pending   uint64 // slots in use
	observers uint64 // slots whose operation changes nothing
	free      []free // those that may appear now
	configs   []config
	spare     []config
	stack     []config
	visited   map[config]struct{}
	steps     *int64 // left
}

// config is one way in which the key may have come to where the sweep is.
type config struct {
	state   model.State
	applied uint64 // pending slots that have taken effect
}

// event is something that a sweep does at a time, in the order of the phases: operations that touch are concurrent, and what
// stops to matter with the last return still matters to it.
type event struct {
	at    int64
	phase phase
	op    int32 // of the set, or an index of a free effect
}

type phase uint8

const (
	invokes    phase = iota
	appears          // a free effect begins
	disappears       // a free effect ends
	returns
	retires // an operation of unknown outcome matters no more
)

// member is an operation of the set as a sweep takes it.
type member struct {
	op    model.Op
	once  bool // may take effect once or never
	until int64
	slot  int8
}

// run returns whether the set is possible, and if not the index of the member that completes the contradiction.
func (s *sweep) run(members []member, frees []free) (answer, int) {
	s.visited = map[config]struct{}{}
	s.configs = append(s.configs[:0], config{state: s.lens.see(s.spec.Start())})
	for _, e := range schedule(members, frees) {
		switch e.phase {
		case appears:
			s.free = append(s.free, frees[e.op])
		case disappears:
			s.expand(-1)
			s.free = slices.DeleteFunc(s.free, func(f free) bool { return f == frees[e.op] })
		case invokes:
			if !s.admit(&members[e.op]) {
				return undecided, 0
			}
		case retires, returns:
			s.leave(&members[e.op])
			if len(s.configs) == 0 && *s.steps > 0 {
				return impossible, int(e.op)
			}
		}
		if *s.steps <= 0 {
			return undecided, 0
		}
	}
	return possible, 0
}

// schedule returns the events up to the last return, in order.
func schedule(members []member, frees []free) []event {
	events := make([]event, 0, 2*(len(members)+len(frees)))
	last := never
	for i, m := range members {
		if m.once && m.until < m.op.Invoke {
			continue
		}
		events = append(events, event{at: m.op.Invoke, phase: invokes, op: int32(i)})
		if m.once {
			events = append(events, event{at: m.until, phase: retires, op: int32(i)})
			continue
		}
		events = append(events, event{at: end(m.op), phase: returns, op: int32(i)})
		last = max(last, end(m.op))
	}
	for i, f := range frees {
		events = append(events, event{at: f.from, phase: appears, op: int32(i)}, event{at: f.until, phase: disappears, op: int32(i)})
	}
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.phase, b.phase))
	})
	for i := len(events); i > 0; i-- {
		if events[i-1].phase == returns && events[i-1].at == last {
			return events[:i]
		}
	}
	return nil
}

// admit gives an invoked operation a slot.
func (s *sweep) admit(m *member) bool {
	slot := bits.TrailingZeros64(^s.pending)
	if slot >= pendingMax {
		return false
	}
	m.slot = int8(slot)
	s.slots[slot] = m.op
	s.pending |= 1 << slot
	if !m.once && !m.op.Writes() && !s.spec.Contract {
		s.observers |= 1 << slot
		for i := range s.configs {
			s.configs[i] = s.settle(s.configs[i])
		}
	}
	return true
}

// leave ends an operation: one that returned must have taken effect.
func (s *sweep) leave(m *member) {
	bit := uint64(1) << m.slot
	if !m.once {
		s.expand(int(m.slot))
	}
	s.pending &^= bit
	s.observers &^= bit
	s.forget()
	kept := s.configs[:0]
	for _, c := range s.configs {
		c.applied &^= bit
		if _, seen := s.visited[c]; !seen {
			s.visited[c] = struct{}{}
			kept = append(kept, c)
		}
	}
	s.configs = kept
}

// forget empties visited. A map that grew large once would be slow to clear for ever.
func (s *sweep) forget() {
	const large = 1024
	if len(s.visited) > large {
		s.visited = map[config]struct{}{}
	}
	clear(s.visited)
}

// expand lets pending operations and free effects happen in all ways. With a slot, what remains is where its operation has
// taken effect, and nothing happens after that; without (-1), all that can be reached remains.
func (s *sweep) expand(target int) {
	var bit uint64
	if target >= 0 {
		bit = 1 << target
	}
	s.forget()
	out := s.spare[:0]
	s.stack = s.stack[:0]
	reach := func(c config) {
		if _, seen := s.visited[c]; seen {
			return
		}
		s.visited[c] = struct{}{}
		if target < 0 || c.applied&bit != 0 {
			out = append(out, c)
		}
		if target < 0 || c.applied&bit == 0 {
			s.stack = append(s.stack, c)
		}
	}
	for _, c := range s.configs {
		reach(c)
	}
	for len(s.stack) > 0 && *s.steps > 0 {
		c := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		s.branch(c, reach)
	}
	s.spare, s.configs = s.configs, out
}

// branch calls reach with everything that may happen next.
func (s *sweep) branch(c config, reach func(config)) {
	for rest := s.pending &^ c.applied; rest != 0; rest &= rest - 1 {
		slot := bits.TrailingZeros64(rest)
		*s.steps--
		next, ok := s.spec.Step(c.state, s.slots[slot])
		if !ok || s.slots[slot].Outcome == history.Unknown && next == c.state {
			continue
		}
		reach(s.settle(config{s.lens.see(next), c.applied | 1<<slot}))
	}
	for _, f := range s.free {
		*s.steps--
		if next, ok := f.apply(s.spec, c.state); ok {
			reach(s.settle(config{s.lens.see(next), c.applied}))
		}
	}
}

// settle lets all pending operations that change nothing and fit the state take effect: earlier is never worse.
func (s *sweep) settle(c config) config {
	for rest := s.observers &^ c.applied; rest != 0; rest &= rest - 1 {
		slot := bits.TrailingZeros64(rest)
		*s.steps--
		if _, ok := s.spec.Step(c.state, s.slots[slot]); ok {
			c.applied |= 1 << slot
		}
	}
	return c
}

// apply returns the state after a free effect. Under a contract one with a revision appears once, and one without moves no
// newest revision.
func (f free) apply(spec model.Key, s model.State) (model.State, bool) {
	if spec.Contract && f.wrote != 0 {
		if f.wrote <= s.Seen {
			return s, false
		}
		s.Seen = f.wrote
	}
	s.Revision = f.wrote
	switch f.kind {
	case history.Put:
		s.Value = history.Of(f.value)
	case history.Append:
		s.Value = history.Of(s.Value.Data + f.value)
	case history.Delete:
		s.Value, s.Revision = history.Absent, 0
	}
	return s, true
}
