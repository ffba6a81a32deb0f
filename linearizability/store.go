package linearizability

import (
	"fmt"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/search"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// partitions returns the parts of a history that are judged on their own: its keys, or all of it as soon as one transaction
// ties keys together.
func partitions(h *history.History) []history.Partition {
	first := slices.IndexFunc(h.Operations, func(o history.Operation) bool { return o.Kind == history.Transact })
	if first < 0 {
		return h.Partitions()
	}
	whole := history.Partition{Key: h.Operations[first].Key, Operations: make([]int32, len(h.Operations))}
	for i := range whole.Operations {
		whole.Operations[i] = int32(i)
	}
	return []history.Partition{whole}
}

// storeTiers asks the tiers that know transactions.
func (k *keyCheck) storeTiers() {
	spec := model.StoreFor(k.p.Ops)
	k.replay = func(order []int32) error { return spec.Replay(k.p.Ops, order) }
	if k.may(verdict.Witness) {
		if order, ok := spec.Witness(k.p.Ops); ok {
			k.accept(verdict.Witness, order)
			return
		}
		k.tried = append(k.tried, whyWitness)
	}
	if !k.may(verdict.Search) {
		k.noTier()
		return
	}
	// The partial orders are what a violation is explained by.
	found := search.CheckStore(k.p.Ops, k.budget(), true)
	k.result.Steps = found.Steps
	switch found.Verdict {
	case verdict.Linearizable:
		k.accept(verdict.Search, found.Order)
	case verdict.Violation:
		k.result.Verdict, k.result.Tier = verdict.Violation, verdict.Search
		why := k.explainStore(found.Partial)
		k.result.Contradiction = &why
		k.lead(found.Partial)
	default:
		k.result.Reason = k.undecided(found)
	}
}

// explainStore says which write a result misses, where the revisions tell, and otherwise where the longest order ends.
func (k *keyCheck) explainStore(partials [][]int32) verdict.Contradiction {
	if m, ok := firstMiss(k.p.Ops); ok {
		return k.missSentence(m)
	}
	return k.unorderable(partials)
}

// unorderable says where the longest order of transactions ends: at the first result that has no place in it.
func (k *keyCheck) unorderable(partials [][]int32) verdict.Contradiction {
	placed := make([]bool, len(k.p.Ops))
	last := int32(-1)
	if len(partials) > 0 {
		for _, i := range partials[0] {
			placed[i], last = true, i
		}
	}
	stuck := int32(-1)
	for i := range k.p.Ops {
		o := &k.p.Ops[i]
		if !placed[i] && o.Outcome != history.Unknown && (stuck < 0 || o.Return < k.p.Ops[stuck].Return) {
			stuck = int32(i)
		}
	}
	if stuck < 0 {
		panic(fmt.Sprintf("no order of %d operations, but each has a place in one of %d", len(placed), len(partials[0])))
	}
	o := &k.p.Ops[stuck]
	why := verdict.Contradiction{Kind: verdict.Unorderable, Operations: []int32{k.p.Index[stuck]}}
	why.Sentence = fmt.Sprintf("no order explains that %s", k.got(o))
	if last < 0 {
		why.Sentence += ": it does not even fit as the first of all operations"
		return why
	}
	before := &k.p.Ops[last]
	why.Operations = append(why.Operations, k.p.Index[last])
	slices.Sort(why.Operations)
	why.Sentence += fmt.Sprintf(": %d of the %d operations can be ordered, %s by %s last, and then it does not fit",
		len(partials[0]), len(k.p.Ops), before.Call(), k.h.ClientName(before.Client))
	return why
}
