package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/chaos"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/spf13/cobra"
)

const (
	chaosFor     = 2 * time.Minute
	chaosNodes   = 3
	chaosClients = 96
	chaosRate    = 2000
)

func newChaos() *cobra.Command {
	var s chaos.Settings
	c := &cobra.Command{
		Use:     "chaos",
		Short:   "Break real processes under load, and check what clients saw",
		GroupID: groupStudy,
		Args:    group,
		Long: `Start a cluster of real processes on loopback, use it through every public way in while faults happen, heal it, read everything
back, and judge the history of all operations. What was found is in DIR/TIME; DIR/last points to the newest.

The faults are drawn from the seed and written to plan.yaml, which --plan carries out again. It takes plans of the simulator, too.

It ends with 0 if everything held, 1 if something did not, 2 if nothing was shown (the history is empty or was cut short, or no two
operations ever met), and 3 if a recovery took longer than --recovery-max.`,
		Example: `  lockstep chaos
  lockstep chaos --for 30m --nodes 5 --seed 7
  lockstep chaos --faults kill,pause,partition
  lockstep chaos --faults all,-disk --recovery-max 3s
  lockstep chaos --plan reports/chaos/last/plan.yaml`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := chaosSettings(c, &s); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process, and the kernel its nodes
			return chaos.Run(ctx, s)
		},
	}
	addChaosShape(c, &s)
	f := c.Flags()
	f.StringVar(&s.File, "plan", "", "carry out the faults in this file")
	f.IntVar(&s.Rate, "rate", chaosRate, "operations a second that the clients begin together")
	f.DurationVar(&s.RecoveryMax, "recovery-max", 0, "end with 3 when a recovery takes longer; 0: no bound")
	f.TextVar(&s.DiskSize, "disk-size", host.Size(0), "give each node a file system of its own in memory, to be filled; needs root and Linux (default: none)")
	f.StringVar(&s.Dir, "out", filepath.Join("reports", "chaos"), "the folder for what is kept")
	c.AddCommand(newChaosPlan())
	return c
}

// addChaosShape adds the flags that a plan is drawn from.
func addChaosShape(c *cobra.Command, s *chaos.Settings) {
	f := c.Flags()
	f.Uint64Var(&s.Seed, "seed", 0, "draw the faults and the operations from this seed (default: a random one)")
	f.DurationVar(&s.For, "for", chaosFor, "how long faults happen")
	f.IntVar(&s.Nodes, "nodes", chaosNodes, fmt.Sprintf("nodes of the cluster, 1 to %d", plan.NodesMax))
	f.IntVar(&s.Clients, "clients", chaosClients, "clients that work at once")
	f.String("faults", "all", "all, none, or a list of groups ("+groupNames()+") and kinds; a minus takes away")
}

func groupNames() string {
	var names []string
	for _, g := range faults.Groups {
		names = append(names, g.Name)
	}
	return strings.Join(names, ", ")
}

// chaosSettings completes what the flags give, and says what is wrong with them.
func chaosSettings(c *cobra.Command, s *chaos.Settings) error {
	given := c.Flags().Changed
	s.Out, s.Errs, s.Command, s.JSON = c.OutOrStdout(), c.ErrOrStderr(), calledAs()+" chaos", wantsJSON(c)
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	s.Binary = binary
	for _, name := range []string{"seed", "for", "nodes", "faults"} {
		if given("plan") && given(name) {
			return usage(c, fmt.Errorf("a plan says all that --%s says: leave one of them", name))
		}
	}
	switch {
	case given("plan") && s.File == "":
		return usage(c, errors.New("--plan names no file"))
	case s.Dir == "":
		return usage(c, errors.New("--out names no folder"))
	case s.Rate < 1 || s.Rate > 1_000_000:
		return usage(c, fmt.Errorf("--rate %d is not from 1 to 1000000", s.Rate))
	case s.RecoveryMax < 0:
		return usage(c, errors.New("--recovery-max must not be negative"))
	}
	return chaosShape(c, s)
}

// chaosShape checks what a plan is drawn from.
func chaosShape(c *cobra.Command, s *chaos.Settings) error {
	list, err := c.Flags().GetString("faults")
	if err == nil {
		s.Faults, err = faults.Parse(list)
	}
	switch {
	case err != nil:
		return usage(c, err)
	case s.For <= 0 || s.For > time.Duration(plan.DurationMax):
		return usage(c, fmt.Errorf("--for %v is not above 0 and up to %v", s.For, time.Duration(plan.DurationMax)))
	case s.Nodes < 1 || s.Nodes > plan.NodesMax:
		return usage(c, fmt.Errorf("--nodes %d is not from 1 to %d", s.Nodes, plan.NodesMax))
	case s.Clients < 1 || s.Clients > 1000:
		return usage(c, fmt.Errorf("--clients %d is not from 1 to 1000", s.Clients))
	}
	if !c.Flags().Changed("seed") {
		s.Seed = uint64(rand.Uint32())
	}
	return nil
}

func newChaosPlan() *cobra.Command {
	var s chaos.Settings
	c := &cobra.Command{
		Use:   "plan",
		Short: "Print the plan that a seed draws",
		Args:  args(0, 0),
		Long: `Print the faults that a seed draws, with their times and targets. The file can be edited, and carried out with
` + "`lockstep chaos --plan FILE`" + `.`,
		Example: "  lockstep chaos plan --seed 7 > plan.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if wantsJSON(c) {
				return usage(c, errors.New("chaos plan prints YAML only"))
			}
			if err := chaosShape(c, &s); err != nil {
				return err
			}
			text, err := faults.Encode(s.Draw())
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	addChaosShape(c, &s)
	return c
}
