package zones

import (
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/model"
)

// Result is what Check found.
type Result struct {
	// Applies is false if the key is none for this tier; Why says why.
	Applies bool
	Why     string
	// Linearizable holds if Applies does.
	Linearizable bool
	// Order is a linearization, as indices into ops, if one exists and it was asked for.
	Order []int32
	// Conflict is a small set of operations, as indices into ops, ascending, that no order explains: not even if every other
	// write may or may not have taken effect. Where puts and deletes can be ordered, only not so that each that found the key
	// present did, it is those whose results can't all be explained, given that the other puts took effect when they say.
	Conflict []int32
}

// Check decides one key in O(n log n) for n operations. With certify, an accepted key's Order is filled in. It keeps nothing
// of ops and does not change them.
func Check(spec model.Key, ops []model.Op, certify bool) Result {
	k, why := read(spec, ops)
	if why != "" {
		return Result{Why: why}
	}
	if conflict := k.settle(); conflict != nil {
		return violation(conflict)
	}
	var order []int32
	if k.needy || certify && k.exact() {
		if order = k.order(byZone); order == nil {
			return violation(k.shrink())
		}
	}
	switch {
	case k.unplaced != "":
		return Result{Why: k.unplaced}
	case !k.exact():
		return k.verify(certify)
	}
	return accepted(order, certify)
}

// exact says that no constraint was left out, so that settled zones are all there is to it.
func (k *key) exact() bool { return !k.guessed && k.unplaced == "" && !k.spec.Contract }

// verify accepts a key of which some constraints were left out so far: they guide an order, and its replay judges it. An
// order that fails proves nothing.
func (k *key) verify(certify bool) Result {
	for _, by := range [...]preference{byRevision, byZone} {
		k.guess(by)
		if k.settle() != nil {
			continue
		}
		if order := k.order(by); order != nil && k.spec.Replay(k.ops, order) == nil {
			return accepted(order, certify)
		}
	}
	if k.guessed {
		return Result{Why: whyGuess}
	}
	return Result{Why: whyReplay}
}

func accepted(order []int32, certify bool) Result {
	r := Result{Applies: true, Linearizable: true}
	if certify {
		r.Order = order
	}
	return r
}

// violation returns the verdict on a conflict, whose operations it sorts.
func violation(conflict []int32) Result {
	slices.Sort(conflict)
	return Result{Applies: true, Conflict: slices.Compact(conflict)}
}
