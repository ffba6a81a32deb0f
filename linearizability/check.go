// Package linearizability judges whether what clients saw of a store could have come from one copy that does one operation
// at a time, each between its call and its return (Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent
// Objects", 1990).
//
// Record with a Recorder, or read a file with package readers; then Check. Three tiers decide, the cheapest first: the
// replay of the order that revisions suggest (package witness), atomicity zones (package zones), and search by porcupine
// (package search).
//
// A verdict is never a guess: what a budget or a cancelled context leaves open is Undecided. Without Options.Time the same
// history gets the same result, however many workers there are.
package linearizability

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/linearizability/witness"
)

// stepsDefault bounds the search of one key: some seconds, and some hundred megabytes at worst.
const stepsDefault int64 = 5_000_000

// The reasons in verdict.Result.Unchecked.
const (
	uncheckedRefused = "refused"
	uncheckedUnknown = "read of unknown outcome"
	uncheckedUntold  = "stale read that tells no revision: checked only against what was attempted before it returned"
	uncheckedStale   = "stale read without a contract on revisions: checked only against what was attempted before it returned"
)

// nothingToCheck is verdict.Result.Reason for a history that holds no result at all.
const nothingToCheck = "no operation of this history has a result that could be checked"

// Options say how much a check may cost. The zero Options are the defaults.
type Options struct {
	// Steps bounds the search of one key, in steps of the model. 0: stepsDefault. Negative: no bound.
	Steps int64
	// Time bounds the search over the whole history by the wall clock. 0: no bound, and then verdicts repeat exactly.
	Time time.Duration
	// Workers is how many keys are checked at once, at most. 0: one for each processor.
	Workers int
	// Certificates fills in KeyResult.Order, and KeyResult.Partial where a search found a violation.
	Certificates bool
	// Tiers are those that may decide; empty: all. A contract on revisions is judged by the witness tier.
	Tiers []verdict.Tier
	// Progress is told, from one goroutine at a time, how many keys of how many are decided.
	Progress func(done, total int)
}

// Check judges a history, which must be complete and sorted (history.History.Sort). It does not change it. When ctx is
// cancelled it returns soon, with the keys that it did not get to undecided.
func Check(ctx context.Context, h *history.History, o Options) verdict.Result {
	c := newChecker(ctx, h, o)
	result := verdict.Result{Verdict: verdict.Linearizable, Operations: len(h.Operations), Unchecked: c.unchecked()}
	if c.contract && c.may(verdict.Witness) {
		result.Contradictions = c.attribute(witness.Contract(h))
	}
	result.Keys = c.keys(partitions(h))
	for i := range result.Keys {
		result.Verdict = result.Verdict.Worse(result.Keys[i].Verdict)
		result.Checked += result.Keys[i].Operations
	}
	switch {
	case len(result.Contradictions) > 0:
		result.Verdict = verdict.Violation
	case result.Checked == 0 && result.Verdict == verdict.Linearizable:
		// An empty recording is more likely a broken test than a correct store.
		result.Verdict, result.Reason = verdict.Undecided, nothingToCheck
	}
	return result
}

// checker is one run of Check. Its fields do not change once the workers run.
type checker struct {
	ctx      context.Context
	h        *history.History
	o        Options
	contract bool
	deadline time.Time
	breaches map[string]*verdict.Contradiction // by key
}

func newChecker(ctx context.Context, h *history.History, o Options) *checker {
	c := &checker{ctx: ctx, h: h, o: o, contract: h.Origin.Revisions == history.Contract}
	if o.Steps == 0 {
		c.o.Steps = stepsDefault
	}
	if o.Workers <= 0 {
		c.o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Time > 0 {
		c.deadline = time.Now().Add(o.Time)
	}
	return c
}

// may says whether a tier may decide.
func (c *checker) may(t verdict.Tier) bool {
	return len(c.o.Tiers) == 0 || slices.Contains(c.o.Tiers, t)
}

// attribute keeps, for each key, the first breach among its operations, and returns those that concern several keys.
func (c *checker) attribute(breaches []verdict.Contradiction) []verdict.Contradiction {
	c.breaches = map[string]*verdict.Contradiction{}
	var general []verdict.Contradiction
	for i := range breaches {
		key, ok := c.sharedKey(breaches[i].Operations)
		switch {
		case !ok:
			general = append(general, breaches[i])
		case c.breaches[key] == nil:
			c.breaches[key] = &breaches[i]
		}
	}
	return general
}

// sharedKey returns the key of operations that all have one.
func (c *checker) sharedKey(operations []int32) (string, bool) {
	if len(operations) == 0 {
		return "", false
	}
	key := c.h.Operations[operations[0]].Key
	for _, i := range operations {
		if c.h.Operations[i].Key != key {
			return "", false
		}
	}
	return key, true
}

// keys checks every partition. Each worker holds the prepared operations of one key at a time; which worker took which key
// leaves no trace in the results.
func (c *checker) keys(parts []history.Partition) []verdict.KeyResult {
	results := make([]verdict.KeyResult, len(parts))
	var next atomic.Int64
	var lock sync.Mutex
	done := 0
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(parts) {
				return
			}
			results[i] = c.key(parts[i])
			if c.o.Progress != nil {
				lock.Lock()
				done++
				c.o.Progress(done, len(parts))
				lock.Unlock()
			}
		}
	}
	var workers sync.WaitGroup
	for range min(c.o.Workers, len(parts)) {
		workers.Go(work)
	}
	workers.Wait()
	return results
}

// unchecked counts the operations that constrain nothing. A contract says what stale reads may return; without one they are
// held against little.
func (c *checker) unchecked() map[string]int {
	judged := c.contract && c.may(verdict.Witness)
	counts := map[string]int{}
	for i := range c.h.Operations {
		o := &c.h.Operations[i]
		switch {
		case o.Constrains():
		case o.Outcome == history.Refused:
			counts[uncheckedRefused]++
		case o.Outcome != history.Done:
			counts[uncheckedUnknown]++
		case !judged:
			counts[uncheckedStale]++
		case o.Revision == 0:
			counts[uncheckedUntold]++
		}
	}
	return counts
}
