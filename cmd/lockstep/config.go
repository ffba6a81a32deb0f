package main

import (
	"os"
	"strings"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/config"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Show a node's settings",
		GroupID: groupRun,
		Args:    group,
		RunE:    showHelp,
	}
	c.AddCommand(newConfigPrint(), newConfigExample())
	return c
}

func newConfigPrint() *cobra.Command {
	c := &cobra.Command{
		Use:   "print",
		Short: "Print the settings in effect and where each came from",
		Args:  args(0, 0),
		Long:  "Print the settings that `lockstep serve` would use with the same flags, environment and file, and where each came from.",
		Example: `  lockstep config print --config lockstep.yaml
  LOCKSTEP_RAFT_TICK=20ms lockstep config print --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := loadConfig(c)
			if err != nil {
				return err
			}
			write := e.WriteTable
			if wantsJSON(c) {
				write = e.WriteJSON
			}
			if err := write(c.OutOrStdout()); err != nil {
				return err
			}
			return exit.Wrap(exit.Usage, "a node would not start", e.Validate())
		},
	}
	config.AddFlags(c.Flags())
	return c
}

func newConfigExample() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a commented file with every setting",
		Args:    args(0, 0),
		Example: "  lockstep config example > lockstep.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if !wantsJSON(c) {
				return config.WriteExample(c.OutOrStdout())
			}
			var text strings.Builder
			if err := config.WriteExample(&text); err != nil {
				return err
			}
			return printJSON(c, map[string]string{"yaml": text.String()})
		},
	}
}

const settingsHint = "`lockstep config example` explains every setting"

// loadConfig merges the command's flags, the environment, the file and the defaults.
func loadConfig(c *cobra.Command) (config.Effective, error) {
	e, err := config.Load(c.Flags(), os.Environ())
	return e, exit.Wrap(exit.Usage, settingsHint, err)
}

// validConfig also checks the values.
func validConfig(c *cobra.Command) (config.Effective, error) {
	e, err := loadConfig(c)
	if err == nil {
		err = exit.Wrap(exit.Usage, settingsHint, e.Validate())
	}
	return e, err
}
