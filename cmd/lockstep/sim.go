package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/sim"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/spf13/cobra"
)

// simFor is how long seeds are run when nothing bounds them.
const simFor = 60 * time.Second

func newSim() *cobra.Command {
	var s sim.Settings
	c := &cobra.Command{
		Use:     "sim",
		Short:   "Live whole lives of clusters under faults, in simulated time",
		GroupID: groupStudy,
		Args:    group,
		Long: `Run the code of the nodes in a simulated world: network, disks, clocks and clients. A seed decides everything that happens,
so that each life can be lived again, event for event.

Many seeds are run in worker processes, one for each processor, for a minute or as --seeds or --for says. Each failure comes with the
command that replays it, and a folder with its plan, trace, history and report; a run that passes keeps the last seed in DIR/last.

--seed lives one seed in this process and keeps it in DIR/SEED; --plan lives a plan from a file, which ` + "`lockstep sim plan`" + ` prints
and you may edit, and keeps it in DIR/plan.

One seed of sixteen is lived twice, in two processes, and both must be the same life.

It ends with 0 if everything passed, 1 if a life failed, 2 if it was interrupted before, 64 if --out or --json can't be written,
and 65 if a plan can't be read.`,
		Example: `  lockstep sim
  lockstep sim --seeds 100 --from 4000 --json out.json
  lockstep sim --seed 17 --trace --until 12.5s
  lockstep sim plan 17 > plan.yaml; lockstep sim --plan plan.yaml`,
		RunE: func(c *cobra.Command, _ []string) error {
			if os.Getenv(fleet.WorkerVariable) != "" {
				return fleet.Serve(c.InOrStdin(), c.OutOrStdout(), fleet.Live)
			}
			if err := simSettings(c, &s); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // the second signal ends what hangs
			return sim.Run(ctx, s)
		},
	}
	f := c.Flags()
	f.DurationVar(&s.For, "for", simFor, "begin seeds for this long; with --seeds only if it is given")
	f.Uint64Var(&s.Seeds, "seeds", 0, "how many seeds to run (default: as many as --for allows)")
	f.Uint64Var(&s.From, "from", 0, "the first seed; the others follow it (default: drawn anew each time)")
	f.IntVar(&s.Workers, "workers", 0, "processes that live seeds; 0: one for each processor")
	f.StringVar(&s.Profile, "profile", plan.Profiles[0], strings.Join(plan.Profiles, ", "))
	f.StringVar(&s.Dir, "out", filepath.Join("reports", "sim"), "the folder for what is kept")
	f.StringVar(&s.JSON, "json", "", "write the summary to a file, as JSON; -: to stdout, and the rest to stderr")
	f.Uint64Var(&s.Seed, "seed", 0, "live this seed, in this process")
	f.StringVar(&s.File, "plan", "", "live the plan in this file (-: from stdin), in this process")
	f.BoolVar(&s.Trace, "trace", false, "print one line for each event (with --seed or --plan)")
	f.Var(&s.Until, "until", "end the life at this simulated time and keep nothing (with --seed or --plan)")
	f.BoolVar(&s.RequireProbes, "require-probes", false, "fail if something that must happen sometimes did not happen in any life")
	c.AddCommand(newSimPlan(), newSimShrink(), newSimLikelihood())
	return c
}

// simSettings completes what the flags give, and says what is wrong with them.
func simSettings(c *cobra.Command, s *sim.Settings) error {
	given := c.Flags().Changed
	s.One = given("seed") || given("plan")
	s.Out, s.Errs, s.Command = c.OutOrStdout(), c.ErrOrStderr(), calledAs()+" sim"
	if given("seed") && given("plan") {
		return usage(c, errors.New("--seed and --plan exclude each other"))
	}
	for _, name := range []string{"for", "seeds", "from", "workers", "require-probes"} {
		if s.One && given(name) {
			return usage(c, fmt.Errorf("--%s is for many seeds: leave it, or --seed and --plan", name))
		}
	}
	for _, name := range []string{"trace", "until"} {
		if !s.One && given(name) {
			return usage(c, fmt.Errorf("--%s is for one life: say which with --seed or --plan", name))
		}
	}
	switch {
	case given("plan") && given("profile"):
		return usage(c, errors.New("a plan is of its own profile: leave --profile"))
	case given("plan") && s.File == "":
		return usage(c, errors.New("--plan names no file"))
	case s.Dir == "":
		return usage(c, errors.New("--out names no folder"))
	case s.Trace && s.JSON == sim.Standard:
		return usage(c, errors.New("--trace and --json - both want standard output"))
	}
	simStandard(c, s)
	if err := knownProfile(c, s.Profile); err != nil || s.One {
		return err
	}
	return simBounds(c, s)
}

// simStandard gives standard input and output to those who ask for them. Where JSON goes to stdout, text goes to stderr.
func simStandard(c *cobra.Command, s *sim.Settings) {
	s.In = c.InOrStdin()
	if s.JSON == sim.Standard {
		s.JSONOut, s.Out = s.Out, s.Errs
	}
}

// simBounds checks which seeds are to be lived, for how long and by whom.
func simBounds(c *cobra.Command, s *sim.Settings) error {
	given := c.Flags().Changed
	switch {
	case given("seeds") && s.Seeds == 0:
		return usage(c, errors.New("--seeds 0 is not above 0"))
	case s.For <= 0:
		return usage(c, fmt.Errorf("--for %v is not above 0", s.For))
	case s.Workers < 0:
		return usage(c, errors.New("--workers must not be negative"))
	case s.Seeds > 0 && s.From > math.MaxUint64-(s.Seeds-1):
		return usage(c, fmt.Errorf("there are no %d seeds from %d on", s.Seeds, s.From))
	}
	if s.Seeds > 0 && !given("for") {
		s.For = 0
	}
	if !given("from") {
		s.From = freshSeed()
	}
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	return nil
}

// freshSeedMax keeps seeds short enough to be told by phone. Two runs hardly ever meet the same ones.
const freshSeedMax = 10_000_000_000

// freshSeed draws where a run begins, so that each explores something new.
func freshSeed() uint64 { return 1 + rand.Uint64N(freshSeedMax) }

func knownProfile(c *cobra.Command, name string) error {
	if !slices.Contains(plan.Profiles, name) {
		return usage(c, fmt.Errorf("unknown profile %q: say %s", name, strings.Join(plan.Profiles, ", ")))
	}
	return nil
}

// calledAs is how this program was called, so that a command which is printed can be copied.
func calledAs() string {
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		return os.Args[0]
	}
	return "lockstep"
}

func newSimPlan() *cobra.Command {
	var profile string
	c := &cobra.Command{
		Use:   "plan SEED",
		Short: "Print the plan of a seed",
		Args:  args(1, 1),
		Long: `Print everything that a seed decides beforehand: the size of the cluster, the options of its nodes, what its clients do, and every
fault with its time and target. The file can be edited, and lived with ` + "`lockstep sim --plan FILE`" + `.`,
		Example: "  lockstep sim plan 17 > plan.yaml",
		RunE: func(c *cobra.Command, given []string) error {
			if wantsJSON(c) {
				return usage(c, errors.New("sim plan prints YAML only"))
			}
			seed, err := seedOf(c, given[0])
			if err != nil {
				return err
			}
			if err := knownProfile(c, profile); err != nil {
				return err
			}
			p, err := plan.Draw(seed, profile)
			if err != nil {
				return exit.Wrap(exit.Internal, "", err)
			}
			text, err := plan.Encode(p)
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().StringVar(&profile, "profile", plan.Profiles[0], strings.Join(plan.Profiles, ", "))
	return c
}
