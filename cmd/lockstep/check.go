package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/check"
	"github.com/lockstepdb/lockstep/linearizability/readers"
	"github.com/spf13/cobra"
)

func newCheck() *cobra.Command {
	var s check.Settings
	c := &cobra.Command{
		Use:     "check [FILE...]",
		Short:   "Judge whether recorded histories are linearizable",
		GroupID: groupStudy,
		Args:    args(0, -1),
		Long: `Judge whether what clients saw of a store could have come from one copy that does one operation at a time.

A FILE is a history of Lockstep, Jepsen, Maelstrom, porcupine's tests or etcd's robustness tests; its format is found out.
A folder stands for the history in it. Without FILE, or for "-", standard input is read.

It ends with 0 if all histories are linearizable, 1 if one is not, 2 if a verdict needs a larger budget or nothing could be checked,
and 65 if a file can't be read. A violation comes with the smallest set of operations that contradict each other, and why.`,
		Example: `  lockstep check history.jsonl
  lockstep check --html report.html store/latest/history.edn
  lockstep check --format jepsen-log --model cas-register --budget 30s,50000000 etcd_*.log
  lockstep check --json < history.jsonl`,
		RunE: func(c *cobra.Command, given []string) error {
			if err := studySettings(c, &s, given); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process
			return check.Run(ctx, s)
		},
	}
	f := c.Flags()
	f.StringVar(&s.Format, "format", "auto", "auto, "+strings.Join(readers.Formats, ", "))
	f.StringVar(&s.Model, "model", "", "register, cas-register or kv: operations that it lacks are an error (default: what the format implies)")
	f.StringVar(&s.Initial, "initial", "", "what every key holds at the start, as the history writes it (default: what the format implies)")
	f.Var(&s.Budget, "budget", "the search's bounds: steps of the model for each key (5000000 if not given), a time for each history (none), or both with a comma")
	f.Var(&s.Tiers, "tiers", "the methods that may decide: witness, zones, search")
	f.IntVar(&s.Workers, "workers", 0, "keys that are searched at once; 0: one for each processor")
	f.StringVar(&s.HTML, "html", "", "write a page: a file, or a folder for several histories")
	f.StringVar(&s.JUnit, "junit", "", "write JUnit XML with a test case for each key")
	f.BoolVarP(&s.Quiet, "quiet", "q", false, "print no keys but those with a problem")
	f.BoolVar(&s.KnownAnswers, "known-answers", false, "expect violations of files in folders called bad, of the kind that begins the file's name")
	return c
}

// studySettings completes what the flags give, and says what is wrong with them.
func studySettings(c *cobra.Command, s *check.Settings, given []string) error {
	s.Files, s.JSON = given, wantsJSON(c)
	s.In, s.Out, s.Errs = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	s.InitialGiven = c.Flags().Changed("initial")
	s.Command = "lockstep check"
	if s.Format != "auto" && !slices.Contains(readers.Formats, s.Format) {
		return usage(c, fmt.Errorf("unknown format %q: say auto, %s", s.Format, strings.Join(readers.Formats, ", ")))
	}
	if !slices.Contains([]string{"", "register", "cas-register", "kv"}, s.Model) {
		return usage(c, fmt.Errorf("unknown model %q: say register, cas-register or kv", s.Model))
	}
	for name, value := range map[string]string{"html": s.HTML, "junit": s.JUnit} {
		if value == "" && c.Flags().Changed(name) {
			return usage(c, fmt.Errorf("--%s names no file", name))
		}
	}
	if s.Workers < 0 {
		return usage(c, errors.New("--workers must not be negative"))
	}
	if len(given) == 0 {
		if isTerminal(s.In) {
			return usage(c, errors.New("FILE is missing, and standard input is a terminal"))
		}
		s.Files = []string{"-"}
	}
	if i := slices.Index(given, "-"); i >= 0 && slices.Contains(given[i+1:], "-") {
		return usage(c, errors.New("standard input can be read only once"))
	}
	return nil
}
