package explain

import (
	"fmt"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// mismatched explains a result that names a revision under which nobody wrote its value, where a contract makes revisions part
// of it.
func (k *key) mismatched(set []int32) *verdict.Contradiction {
	if !k.spec.Contract {
		return nil
	}
	for _, x := range set {
		o := k.ops[x]
		v, ok := k.met(x)
		if !ok || !v.Present || o.KeyRevision == 0 || o.Revision == 0 || o.Kind != history.Get && o.Outcome != history.ConditionFailed {
			continue
		}
		from := k.originOf(v, history.Forever)
		if from.last < 0 || from.initial || !k.writtenElsewhere(from, o.KeyRevision) {
			continue
		}
		last := k.ops[from.last]
		sentence := fmt.Sprintf("%s under revision %d, but %s was written under revision %d, by %s",
			k.saidOf(x, v), o.KeyRevision, k.text(v), last.Wrote, k.who(from.last))
		if len(from.writes) > 1 {
			sentence = fmt.Sprintf("%s under revision %d, but %s was never written under that one, last under revision %d, by %s",
				k.saidOf(x, v), o.KeyRevision, k.text(v), last.Wrote, k.who(from.last))
		}
		return k.tell(verdict.RevisionMismatch, sentence, x, from.last)
	}
	return nil
}

// writtenElsewhere says that all writes of a value are known to have other revisions.
func (k *key) writtenElsewhere(from origin, revision uint64) bool {
	for _, w := range from.writes {
		if o := k.ops[w]; o.Kind != history.Put || o.Wrote == 0 || o.Wrote == revision {
			return false
		}
	}
	return true
}
