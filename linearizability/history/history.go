// Package history holds what clients saw of a store: operations with their times and outcomes, and what happened to the
// store meanwhile. It is the plain data that checkers judge, recorders write and readers of other tools' files produce.
//
// Start with History and Operation. Read and Write are the native format, which docs/format/history.md draws.
package history

import "sort"

// History is a recorded run.
type History struct {
	Origin     Origin
	Operations []Operation // by Invoke, then by the order of recording
	Marks      []Mark      // by From
	// Clients names clients where the record does; a client without a name is called by its number.
	Clients map[int32]string
}

// Origin is where a history comes from and what its store promises.
type Origin struct {
	Format  string // the reader's name: "lockstep", "jepsen-edn", ...
	File    string // as it was given; "-" for standard input
	Store   string // the store's name, if known
	Command string // the command that made or reproduces the run, if known
	Seed    uint64 // meaningful if HasSeed
	HasSeed bool
	// Started is the wall-clock time of the run's start in RFC 3339, for people; no checker reads it.
	Started string
	// Revisions says what the revisions in the results are worth.
	Revisions Revisions
	// Initial is what every key holds before the first operation. The zero Value is absent.
	Initial Value
	// Untimed says that the record has no clock: the times are places in it, and order is all that they tell.
	Untimed bool
	// Torn says that the file ended in the middle of a record, as it does when the recorder was killed: what precedes is
	// whole.
	Torn bool
}

// Revisions is what a store promises of the revisions in its results.
type Revisions uint8

const (
	// NoRevisions: results carry none.
	NoRevisions Revisions = iota
	// Hints: they suggest an order, which counts only when all of it is verified.
	Hints
	// Contract: they are part of the result. Each write that took effect has one of its own over all keys, they grow in
	// real time, and the key revision of a read is that of the write that it read. A breach is a violation.
	Contract
)

// MarkKind is what a mark shows.
type MarkKind uint8

const (
	// Fault is something that was done to the store, from From to To.
	Fault MarkKind = iota + 1
	// Leader is a span in which Node led, as far as the recorder knew.
	Leader
	// Note is anything else worth a line.
	Note
)

// Mark is a span of time that a report draws behind the operations. No checker reads it.
type Mark struct {
	Kind     MarkKind
	Node     string // whom it concerns; empty for all
	From, To int64  // nanoseconds as in Operation; To is Forever while it lasts
	Text     string
}

// Sort brings operations and marks into the order that History promises.
func (h *History) Sort() {
	sort.SliceStable(h.Operations, func(i, j int) bool { return h.Operations[i].Invoke < h.Operations[j].Invoke })
	sort.SliceStable(h.Marks, func(i, j int) bool { return h.Marks[i].From < h.Marks[j].From })
}

// Partitions groups the operations by key, as indices into Operations in their order. Keys come sorted. Linearizability is
// local: a history is linearizable exactly when each partition is (Herlihy and Wing 1990, theorem 1).
func (h *History) Partitions() []Partition {
	byKey := map[string]int{}
	var parts []Partition
	for i := range h.Operations {
		key := h.Operations[i].Key
		at, ok := byKey[key]
		if !ok {
			at = len(parts)
			byKey[key] = at
			parts = append(parts, Partition{Key: key})
		}
		parts[at].Operations = append(parts[at].Operations, int32(i))
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].Key < parts[j].Key })
	return parts
}

// Partition is one key's operations.
type Partition struct {
	Key        string
	Operations []int32 // indices into History.Operations, ascending
}
