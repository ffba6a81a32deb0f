package witness

import (
	"cmp"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// Contract judges what a store promises of its revisions over all keys: see history.Contract. It returns the breaches, each
// as small as it can be, at most breachesMax of them, in the order of the operations that complete them. A store that
// promises nothing breaks nothing.
//
// A breach is certain: operations of unknown outcome get every freedom that they have. Each may have had any one revision
// that no known write has and that is newer than every result returned before it was invoked, or none. What is no breach may
// still have no order: of one key the tiers tell. Over several keys that is not looked for: two writes of unknown outcome on two keys
// that only one revision is left for, or a delete that does not say whether it changed anything, may pass.
func Contract(h *history.History) []verdict.Contradiction {
	if h.Origin.Revisions != history.Contract {
		return nil
	}
	l := newLedger(h)
	l.unique()
	for _, part := range h.Partitions() {
		l.judge(part)
	}
	l.oneKeyEach()
	return l.breaches.contradictions()
}

// ledger is what is known of the revisions over all keys.
type ledger struct {
	*history.History
	// floors holds for each operation the newest revision in a result that had returned before it was invoked.
	floors []floor
	// grants are the revisions of the writes that took effect for certain, ascending and without repetition.
	grants []grant
	// claims are the revisions that a result named and no grant has.
	claims []claim
	breaches
}

// floor is a revision and the operation whose result had it; by is none if there was no result.
type floor struct {
	revision uint64
	by       int32
}

// grant is a revision that a write was given.
type grant struct {
	revision uint64
	op       int32
}

// none stands for no operation.
const none int32 = -1

func newLedger(h *history.History) *ledger {
	l := &ledger{History: h, breaches: breaches{history: h}}
	l.findFloors()
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Revision != 0 && changed(o) == certainly {
			l.grants = append(l.grants, grant{o.Revision, int32(i)})
		}
	}
	slices.SortFunc(l.grants, func(a, b grant) int {
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.op, b.op))
	})
	return l
}

// findFloors sweeps over time: results by their return, operations by their invocation.
func (l *ledger) findFloors() {
	ops := l.Operations
	calls, returns := make([]moment, len(ops)), make([]moment, 0, len(ops))
	for i := range ops {
		calls[i] = moment{ops[i].Invoke, int32(i)}
		if result(&ops[i]) && ops[i].Revision != 0 {
			returns = append(returns, moment{ops[i].Return, int32(i)})
		}
	}
	slices.SortFunc(calls, compareMoments)
	slices.SortFunc(returns, compareMoments)
	l.floors = make([]floor, len(ops))
	newest := floor{by: none}
	for _, c := range calls {
		for len(returns) > 0 && returns[0].at < c.at {
			if r := returns[0].op; ops[r].Revision > newest.revision {
				newest = floor{ops[r].Revision, r}
			}
			returns = returns[1:]
		}
		l.floors[c.op] = newest
	}
}

// moment is when an operation was invoked or returned.
type moment struct {
	at int64
	op int32
}

func compareMoments(a, b moment) int { return order(a.at, b.at, a.op, b.op) }

// unique finds revisions that were given twice, and keeps the first of each.
func (l *ledger) unique() {
	kept := l.grants[:0]
	for _, g := range l.grants {
		if n := len(kept); n > 0 && kept[n-1].revision == g.revision {
			first := kept[n-1].op
			kind := verdict.RevisionReused
			if l.Operations[first].Client != l.Operations[g.op].Client {
				kind = verdict.SplitBrain
			}
			l.accuse(kind, g.op, l.twice(first, g.op), first)
			continue
		}
		kept = append(kept, g)
	}
	l.grants = kept
}

// granted returns the write that has a revision for certain, or none.
func (l *ledger) granted(revision uint64) int32 {
	n, ok := l.search(revision)
	if !ok {
		return none
	}
	return l.grants[n].op
}

func (l *ledger) search(revision uint64) (int, bool) {
	return slices.BinarySearchFunc(l.grants, revision, func(g grant, r uint64) int { return cmp.Compare(g.revision, r) })
}

// free says whether there is a revision above low, up to high, that no known write has.
func (l *ledger) free(low, high uint64) bool {
	if low >= high {
		return false
	}
	from, has := l.search(low)
	if has {
		from++
	}
	to, has := l.search(high)
	if has {
		to++
	}
	return uint64(to-from) < high-low
}

// oneKeyEach finds revisions that results of two keys name, though one write has one key.
func (l *ledger) oneKeyEach() {
	slices.SortFunc(l.claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.by, b.by))
	})
	for n := 1; n < len(l.claims); n++ {
		a, b := l.claims[n-1], l.claims[n]
		if a.revision == b.revision && l.Operations[a.by].Key != l.Operations[b.by].Key {
			l.accuse(verdict.SplitBrain, b.by, l.twoKeys(a.by, b.by, a.revision), a.by)
		}
	}
}

// change is whether a write that is done changed the key.
type change uint8

const (
	never change = iota
	perhaps
	certainly
)

// changed says whether an operation changed its key, as far as its own result tells. Unknown operations are never known to.
func changed(o *history.Operation) change {
	switch {
	case o.Outcome != history.Done:
		return never
	case o.Kind == history.Put || o.Kind == history.Append:
		return certainly
	case o.Kind != history.Delete || o.Existed == history.No:
		return never
	case o.Existed == history.Yes:
		return certainly
	}
	switch present, told := presupposes(o.Condition); {
	case !told:
		return perhaps
	case present:
		return certainly
	}
	return never
}

// presupposes says whether a condition that held tells of the key's presence, and what it tells.
func presupposes(c history.Condition) (present, told bool) {
	switch c.Kind {
	case history.MustExist:
		return true, true
	case history.MustNotExist:
		return false, true
	case history.ValueEquals:
		return c.Value.Present, true
	case history.RevisionEquals:
		return c.Revision != 0, true
	}
	return false, false
}

// result says whether an operation has a result that tells of the store; stale reads do.
func result(o *history.Operation) bool {
	return (o.Outcome == history.Done || o.Outcome == history.ConditionFailed) && o.Kind != history.Transact
}

// hidden says whether an operation may have written at a revision that its result does not tell.
func hidden(o *history.Operation) bool {
	switch {
	case o.Kind != history.Put && o.Kind != history.Delete && o.Kind != history.Append:
		return false
	case o.Outcome == history.Unknown:
		return true
	}
	return o.Revision == 0 && changed(o) != never
}
