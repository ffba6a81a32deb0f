package linearizability

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/explain"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/search"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/linearizability/witness"
	"github.com/lockstepdb/lockstep/linearizability/zones"
)

// whyWitness is why the witness tier leaves a decision to the next.
const whyWitness = "witness: the order of the revisions explains not every result"

// keyCheck is the check of one key on its way through the tiers.
type keyCheck struct {
	*checker
	spec   model.Key
	p      model.Prepared
	result verdict.KeyResult
	// replay verifies an order of p.Ops.
	replay func(order []int32) error
	// tried says, for each tier that could not decide, why.
	tried []string
}

// key judges one partition.
func (c *checker) key(part history.Partition) verdict.KeyResult {
	k := keyCheck{checker: c, spec: model.Key{Initial: c.h.Origin.Initial, Contract: c.contract}}
	k.result.Key = part.Key
	if c.ctx.Err() != nil {
		k.result.Reason = "the check was cancelled before it came to this key"
		return k.result
	}
	prepare, tiers := model.Prepare, k.tiers
	if c.transactions(part) {
		prepare, tiers = model.PrepareStore, k.storeTiers
	}
	var err error
	k.p, err = prepare(c.h, part.Operations)
	k.result.Operations = len(k.p.Ops)
	switch breach := c.breaches[part.Key]; {
	case breach != nil:
		k.result.Verdict, k.result.Tier, k.result.Contradiction = verdict.Violation, verdict.Witness, breach
		return k.result
	case err != nil:
		k.result.Reason = err.Error()
	case len(k.p.Ops) == 0:
		k.result.Verdict = verdict.Linearizable
	default:
		tiers()
	}
	if k.result.Verdict != verdict.Violation {
		k.staleReads(part.Operations)
	}
	return k.result
}

// transactions says that a partition holds some.
func (c *checker) transactions(part history.Partition) bool {
	return slices.ContainsFunc(part.Operations, func(i int32) bool { return c.h.Operations[i].Kind == history.Transact })
}

// tiers asks one tier after the other.
func (k *keyCheck) tiers() {
	k.replay = func(order []int32) error { return k.spec.Replay(k.p.Ops, order) }
	switch {
	case k.may(verdict.Witness) && k.byWitness():
	case k.may(verdict.Zones) && k.byZones():
	case k.may(verdict.Search) && k.bySearch():
	case k.result.Reason == "":
		k.noTier()
	}
}

// noTier says that the tiers which may decide could not.
func (k *keyCheck) noTier() {
	k.result.Reason = "none of the tiers that may decide could: " + strings.Join(k.tried, "; ")
}

// budget is what a search may cost.
func (k *keyCheck) budget() search.Budget {
	return search.Budget{Steps: max(k.o.Steps, 0), Deadline: k.deadline, Stop: k.ctx.Done()}
}

// byWitness says whether revisions led to an order.
func (k *keyCheck) byWitness() bool {
	if k.h.Origin.Revisions == history.NoRevisions {
		k.tried = append(k.tried, "witness: results carry no revisions")
		return false
	}
	order, ok := witness.Key(k.spec, k.p.Ops)
	if !ok {
		k.tried = append(k.tried, whyWitness)
		return false
	}
	k.accept(verdict.Witness, order)
	return true
}

// byZones says whether the zones decide.
func (k *keyCheck) byZones() bool {
	found := zones.Check(k.spec, k.p.Ops, k.o.Certificates)
	switch {
	case !found.Applies:
		k.tried = append(k.tried, "zones: "+found.Why)
		return false
	case found.Linearizable:
		k.accept(verdict.Zones, found.Order)
	default:
		k.reject(verdict.Zones, found.Conflict)
	}
	return true
}

// bySearch says whether the search decides within its budget, and what to do if it does not.
func (k *keyCheck) bySearch() bool {
	found := search.Check(k.spec, k.p.Ops, k.budget(), k.o.Certificates)
	k.result.Steps = found.Steps
	switch found.Verdict {
	case verdict.Linearizable:
		k.accept(verdict.Search, found.Order)
	case verdict.Violation:
		if k.reject(verdict.Search, nil) {
			k.lead(found.Partial)
		}
	default:
		k.result.Reason = k.undecided(found)
		return false
	}
	return true
}

// undecided says why a search ended, and what helps.
func (k *keyCheck) undecided(found search.Result) string {
	if found.End == search.Stopped {
		return fmt.Sprintf("the check was cancelled after %d steps of the search", found.Steps)
	}
	reason := fmt.Sprintf("the search of %d operations took its %d steps", len(k.p.Ops), found.Steps)
	switch found.End {
	case search.DeadlinePassed:
		reason = fmt.Sprintf("the time was up after %d steps of the search", found.Steps)
	case search.MemorySpent:
		reason = fmt.Sprintf("the search of %d operations took its memory after %d steps", len(k.p.Ops), found.Steps)
	}
	advice := "raise --budget, record revisions, or write each value only once"
	if found.End == search.MemorySpent {
		advice = "record revisions, or write each value only once"
	}
	if len(k.tried) > 0 {
		advice += " (" + strings.Join(k.tried, "; ") + ")"
	}
	return reason + ": " + advice
}

// accept notes that an order exists. The order is verified once more if it is handed out.
func (k *keyCheck) accept(tier verdict.Tier, order []int32) {
	k.result.Verdict, k.result.Tier = verdict.Linearizable, tier
	if !k.o.Certificates {
		return
	}
	if err := k.replay(order); err != nil {
		panic(fmt.Sprintf("tier %s accepted key %q of %d operations by an order of %d that is none: %v",
			tier, k.result.Key, len(k.p.Ops), len(order), err))
	}
	k.result.Order = lead(k.p, order)
}

// reject notes that no order exists, and which operations show it. Where the key was prepared by a guess, it says nothing
// and returns false.
func (k *keyCheck) reject(tier verdict.Tier, conflict []int32) bool {
	if k.p.Guess != "" {
		k.result.Reason = k.p.Guess
		return false
	}
	k.result.Verdict, k.result.Tier = verdict.Violation, tier
	why := explain.Key(k.h, k.spec, k.p, conflict)
	k.result.Contradiction = &why
	return true
}

// lead notes partial orders.
func (k *keyCheck) lead(partials [][]int32) {
	if !k.o.Certificates {
		return
	}
	for _, order := range partials {
		k.result.Partial = append(k.result.Partial, lead(k.p, order))
	}
}

// lead translates an order of prepared operations into one of the history's.
func lead(p model.Prepared, order []int32) []int32 {
	led := make([]int32, len(order))
	for i, at := range order {
		led[i] = p.Index[at]
	}
	return led
}
