package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/shrink"
)

// ShrinkSettings bound `lockstep sim shrink`.
type ShrinkSettings struct {
	For   time.Duration
	Tries int // 0: no bound
	Seeds int // other seeds for each candidate
}

// Shrink finds the smallest plan that fails as a life does, and keeps it.
func Shrink(ctx context.Context, s Settings, o ShrinkSettings) error {
	y, err := s.study()
	if err != nil {
		return err
	}
	defer y.close()
	started := time.Now()
	p := newProgress(s.Errs, 0, o.For)
	bounded, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	r, err := shrink.Shrink(bounded, y.plan, y.pool.Stream, shrink.Options{Tries: o.Tries, Seeds: o.Seeds, Progress: func(g shrink.Progress) {
		p.say(func(after time.Duration) string { return shrinkLine(g, after, o.For) })
	}})
	p.clear()
	switch {
	case errors.Is(err, shrink.ErrPasses):
		return y.passes()
	case err != nil && ctx.Err() != nil:
		return exit.New(exit.Undecided, "", "interrupted before the plan was lived once")
	case err != nil:
		return exit.Wrap(exit.Failure, "", err)
	}
	dir := filepath.Join(s.Dir, fmt.Sprintf("%d-shrunk", y.plan.Seed))
	replay := s.Command + " --plan " + quoted(filepath.Join(dir, fleet.PlanName))
	_, err = os.Stat(filepath.Join(dir, fleet.PlanName))
	replaced := err == nil
	if err := y.keep(ctx, r.Plan, &r.Report, fleet.Life{Keep: dir, Replay: replay, Note: shrunkNote(y, &r)}); err != nil {
		return err
	}
	y.printShrunk(&r, time.Since(started), replay, dir)
	if replaced {
		fmt.Fprintln(s.Out, "  it replaces the plan that was kept there before")
	}
	if s.JSON != "" {
		if err := s.writeFile(shrunkJSON{version(), r.First.Seed, r.First.Failure.Kind, r.First.Failure.Message, r.Report.Failure.Message, sizeOf(y.plan), sizeOf(r.Plan), r.Tries, r.Minimal, time.Since(started).Seconds(), replay, dir}); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return exit.New(exit.Undecided, "", "interrupted; the smallest plan so far is kept in %s", dir)
	}
	return nil
}

// shrunkJSON is what --json writes.
type shrunkJSON struct {
	Version string  `json:"version"`
	Seed    uint64  `json:"seed"`
	Kind    string  `json:"kind"`
	Message string  `json:"message"`        // of the life that was given
	Shrunk  string  `json:"shrunk_message"` // of the life that is left
	From    size    `json:"from"`
	To      size    `json:"to"`
	Tries   int     `json:"tries"`
	Minimal bool    `json:"minimal"`
	Wall    float64 `json:"wall_seconds"`
	Replay  string  `json:"replay"`
	Dir     string  `json:"dir"`
}

// size is how large a plan is.
type size struct {
	Faults     int     `json:"faults"`
	Operations int     `json:"operations"`
	Clients    int     `json:"clients"`
	Nodes      int     `json:"nodes"`
	Spares     int     `json:"spares"`
	Safety     float64 `json:"safety_seconds"`
}

func sizeOf(p *plan.Plan) size {
	return size{len(p.Faults), len(p.Operations), p.Clients.Count, p.Nodes, p.Spares, float64(p.Safety) / 1e9}
}

func (z size) String() string {
	return fmt.Sprintf("%s, %s, %s, %s", count(uint64(z.Faults), "fault"), count(uint64(z.Operations), "operation"), count(uint64(z.Clients), "client"),
		count(uint64(z.Nodes+z.Spares), "node"))
}

func shrinkLine(g shrink.Progress, after, length time.Duration) string {
	return fmt.Sprintf("%s %s %s: %s; trying %s", bar(after.Seconds()/length.Seconds()), after.Round(time.Second), tries(g.Tries), sizeOf(g.Plan), g.Step)
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return grouped(uint64(n)) + " tries"
}

// shrunkNote is the first line of the plan that is kept.
func shrunkNote(y *study, r *shrink.Result) string {
	return fmt.Sprintf("Shrunk from %s (%s): fails with %s: %s", y.what(), y.plan.Profile, r.Report.Failure.Kind, r.Report.Failure.Message)
}

// faultsShownMax is how many faults are still worth a line each.
const faultsShownMax = 20

func (y *study) printShrunk(r *shrink.Result, took time.Duration, replay, dir string) {
	y.printWay(&r.First)
	from, to := sizeOf(y.plan), sizeOf(r.Plan)
	t := tabwriter.NewWriter(y.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, before, after any) { fmt.Fprintf(t, "%s\t%v\t%v\t\n", name, before, after) }
	row("", "before", "after")
	row("faults", from.Faults, to.Faults)
	row("operations", from.Operations, to.Operations)
	row("clients", from.Clients, to.Clients)
	row("nodes", from.Nodes, to.Nodes)
	row("spares", from.Spares, to.Spares)
	row("safety phase", y.plan.Safety, r.Plan.Safety)
	t.Flush()
	if lines := faultLines(r.Plan); len(lines) <= faultsShownMax {
		fmt.Fprintf(y.Out, "\n%s\n", strings.Join(lines, "\n"))
	}
	fmt.Fprintf(y.Out, "\nwhat is left fails: %s\n  %s%s\n\n", r.Report.Failure.Kind, r.Report.Failure.Message, when(r.Report.Failure))
	fmt.Fprintf(y.Out, "shrunk in %.1f s and %s", took.Seconds(), tries(r.Tries))
	if !r.Minimal {
		fmt.Fprint(y.Out, "; more may go with more time")
	}
	fmt.Fprintf(y.Out, "\n  replay: %s\n  see %s\n", replay, dir)
}

// faultLines are the faults as they stand in the plan's file.
func faultLines(p *plan.Plan) []string {
	text, err := plan.Encode(p)
	if err != nil {
		return nil
	}
	_, rest, _ := bytes.Cut(text, []byte("\nfaults:"))
	list, _, _ := bytes.Cut(rest, []byte("\noperations:"))
	return strings.Split("faults:"+string(list), "\n")
}
