package witness

import (
	"cmp"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// point is a revision at which the key is known to have been written, and what it held from there on. The zero revision
// stands for the key's initial state.
type point struct {
	revision uint64
	by       int32 // the write, or the first result that named it
	writer   int32 // the operation of unknown outcome that must have written it, if by is a result and only one can have
	told     bool  // by is a result
	soft     bool  // by is a delete that may have found nothing: the key was absent from here on, or had been before
	present  bool
	known    bool // value is known
	value    history.Value
	// seen is the newest revision at which a result still met this point, so that nothing was written in between.
	seen   uint64
	seenBy int32
}

// claim is a write at a revision that a result named and that no done write of the key has.
type claim struct {
	revision uint64
	by       int32
	known    bool
	value    history.Value
	seen     uint64
	seenBy   int32
}

// timeline is what is known of one key by revision.
type timeline struct {
	*ledger
	key    string
	ops    []int32
	points []point // ascending, one for each revision
	claims []claim
	spare  spare
}

// judge looks for breaches that concern one key.
func (l *ledger) judge(part history.Partition) {
	t := &timeline{ledger: l, key: part.Key, ops: part.Operations}
	t.addWrites()
	t.addResults()
	t.addClaims()
	for _, i := range t.ops {
		t.checkResult(i)
	}
	t.checkClaimed()
	for _, i := range t.ops {
		t.checkTime(i)
	}
}

// addWrites makes the points of the writes that are done, and gathers the writes whose revision is not told.
func (t *timeline) addWrites() {
	for _, i := range t.ops {
		o := &t.Operations[i]
		if hidden(o) {
			t.spare.add(o, t.floors[i].revision, i)
			continue
		}
		if how := changed(o); how != never && o.Revision != 0 {
			p := point{revision: o.Revision, by: i, writer: none, soft: how == perhaps, seenBy: none}
			p.present = o.Kind != history.Delete
			p.known = o.Kind != history.Append
			if o.Kind == history.Put {
				p.value = o.Value
			}
			t.points = append(t.points, p)
		}
	}
	slices.SortFunc(t.points, comparePoints)
	t.points = slices.CompactFunc(t.points, func(a, b point) bool { return a.revision == b.revision })
}

// comparePoints orders by revision, certain writes first.
func comparePoints(a, b point) int {
	switch {
	case a.revision != b.revision:
		return cmp.Compare(a.revision, b.revision)
	case a.soft != b.soft:
		if b.soft {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.by, b.by)
}

// find returns the place of the newest point up to a revision, -1 for none.
func (t *timeline) find(revision uint64) int {
	n, ok := slices.BinarySearchFunc(t.points, revision, func(p point, r uint64) int { return cmp.Compare(p.revision, r) })
	if ok {
		return n
	}
	return n - 1
}

// state returns the newest point up to a revision: the initial state if there is none.
func (t *timeline) state(revision uint64) point {
	if n := t.find(revision); n >= 0 {
		return t.points[n]
	}
	initial := t.Origin.Initial
	return point{by: none, writer: none, present: initial.Present, known: true, value: initial, seenBy: none}
}

// addResults compares each revision that a result names with the write that has it. Those that no done write has become claims.
func (t *timeline) addResults() {
	for _, i := range t.ops {
		c, ok := t.named(i)
		if !ok {
			continue
		}
		if n := t.find(c.revision); n >= 0 && t.points[n].revision == c.revision && !t.points[n].soft {
			t.meet(&t.points[n], c)
		} else {
			t.claims = append(t.claims, c)
		}
	}
}

// named returns the revision of the key that a result names, and accuses results that contradict themselves.
func (t *timeline) named(i int32) (claim, bool) {
	o := &t.Operations[i]
	switch {
	case !result(o):
		return claim{}, false
	case o.Kind == history.Get || o.Outcome == history.ConditionFailed:
		return t.observed(i)
	case o.Condition.Kind != history.RevisionEquals || o.Condition.Revision == 0 || o.Revision == 0 || changed(o) != certainly:
		return claim{}, false
	case o.Condition.Revision >= o.Revision:
		t.accuse(verdict.RevisionMismatch, i, t.metItsFuture(i))
		return claim{}, false
	}
	return claim{revision: o.Condition.Revision, by: i, seen: o.Revision - 1, seenBy: i}, true
}

// observed is named for a read or a failed condition.
func (t *timeline) observed(i int32) (claim, bool) {
	o := &t.Operations[i]
	known := o.Kind == history.Get || o.HasObserved
	switch {
	case o.KeyRevision == 0:
		return claim{}, false
	case known && !o.Observed.Present:
		t.accuse(verdict.RevisionMismatch, i, t.nothingNamed(i))
		return claim{}, false
	case o.Revision != 0 && o.KeyRevision > o.Revision:
		t.accuse(verdict.RevisionMismatch, i, t.aheadOfItself(i))
		return claim{}, false
	case o.Outcome == history.ConditionFailed && o.Condition.Kind == history.RevisionEquals && o.Condition.Revision == o.KeyRevision:
		t.accuse(verdict.RevisionMismatch, i, t.failedThough(i))
		return claim{}, false
	}
	return claim{revision: o.KeyRevision, by: i, known: known, value: o.Observed, seen: max(o.Revision, o.KeyRevision), seenBy: i}, true
}

// meet compares a result with the done write that it names.
func (t *timeline) meet(p *point, c claim) {
	reader, writer := &t.Operations[c.by], &t.Operations[p.by]
	switch {
	case !p.present || c.known && p.known && c.value != p.value:
		t.accuse(verdict.RevisionMismatch, c.by, t.otherWrite(c.by, p.by, c.revision), p.by)
	case reader.Return < writer.Invoke:
		kind := verdict.FutureRead
		if reader.Stale {
			kind = verdict.StaleReadImpossible
		}
		t.accuse(kind, c.by, t.beforeItsWrite(c.by, p.by), p.by)
		t.excuse(p.by)
	default:
		p.meet(c)
	}
}

// meet notes that a result still met the point.
func (p *point) meet(c claim) {
	if c.seen > p.seen {
		p.seen, p.seenBy = c.seen, c.seenBy
	}
}

// merge brings the claims of one revision together. Two values under one revision are two versions of the truth.
func (t *timeline) merge() {
	slices.SortFunc(t.claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.by, b.by))
	})
	kept := t.claims[:0]
	for _, c := range t.claims {
		if len(kept) == 0 || kept[len(kept)-1].revision != c.revision {
			kept = append(kept, c)
			continue
		}
		last := &kept[len(kept)-1]
		switch {
		case last.known && c.known && last.value != c.value:
			t.accuse(verdict.SplitBrain, c.by, t.twoValues(last.by, c.by, c.revision), last.by)
			continue
		case c.known && !last.known:
			last.by, last.known, last.value = c.by, true, c.value
		}
		if c.seen > last.seen {
			last.seen, last.seenBy = c.seen, c.seenBy
		}
	}
	t.claims = kept
}

// addClaims finds for each claim an operation of unknown outcome that may have written it, and makes points of the claims.
func (t *timeline) addClaims() {
	if len(t.claims) == 0 {
		return
	}
	t.merge()
	m := newMatching(t)
	for _, c := range t.claims {
		if !m.explain(c) {
			continue
		}
		t.ledger.claims = append(t.ledger.claims, c)
		t.points = append(t.points, point{
			revision: c.revision, by: c.by, writer: m.only(c), told: true, present: true, known: c.known, value: c.value,
			seen: c.seen, seenBy: c.seenBy,
		})
	}
	m.settle()
	slices.SortStableFunc(t.points, func(a, b point) int { return cmp.Compare(a.revision, b.revision) })
	t.points = slices.CompactFunc(t.points, func(a, b point) bool { return a.revision == b.revision })
}
