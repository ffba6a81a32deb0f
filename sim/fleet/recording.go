package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/report"
	"github.com/lockstepdb/lockstep/sim"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/timeline"
)

// The files of a kept life, and the folder of the last life of a run that passed.
const (
	PlanName    = "plan.yaml"
	LifeName    = "life.json" // see Kept
	TraceName   = "trace.txt"
	HistoryName = "history.jsonl"
	PageName    = "report.html"   // of the history's check
	LanesName   = "timeline.html" // of the whole life
	// MomentName is the page that tells when a failure became certain. Others write it, and it goes with the life.
	MomentName = "likelihood.html"
	StackName  = "stack.txt" // only after a panic or a crash
	LastName   = "last"
	AgainName  = "again" // holds another course of the same seed, where there is one
)

// traceBytesMax bounds a trace on disk: a life that runs away writes millions of lines.
const traceBytesMax = 256 << 20

// Recording lives a plan and keeps what a person needs to look into it.
type Recording struct {
	Plan *plan.Plan
	// File is the plan as it was given; empty: as plan.Encode writes it.
	File []byte
	// Dir is made if it is missing. The files of an earlier life in it are replaced. Empty: nothing is kept.
	Dir string
	// Replay is the command that lives it again.
	Replay string
	// Check is the command that checks the history again.
	Check string
	// Trace gets the trace, too, if it is not nil.
	Trace io.Writer
	// Until ends the life at that time; 0: no bound.
	Until plan.Duration
	// Stop is asked now and then whether to end the life where it is; nil: never. Of such a life the plan and the trace are kept,
	// and all the rest only if it had failed until then.
	Stop func() bool
	// Reseed gives the rest of the life another course.
	Reseed sim.Reseed
	// Version is that of the program.
	Version string
	// Note is a line for the head of the plan, if File is empty.
	Note string
}

// Run lives the plan in this process. The plan is on disk before the life begins, and the trace grows with it, so that both
// are there if the process does not survive it.
func (r *Recording) Run() (Report, error) {
	stopped := false
	o := sim.Options{Trace: r.Trace, Until: int64(r.Until), Reseed: r.Reseed}
	if r.Stop != nil {
		o.Stop = func() bool {
			stopped = stopped || r.Stop()
			return stopped
		}
	}
	if r.Dir == "" {
		result, _ := live(r.Plan, o)
		result.Stopped = stopped
		return result, nil
	}
	if err := r.prepare(); err != nil {
		return Report{}, err
	}
	f, err := os.Create(filepath.Join(r.Dir, TraceName))
	if err != nil {
		return Report{}, err
	}
	t := newTraceFile(f, traceBytesMax)
	o.Trace = t
	if r.Trace != nil {
		o.Trace = io.MultiWriter(t, r.Trace)
	}
	var events timeline.Collector
	o.Events = events.Add
	result, h := live(r.Plan, o)
	if result.Stopped = stopped; stopped && result.Failure == nil {
		return result, t.close()
	}
	if result.Failure != nil && result.Failure.Kind == Panic {
		fmt.Fprintf(o.Trace, "panic: %s\n", result.Failure.Message)
		err = writeStack(r.Dir, result.Failure)
	}
	return result, errors.Join(err, t.close(), r.keep(result), r.write(h, &result, &events))
}

// prepare makes the folder, removes what is older, and writes the plan.
func (r *Recording) prepare() error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{LifeName, TraceName, HistoryName, PageName, LanesName, MomentName, StackName} {
		if err := os.Remove(filepath.Join(r.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(r.Dir, AgainName)); err != nil {
		return err
	}
	if len(r.File) == 0 {
		var err error
		if r.File, err = plan.Encode(r.Plan); err != nil {
			return err
		}
		if r.Note != "" {
			r.File = append([]byte("# "+firstLine(r.Note)+"\n"), r.File...)
		}
	}
	return os.WriteFile(filepath.Join(r.Dir, PlanName), r.File, 0o644)
}

// write writes the history, the page of its check, and the timeline. A life that panicked before it began has none.
func (r *Recording) write(h *history.History, result *Report, events *timeline.Collector) error {
	if h == nil {
		return nil
	}
	h.Origin.Command = r.Replay
	var b bytes.Buffer
	if err := history.Write(&b, h); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.Dir, HistoryName), b.Bytes(), 0o644); err != nil {
		return err
	}
	h.Origin.File = HistoryName
	checked := report.Checked{History: h, Command: r.Check}
	checked.Result = linearizability.Check(context.Background(), h, linearizability.Options{Workers: 1, Certificates: true})
	if err := r.page(PageName, func(w io.Writer) error { return report.HTML(w, checked) }); err != nil {
		return err
	}
	in := timeline.Input{
		Title: fmt.Sprintf("seed %d", r.Plan.Seed), Plan: r.Plan, Events: events.Events(), Missing: events.Missing(), History: h, Verdict: &checked.Result,
		Replay: r.Replay, Version: r.Version, TraceHash: Hash(result.TraceHash), Report: PageName,
	}
	if f := result.Failure; f != nil {
		in.Failure = &timeline.Failure{Kind: f.Kind, Message: f.Message, At: f.At}
	}
	return r.page(LanesName, func(w io.Writer) error { return timeline.Write(w, &in) })
}

// page writes a file of the folder.
func (r *Recording) page(name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, name), b.Bytes(), 0o644)
}

func writeStack(dir string, f *Failure) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, StackName), []byte(f.Detail), 0o644)
}
