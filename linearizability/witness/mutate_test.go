package witness

import (
	"math/rand/v2"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// mutate changes a few fields of a history at random, mostly to what occurs elsewhere in it.
func mutate(r *rand.Rand, h *history.History) {
	ops := h.Operations
	for range 1 + r.IntN(2) {
		o, other := &ops[r.IntN(len(ops))], &ops[r.IntN(len(ops))]
		switch r.IntN(12) {
		case 0:
			o.Revision += uint64(r.IntN(3))
		case 1:
			o.Revision -= min(o.Revision, uint64(r.IntN(4)))
		case 2:
			o.Revision = other.Revision
		case 3:
			o.KeyRevision = other.Revision
		case 4:
			o.KeyRevision -= min(o.KeyRevision, 1)
		case 5:
			o.Observed, o.KeyRevision = other.Observed, other.KeyRevision
		case 6:
			o.Observed, o.KeyRevision = history.Absent, 0
		case 7:
			o.Observed, o.HasObserved = other.Value, true
		case 8:
			o.Existed = history.Existed(r.IntN(3))
		case 9:
			o.Condition = other.Condition
		case 10:
			o.Outcome = other.Outcome
			if o.Outcome == history.Unknown {
				o.Return = history.Forever
			} else if o.Return == history.Forever {
				o.Return = o.Invoke + 3
			}
		case 11:
			if length := o.Return - o.Invoke; o.Return != history.Forever {
				o.Invoke = max(0, o.Invoke+int64(r.IntN(21))-10)
				o.Return = o.Invoke + length
			}
		}
		mend(o)
	}
	h.Sort()
}

// mend removes what no reader of histories would produce.
func mend(o *history.Operation) {
	if o.Kind == history.Get {
		o.Existed, o.Condition = history.NotSaid, history.Condition{}
		if o.Outcome == history.ConditionFailed {
			o.Outcome = history.Done
		}
		if o.Outcome == history.Unknown {
			o.Stale = false
		}
	}
	if o.Outcome == history.Unknown || o.Outcome == history.Refused {
		o.Revision, o.KeyRevision, o.Existed, o.Observed, o.HasObserved = 0, 0, history.NotSaid, history.Absent, false
	}
	if o.Outcome != history.Done {
		o.Existed = history.NotSaid
	}
	if o.Outcome == history.ConditionFailed && o.Condition.Kind == history.Always {
		o.Condition.Kind = history.MustExist
	}
	if o.Kind != history.Get && o.Outcome == history.Done {
		o.Observed, o.HasObserved, o.KeyRevision = history.Absent, false, 0
	}
}
