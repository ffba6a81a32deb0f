package witness

import (
	"cmp"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// spare holds the writes of one key whose revision no result of theirs tells.
type spare struct {
	puts, deletes, appends pool
	byValue                map[string]uint64 // the lowest floor of the puts of a value; made when first needed
}

// pool holds writes as floors: by is the write, whose revision must exceed that of the floor.
type pool struct {
	writes []floor
	low    uint64 // the lowest floor: whatever revision one of the writes may have had, its write may have had too
}

func (p *pool) add(above uint64, op int32) {
	if len(p.writes) == 0 || above < p.low {
		p.low = above
	}
	p.writes = append(p.writes, floor{above, op})
}

// lowest returns the lowest floor, and whether there is one.
func (p *pool) lowest() (uint64, bool) { return p.low, len(p.writes) > 0 }

func (s *spare) add(o *history.Operation, above uint64, op int32) {
	switch o.Kind {
	case history.Put:
		s.puts.add(above, op)
	case history.Delete:
		s.deletes.add(above, op)
	case history.Append:
		s.appends.add(above, op)
	}
}

// lowestOf is the puts' lowest for one value.
func (t *timeline) lowestOf(v history.Value) (uint64, bool) {
	if t.spare.byValue == nil {
		t.spare.byValue = map[string]uint64{}
		for _, f := range t.spare.puts.writes {
			value := t.Operations[f.by].Value.Data
			if low, ok := t.spare.byValue[value]; !ok || f.revision < low {
				t.spare.byValue[value] = f.revision
			}
		}
	}
	low, ok := t.spare.byValue[v.Data]
	return low, ok
}

// matching gives the claims of a key to the writes that may have made them: each write has one revision at most, above its
// floor. Claims come in ascending order and each takes the lowest floor left among the writes of its value. If that one is too
// high, the claims so far are more than the writes that can have made them (Hall's condition).
type matching struct {
	*timeline
	writes  map[string][]floor // by value, by floor
	taken   map[string][]claim
	refused map[string]int32 // the first refused put of each value
}

func newMatching(t *timeline) *matching {
	m := &matching{timeline: t, writes: map[string][]floor{}, taken: map[string][]claim{}, refused: map[string]int32{}}
	for _, i := range slices.Backward(t.ops) {
		if o := &t.Operations[i]; o.Outcome == history.Refused && o.Kind == history.Put {
			m.refused[o.Value.Data] = i
		}
	}
	for _, f := range t.spare.puts.writes {
		value := t.Operations[f.by].Value.Data
		m.writes[value] = append(m.writes[value], f)
	}
	for _, writes := range m.writes {
		slices.SortFunc(writes, func(a, b floor) int {
			return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.by, b.by))
		})
	}
	return m
}

// explain says whether a write at the claimed revision is certain. If the claims up to this one can't all be true it accuses
// this one's result.
func (m *matching) explain(c claim) bool {
	if g := m.granted(c.revision); g != none {
		m.accuse(verdict.RevisionMismatch, c.by, m.otherWrite(c.by, g, c.revision), g)
		return false
	}
	if m.open(c) {
		return len(m.spare.appends.writes) > 0 && !m.Origin.Initial.Present
	}
	if !c.known {
		low, ok := m.spare.puts.lowest()
		if !ok || low >= c.revision {
			m.accuse(verdict.Phantom, c.by, m.nobodyWrote(c))
			return false
		}
		return true
	}
	value := c.value.Data
	taken, writes := m.taken[value], m.writes[value]
	if len(taken) == len(writes) || writes[len(taken)].revision >= c.revision {
		m.refute(c, taken, writes)
		return false
	}
	m.taken[value] = append(taken, c)
	return true
}

// open says whether a claim may come from the initial state or from an append, whose result nobody knows.
func (m *matching) open(c claim) bool {
	initial := m.Origin.Initial
	if initial.Present && (!c.known || c.value == initial) {
		return true
	}
	low, ok := m.spare.appends.lowest()
	return ok && low < c.revision
}

// refute accuses the result of a claim for which no write is left.
func (m *matching) refute(c claim, taken []claim, writes []floor) {
	if len(taken) > 0 {
		also := []int32{}
		for _, earlier := range taken {
			also = append(also, earlier.by)
		}
		for _, w := range writes[:min(len(writes), len(taken)+1)] {
			also = append(also, w.by)
		}
		m.accuse(verdict.Phantom, c.by, m.tooFew(c, taken[len(taken)-1], len(writes)), also...)
		return
	}
	if len(writes) > 0 {
		m.tooLate(c, writes[0].by)
		return
	}
	if i, ok := m.elsewhere(c); ok {
		m.accuse(verdict.RevisionMismatch, c.by, m.underAnother(c, i), i)
		return
	}
	if i, ok := m.refused[c.value.Data]; ok {
		m.accuse(verdict.RefusedRead, c.by, m.wasRefused(c.by, i), i)
		return
	}
	m.accuse(verdict.Phantom, c.by, m.nobodyWrote(c))
}

// tooLate accuses a result of a value whose writes were all invoked after the store had passed the claimed revision.
func (m *matching) tooLate(c claim, writer int32) {
	reader, passed := &m.Operations[c.by], m.floors[writer].by
	switch {
	case reader.Return >= m.Operations[writer].Invoke:
		m.accuse(verdict.RevisionBackwards, c.by, m.passed(c, writer, passed), writer, passed)
	case reader.Stale:
		m.accuse(verdict.StaleReadImpossible, c.by, m.beforeItsWrite(c.by, writer), writer)
	default:
		m.accuse(verdict.FutureRead, c.by, m.beforeItsWrite(c.by, writer), writer)
	}
}

// only returns the write that must have made the claim, or none.
func (m *matching) only(c claim) int32 {
	if !c.known || m.open(c) || len(m.writes[c.value.Data]) != 1 {
		return none
	}
	return m.writes[c.value.Data][0].by
}

// settle takes the writes whose revisions are all claimed out of the spare ones: they can't have had another.
func (m *matching) settle() {
	rest := pool{}
	for _, f := range m.spare.puts.writes {
		if value := m.Operations[f.by].Value.Data; len(m.taken[value]) < len(m.writes[value]) {
			rest.add(f.revision, f.by)
		}
	}
	m.spare.puts = rest
}

// elsewhere finds a write that is done and wrote the claimed value under another revision.
func (m *matching) elsewhere(c claim) (int32, bool) {
	for _, i := range m.ops {
		if o := &m.Operations[i]; o.Kind == history.Put && o.Outcome == history.Done && o.Value == c.value && o.Revision != 0 {
			return i, true
		}
	}
	return none, false
}
