package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/sim"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/spf13/cobra"
)

// simStudy gives a command that looks into one failing life its arguments and flags; run gets them checked.
func simStudy(c *cobra.Command, check func() error, run func(*cobra.Command, sim.Settings) error) *cobra.Command {
	s := sim.Settings{One: true}
	c.Args = args(0, 1)
	c.RunE = func(c *cobra.Command, given []string) error {
		if err := simStudySettings(c, &s, given); err != nil {
			return err
		}
		if err := check(); err != nil {
			return usage(c, err)
		}
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		c.SetContext(ctx)
		return run(c, s)
	}
	f := c.Flags()
	f.StringVar(&s.File, "plan", "", "the plan in this file (-: from stdin) instead of a seed's")
	f.StringVar(&s.Profile, "profile", plan.Profiles[0], strings.Join(plan.Profiles, ", "))
	f.IntVar(&s.Workers, "workers", 0, "processes that live candidates; 0: one for each processor")
	f.StringVar(&s.Dir, "out", filepath.Join("reports", "sim"), "the folder for what is kept")
	f.StringVar(&s.JSON, "json", "", "write the result to a file, as JSON; -: to stdout, and the rest to stderr")
	return c
}

// simStudySettings completes what the command line gives, and says what is wrong with it.
func simStudySettings(c *cobra.Command, s *sim.Settings, given []string) error {
	s.Out, s.Errs, s.Command = c.OutOrStdout(), c.ErrOrStderr(), calledAs()+" sim"
	changed := c.Flags().Changed
	switch {
	case len(given) == 0 && !changed("plan"):
		return usage(c, errors.New("SEED is missing, or --plan FILE"))
	case len(given) > 0 && changed("plan"):
		return usage(c, errors.New("SEED and --plan exclude each other"))
	case changed("plan") && changed("profile"):
		return usage(c, errors.New("a plan is of its own profile: leave --profile"))
	case changed("plan") && s.File == "":
		return usage(c, errors.New("--plan names no file"))
	case s.Dir == "":
		return usage(c, errors.New("--out names no folder"))
	case s.Workers < 0:
		return usage(c, errors.New("--workers must not be negative"))
	}
	simStandard(c, s)
	if len(given) > 0 {
		var err error
		if s.Seed, err = seedOf(c, given[0]); err != nil {
			return err
		}
	}
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	return knownProfile(c, s.Profile)
}

func seedOf(c *cobra.Command, text string) (uint64, error) {
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, usage(c, fmt.Errorf("%q is not a seed: a number from 0 on", text))
	}
	return seed, nil
}

// shrinkFor is how long candidates are tried when nothing else is said.
const shrinkFor = 2 * time.Minute

func newSimShrink() *cobra.Command {
	var o sim.ShrinkSettings
	c := &cobra.Command{
		Use:   "shrink [SEED]",
		Short: "Find the smallest plan that fails as a seed does",
		Long: `Take away what a failure does not need: faults, operations, clients and nodes, then make simpler what is left, as long as the life
still fails in the same way. The plan that is left is kept in DIR/SEED-shrunk, with its trace, history and report; DIR is what --out names.

It ends with 0 when the plan was made smaller or --for or --tries are used up, 2 if the seed does not fail or it was interrupted (then the
smallest plan so far is kept), and 65 if a plan can't be read.`,
		Example: "  lockstep sim shrink 17\n  lockstep sim shrink --plan plan.yaml --for 10m",
	}
	c = simStudy(c, func() error {
		switch {
		case o.For <= 0:
			return fmt.Errorf("--for %v is not above 0", o.For)
		case o.Tries < 0:
			return errors.New("--tries must not be negative")
		case o.Seeds < 0:
			return errors.New("--reseed must not be negative")
		}
		return nil
	}, func(c *cobra.Command, s sim.Settings) error { return sim.Shrink(c.Context(), s, o) })
	f := c.Flags()
	f.DurationVar(&o.For, "for", shrinkFor, "end after this long")
	f.IntVar(&o.Tries, "tries", 0, "end after so many candidates; 0: no bound")
	f.IntVar(&o.Seeds, "reseed", 5, "live candidates that pass under so many other seeds, too, once nothing else helps")
	return c
}

func newSimLikelihood() *cobra.Command {
	var o sim.LikelihoodSettings
	c := &cobra.Command{
		Use:   "likelihood [SEED]",
		Short: "Find the moment at which a seed's failure became certain",
		Long: `Live a failing seed again and again: the same until a moment T, and with other random numbers from then on. Before the moment at which
the bug happened the failure is rare; behind it the failure is certain. The share that fails is shown for each T, as text and as a page
in DIR/SEED; DIR is what --out names.

It ends with 0 when it is done, 2 if the seed does not fail or it was interrupted, and 65 if a plan can't be read.`,
		Example: "  lockstep sim likelihood 17\n  lockstep sim likelihood --plan reports/sim/17-shrunk/plan.yaml --tries 100",
	}
	c = simStudy(c, func() error {
		switch {
		case o.Tries < 1 || o.Points < 1:
			return errors.New("--tries and --points must be above 0")
		case o.Refine < 0:
			return errors.New("--refine must not be negative")
		}
		return nil
	}, func(c *cobra.Command, s sim.Settings) error { return sim.Likelihood(c.Context(), s, o) })
	f := c.Flags()
	f.IntVar(&o.Tries, "tries", 20, "lives for each moment")
	f.IntVar(&o.Points, "points", 24, "moments, evenly over the life")
	f.IntVar(&o.Refine, "refine", 16, "more moments, at most, where the share jumps")
	return c
}
