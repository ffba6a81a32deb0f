// Package search is the third tier: porcupine, for every key that no faster tier decides.
//
// Check is all of it. The problem is NP-complete (Gibbons and Korach, "Testing Shared Memories", 1997), so the search takes
// a budget, and running out of it means Undecided: no verdict comes from what was not looked at. Three things keep the
// search small, each with its proof where it stands: operations of unknown outcome that nothing could have noticed are left
// out (relevance.go), reads that any order can take along are left out (companion.go), and an operation of unknown outcome
// takes effect only where the next operation can notice it (machine.go).
//
// An accepted order is replayed in full by model.Key.Replay before it is believed, whoever asked for it.
package search

import (
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// partialsMax bounds Result.Partial: a report shows no more.
const partialsMax = 16

// partialWorkMax bounds the cost of porcupine's collection of partial orders, in steps times operations. Beyond it only the
// longest order that the search met is reported.
const partialWorkMax = 200_000_000

// Budget bounds a search. Whichever bound is met first makes the key undecided, never a pass or a violation.
type Budget struct {
	// Steps of the model. 0: no bound.
	Steps int64
	// Deadline in wall-clock time; zero: none. A simulator leaves it out, so that its verdicts repeat.
	Deadline time.Time
	// Stop ends the search when it is closed; nil: never.
	Stop <-chan struct{}
}

// End is why a search ended without a verdict.
type End uint8

const (
	// Finished: it did not; there is a verdict.
	Finished End = iota
	// StepsSpent: it took Budget.Steps.
	StepsSpent
	// DeadlinePassed: it ran until Budget.Deadline.
	DeadlinePassed
	// MemorySpent: what it had to remember outgrew the memory that a search may take, which is no part of Budget.
	MemorySpent
	// Stopped: Budget.Stop was closed.
	Stopped
)

// Result is what Check found.
type Result struct {
	Verdict verdict.Verdict
	// End says why the verdict is Undecided.
	End End
	// Steps that the search took; it repeats exactly unless a deadline or a stop ended it.
	Steps int64
	// Order is a linearization as indices into ops, if the verdict is Linearizable and it was asked for.
	Order []int32
	// Partial holds the longest partial orders, as indices into ops, if the verdict is Violation and they were asked for:
	// longest first, at most partialsMax.
	Partial [][]int32
}

// Check decides one key by porcupine. ops must all constrain, as model.Prepare leaves them; Check does not change them.
func Check(spec model.Key, ops []model.Op, budget Budget, orders bool) Result {
	if impossible(spec, ops) {
		return Result{Verdict: verdict.Violation}
	}
	kept := relevant(ops)
	kept, hosts := companions(spec, ops, kept)
	return run(newMachine[model.State](newKeySpecification(spec, ops, kept), ops, kept, budget), hosts, orders)
}

// CheckStore decides a partition of transactions by porcupine. ops must be as model.PrepareStore leaves them.
func CheckStore(ops []model.Op, budget Budget, orders bool) Result {
	kept := make([]int32, len(ops))
	for i := range kept {
		kept[i] = int32(i)
	}
	return run(newMachine[model.StoreState](storeSpecification{model.StoreFor(ops)}, ops, kept, budget), nil, orders)
}

// run searches.
func run[S any](m *machine[S], hosts []host, orders bool) Result {
	ok := porcupine.CheckOperations(m.model(), m.operations())
	result := Result{Steps: m.steps, End: m.end}
	switch {
	case ok:
		// A step that was refused for want of budget can't have helped: every operation has its place.
		result.Verdict, result.End = verdict.Linearizable, Finished
		order := expand(m.order(m.deepest), hosts)
		if err := m.spec.Replay(m.ops, order); err != nil {
			panic(fmt.Sprintf("search accepted an order of %d of %d operations that is none: %v", len(order), len(m.ops), err))
		}
		if orders {
			result.Order = order
		}
	case m.end == Finished:
		result.Verdict = verdict.Violation
		if orders {
			result.Partial = partials(m, hosts)
		}
	}
	return result
}

// partials returns the longest partial orders of a search that found none. Porcupine collects them only in a run of its
// own, which takes the same steps again and costs up to one operation's work for each; where that is too much, or the time
// is up, the longest order that the first run met stands alone.
func partials[S any](m *machine[S], hosts []host) [][]int32 {
	longest := [][]int32{expand(m.order(m.deepest), hosts)}
	if m.steps*int64(len(m.calls)) > partialWorkMax {
		return longest
	}
	again := newMachine(m.spec, m.ops, m.kept, m.budget)
	_, info := porcupine.CheckOperationsVerbose(again.model(), again.operations(), 0)
	if again.end != Finished {
		return longest
	}
	var found [][]int32
	for _, ids := range info.PartialLinearizations()[0] {
		order := make([]int32, len(ids))
		for i, id := range ids {
			order[i] = m.kept[id]
		}
		found = append(found, expand(order, hosts))
	}
	if len(found) == 0 {
		return nil
	}
	// Porcupine gives them in the order of a map.
	slices.SortFunc(found, func(a, b []int32) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return slices.Compare(a, b)
	})
	return found[:min(len(found), partialsMax)]
}
