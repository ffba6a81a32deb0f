package fleet

import (
	"fmt"
	"strings"
)

// The kinds of failures that a life cannot tell of itself. Package sim has the others.
const (
	Panic       = "panic"       // the code under test panicked
	Crash       = "crash"       // the worker ended in the middle of the life
	Hang        = "hang"        // it never ended
	Determinism = "determinism" // the same seed took two courses
	BadPlan     = "plan"        // the seed has no valid plan
)

// Failure is why a life failed.
type Failure struct {
	Kind string `json:"kind"`
	// Message says in one sentence what was violated.
	Message string `json:"message"`
	// At is when, in nanoseconds of simulated time; 0 if that is not known.
	At int64 `json:"at,omitempty"`
	// Contradiction is the kind that the checker names, if the history is not linearizable.
	Contradiction string `json:"contradiction,omitempty"`
	// Detail is the stack of a panic, or what a worker wrote before it ended.
	Detail string `json:"detail,omitempty"`
}

// Hit is a fault that struck.
type Hit struct {
	Fault int   `json:"fault"` // its place in the plan's list
	Node  int   `json:"node"`  // whom; 0: nobody in particular
	At    int64 `json:"at"`    // nanoseconds of simulated time
}

// Report is what came of one life, as a worker tells it.
type Report struct {
	Seed       uint64         `json:"seed"`
	Failure    *Failure       `json:"failure,omitempty"`
	TraceHash  uint64         `json:"trace_hash"`
	Events     uint64         `json:"events"`    // that the world took from its agenda; a trace has several events for some, and none for others
	Simulated  int64          `json:"simulated"` // nanoseconds
	Operations int            `json:"operations"`
	Steps      int            `json:"steps"`
	Outcomes   map[string]int `json:"outcomes,omitempty"`
	Faults     map[string]int `json:"faults,omitempty"`
	Probes     map[string]int `json:"probes,omitempty"`
	// Nanoseconds that it took on the wall.
	Nanoseconds int64 `json:"nanoseconds"`
	// Hits are there if the Life asks for them, in the order of their times.
	Hits []Hit `json:"hits,omitempty"`
	// Twice is set by Run if it had the life lived twice.
	Twice bool `json:"-"`
	// Stopped says that Recording.Stop ended it.
	Stopped bool `json:"-"`
}

// Way is how a life fails. Two that fail in the same way are taken for one bug.
type Way struct{ Kind, Contradiction string }

// Way returns how the life failed; the zero Way if it passed.
func (r *Report) Way() Way {
	if r.Failure == nil {
		return Way{}
	}
	return Way{r.Failure.Kind, r.Failure.Contradiction}
}

// Hash writes a trace hash as people compare it.
func Hash(h uint64) string { return fmt.Sprintf("%016x", h) }

// compare returns a failure if two lives of one seed differ. What ends a process ends it at a moment of its own, so then
// there is nothing to compare; but if it ended only the second one, that is a failure, too.
func compare(first, second Report) *Failure {
	a, b := outcome(first), outcome(second)
	switch {
	case outside(second) && first.Failure == nil:
		return second.Failure
	case outside(first), outside(second), first.parted(), a == b && first.TraceHash == second.TraceHash:
		return nil
	}
	return &Failure{Kind: Determinism, Message: fmt.Sprintf("the same seed took two courses: trace %s, %s; then trace %s, %s",
		Hash(first.TraceHash), a, Hash(second.TraceHash), b)}
}

// parted says that two lives differed already.
func (r *Report) parted() bool { return r.Failure != nil && r.Failure.Kind == Determinism }

func outcome(r Report) string {
	if r.Failure == nil {
		return "passed"
	}
	return r.Failure.Kind + " (" + r.Failure.Message + ")"
}

// outside says that the life was ended from outside of it.
func outside(r Report) bool {
	return r.Failure != nil && (r.Failure.Kind == Crash || r.Failure.Kind == Hang)
}

// firstLine returns the first line of a text, so that a message is one sentence.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}
