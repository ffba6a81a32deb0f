package witness

import (
	"fmt"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// client returns what an operation's client is called.
func (l *ledger) client(i int32) string { return l.ClientName(l.Operations[i].Client) }

// call returns what was asked and by whom: "get k1 by client 3", "put v7 if absent on k1 by client 3".
func (l *ledger) call(i int32) string {
	o := &l.Operations[i]
	if o.Kind == history.Get {
		return fmt.Sprintf("%s %s by %s", o.Call(), history.Text(o.Key), l.client(i))
	}
	return fmt.Sprintf("%s on %s by %s", o.Call(), history.Text(o.Key), l.client(i))
}

// told returns call and result: "get k1 by client 3 returned v7 (revision 9) at revision 12".
func (l *ledger) told(i int32) string {
	o := &l.Operations[i]
	s := l.call(i)
	switch {
	case o.Outcome == history.ConditionFailed:
		s += " failed" + met(o)
	case o.Outcome == history.Unknown:
		return s + ", whose outcome is unknown,"
	case o.Kind != history.Get && o.Existed == history.No:
		s += " found nothing"
	case o.Kind != history.Get && o.Existed == history.Yes:
		s += " found the key"
	case o.Kind != history.Get:
		s += " succeeded"
	case !o.Observed.Present:
		s += " found nothing"
	case o.KeyRevision != 0:
		s += fmt.Sprintf(" returned %s (revision %d)", o.Observed, o.KeyRevision)
	default:
		s += fmt.Sprintf(" returned %s", o.Observed)
	}
	if o.Revision != 0 {
		s += fmt.Sprintf(" at revision %d", o.Revision)
	}
	return s
}

// met returns what a failed condition met: " meeting v7 (revision 9)".
func met(o *history.Operation) string {
	switch {
	case o.HasObserved && !o.Observed.Present:
		return " meeting nothing"
	case o.HasObserved && o.KeyRevision != 0:
		return fmt.Sprintf(" meeting %s (revision %d)", o.Observed, o.KeyRevision)
	case o.HasObserved:
		return " meeting " + o.Observed.String()
	case o.KeyRevision != 0:
		return fmt.Sprintf(" meeting revision %d", o.KeyRevision)
	}
	return ""
}

// deed returns a write as somebody's: "client 1's put of v8 (revision 11)".
func (l *ledger) deed(i int32) string {
	o := &l.Operations[i]
	s := l.client(i) + "'s "
	switch o.Kind {
	case history.Put:
		s += "put of " + o.Value.String()
	case history.Append:
		s += "append of " + o.Value.String()
	default:
		s += noun(o.Kind)
	}
	s += o.Condition.String()
	if o.Revision != 0 && o.Outcome != history.Unknown {
		s += fmt.Sprintf(" (revision %d)", o.Revision)
	}
	return s
}

// noun returns the word for a write.
func noun(k history.Kind) string {
	switch k {
	case history.Put:
		return "put"
	case history.Append:
		return "append"
	}
	return "delete"
}

// cause returns the write at a point.
func (l *ledger) cause(p point) string {
	switch {
	case p.by == none:
		return "the initial state"
	case !p.told:
		return l.deed(p.by)
	case p.writer != none:
		return fmt.Sprintf("%s (revision %d, as %s was told)", l.deed(p.writer), p.revision, l.client(p.by))
	case p.known:
		return fmt.Sprintf("the write of %s that %s was told of (revision %d)", p.value, l.client(p.by), p.revision)
	}
	return fmt.Sprintf("the write that %s was told of (revision %d)", l.client(p.by), p.revision)
}

// when says that a point was there before an operation began, if so by the clock and otherwise by revision.
func (l *ledger) when(p point, i int32) string {
	if p.by != none && l.Operations[p.by].Return < l.Operations[i].Invoke {
		return "before " + l.client(i) + " asked"
	}
	return "by then"
}

// verb returns what a write did to what was there before.
func (p point) verb() string {
	if p.present {
		return "overwritten"
	}
	return "deleted"
}

func (l *ledger) twice(first, second int32) string {
	a, b := &l.Operations[first], &l.Operations[second]
	if a.Client == b.Client {
		return fmt.Sprintf("%s on %s and %s's %s on %s both took effect at revision %d, which one write alone can have",
			l.deedAlone(first), history.Text(a.Key), l.client(second), b.Call(), history.Text(b.Key), b.Revision)
	}
	return fmt.Sprintf("%s on %s and %s's %s on %s were both given revision %d, so two leaders handed it out",
		l.deedAlone(first), history.Text(a.Key), l.client(second), b.Call(), history.Text(b.Key), b.Revision)
}

// deedAlone returns a write without its revision: "client 1's put v8".
func (l *ledger) deedAlone(i int32) string { return l.client(i) + "'s " + l.Operations[i].Call() }

func (l *ledger) twoKeys(a, b int32, revision uint64) string {
	return fmt.Sprintf("%s and %s both name revision %d, but one write has one key", l.told(a), l.told(b), revision)
}

func (l *ledger) twoValues(a, b int32, revision uint64) string {
	return fmt.Sprintf("%s, but %s: revision %d can't have written both", l.told(a), l.told(b), revision)
}

func (l *ledger) metItsFuture(i int32) string {
	return fmt.Sprintf("%s, so it met a revision that was not older than its own", l.told(i))
}

func (l *ledger) nothingNamed(i int32) string {
	return fmt.Sprintf("%s, and yet named revision %d of the key", l.told(i), l.Operations[i].KeyRevision)
}

func (l *ledger) aheadOfItself(i int32) string {
	return fmt.Sprintf("%s, so it saw a write that is newer than the store was", l.told(i))
}

func (l *ledger) failedThough(i int32) string {
	return fmt.Sprintf("%s, which is what it asked for", l.told(i))
}

func (l *ledger) otherWrite(reader, writer int32, revision uint64) string {
	w := &l.Operations[writer]
	return fmt.Sprintf("%s, but revision %d is that of %s's %s on %s",
		l.told(reader), revision, l.client(writer), w.Call(), history.Text(w.Key))
}

func (l *ledger) beforeItsWrite(reader, writer int32) string {
	return fmt.Sprintf("%s before %s asked for the %s that wrote it", l.told(reader), l.client(writer), noun(l.Operations[writer].Kind))
}

func (l *ledger) nobodyWrote(c claim) string {
	if c.known {
		return fmt.Sprintf("%s, but nobody wrote %s under revision %d", l.told(c.by), c.value, c.revision)
	}
	return fmt.Sprintf("%s, but nobody wrote %s under revision %d", l.told(c.by), history.Text(l.Operations[c.by].Key), c.revision)
}

func (l *ledger) underAnother(c claim, writer int32) string {
	return fmt.Sprintf("%s, but %s was written under revision %d, by %s", l.told(c.by), c.value, l.Operations[writer].Revision, l.client(writer))
}

func (l *ledger) tooFew(c, earlier claim, writes int) string {
	return fmt.Sprintf("%s, and %s knew %s under revision %d, but of its writes with an unknown outcome (%d) too few can have had these revisions",
		l.told(c.by), l.client(earlier.by), c.value, earlier.revision, writes)
}

func (l *ledger) wasRefused(reader, writer int32) string {
	return fmt.Sprintf("%s, which only %s wrote, and that was refused", l.told(reader), l.deed(writer))
}

func (l *ledger) passed(c claim, writer, passed int32) string {
	return fmt.Sprintf("%s, but %s, which wrote it, was asked for only after %s", l.told(c.by), l.deed(writer), l.told(passed))
}

// says is told for the operation that makes a demand. That of one of unknown outcome is known by another's result.
func (t *timeline) says(d demand) string {
	if d.through == none {
		return t.told(d.op)
	}
	return fmt.Sprintf("%s, whose outcome is unknown, took effect at revision %d, as %s was told", t.call(d.op), d.at+1, t.client(d.through))
}

func (t *timeline) replaced(d demand, p point, kind verdict.Kind) string {
	switch kind {
	case verdict.DoubleCompareAndSet:
		return fmt.Sprintf("%s, and so did %s, though only one write can follow revision %d", t.says(d), t.deed(p.by), d.revision)
	case verdict.LostUpdate:
		return fmt.Sprintf("%s, but revision %d had been %s by %s", t.says(d), d.revision, p.verb(), t.cause(p))
	}
	return fmt.Sprintf("%s, which %s had %s %s", t.says(d), t.cause(p), p.verb(), t.when(p, d.op))
}

func (t *timeline) misfit(d demand, p point, kind verdict.Kind) string {
	s := t.says(d)
	switch {
	case kind == verdict.DoubleCompareAndSet:
		s += fmt.Sprintf(", and so did %s, though its condition no longer held then", t.deed(p.by))
	case p.by == none && !p.present:
		s += fmt.Sprintf(", but nobody had written %s by then", history.Text(t.key))
	case !p.present:
		s += fmt.Sprintf(", but %s had removed the key %s", t.cause(p), t.when(p, d.op))
	case d.want == isAbsent:
		s += fmt.Sprintf(", but %s had taken effect %s and nothing removed it", t.cause(p), t.when(p, d.op))
	case p.known:
		s += fmt.Sprintf(", but what the key held was %s, from %s", p.value, t.cause(p))
	default:
		s += fmt.Sprintf(", but what the key held was from %s", t.cause(p))
	}
	if p.seenBy != none && p.seen >= d.at {
		s += fmt.Sprintf(", since %s still met that at revision %d", t.client(p.seenBy), t.Operations[p.seenBy].Revision)
	} else if t.unsettled() {
		s += ", and no write of unknown outcome can have changed that in time"
	}
	return s
}

// unsettled says whether the key has writes whose revision nobody knows.
func (t *timeline) unsettled() bool {
	return len(t.spare.puts.writes)+len(t.spare.deletes.writes)+len(t.spare.appends.writes) > 0
}

func (l *ledger) tooOld(i int32, p point) string {
	return fmt.Sprintf("%s, which misses %s, done before %s asked", l.told(i), l.cause(p), l.client(i))
}

func (l *ledger) backwards(i, before int32) string {
	return fmt.Sprintf("%s, but %s before %s asked: revisions went backwards", l.told(i), l.told(before), l.client(i))
}
