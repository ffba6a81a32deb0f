// Package verdict holds what a check says: the verdict, who decided it and, for a violation, which operations contradict
// each other and why.
package verdict

import "fmt"

// Verdict is the answer to the question whether a history is linearizable. The zero Verdict is Undecided, so that nothing
// passes by being forgotten.
type Verdict uint8

const (
	// Undecided: the budget ended first, or the history can't be checked.
	Undecided Verdict = iota
	// Linearizable: an order exists that explains every result.
	Linearizable
	// Violation: no order does.
	Violation
)

// String returns the verdict's name.
func (v Verdict) String() string {
	switch v {
	case Linearizable:
		return "linearizable"
	case Violation:
		return "violation"
	}
	return "undecided"
}

// Worse returns the graver of two verdicts: a violation before undecided before linearizable.
func (v Verdict) Worse(other Verdict) Verdict {
	rank := [...]int{Undecided: 1, Linearizable: 0, Violation: 2}
	if rank[other] > rank[v] {
		return other
	}
	return v
}

// MarshalText writes the name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the name.
func (v *Verdict) UnmarshalText(text []byte) error {
	for _, known := range []Verdict{Undecided, Linearizable, Violation} {
		if known.String() == string(text) {
			*v = known
			return nil
		}
	}
	return fmt.Errorf("unknown verdict %q", text)
}

// Tier is the method that decided.
type Tier uint8

const (
	// NoTier decided: the key is undecided, or has nothing to check.
	NoTier Tier = iota
	// Witness is the replay of the order that revisions suggest.
	Witness
	// Zones is the algorithm of atomicity zones.
	Zones
	// Search is porcupine.
	Search
)

// String returns the tier's name.
func (t Tier) String() string { return [...]string{"none", "witness", "zones", "search"}[t] }

// MarshalText writes the name.
func (t Tier) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Kind names the shape of a contradiction.
type Kind string

// The kinds that are told apart. Any other contradiction is Unorderable.
const (
	StaleRead           Kind = "stale-read"             // a read returned what had been overwritten before it was asked
	FutureRead          Kind = "future-read"            // a read returned what was written only after it returned
	Phantom             Kind = "phantom-value"          // a read returned what nobody wrote
	RefusedRead         Kind = "read-of-refused-write"  // a read returned what only a refused write wrote
	LostUpdate          Kind = "lost-update"            // a write was acknowledged, and later results ignore it
	DoubleCompareAndSet Kind = "double-compare-and-set" // two conditional writes succeeded on one predecessor
	ResurrectedDelete   Kind = "resurrected-delete"     // a deleted value came back
	SplitBrain          Kind = "split-brain"            // results alternate between two versions of the truth
	RevisionReused      Kind = "revision-reused"        // two writes have one revision
	RevisionBackwards   Kind = "revision-backwards"     // a later operation has an older revision
	RevisionMismatch    Kind = "revision-mismatch"      // a read's revision is not that of the write that it read
	StaleReadImpossible Kind = "impossible-stale-read"  // a stale read returned what the key never held so far
	Unorderable         Kind = "unorderable"            // no order explains these results
)

// Contradiction is a set of operations that no order explains, as small as it was found. Where it rests on revisions (see
// history.Contract) the set holds those that the sentence speaks of; that no other write can have a revision is shown by the rest.
type Contradiction struct {
	Kind Kind `json:"kind"`
	// Operations are indices into History.Operations, by time of invocation.
	Operations []int32 `json:"operations"`
	// Sentence says in one sentence, with clients and values, why they contradict each other.
	Sentence string `json:"sentence"`
}

// KeyResult is the verdict on one key.
type KeyResult struct {
	Key        string
	Operations int // that constrain
	Verdict    Verdict
	Tier       Tier
	// Reason says why a key is undecided, and what to do next.
	Reason string
	// Contradiction is set for a violation.
	Contradiction *Contradiction
	// Order is a linearization as indices into History.Operations, if certificates were asked for and one exists.
	Order []int32
	// Partial holds the longest partial orders that the search found for a violation, as indices into History.Operations.
	Partial [][]int32
	// Steps counts the model steps of the search.
	Steps int64
}

// Result is the verdict on a history.
type Result struct {
	Verdict Verdict
	Keys    []KeyResult // by key
	// Contradictions are violations that concern no single key, such as a revision given twice over all keys.
	Contradictions []Contradiction
	// Operations counts all, Checked those that constrain.
	Operations, Checked int
	// Unchecked counts, by reason, the operations that constrain nothing.
	Unchecked map[string]int
	// Reason says why nothing could be checked, if so.
	Reason string
}
