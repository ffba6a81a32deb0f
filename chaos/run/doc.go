// Package run is one chaos run: it starts a cluster, has clients use it while faults happen, heals it, reads everything back,
// and judges the history.
//
// Run does all of it and returns a Result, whose Verdict is the answer. What it finds goes into a folder of its own.
package run

import (
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/chaos/workload"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

const (
	// formTimeout bounds the time until a new cluster serves.
	formTimeout = 60 * time.Second
	// healTimeout bounds the recovery after each fault, and at the end that of all nodes.
	healTimeout = 30 * time.Second
	// settle is how long the load goes on after the last fault.
	settle = 2 * time.Second
	// verifyTimeout bounds the reads of all keys at the end.
	verifyTimeout = 60 * time.Second
	// restartPause is how long a node that ended by itself stays down.
	restartPause = time.Second
	// lookPause is how often a recovery is looked for.
	lookPause = 20 * time.Millisecond
	// sampleEvery is how often the nodes' metrics are read, leaderEvery how often it is asked who leads.
	sampleEvery = time.Second
	leaderEvery = 200 * time.Millisecond
	// failuresMax bounds what is told of failures: a node that can't run ends again and again.
	failuresMax = 100
	// quiet is how long a cluster without load is left alone before its descriptors and goroutines are counted.
	quiet = time.Second
)

// Options of Run.
type Options struct {
	Driver driver.Driver
	Plan   *faults.Plan
	// Dir is the folder for what is found; it is made.
	Dir string
	// Command repeats the run; it goes into the history.
	Command string
	// Load.
	Clients, Rate, Hot, Spread int
	// Memory, FullAt and Reserve are as in cluster.Options and faults.Options.
	Memory, FullAt, Reserve int64
	// Progress is told how the run goes, a few times a second, by one goroutine at a time. It may be nil.
	Progress func(Progress)
}

// Progress is how a run goes.
type Progress struct {
	Phase     string
	After     time.Duration // since faults may happen
	Of        time.Duration
	Counts    workload.Counts // of the last second
	Median    time.Duration   // likewise
	Total     int
	Faults    int
	Active    []string
	Leader    int
	LastWrite time.Duration // how long ago
}

// Span is a time during which a node led; 0: nobody, as far as was seen.
type Span struct {
	Node     int
	From, To time.Duration
}

// Sample is what the nodes' metrics said at a time, by slot.
type Sample struct {
	At    time.Duration
	Nodes map[int]map[string]float64
}

// Usage is what a node held before the load began and after it had ended.
type Usage struct {
	Slot         int
	Before, Last map[string]float64
	Restarted    bool
}

// Verdict is how a run ended.
type Verdict uint8

const (
	// NotChecked: nothing was shown.
	NotChecked Verdict = iota
	// Passed: everything that was promised held.
	Passed
	// Failed: something did not.
	Failed
)

// String returns the verdict's name.
func (v Verdict) String() string { return [...]string{"not checked", "passed", "failed"}[v] }

// Result is what came of a run.
type Result struct {
	Options  Options
	Began    time.Time
	Load     workload.Summary
	Faults   []*faults.Injected
	Leaders  []Span
	Samples  []Sample
	Usage    []Usage
	FaultsAt time.Duration // when faults might begin, since the start of the load
	HealedAt time.Duration // when the last one was over
	Length   time.Duration // of the load

	History   *history.History
	Check     verdict.Result
	CheckTook time.Duration
	Contended int // operations that overlapped another one on their key
	KeysRead  int // at the end, in all ways

	// Failures say what did not hold, Unchecked why nothing was shown.
	Failures  []string
	Unchecked []string
}

// Verdict is the answer: a failure counts before what was not checked.
func (r *Result) Verdict() Verdict {
	switch {
	case len(r.Failures) > 0:
		return Failed
	case len(r.Unchecked) > 0:
		return NotChecked
	}
	return Passed
}
