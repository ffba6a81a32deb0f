package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
)

// Config of a Client. Only Addresses is required; zero values become the defaults.
type Config struct {
	// Addresses are gRPC addresses (host:port) of nodes, 1 to 64. One that works is enough, since the others are learned
	// from it; more of them let the client begin while some nodes are down. The first is tried first.
	Addresses []string
	// Resolve, when set, turns an address that the cluster tells (its nodes' configured gRPC address) into the one to
	// connect to. It must be quick and safe for concurrent use. Use it when the nodes have other names here than among
	// themselves. Addresses are not passed through it.
	Resolve func(address string) string
	// TLS, when set, secures connections. nil: plain text.
	TLS *tls.Config

	// Timeout bounds a call whose context has no deadline. Default 10 s.
	Timeout time.Duration
	// AttemptTimeout is how long a node may take to answer before another one is tried. Default 2 s. Too short: slow nodes
	// get the same operations again. Too long: a node that hangs is left late. A write without a session waits until
	// its deadline instead, since it cannot be sent again.
	AttemptTimeout time.Duration
	// ConnectTimeout bounds the making of one connection. Default 500 ms.
	ConnectTimeout time.Duration
	// BackoffMin and BackoffMax bound the delay before nodes that were all tried are tried again: it is drawn evenly
	// from 0 to BackoffMin, doubled each round, up to BackoffMax. Defaults 10 ms and 250 ms.
	BackoffMin, BackoffMax time.Duration
	// AttemptsMax bounds the attempts of one call; those that open the session count. 0, the default: only the deadline does.
	AttemptsMax int

	// DisableSessions makes writes go without a session: a write whose answer is lost is unknown, never sent again.
	DisableSessions bool
	// Unary sends each operation as a call of its own instead of through the node's one stream. It is slower.
	Unary bool
	// MaxInFlight is how many operations are under way at once, 1 or more. Default 4,096. Further calls wait for a
	// place within their deadline, WaitingMax of them; default 65,536. Beyond that they are refused.
	MaxInFlight, WaitingMax int
	// RequestBytesMax bounds a key and its value together, before anything is sent. Default 1 MiB + 64 KiB. Raise it with the
	// cluster's bounds. A message larger than the servers accept would break the stream for all operations on it.
	RequestBytesMax int
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Config) applyDefaults() {
	orDefault(&c.Timeout, 10*time.Second)
	orDefault(&c.AttemptTimeout, 2*time.Second)
	orDefault(&c.ConnectTimeout, 500*time.Millisecond)
	orDefault(&c.BackoffMin, 10*time.Millisecond)
	orDefault(&c.BackoffMax, max(250*time.Millisecond, c.BackoffMin))
	orDefault(&c.MaxInFlight, 4096)
	orDefault(&c.WaitingMax, 65536)
	orDefault(&c.RequestBytesMax, 1<<20+64<<10)
}

func (c *Config) validate() error {
	if len(c.Addresses) == 0 {
		return errors.New("client: Config.Addresses is empty: give the gRPC address of at least one node, such as 127.0.0.1:9081")
	}
	for _, address := range c.Addresses {
		if err := checkAddress(address); err != nil {
			return fmt.Errorf("client: Config.Addresses holds %q: %w", address, err)
		}
	}
	switch {
	case c.Timeout < 0:
		return fmt.Errorf("client: Config.Timeout is %v, must not be negative", c.Timeout)
	case c.ConnectTimeout < 0:
		return fmt.Errorf("client: Config.ConnectTimeout is %v, must not be negative", c.ConnectTimeout)
	case c.RequestBytesMax < 0:
		return fmt.Errorf("client: Config.RequestBytesMax is %d, must not be negative", c.RequestBytesMax)
	}
	return nil
}

// checkAddress refuses what is no host:port. A target of gRPC's with a scheme, such as unix:/run/node, is left to gRPC.
func checkAddress(address string) error {
	if strings.Contains(address, ":/") {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("write it like host:port, with the port of gRPC, such as 127.0.0.1:9081")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("the port %q is not a number from 1 to 65535", port)
	}
	return nil
}

// policy is what the settings mean to the decisions; nodes counts the addresses, each once.
func (c *Config) policy(nodes int, identity uint64) policy.Config {
	return policy.Config{
		Nodes: nodes, Sessions: !c.DisableSessions, Identity: identity,
		BackoffMin: int64(c.BackoffMin), BackoffMax: int64(c.BackoffMax), AttemptTime: int64(c.AttemptTimeout),
		AttemptsMax: c.AttemptsMax, InFlightMax: c.MaxInFlight, WaitingMax: c.WaitingMax,
	}
}
