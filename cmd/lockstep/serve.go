package main

import (
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/config"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/serve"
	"github.com/spf13/cobra"
)

// parentFlag is how `lockstep up` names the pipe that its nodes watch.
const parentFlag = "exit-with-parent-fd"

func newServe() *cobra.Command {
	c := &cobra.Command{
		Use:     "serve",
		Short:   "Run one node",
		GroupID: groupRun,
		Args:    args(0, 0),
		Long: `Run one node until SIGTERM or SIGINT, and then hand over leadership and stop. A second signal ends it at once.

A flag overrides an environment variable, which overrides the file, which overrides the default. The flag --raft-tick is the
variable LOCKSTEP_RAFT_TICK and the key raft.tick of the file. ` + "`lockstep config print`" + ` shows what is in effect.

The log goes to stderr; --json is --log-format json.

Traffic is plain text: addresses other than loopback need --insecure and a network that is trusted.`,
		Example: `  lockstep serve --config lockstep.yaml
  lockstep serve --node 1 --data-dir ./one`,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := validConfig(c)
			if err != nil {
				return err
			}
			if wantsJSON(c) {
				e.Config.Log.Format = "json"
			}
			parent, err := c.Flags().GetInt(parentFlag)
			if err != nil {
				return err
			}
			return serve.Run(c.Context(), serve.Options{Config: e.Config, ParentFD: parent, Log: c.ErrOrStderr()})
		},
	}
	config.AddFlags(c.Flags())
	c.Flags().Int(parentFlag, serve.NoParent, "stop when this descriptor, a pipe, is closed at its other end")
	if err := c.Flags().MarkHidden(parentFlag); err != nil {
		panic(err) // the flag was added above
	}
	return c
}
