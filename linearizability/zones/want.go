package zones

import (
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// want is what an operation's result says of the key's state just before it. For one of unknown outcome it is what the
// state must have been if the operation took effect.
type want struct {
	kind     wantKind
	value    string // of wantValue
	revision uint64 // of wantRevision and wantHinted
}

type wantKind uint8

const (
	wantNothing  wantKind = iota
	wantValue             // present, with this value
	wantAbsent            // absent
	wantPresent           // present, with any value
	wantRevision          // present, written at this revision
	wantHinted            // the result carries the revision that it met, which only a contract makes binding
	wantUntold            // something that the result does not tell
	wantNever             // no state fits
)

// wantOf returns what an operation that constrains says of the state before it.
func wantOf(o *model.Op) want {
	switch {
	case o.Outcome == history.ConditionFailed:
		return wantOfFailed(o)
	case o.Kind == history.Get:
		return wantThe(o.Observed)
	}
	w := wantOfCondition(o.Condition)
	if o.Outcome == history.Done {
		w = w.and(o.Existed)
	}
	return w
}

// wantThe asks for one value or for absence.
func wantThe(v history.Value) want {
	if !v.Present {
		return want{kind: wantAbsent}
	}
	return want{kind: wantValue, value: v.Data}
}

// wantOfCondition is what must hold for a write to take effect.
func wantOfCondition(c history.Condition) want {
	switch c.Kind {
	case history.MustNotExist:
		return want{kind: wantAbsent}
	case history.MustExist:
		return want{kind: wantPresent}
	case history.ValueEquals:
		return wantThe(c.Value)
	case history.RevisionEquals:
		if c.Revision == 0 {
			return want{kind: wantAbsent}
		}
		return want{kind: wantRevision, revision: c.Revision}
	}
	return want{}
}

// wantOfFailed is what a failed condition says. That the condition did not hold is checked here, except for a condition on
// a revision, which key.look compares with the writer.
func wantOfFailed(o *model.Op) want {
	holds := wantOfCondition(o.Condition)
	switch {
	case holds.kind == wantNothing:
		return want{kind: wantNever}
	case o.HasObserved:
		met := wantThe(o.Observed)
		if met == holds || holds.kind == wantPresent && met.kind == wantValue {
			return want{kind: wantNever}
		}
		return met
	case holds.kind == wantPresent:
		return want{kind: wantAbsent}
	case o.KeyRevision != 0:
		return want{kind: wantHinted, revision: o.KeyRevision}
	}
	return want{kind: wantUntold}
}

// and adds what the result of a write says about whether the key existed.
func (w want) and(e history.Existed) want {
	switch {
	case e == history.NotSaid:
		return w
	case w.kind == wantNothing && e == history.Yes:
		return want{kind: wantPresent}
	case w.kind == wantNothing && e == history.No:
		return want{kind: wantAbsent}
	case (w.kind == wantAbsent) != (e == history.No):
		return want{kind: wantNever}
	}
	return w
}
