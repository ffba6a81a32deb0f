package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/likelihood"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// LikelihoodSettings say how closely `lockstep sim likelihood` looks.
type LikelihoodSettings struct{ Tries, Points, Refine int }

// Likelihood finds out when a failure of a life became certain.
func Likelihood(ctx context.Context, s Settings, o LikelihoodSettings) error {
	y, err := s.study()
	if err != nil {
		return err
	}
	defer y.close()
	p := newProgress(s.Errs, 0, 0)
	c, err := likelihood.Estimate(ctx, y.plan, y.pool.Stream, likelihood.Options{Tries: o.Tries, Points: o.Points, Refine: o.Refine, Progress: func(lives, atMost int) {
		p.say(func(after time.Duration) string {
			return fmt.Sprintf("%s %s %s of at most %s", bar(float64(lives)/float64(atMost)), after.Round(time.Second), count(uint64(lives), "live"), grouped(uint64(atMost)))
		})
	}})
	p.clear()
	switch {
	case errors.Is(err, likelihood.ErrPasses):
		return y.passes()
	case err != nil && ctx.Err() != nil:
		return exit.New(exit.Undecided, "", "interrupted before the plan was lived once")
	case err != nil:
		return exit.Wrap(exit.Failure, "", err)
	}
	if err := y.tell(ctx, c); err != nil {
		return err
	}
	if c.Interrupted {
		return exit.New(exit.Undecided, "", "interrupted; the points that were finished are shown")
	}
	return nil
}

// linesMax is how many lines of the trace are shown around the moment.
const linesMax = 20

// tell prints the curve and writes it.
func (y *study) tell(ctx context.Context, c *likelihood.Curve) error {
	dir := filepath.Join(y.Dir, y.name())
	if y.File == "" {
		var err error
		if dir, _, err = fleet.Folder(dir, y.file, version()); err != nil {
			return err
		}
	}
	if err := y.keep(ctx, y.plan, &c.Report, fleet.Life{Keep: dir, Replay: y.replay}); err != nil {
		return err
	}
	page := likelihood.Page{Title: y.what(), Curve: c}
	j, found := c.Jump()
	if found {
		var err error
		page.Replay = fmt.Sprintf("%s --trace --until %v | tail -50", y.replay, plan.Duration(j.To))
		if page.Lines, err = linesAround(dir, j); err != nil {
			return err
		}
	}
	y.printWay(&c.Report)
	c.Text(y.Out)
	fmt.Fprintf(y.Out, "\n%s\n", c.Sentence())
	if len(page.Lines) > 0 {
		fmt.Fprintln(y.Out)
		for _, line := range page.Lines {
			fmt.Fprintln(y.Out, line)
		}
	}
	if found {
		fmt.Fprintf(y.Out, "  what led there: %s\n", page.Replay)
	}
	var html bytes.Buffer
	if err := page.Write(&html); err != nil {
		return err
	}
	name := filepath.Join(dir, fleet.MomentName)
	if err := os.WriteFile(name, html.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(y.Out, "  see %s\n", name)
	return y.writeCurve(c)
}

// linesAround reads what the trace says between two moments.
func linesAround(dir string, j likelihood.Jump) ([]string, error) {
	f, err := os.Open(filepath.Join(dir, fleet.TraceName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return likelihood.Around(f, j.From, j.To, linesMax)
}

// curveJSON is what --json writes.
type curveJSON struct {
	Version     string             `json:"version"`
	Seed        uint64             `json:"seed"`
	Kind        string             `json:"kind"`
	Message     string             `json:"message"`
	End         int64              `json:"end"` // nanoseconds
	Interrupted bool               `json:"interrupted"`
	Points      []likelihood.Point `json:"points"`
	Jumps       []likelihood.Jump  `json:"jumps"`
	Replay      string             `json:"replay"`
}

func (y *study) writeCurve(c *likelihood.Curve) error {
	if y.JSON == "" {
		return nil
	}
	jumps := append([]likelihood.Jump{}, c.Jumps()...)
	return y.writeFile(curveJSON{version(), c.Report.Seed, c.Report.Failure.Kind, c.Report.Failure.Message, c.End, c.Interrupted, c.Points, jumps, y.replay})
}
