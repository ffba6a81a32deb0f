package witness

import (
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// want is what a result demands of the key's state.
type want uint8

const (
	anything want = iota
	isAbsent
	isPresent
	atRevision    // it was written at demand.revision
	notAtRevision // it was written at another one, or is absent
	equals        // it is demand.value, which is present
	differs       // it is not demand.value, which is present
)

// demand is what a result tells of the newest write of its key up to a revision.
type demand struct {
	op       int32
	at       uint64
	want     want
	revision uint64
	value    history.Value
	// through is the result that tells the revision of op, if op is of unknown outcome.
	through int32
}

// fits says whether a state meets the demand, or may: the value of an append is not known.
func (d demand) fits(p point) bool {
	switch d.want {
	case atRevision:
		return p.revision == d.revision
	case isAbsent:
		return !p.present
	case isPresent:
		return p.present
	case equals:
		return p.present && (!p.known || p.value == d.value)
	case differs:
		return !p.present || !p.known || p.value != d.value
	case notAtRevision:
		return !p.present || p.revision != d.revision
	}
	return true
}

// checkResult compares what an operation tells of its key's state with the writes that are known.
func (t *timeline) checkResult(i int32) {
	o := &t.Operations[i]
	if !result(o) || o.Revision == 0 {
		return
	}
	switch {
	case o.Kind == history.Get:
		t.check(t.observing(demand{op: i, at: o.Revision, through: none}, o))
	case o.Outcome == history.ConditionFailed:
		d := demand{op: i, at: o.Revision, through: none}
		if o.KeyRevision != 0 || o.HasObserved {
			d = t.observing(d, o)
		} else {
			d = d.unless(o.Condition)
		}
		t.check(d)
	default:
		t.checkWrite(demand{op: i, at: o.Revision, through: none}, o)
	}
}

// checkWrite checks the state that a write that is done found. One that changed the key found it as it was before.
func (t *timeline) checkWrite(d demand, o *history.Operation) {
	switch changed(o) {
	case perhaps:
		return // it found what it found
	case certainly:
		d.at--
	}
	t.check(d.when(o.Condition))
	switch o.Existed {
	case history.Yes:
		d.want = isPresent
	case history.No:
		d.want = isAbsent
	default:
		return
	}
	t.check(d)
}

// observing completes the demand of a result that tells what it saw.
func (t *timeline) observing(d demand, o *history.Operation) demand {
	switch {
	case o.KeyRevision != 0:
		d.want, d.revision = atRevision, o.KeyRevision
	case o.Observed.Present:
		d.want, d.value = equals, o.Observed
	default:
		d.want = isAbsent
	}
	return d
}

// when completes the demand of a condition that held.
func (d demand) when(c history.Condition) demand {
	there, told := presupposes(c)
	switch {
	case !told:
	case !there:
		d.want = isAbsent
	case c.Kind == history.MustExist:
		d.want = isPresent
	case c.Kind == history.ValueEquals:
		d.want, d.value = equals, c.Value
	case c.Kind == history.RevisionEquals:
		d.want, d.revision = atRevision, c.Revision
	}
	return d
}

// unless completes the demand of a condition that did not hold.
func (d demand) unless(c history.Condition) demand {
	there, told := presupposes(c)
	switch {
	case !told:
	case !there:
		d.want = isPresent
	case c.Kind == history.MustExist:
		d.want = isAbsent
	case c.Kind == history.ValueEquals:
		d.want, d.value = differs, c.Value
	case c.Kind == history.RevisionEquals:
		d.want, d.revision = notAtRevision, c.Revision
	}
	return d
}

// checkClaimed checks the conditions of the operations of unknown outcome whose revision a result tells.
func (t *timeline) checkClaimed() {
	for n := range t.points {
		p := &t.points[n]
		if p.writer == none || t.accusedOf(p.writer) {
			continue
		}
		o := &t.Operations[p.writer]
		if o.Condition.Kind == history.RevisionEquals && o.Condition.Revision >= p.revision {
			continue // the tiers tell
		}
		t.check(demand{op: p.writer, at: p.revision - 1, through: p.by}.when(o.Condition))
	}
}

// check accuses the operation if the newest write that is known does not meet the demand, and no write whose revision is not
// known can have come behind it.
func (t *timeline) check(d demand) {
	if d.want == anything || t.accusedOf(d.op) {
		return
	}
	p := t.state(d.at)
	if d.fits(p) {
		return
	}
	low := max(p.revision, p.seen)
	if d.want == atRevision {
		if p.revision < d.revision {
			return // its claim was refused, or has no point
		}
		t.overwritten(d, t.points[t.find(d.revision)+1])
		return
	}
	if low < d.at && t.mayTurn(d, low) {
		return
	}
	t.contradict(d, p)
}

// mayTurn says whether a write whose revision is not known may have met the demand between two revisions.
func (t *timeline) mayTurn(d demand, low uint64) bool {
	may := func(above uint64, ok bool) bool { return ok && t.free(max(low, above), d.at) }
	switch d.want {
	case isAbsent:
		return may(t.spare.deletes.lowest())
	case isPresent:
		return may(t.spare.puts.lowest()) || may(t.spare.appends.lowest())
	case equals:
		return may(t.lowestOf(d.value)) || may(t.spare.appends.lowest())
	}
	return may(t.spare.deletes.lowest()) || may(t.spare.puts.lowest()) || may(t.spare.appends.lowest())
}

// overwritten accuses an operation that met a write after the next one, p, had replaced it.
func (t *timeline) overwritten(d demand, p point) {
	o, writer := &t.Operations[d.op], &t.Operations[p.by]
	kind := verdict.StaleRead
	switch {
	case o.Stale:
		kind = verdict.StaleReadImpossible
	case o.Kind != history.Get && o.Outcome != history.ConditionFailed:
		kind = verdict.LostUpdate
		if !p.told && writer.Condition == o.Condition {
			kind = verdict.DoubleCompareAndSet
		}
	case !p.present:
		kind = verdict.ResurrectedDelete
	}
	t.accuse(kind, d.op, t.replaced(d, p, kind), t.evidence(d, p)...)
}

// contradict accuses an operation that does not fit the newest write of its key.
func (t *timeline) contradict(d demand, p point) {
	o := &t.Operations[d.op]
	reads := o.Kind == history.Get || o.Outcome == history.ConditionFailed
	kind := verdict.Unorderable
	switch {
	case o.Stale:
		kind = verdict.StaleReadImpossible
	case !p.present && p.by == none && (d.want == isPresent || d.want == equals):
		kind = verdict.Phantom
	case !p.present && (d.want == isPresent || d.want == equals):
		kind = verdict.ResurrectedDelete
	case !reads && p.by != none && t.rivals(d.op, p):
		kind = verdict.DoubleCompareAndSet
	case d.want == isAbsent && p.by != none:
		kind = verdict.LostUpdate
	case d.want == equals && p.by != none && !reads:
		kind = verdict.LostUpdate
	case d.want == equals && p.by != none && t.held(d.value, p.revision):
		kind = verdict.StaleRead
	}
	t.accuse(kind, d.op, t.misfit(d, p, kind), t.evidence(d, p)...)
}

// rivals says whether two writes succeeded on one condition that the first of them must have ended.
func (t *timeline) rivals(op int32, p point) bool {
	a, b := t.Operations[op].Condition, t.Operations[p.by].Condition
	return !p.told && a.Kind != history.Always && a == b
}

// neighboursMax bounds the points that are looked at to find a better word for one breach, so that a store that breaks all its
// promises is judged as fast as one that keeps them.
const neighboursMax = 1000

// held says whether the key is known to have held a value shortly before a revision.
func (t *timeline) held(v history.Value, before uint64) bool {
	past := t.points[:t.find(before)]
	for _, p := range past[max(0, len(past)-neighboursMax):] {
		if p.known && p.value == v {
			return true
		}
	}
	return t.Origin.Initial == v
}

// evidence returns the operations that refute a demand beside the one that makes it.
func (t *timeline) evidence(d demand, p point) []int32 {
	ops := []int32{p.by, p.writer, d.through}
	if d.want != atRevision && p.seen > p.revision && p.seen >= d.at {
		ops = append(ops, p.seenBy)
	}
	return ops
}

// checkTime accuses an operation whose revision is older than one that had been returned before it was invoked.
func (t *timeline) checkTime(i int32) {
	o, above := &t.Operations[i], t.floors[i]
	if !result(o) || o.Stale || o.Revision == 0 || above.by == none || t.accusedOf(i) {
		return
	}
	if o.Revision > above.revision || o.Revision == above.revision && changed(o) != certainly {
		return
	}
	if o.Kind == history.Get || o.Outcome == history.ConditionFailed {
		if p, ok := t.missed(o); ok {
			kind := verdict.StaleRead
			if !p.present && o.Observed.Present {
				kind = verdict.ResurrectedDelete
			}
			t.accuse(kind, i, t.tooOld(i, p), p.by)
			return
		}
	}
	if !t.blamed(above.by) {
		t.accuse(verdict.RevisionBackwards, i, t.backwards(i, above.by), above.by)
	}
}

// missed returns the first write of the key that a read should have seen and did not.
func (t *timeline) missed(o *history.Operation) (point, bool) {
	later := t.points[t.find(o.Revision)+1:]
	for _, p := range later[:min(len(later), neighboursMax)] {
		if !p.told && !p.soft && t.Operations[p.by].Return < o.Invoke {
			return p, true
		}
	}
	return point{}, false
}
