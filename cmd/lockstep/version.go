package main

import (
	"encoding/json"
	"fmt"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/build"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		GroupID: groupAbout,
		Args:    args(0, 0),
		Example: "  lockstep version --json",
		RunE: func(c *cobra.Command, _ []string) error {
			v := build.Current()
			if wantsJSON(c) {
				return json.NewEncoder(c.OutOrStdout()).Encode(v)
			}
			text := "lockstep " + v.Version
			if v.Commit != "" {
				text += " (" + v.Commit + ")"
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s %s %s\n", text, v.Go, v.Platform)
			return err
		},
	}
}
