package generate

import (
	"math/rand/v2"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// triesMax bounds how often Mutate looks for an operation that its fault fits.
const triesMax = 64

// mutation is a history on the way to a fault.
type mutation struct {
	random *rand.Rand
	all    []history.Operation
}

// Mutate returns a copy of a history with one fault: a changed read, two results exchanged, an operation moved in time, or
// an outcome changed. The copy may still be linearizable. h stays as it is.
func Mutate(seed uint64, h *history.History) *history.History {
	mutated := *h
	mutated.Operations = append([]history.Operation(nil), h.Operations...)
	m := mutation{rand.New(rand.NewPCG(seed, 0x6d7574617465)), mutated.Operations}
	faults := [...]func(*history.Operation) bool{m.changeRead, m.changeRead, m.exchange, m.move, m.move, m.changeOutcome, m.changeExisted}
	fault := faults[m.random.IntN(len(faults))]
	for try := 0; try < triesMax && len(m.all) > 0; try++ {
		if fault(m.any()) {
			break
		}
	}
	mutated.Sort()
	return &mutated
}

func (m *mutation) any() *history.Operation { return &m.all[m.random.IntN(len(m.all))] }

// partner returns another operation on the same key, or nil.
func (m *mutation) partner(o *history.Operation) *history.Operation {
	for range triesMax {
		if other := m.any(); other != o && other.Key == o.Key {
			return other
		}
	}
	return nil
}

// changeRead makes a read return another value: one that was written or read elsewhere, none, or one from nowhere.
func (m *mutation) changeRead(o *history.Operation) bool {
	if !o.HasObserved {
		return false
	}
	before := o.Observed
	switch other := m.partner(o); {
	case other != nil && other.HasObserved && m.random.IntN(4) > 0:
		o.Observed, o.KeyRevision = other.Observed, other.KeyRevision
	case other != nil && other.Value.Present && m.random.IntN(8) > 0:
		o.Observed = other.Value
	case m.random.IntN(4) > 0:
		o.Observed, o.KeyRevision = history.Absent, 0
	default:
		o.Observed = history.Of("from nowhere")
	}
	return o.Observed != before
}

// exchange swaps the results of two reads of a key.
func (m *mutation) exchange(o *history.Operation) bool {
	other := m.partner(o)
	if other == nil || o.Kind != history.Get || other.Kind != history.Get || o.Outcome != history.Done || other.Outcome != history.Done {
		return false
	}
	o.Observed, other.Observed = other.Observed, o.Observed
	o.Revision, other.Revision = other.Revision, o.Revision
	o.KeyRevision, other.KeyRevision = other.KeyRevision, o.KeyRevision
	return o.Observed != other.Observed
}

// move runs an operation at another time, or in no time.
func (m *mutation) move(o *history.Operation) bool {
	if o.Outcome == history.Refused {
		return false
	}
	by := int64((m.random.Float64() - 0.5) * 8 * durationMean)
	o.Invoke = max(0, o.Invoke+by)
	switch {
	case o.Return == history.Forever:
	case m.random.IntN(4) == 0:
		o.Return = o.Invoke
	default:
		o.Return = max(o.Invoke, o.Return+by)
	}
	return by != 0
}

// changeOutcome makes a client believe in another outcome than there was.
func (m *mutation) changeOutcome(o *history.Operation) bool {
	switch {
	case o.Kind == history.Get:
		return false
	case o.Outcome == history.Done && (m.random.IntN(2) == 0 || o.Condition.Kind == history.Always):
		o.Outcome = history.Refused
	case o.Outcome == history.Done:
		o.Outcome, o.Existed = history.ConditionFailed, history.NotSaid
	case o.Outcome == history.Unknown:
		o.Outcome = history.Refused
		o.Return = o.Invoke + durationMean
	default:
		o.Outcome, o.Observed, o.HasObserved, o.KeyRevision = history.Done, history.Absent, false, 0
	}
	return true
}

// changeExisted lets a write claim that it found the key the other way.
func (m *mutation) changeExisted(o *history.Operation) bool {
	switch o.Existed {
	case history.Yes:
		o.Existed = history.No
	case history.No:
		o.Existed = history.Yes
	default:
		return false
	}
	return true
}
