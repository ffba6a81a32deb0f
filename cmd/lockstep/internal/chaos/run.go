package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lockstepdb/lockstep/chaos/cluster"
	"github.com/lockstepdb/lockstep/chaos/driver/native"
	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/chaos/run"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/sim/plan"
)

const (
	// Settings of the nodes that make a short run meet segments and snapshots; all that has to do with time is as by default.
	segmentBytes    = 1 << 20
	snapshotEntries = 5000
	tailEntries     = 500
	diskReserve     = 64 << 20

	hotKeys    = 50
	spreadKeys = 5000

	lastName = "last"
)

// Run does what the settings say. Its error carries the exit code.
func Run(ctx context.Context, s Settings) error {
	p, err := s.plan()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return exit.Wrap(exit.Usage, "name another place with --out", err)
	}
	did, err := cluster.Sweep(s.Dir)
	for _, what := range did {
		fmt.Fprintln(s.Errs, "left by an earlier run:", what)
	}
	if err != nil {
		return exit.Wrap(exit.Failure, "end it by hand", fmt.Errorf("an earlier run left something: %w", err))
	}
	dir, err := s.newDir(time.Now())
	if err != nil {
		return err
	}
	if err := s.writePlans(p, dir); err != nil {
		return err
	}
	show := newProgress(s.Errs)
	r, err := run.Run(ctx, s.options(p, dir, show))
	show.clear()
	if err != nil {
		return exit.Wrap(exit.Failure, "see "+dir, err)
	}
	return s.finish(r, dir)
}

// Plan returns what would be run.
func (s *Settings) plan() (*faults.Plan, error) {
	if s.File == "" {
		return s.Draw(), nil
	}
	text, err := os.ReadFile(s.File)
	if err != nil {
		return nil, exit.Wrap(exit.BadData, "", err)
	}
	p, err := faults.Decode(text)
	if err != nil {
		return nil, exit.Wrap(exit.BadData, "", fmt.Errorf("%s: %w", s.File, err))
	}
	return p, nil
}

// Draw makes the plan of the seed.
func (s *Settings) Draw() *faults.Plan {
	return faults.Draw(faults.Shape{Seed: s.Seed, Nodes: s.Nodes, For: plan.Duration(s.For), Kinds: s.Faults, Clients: s.Clients})
}

// newDir makes the run's folder, named by the time, and has "last" point to it.
func (s *Settings) newDir(now time.Time) (string, error) {
	name := now.Format("2006-01-02T15-04-05")
	for i := 2; ; i++ {
		err := os.Mkdir(filepath.Join(s.Dir, name), 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", exit.Wrap(exit.Usage, "name another place with --out", err)
		}
		name = now.Format("2006-01-02T15-04-05") + "-" + strconv.Itoa(i)
	}
	last := filepath.Join(s.Dir, lastName)
	if err := os.Remove(last); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return filepath.Join(s.Dir, name), os.Symlink(name, last)
}

// writePlans writes the plan, and what the simulator can try of it.
func (s *Settings) writePlans(p *faults.Plan, dir string) error {
	text, err := faults.Encode(p)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), text, 0o644); err != nil {
		return err
	}
	forSim, _, err := p.Sim()
	if err != nil {
		return err
	}
	if text, err = plan.Encode(forSim); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "sim.yaml"), text, 0o644)
}

func (s *Settings) options(p *faults.Plan, dir string, show *progress) run.Options {
	reserve := int64(diskReserve)
	flags := []string{"--storage-segment-bytes", strconv.Itoa(segmentBytes), "--raft-snapshot-entries", strconv.Itoa(snapshotEntries),
		"--raft-tail-entries", strconv.Itoa(tailEntries), "--storage-disk-reserve", strconv.FormatInt(reserve, 10)}
	if p.Node.LeaseReads {
		flags = append(flags, "--raft-lease-reads")
	}
	return run.Options{Driver: native.New(s.Binary, fmt.Sprintf("chaos-%d", p.Seed), flags), Plan: p, Dir: dir,
		Command: s.replay(dir), Clients: s.Clients, Rate: s.Rate, Hot: hotKeys, Spread: spreadKeys,
		Memory: int64(s.DiskSize), FullAt: segmentBytes - 1, Reserve: reserve, Progress: show.show}
}

// replay is the command that carries out the same faults again.
func (s *Settings) replay(dir string) string {
	return fmt.Sprintf("%s --plan %s", s.Command, filepath.Join(dir, "plan.yaml"))
}

// finish writes and prints what was found, and says how the command ends.
func (s *Settings) finish(r *run.Result, dir string) error {
	if err := s.write(r, dir); err != nil {
		return err
	}
	if s.JSON {
		if err := s.printJSON(r, dir); err != nil {
			return err
		}
	} else {
		s.print(r, dir)
	}
	switch r.Verdict() {
	case run.Failed:
		return exit.New(exit.Failure, "see "+dir, "%s", r.Failures[0])
	case run.NotChecked:
		return exit.New(exit.Undecided, "see "+dir, "not checked: %s", r.Unchecked[0])
	}
	if worst := r.WorstRecovery(); s.RecoveryMax > 0 && worst > s.RecoveryMax {
		return exit.New(exit.Threshold, "see "+dir, "the longest recovery took %v, above %v", worst.Round(time.Millisecond), s.RecoveryMax)
	}
	return nil
}
