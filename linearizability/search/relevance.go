package search

import (
	"math"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// never is before every time.
const never int64 = math.MinInt64

// demand is what the operations of a key could notice of a write, and until when: the latest return of an operation that
// would fit directly behind it only because of it.
type demand struct {
	value    map[history.Value]int64 // the key holds this
	revision map[uint64]int64        // the key is at this revision, not 0
	presence int64                   // it is present, whatever it holds
	change   int64                   // it is not what it was: only the failure of a condition tells
	anything bool                    // appends: what is there becomes part of other values
}

// relevant returns the operations, as indices, without those of unknown outcome that nothing could have noticed.
//
// It keeps every result, and an operation of unknown outcome if an operation that is kept, and that had not returned when it
// was invoked, could tell its effect. To leave out the rest loses no verdict. Take an order that explains all results and
// in which some of the others have an effect, and of these the last. The next operation that has an effect, and those
// before it, had not returned when it was invoked, and are kept or have no effect. None of them is a result that the effect
// was needed for, so each fits without it, and the first that writes leaves the same behind: the order without it is
// legal, too. And an operation of unknown outcome may always be left out.
func relevant(ops []model.Op) []int32 {
	d := demand{value: map[history.Value]int64{}, revision: map[uint64]int64{}, presence: never, change: never}
	var open []int32
	kept := make([]bool, len(ops))
	for i := range ops {
		if ops[i].Outcome == history.Unknown {
			open = append(open, int32(i))
			continue
		}
		kept[i] = true
		d.add(&ops[i])
	}
	// Each round keeps an operation or is the last; chains of conditional writes of unknown outcome are short.
	for again := len(open) > 0; again; {
		again = false
		rest := open[:0]
		for _, i := range open {
			if !d.notices(&ops[i]) {
				rest = append(rest, i)
				continue
			}
			kept[i], again = true, true
			d.add(&ops[i])
		}
		open = rest
	}
	order := make([]int32, 0, len(ops)-len(open))
	for i := range kept {
		if kept[i] {
			order = append(order, int32(i))
		}
	}
	return order
}

// add takes note of what an operation could notice.
func (d *demand) add(op *model.Op) {
	if op.Kind == history.Append {
		d.anything = true
	}
	if op.Kind == history.Get {
		d.hold(op.Observed, op.Return)
		return
	}
	// A contract lets a delete tell the revision of what it found.
	if op.Existed == history.Yes || op.Kind == history.Delete && op.KeyRevision != 0 {
		d.presence = max(d.presence, op.Return)
	}
	if op.Existed == history.No {
		d.hold(history.Absent, op.Return)
	}
	if op.Outcome == history.ConditionFailed {
		d.addFailed(op)
		return
	}
	switch op.Condition.Kind {
	case history.MustNotExist:
		d.hold(history.Absent, op.Return)
	case history.MustExist:
		d.presence = max(d.presence, op.Return)
	case history.ValueEquals:
		d.hold(op.Condition.Value, op.Return)
	case history.RevisionEquals:
		if op.Condition.Revision == 0 {
			d.hold(history.Absent, op.Return)
			return
		}
		if at, ok := d.revision[op.Condition.Revision]; !ok || op.Return > at {
			d.revision[op.Condition.Revision] = op.Return
		}
	}
}

// addFailed takes note of what a failed condition could notice.
func (d *demand) addFailed(op *model.Op) {
	switch {
	case op.HasObserved:
		d.hold(op.Observed, op.Return)
	case op.Condition.Kind == history.MustExist:
		d.hold(history.Absent, op.Return)
	case op.Condition.Kind == history.MustNotExist:
		d.presence = max(d.presence, op.Return)
	default:
		d.change = max(d.change, op.Return)
	}
}

func (d *demand) hold(v history.Value, until int64) {
	if at, ok := d.value[v]; !ok || until > at {
		d.value[v] = until
	}
}

// notices says whether an operation that is kept could tell that op took effect.
func (d *demand) notices(op *model.Op) bool {
	if d.anything || op.Invoke <= d.change {
		return true
	}
	left := op.Value
	switch op.Kind {
	case history.Delete:
		left = history.Absent
	case history.Put:
		until, ok := d.revision[op.Wrote]
		if op.Invoke <= d.presence || ok && op.Invoke <= until {
			return true
		}
	default:
		return true
	}
	until, ok := d.value[left]
	return ok && op.Invoke <= until
}

// impossible says that a result tells of a value that no operation can have left behind in time: a violation which a search
// would find only after it had tried every order of what came before.
func impossible(spec model.Key, ops []model.Op) bool {
	earliest := map[history.Value]int64{spec.Initial: never}
	leave := func(v history.Value, from int64) {
		if at, ok := earliest[v]; !ok || from < at {
			earliest[v] = from
		}
	}
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Kind == history.Append:
			return false // values are made of several operations
		case !op.Writes():
		case op.Kind == history.Put:
			leave(op.Value, op.Invoke)
		default:
			leave(history.Absent, op.Invoke)
		}
	}
	for i := range ops {
		v, ok := told(&ops[i])
		if !ok {
			continue
		}
		if at, ok := earliest[v]; !ok || at > ops[i].Return {
			return true
		}
	}
	return false
}

// told returns the value that a result says the key held.
func told(op *model.Op) (history.Value, bool) {
	switch {
	case op.Outcome == history.Unknown:
		return history.Absent, false
	case op.Kind == history.Get:
		return op.Observed, true
	case op.Outcome == history.ConditionFailed:
		return op.Observed, op.HasObserved
	case op.Condition.Kind == history.ValueEquals:
		return op.Condition.Value, true
	}
	return history.Absent, false
}
