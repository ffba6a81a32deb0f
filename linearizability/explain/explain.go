// Package explain says why a key is not linearizable: it finds a smallest set of operations that contradict each other, and
// says in one sentence how.
//
// Key is all there is to call.
//
// # What a contradiction is
//
// Leaving a write out of a history makes up phantom reads, so a set of operations is judged together with the rest of the
// key in its weakest form. Of an operation outside the set only what it may have written counts: its value may appear any
// number of times or never, without regard to its condition, from the invocation of the first to the return of the last
// write of that value outside the set. What it returned is forgotten. A set contradicts itself if no order explains its
// results even so.
//
// Every linearization of the key is one of that weaker history: take the set's operations in their order, and let each other
// write appear where it stood. So a contradiction of the set is one of the key. And since a larger set is only harder to
// satisfy, a set from which no single operation can be left out is minimal.
//
// The operations returned are such a set, together with those that the sentence names besides: who wrote the value, and for
// SplitBrain the results that alternate.
//
// # Kinds
//
// A result is what an operation says of the key: the value that a get returned, that a failed condition met, or that a
// condition which held had to meet. A value is replaced when every write of it had returned, or one result had shown it if
// it was written once, before another write or result of another value was invoked.
//
//   - Phantom: a result shows a value that nobody wrote, or that no writes together make in whatever order.
//   - RefusedRead: it shows a value that cannot be had without a write that was refused or whose condition failed. A delete
//     that was refused is such a write of the absent key.
//   - FutureRead: it was returned before anybody asked to write its value.
//   - DoubleCompareAndSet: two conditional writes succeeded on one predecessor, which was written once or not between them.
//     One of them, or both, may have got no answer, if a result shows what it wrote.
//   - ResurrectedDelete: a result shows a value, or that there is one, although after its last write and before the operation
//     was invoked a delete was acknowledged, or a result showed the key deleted.
//   - LostUpdate: a write was acknowledged, and either a later conditional write succeeded on the value before it, or two
//     later results or more miss it, and nobody in the whole history ever saw it. A lost append needs one such result only.
//   - SplitBrain: results alternate between two values (old, new, old after the new one was there), or two clients saw two
//     values in opposite orders, or at once when nobody wrote either any more, or ignore each other's acknowledged writes.
//   - StaleRead: a result shows a value that had been replaced before the operation was invoked, and none of the above.
//   - RevisionMismatch: a result names a revision of its value under which nobody wrote it. Only under a contract.
//   - Unorderable: anything else, such as a value that shows two appends in the opposite of their order. The sentence lists the
//     operations, which precede which, and who wrote what they show.
package explain

import (
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// Key explains a violation of one key. p is the whole key; conflict is a set of indices into p.Ops that a tier found to
// contradict each other, or nil if it only knows that the key does. h gives the names, and the refused operations that
// p leaves out.
//
// The work is bounded by stepsMax and does not depend on the clock: when the bound is met, the smallest set found so far is
// returned. Of a key that is no violation Key says that nothing was found, by the kind Unorderable. If spec has a contract on
// revisions, a contradiction that holds without it is preferred, because it convinces without knowing the contract.
func Key(h *history.History, spec model.Key, p model.Prepared, conflict []int32) verdict.Contradiction {
	conflict = known(conflict, len(p.Ops))
	plain := spec
	plain.Contract = false
	k := newKey(h, plain, p)
	set, ok := k.contradiction(conflict)
	if !ok && spec.Contract {
		k = newKey(h, spec, p)
		set, ok = k.contradiction(conflict)
	}
	if !ok {
		return k.unexplained(conflict)
	}
	return k.clearly(set)
}

// known returns the conflict in order, without what is not there.
func known(conflict []int32, n int) []int32 {
	var set []int32
	for _, i := range conflict {
		if i >= 0 && int(i) < n {
			set = append(set, i)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}
