package sim

import (
	"context"
	"fmt"
	"io"
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
		return s.one(ctx)
	}
	return s.many(ctx)
}

// many has a fleet live seeds.
func (s *Settings) many(ctx context.Context) error {
	if err := s.writable(); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "seeds from %d on\n", s.From) // first, so that a run which is killed can be repeated
	p := newProgress(s.Errs, s.Seeds, s.For)
	sum, err := fleet.Run(ctx, fleet.Job{
		From: s.From, Seeds: s.Seeds, For: s.For, Profile: s.Profile, Workers: s.Workers, Dir: s.Dir,
		Replay: s.replay, Check: s.check, Version: version(), Worker: worker,
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

// check is the command that checks the history in a folder again.
func (s *Settings) check(dir string) string {
	return strings.TrimSuffix(s.Command, " sim") + " check " + quoted(filepath.Join(dir, fleet.HistoryName))
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
func (s *Settings) one(ctx context.Context) error {
	r, err := s.recording()
	if err != nil {
		return err
	}
	if err := s.writable(); err != nil {
		return err
	}
	before, another, err := s.before(r)
	if err != nil {
		return err
	}
	lines := &traceOut{out: s.Out}
	if s.Trace {
		r.Trace = lines
	}
	r.Check = s.check(r.Dir)
	r.Stop = func() bool { return ctx.Err() != nil }
	report, err := r.Run()
	if err != nil {
		return err
	}
	sum := fleet.Single(report, r.Plan.Profile, r.Replay, r.Dir)
	s.printOne(sum, r)
	switch {
	case another:
		s.printAside()
	case before != nil && r.Until == 0 && !report.Stopped:
		s.printBefore(before, report.TraceHash)
	}
	if err := s.writeJSON(sum); err != nil {
		return err
	}
	switch {
	case lines.err != nil:
		return exit.Wrap(exit.Failure, "", fmt.Errorf("the trace can't be written: %w", lines.err))
	case report.Failure != nil:
		return exit.New(exit.Failure, "", "the life failed")
	case report.Stopped:
		return exit.New(exit.Undecided, "", "interrupted; nothing failed until then")
	}
	return nil
}

// before returns what was kept when the same plan was lived before: in the folder in which this life will be kept, or beside the
// plan's file. Nil if there is nothing. It moves the life aside if it would replace the failure of another plan or version, and says
// whether that is another plan.
func (s *Settings) before(r *fleet.Recording) (k *fleet.Kept, another bool, err error) {
	dir := filepath.Join(s.Dir, s.name())
	if s.File != "" && s.File != Standard {
		dir = filepath.Dir(s.File)
	}
	if k, err = fleet.ReadKept(dir); err != nil {
		return nil, false, exit.Wrap(exit.BadData, "remove it, or name another folder with --out", err)
	}
	if r.Dir != "" && s.File == "" {
		if r.Dir, another, err = fleet.Folder(r.Dir, r.File, r.Version); err != nil {
			return nil, false, err
		}
	}
	if k == nil || k.PlanHash != fleet.PlanHash(r.File) {
		return nil, another, nil
	}
	return k, another, nil
}

// recording prepares the life that is asked for.
func (s *Settings) recording() (*fleet.Recording, error) {
	r := &fleet.Recording{Replay: s.replay(s.Seed), Version: version(), Until: plan.Duration(s.Until)}
	var err error
	switch s.File {
	case "":
		if r.Plan, err = plan.Draw(s.Seed, s.Profile); err == nil {
			r.File, err = plan.Encode(r.Plan)
		}
	case Standard:
		r.Replay = s.Command + " --plan " + quoted(filepath.Join(s.Dir, s.name(), fleet.PlanName)) // where it is kept
		var file []byte
		if file, err = io.ReadAll(s.In); err != nil {
			return nil, exit.Wrap(exit.BadData, "", err)
		}
		r.Plan, r.File, err = decodePlan(s.what(), file)
	default:
		r.Replay = s.Command + " --plan " + quoted(s.File)
		r.Plan, r.File, err = readPlan(s.File)
	}
	if s.Until == 0 { // what is cut off is no life to keep
		r.Dir = filepath.Join(s.Dir, s.name())
	}
	return r, err
}

// what names the life in what is printed.
func (s *Settings) what() string {
	switch s.File {
	case "":
		return fmt.Sprintf("seed %d", s.Seed)
	case Standard:
		return "standard input"
	}
	return s.File
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
	return decodePlan(name, file)
}

func decodePlan(name string, file []byte) (*plan.Plan, []byte, error) {
	p, err := plan.Decode(file)
	if err != nil {
		return nil, nil, exit.Wrap(exit.BadData, "", fmt.Errorf("%s: %w", name, err))
	}
	return p, file, nil
}

// last is the folder that a run which passed leaves.
func (s *Settings) last() string { return filepath.Join(s.Dir, fleet.LastName) }
