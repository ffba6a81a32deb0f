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
)

// The files of a kept life, and the folder of the last life of a run that passed.
const (
	PlanName    = "plan.yaml"
	TraceName   = "trace.txt"
	HistoryName = "history.jsonl"
	PageName    = "report.html"
	StackName   = "stack.txt" // only after a panic or a crash
	LastName    = "last"
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
	// Trace gets the trace, too, if it is not nil.
	Trace io.Writer
	// Until ends the life at that time; 0: no bound.
	Until plan.Duration
}

// Run lives the plan in this process. The plan is on disk before the life begins, and the trace grows with it, so that both
// are there if the process does not survive it.
func (r *Recording) Run() (Report, error) {
	o := sim.Options{Trace: r.Trace, Until: int64(r.Until)}
	if r.Dir == "" {
		result, _ := live(r.Plan, o)
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
	result, h := live(r.Plan, o)
	if result.Failure != nil && result.Failure.Kind == Panic {
		fmt.Fprintf(o.Trace, "panic: %s\n", result.Failure.Message)
		err = writeStack(r.Dir, result.Failure)
	}
	return result, errors.Join(err, t.close(), r.write(h))
}

// prepare makes the folder, removes what is older, and writes the plan.
func (r *Recording) prepare() error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{TraceName, HistoryName, PageName, StackName} {
		if err := os.Remove(filepath.Join(r.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	file := r.File
	if len(file) == 0 {
		var err error
		if file, err = plan.Encode(r.Plan); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(r.Dir, PlanName), file, 0o644)
}

// write writes the history and the page of its check. A life that panicked has neither.
func (r *Recording) write(h *history.History) error {
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
	checked := report.Checked{History: h, Command: r.Replay}
	checked.Result = linearizability.Check(context.Background(), h, linearizability.Options{Workers: 1, Certificates: true})
	b.Reset()
	if err := report.HTML(&b, checked); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, PageName), b.Bytes(), 0o644)
}

func writeStack(dir string, f *Failure) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, StackName), []byte(f.Detail), 0o644)
}
