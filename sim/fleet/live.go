package fleet

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// Life is what a worker is asked to live.
type Life struct {
	Seed    uint64 `json:"seed"`
	Profile string `json:"profile"`
	// Plan is what to live; nil: what Seed and Profile give, which count only then.
	Plan *plan.Plan `json:"plan,omitempty"`
	// Reseed gives the rest of the life another course.
	Reseed sim.Reseed `json:"reseed,omitzero"`
	// Hits asks for Report.Hits, which costs some time.
	Hits bool `json:"hits,omitempty"`
	// Keep is a folder for what people need, see Recording; empty: nothing is kept.
	Keep string `json:"keep,omitempty"`
	// Replay is the command that lives it again, and Version that of the program, for what is kept.
	Replay  string `json:"replay,omitempty"`
	Version string `json:"version,omitempty"`
	// Check is the command that checks the history which is kept again.
	Check string `json:"check,omitempty"`
	// Note stands at the head of the plan that is kept.
	Note string `json:"note,omitempty"`
}

// Runner lives a life in this process.
type Runner func(Life) (Report, error)

// Live is the Runner that simulates. The error is one of keeping it.
func Live(l Life) (Report, error) {
	p, err := l.decided()
	if err != nil {
		return Report{Seed: l.Seed, Failure: &Failure{Kind: BadPlan, Message: err.Error()}}, nil
	}
	if l.Keep != "" {
		return (&Recording{Plan: p, Dir: l.Keep, Replay: l.Replay, Version: l.Version, Note: l.Note, Check: l.Check, Reseed: l.Reseed}).Run()
	}
	o := sim.Options{Reseed: l.Reseed}
	var hits []Hit
	if l.Hits {
		o.Events = func(e *trace.Event) {
			if e.Kind == trace.Fault {
				hits = append(hits, Hit{Fault: int(e.Number("number")), Node: int(e.Node), At: e.At})
			}
		}
	}
	r, _ := live(p, o)
	r.Hits = hits
	return r, nil
}

// decided returns the plan of the life.
func (l *Life) decided() (*plan.Plan, error) {
	if l.Plan != nil {
		return l.Plan, l.Plan.Validate()
	}
	return plan.Draw(l.Seed, l.Profile)
}

// live runs a plan. A panic is a failure of the life, which ends there.
func live(p *plan.Plan, o sim.Options) (r Report, h *history.History) {
	started := time.Now()
	var lost sim.Result
	o.Lost = func(r sim.Result) { lost = r }
	defer func() {
		if v := recover(); v != nil {
			r, h = reportOf(&lost), lost.History
			r.Failure = panicked(v)
			r.Failure.At = lost.Simulated
		}
		r.Seed, r.Nanoseconds = p.Seed, time.Since(started).Nanoseconds()
	}()
	result := sim.Run(p, o)
	return reportOf(&result), result.History
}

func reportOf(result *sim.Result) Report {
	r := Report{
		TraceHash: result.TraceHash, Events: result.Events, Simulated: result.Simulated, Operations: result.Operations, Steps: result.Steps,
		Outcomes: result.Outcomes, Faults: result.Faults, Probes: result.Probes,
	}
	if f := result.Failure; f != nil {
		r.Failure = &Failure{Kind: f.Kind, Message: f.Message, At: f.At, Contradiction: f.Contradiction}
	}
	return r
}

// panicked describes a panic. It is called while the stack is still that of the panic.
func panicked(v any) *Failure {
	message := firstLine(fmt.Sprint(v))
	if where := origin(); where != "" {
		message += ", in " + where
	}
	return &Failure{Kind: Panic, Message: message, Detail: fmt.Sprintf("panic: %v\n\n%s", v, debug.Stack())}
}

// origin names the function that panicked, with its file and line.
func origin() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		if panicking && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s (%s:%d)", filepath.Base(f.Function), filepath.Base(f.File), f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return ""
		}
	}
}
