package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/spf13/cobra"
)

func newWAL() *cobra.Command {
	c := &cobra.Command{
		Use:     "wal",
		Short:   "Look into a node's log",
		GroupID: groupCluster,
		Args:    group,
		RunE:    showHelp,
	}
	c.AddCommand(newWALDump())
	return c
}

func newWALDump() *cobra.Command {
	var o storage.DumpOptions
	c := &cobra.Command{
		Use:   "dump DIR",
		Short: "Print a log as text",
		Args:  args(1, 1),
		Long: `Print the segments, frames, entries and snapshots of a data directory, and what a recovery would find.

Nothing is changed, and a node may run on the directory meanwhile. It prints text only.`,
		Example: "  lockstep wal dump ./data/node-1\n  lockstep wal dump ./data/node-1 --data-bytes 64",
		RunE: func(c *cobra.Command, given []string) error {
			if wantsJSON(c) {
				return usage(c, errors.New("wal dump prints text only"))
			}
			err := storage.Dump(vfs.OS(), given[0], c.OutOrStdout(), o)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%s is not a node's data directory: %w", given[0], err)
			}
			return exit.Wrap(exit.BadData, "name a directory that `lockstep serve` made", err)
		},
	}
	c.Flags().IntVar(&o.DataBytes, "data-bytes", 0, "show this many bytes of each entry's data, in hexadecimal")
	return c
}
