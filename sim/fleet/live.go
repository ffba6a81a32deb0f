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
)

// Life is what a worker is asked to live.
type Life struct {
	Seed    uint64 `json:"seed"`
	Profile string `json:"profile"`
	// Keep is a folder for what people need, see Recording; empty: nothing is kept.
	Keep string `json:"keep,omitempty"`
	// Replay is the command that lives it again, for what is kept.
	Replay string `json:"replay,omitempty"`
}

// Runner lives a life in this process.
type Runner func(Life) (Report, error)

// Live is the Runner that simulates. The error is one of keeping it.
func Live(l Life) (Report, error) {
	p, err := plan.Draw(l.Seed, l.Profile)
	if err != nil {
		return Report{Seed: l.Seed, Failure: &Failure{Kind: BadPlan, Message: err.Error()}}, nil
	}
	if l.Keep == "" {
		r, _ := live(p, sim.Options{})
		return r, nil
	}
	return (&Recording{Plan: p, Dir: l.Keep, Replay: l.Replay}).Run()
}

// live runs a plan. A panic is a failure of the life, and leaves no history.
func live(p *plan.Plan, o sim.Options) (r Report, h *history.History) {
	started := time.Now()
	defer func() {
		if v := recover(); v != nil {
			r = Report{Failure: panicked(v)}
		}
		r.Seed, r.Nanoseconds = p.Seed, time.Since(started).Nanoseconds()
	}()
	result := sim.Run(p, o)
	r = Report{
		TraceHash: result.TraceHash, Events: result.Events, Simulated: result.Simulated, Operations: result.Operations, Steps: result.Steps,
		Outcomes: result.Outcomes, Faults: result.Faults, Probes: result.Probes,
	}
	if f := result.Failure; f != nil {
		r.Failure = &Failure{Kind: f.Kind, Message: f.Message, At: f.At}
	}
	return r, result.History
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
