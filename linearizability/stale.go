package linearizability

import (
	"fmt"
	"math"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// staleReads judges the stale reads of a key without the help of revisions: what one returned must be what the key held at
// first, or what an operation may have left behind that was invoked before the read returned. Anything else it can't have
// held so far. The rule is sound and weak: it does not ask whether that operation took effect in time, or at all.
func (k *keyCheck) staleReads(operations []int32) {
	var earliest map[history.Value]int64
	for _, i := range operations {
		o := &k.h.Operations[i]
		if !o.Stale || o.Outcome != history.Done {
			continue
		}
		if earliest == nil {
			var composed bool
			if earliest, composed = k.attempts(operations); composed {
				return
			}
		}
		if from, ok := earliest[o.Observed]; ok && from <= o.Return {
			continue
		}
		why := k.impossible(i, operations)
		k.result.Verdict, k.result.Tier, k.result.Contradiction = verdict.Violation, verdict.NoTier, &why
		k.result.Reason, k.result.Order = "", nil
		return
	}
}

// attempts returns when each value may have been there first. composed says that appends or transactions make values
// that can't be listed.
func (k *keyCheck) attempts(operations []int32) (earliest map[history.Value]int64, composed bool) {
	earliest = map[history.Value]int64{k.h.Origin.Initial: math.MinInt64}
	for _, i := range operations {
		o := &k.h.Operations[i]
		value := o.Value
		switch {
		case o.Kind == history.Get || o.Outcome == history.Refused || o.Outcome == history.ConditionFailed:
			continue
		case o.Kind == history.Append || o.Kind == history.Transact:
			return nil, true
		case o.Kind == history.Delete:
			value = history.Absent
		}
		if from, ok := earliest[value]; !ok || o.Invoke < from {
			earliest[value] = o.Invoke
		}
	}
	return earliest, false
}

// impossible describes a stale read, together with the first operation that would have explained it, had it taken effect or
// come earlier.
func (k *keyCheck) impossible(read int32, operations []int32) verdict.Contradiction {
	o := &k.h.Operations[read]
	why := verdict.Contradiction{Kind: verdict.StaleReadImpossible, Operations: []int32{read}}
	what := fmt.Sprintf("stale get by %s returned %s", k.h.ClientName(o.Client), o.Observed)
	why.Sentence = what + ", which nobody tried to write"
	if !o.Observed.Present {
		why.Sentence = what + ", but the key was there at first and nobody tried to delete it"
	}
	for _, i := range operations {
		w := &k.h.Operations[i]
		if w.Kind == history.Get || (w.Kind == history.Delete) == o.Observed.Present || w.Value != o.Observed {
			continue
		}
		why.Operations = append(why.Operations, i)
		if i < read {
			why.Operations = []int32{i, read}
		}
		switch by := k.h.ClientName(w.Client); {
		case w.Outcome == history.Refused || w.Outcome == history.ConditionFailed:
			why.Sentence = fmt.Sprintf("%s, but the %s by %s that it came from had no effect (%s)", what, w.Call(), by, w.Result())
		default:
			why.Sentence = fmt.Sprintf("%s before %s asked for it (%s)", what, by, w.Call())
		}
		break
	}
	return why
}
