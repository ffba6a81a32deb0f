package sim

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/build"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/sim"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// Run does what the settings say. Its error carries the exit code.
func Run(ctx context.Context, s Settings) error {
	if s.One {
		return s.one()
	}
	return s.many(ctx)
}

// many has a fleet live seeds.
func (s *Settings) many(ctx context.Context) error {
	fmt.Fprintf(s.Out, "seeds from %d on\n", s.From) // first, so that a run which is killed can be repeated
	p := newProgress(s.Errs, s.Seeds, s.For)
	sum, err := fleet.Run(ctx, fleet.Job{
		From: s.From, Seeds: s.Seeds, For: s.For, Profile: s.Profile, Workers: s.Workers, Dir: s.Dir,
		Replay: s.replay, Version: version(), Worker: worker,
		Progress: p.show,
		Failed: func(f fleet.Found) {
			p.clear()
			s.printFailure(f)
		},
	})
	p.clear()
	s.printSummary(sum)
	if err := s.writeJSON(sum); err != nil {
		return err
	}
	if err != nil {
		return exit.Wrap(exit.Failure, "", err)
	}
	if err := ending(sum); err != nil || !s.RequireProbes {
		return err
	}
	return missing(sum.Unreached())
}

// missing is the error of a run that did not reach these probes, and should have.
func missing(probes []sim.Probe) error {
	probes = slices.DeleteFunc(probes, func(p sim.Probe) bool { return p.Seldom })
	if len(probes) == 0 {
		return nil
	}
	return exit.New(exit.Failure, "run more seeds, or find out why it does not happen any more", "%s not reached: %s", count(uint64(len(probes)), "probe"), probes[0].Name)
}

// worker is a process of this binary that lives what it is asked for.
func worker() *exec.Cmd { return fleet.Self("sim") }

// version is that of this program. A build of a working copy says only from which commit it was changed.
func version() string {
	v := build.Current()
	if v.Commit != "" && !strings.Contains(v.Version, v.Commit) {
		return v.Version + " (" + v.Commit + ")"
	}
	return v.Version
}

// replay is the command that lives a seed again.
func (s *Settings) replay(seed uint64) string {
	line := s.Command + " --seed " + strconv.FormatUint(seed, 10)
	if s.Profile != plan.Profiles[0] {
		line += " --profile " + s.Profile
	}
	return line
}

// ending turns the summary into the command's error.
func ending(sum *fleet.Summary) error {
	switch {
	case sum.Counts.Failures > 0:
		return exit.New(exit.Failure, fmt.Sprintf("replay with `%s`", sum.Failures[0].Replay), "%d of %s failed", sum.Counts.Failures, count(sum.Seeds, "seed"))
	case sum.Interrupted:
		return exit.New(exit.Undecided, "", "interrupted; what was run until then passed")
	}
	return nil
}

// one lives a life in this process, so that a debugger can follow it.
func (s *Settings) one() error {
	r, err := s.recording()
	if err != nil {
		return err
	}
	before, err := s.before(r)
	if err != nil {
		return err
	}
	report, err := r.Run()
	if err != nil {
		return err
	}
	sum := fleet.Single(report, r.Plan.Profile, r.Replay, r.Dir)
	s.printOne(sum, r)
	if before != nil && r.Until == 0 {
		s.printBefore(before, report.TraceHash)
	}
	if err := s.writeJSON(sum); err != nil {
		return err
	}
	if report.Failure != nil {
		return exit.New(exit.Failure, "", "the life failed")
	}
	return nil
}

// before returns what was kept when the same plan was lived before: in the folder in which this life will be kept, or beside the
// plan's file. Nil if there is nothing.
func (s *Settings) before(r *fleet.Recording) (*fleet.Kept, error) {
	dir := filepath.Join(s.Dir, s.name())
	file := r.File
	if s.File != "" {
		dir = filepath.Dir(s.File)
	} else {
		var err error
		if file, err = plan.Encode(r.Plan); err != nil {
			return nil, err
		}
	}
	k, err := fleet.ReadKept(dir)
	if err != nil || k == nil || k.PlanHash != fleet.PlanHash(file) {
		return nil, err
	}
	return k, nil
}

// recording prepares the life that is asked for.
func (s *Settings) recording() (*fleet.Recording, error) {
	r := &fleet.Recording{Replay: s.replay(s.Seed), Version: version(), Until: plan.Duration(s.Until)}
	var err error
	if s.File == "" {
		r.Plan, err = plan.Draw(s.Seed, s.Profile)
	} else {
		r.Replay = s.Command + " --plan " + quoted(s.File)
		r.Plan, r.File, err = readPlan(s.File)
	}
	if s.Trace {
		r.Trace = s.Out
	}
	if s.Until == 0 { // what is cut off is no life to keep
		r.Dir = filepath.Join(s.Dir, s.name())
	}
	return r, err
}

// name is that of the folder in which the life is kept. A plan that was edited must not replace what is kept of its seed.
func (s *Settings) name() string {
	if s.File != "" {
		return "plan"
	}
	return strconv.FormatUint(s.Seed, 10)
}

func readPlan(name string) (*plan.Plan, []byte, error) {
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, exit.Wrap(exit.BadData, "", err)
	}
	p, err := plan.Decode(file)
	if err != nil {
		return nil, nil, exit.Wrap(exit.BadData, "", fmt.Errorf("%s: %w", name, err))
	}
	return p, file, nil
}

// last is the folder that a run which passed leaves.
func (s *Settings) last() string { return filepath.Join(s.Dir, fleet.LastName) }
