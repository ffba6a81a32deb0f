package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/up"
	"github.com/spf13/cobra"
)

// defaultDir is where `up` keeps its data.
const defaultDir = "./data"

// downTimeout is more than what `up` takes to stop its nodes.
const downTimeout = 30 * time.Second

func newUp() *cobra.Command {
	var o up.Options
	c := &cobra.Command{
		Use:     "up",
		Short:   "Start a cluster on this machine and follow it",
		GroupID: groupRun,
		Args:    args(0, 0),
		Long: `Start a cluster of real nodes on loopback, with durable data, and print a line for each thing that happens to it.

Node i takes each port plus i - 1. A node that dies is started again after 2 s. Ctrl-C stops all nodes; they also end when
this process does, however it ends. The directory remembers its cluster: the next start finds the data again, with the same
nodes and ports. Settings of the nodes can be given as LOCKSTEP_* variables, see ` + "`lockstep config example`" + `.`,
		Example: `  lockstep up
  lockstep up --nodes 5 --dir /var/tmp/five --http-port 8181 --grpc-port 9181 --peer-port 17801 --admin-port 17901
  lockstep up --json | head -1 | jq .nodes`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once, and the nodes with it
			return runUp(ctx, c, o)
		},
	}
	f := c.Flags()
	f.IntVar(&o.Nodes, "nodes", up.DefaultNodes, "how many nodes")
	f.StringVar(&o.Dir, "dir", defaultDir, "directory of the data")
	f.IntVar(&o.Ports.HTTP, "http-port", up.DefaultPorts.HTTP, "HTTP port of node 1")
	f.IntVar(&o.Ports.GRPC, "grpc-port", up.DefaultPorts.GRPC, "gRPC port of node 1")
	f.IntVar(&o.Ports.Peer, "peer-port", up.DefaultPorts.Peer, "peer port of node 1")
	f.IntVar(&o.Ports.Admin, "admin-port", up.DefaultPorts.Admin, "admin port of node 1")
	f.BoolVar(&o.NoRestart, "no-restart", false, "leave dead nodes dead")
	return c
}

func runUp(ctx context.Context, c *cobra.Command, o up.Options) error {
	binary, err := os.Executable()
	if err != nil {
		return exit.Wrap(exit.Internal, "", err)
	}
	if err := forgetDefaults(c, &o.Wish); err != nil {
		return err
	}
	o.Binary, o.Command, o.Environ, o.JSON, o.Out = binary, os.Args[0], os.Environ(), wantsJSON(c), c.OutOrStdout()
	o.Check = checkServe
	return up.Run(ctx, o)
}

// forgetDefaults leaves only what the user asked for: the rest is for cluster.json to say. A zero that was asked for is wrong, since it
// would pass for no wish.
func forgetDefaults(c *cobra.Command, w *up.Wish) error {
	for _, wish := range []struct {
		flag  string
		value *int
	}{
		{"nodes", &w.Nodes}, {"http-port", &w.Ports.HTTP}, {"grpc-port", &w.Ports.GRPC}, {"peer-port", &w.Ports.Peer}, {"admin-port", &w.Ports.Admin},
	} {
		switch {
		case !c.Flags().Changed(wish.flag):
			*wish.value = 0
		case *wish.value <= 0:
			return usage(c, fmt.Errorf("--%s %d is not above 0", wish.flag, *wish.value))
		}
	}
	return nil
}

// checkServe reads a node's command line and environment as the node will.
func checkServe(args []string) error {
	c := newServe()
	if err := c.ParseFlags(args); err != nil {
		return usage(c, err)
	}
	_, err := validConfig(c)
	return err
}

func newDown() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "down",
		Short:   "Stop the cluster that `up` started",
		GroupID: groupRun,
		Args:    args(0, 0),
		Long:    "Ask the `lockstep up` that runs on a directory to stop, and wait until it has. The data stays.",
		Example: "  lockstep down --dir ./data",
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), downTimeout)
			defer cancel()
			pid, err := up.Down(ctx, dir)
			if err != nil {
				return err
			}
			return printDown(c, dir, pid)
		},
	}
	c.Flags().StringVar(&dir, "dir", defaultDir, "directory of the data")
	return c
}

func printDown(c *cobra.Command, dir string, pid int) error {
	var err error
	switch {
	case wantsJSON(c):
		_, err = fmt.Fprintf(c.OutOrStdout(), "{\"pid\":%d}\n", pid)
	case pid == 0:
		_, err = fmt.Fprintf(c.OutOrStdout(), "nothing runs on %s\n", dir)
	default:
		_, err = fmt.Fprintf(c.OutOrStdout(), "stopped (pid %d)\n", pid)
	}
	return err
}
