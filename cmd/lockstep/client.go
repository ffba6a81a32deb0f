package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client"
	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/config"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/spf13/cobra"
)

// defaultEndpoints are the nodes of `lockstep up`: any one of them may be down.
var defaultEndpoints = []string{"127.0.0.1:9081", "127.0.0.1:9082", "127.0.0.1:9083"}

// addClientFlags gives a command that talks to nodes its --endpoint and --timeout.
func addClientFlags(c *cobra.Command, timeout time.Duration) {
	c.Flags().StringSlice("endpoint", defaultEndpoints, "gRPC addresses of nodes, by comma or repeated (environment: "+config.EndpointsVariable+")")
	c.Flags().Duration("timeout", timeout, "longest time that the command may take")
}

// endpoints are the flag's, else the variable's, else the default.
func endpoints(c *cobra.Command) ([]string, error) {
	f := c.Flags().Lookup("endpoint")
	if value := os.Getenv(config.EndpointsVariable); !f.Changed && value != "" {
		if err := f.Value.Set(value); err != nil {
			return nil, usage(c, fmt.Errorf("%s: %w", config.EndpointsVariable, err))
		}
	}
	return c.Flags().GetStringSlice("endpoint")
}

func deadline(c *cobra.Command) (context.Context, context.CancelFunc, error) {
	timeout, err := c.Flags().GetDuration("timeout")
	if err == nil && timeout <= 0 {
		err = fmt.Errorf("--timeout %v is not above 0", timeout)
	}
	if err != nil {
		return nil, nil, usage(c, err)
	}
	ctx, cancel := context.WithTimeout(c.Context(), timeout)
	return ctx, cancel, nil
}

// withClient calls f with a client and a deadline, and gives its error an exit code.
func withClient(c *cobra.Command, f func(context.Context, *client.Client) error) error {
	addresses, err := endpoints(c)
	if err != nil {
		return err
	}
	ctx, cancel, err := deadline(c)
	if err != nil {
		return err
	}
	defer cancel()
	// A write opens a session, one round trip more, so that an answer that is lost to a failover does not make it unknown.
	cl, err := client.New(client.Config{Addresses: addresses, RequestBytesMax: requestBytesMax})
	if err != nil {
		return usage(c, unprefixed(err))
	}
	defer cl.Close()
	return clientError(f(ctx, cl))
}

// requestBytesMax leaves the judgment to the cluster, whose bounds can be raised to this.
const requestBytesMax = 16<<20 + 128<<10

// unprefixed drops the name that main prints already.
func unprefixed(err error) error {
	if text, ok := strings.CutPrefix(err.Error(), "lockstep: "); ok {
		return errors.New(text)
	}
	return err
}

// clientError gives an error of the client its exit code. The client's texts say what to do next.
func clientError(err error) error {
	var refused *client.RefusedError
	code := exit.Failure
	switch {
	case err == nil:
		return nil
	case errors.Is(err, client.ErrUnknown):
		code = exit.Undecided
	case errors.As(err, &refused):
		code = refusedCode(refused.Reason)
	case !errors.Is(err, client.ErrCondition):
		return err
	}
	return exit.Wrap(code, "", unprefixed(err))
}

func refusedCode(r client.Reason) exit.Code {
	switch r {
	case policy.ReasonInvalid:
		return exit.Usage
	case policy.ReasonMembership, policy.ReasonDataFull, policy.ReasonDiskFull:
		return exit.Failure
	case policy.ReasonUnsupported, policy.ReasonClosed, policy.ReasonTooMany:
		return exit.Internal
	}
	return exit.Unavailable
}
