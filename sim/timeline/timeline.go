// Package timeline draws a simulated life as one self-contained page: a lane for each node and each client, messages as arrows,
// disks, faults and snapshots, and the state of each node at any event.
//
// Start with Collector, which takes the events while a life is lived, and Write. The page loads nothing. Its data is packed into
// columns and compressed: pack.go draws the format, and page/unpack.js reads it.
package timeline

import (
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// Input is what a page shows. Nothing of it is changed.
type Input struct {
	// Title names the life: "seed 17".
	Title string
	// Plan is what was lived. It must not be nil.
	Plan *plan.Plan
	// Events are in the order in which they happened. Text may be empty where it was not made.
	Events []trace.Event
	// Missing is how many events were left out before the last of them: see Collector.
	Missing uint64
	// History is what the clients saw; nil if that is not known.
	History *history.History
	// Verdict is what came of its check; nil if it was not checked.
	Verdict *verdict.Result
	// Failure is why the life failed; nil if it passed.
	Failure *Failure
	// Replay is the command that lives it again, Version the program's, TraceHash that of the life; empty if not known.
	Replay, Version, TraceHash string
	// Report is a relative link to the page of the history's check; empty if there is none.
	Report string
}

// Failure is what must not happen and did.
type Failure struct {
	// Kind names the check that failed, and Message says in one sentence what was violated.
	Kind, Message string
	// At is when, in nanoseconds of simulated time.
	At int64
}
