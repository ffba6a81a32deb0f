package host

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/kv"
)

// ConfigError names the field that is wrong, by its name in the file, its value, and what to do.
type ConfigError struct {
	Field string
	Value any
	Text  string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s is %q: %s", e.Field, fmt.Sprint(e.Value), e.Text)
}

// Validate checks the whole configuration and returns the first *ConfigError. A Config that passes can be opened as far as can be told
// without touching the machine.
func (c *Config) Validate() error {
	for _, check := range []func() error{
		c.validateIdentity, c.validateAddresses, c.validatePeers, c.validateLog, c.validateRaft, c.validateStorage, c.validateKV, c.validateServer,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateIdentity() error {
	switch {
	case c.Cluster == "" || len(c.Cluster) > 128:
		return &ConfigError{"cluster", c.Cluster, "give the cluster a name of 1 to 128 bytes, the same on every node"}
	case c.Node == 0:
		return &ConfigError{"node", c.Node, "give this node an id from 1 on, its own"}
	case c.DataDir == "":
		return &ConfigError{"data-dir", c.DataDir, "name the directory for this node's data"}
	}
	return nil
}

func (c *Config) validateAddresses() error {
	for _, a := range []struct {
		field, address string
		optional       bool
	}{
		{"http-address", c.HTTPAddress, false}, {"grpc-address", c.GRPCAddress, false},
		{"peer-address", c.PeerAddress, false}, {"admin-address", c.AdminAddress, true},
	} {
		if a.address == "" && a.optional {
			continue
		}
		if err := checkAddress(a.field, a.address); err != nil {
			return err
		}
		if !c.Insecure && !loopback(a.address) {
			return &ConfigError{a.field, a.address, "this is not a loopback address and traffic is plain text: bind to 127.0.0.1, or set insecure if the network is trusted"}
		}
	}
	return nil
}

func checkAddress(field, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return &ConfigError{field, address, "write it like host:port"}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return &ConfigError{field, address, "the port must be a number from 0 to 65535"}
	}
	return nil
}

// loopback says that a listen address can't be reached from other machines.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// peersMax bounds founding nodes: more voters than that make every write slower and nothing safer.
const peersMax = 64

func (c *Config) validatePeers() error {
	if len(c.Peers) > peersMax {
		return &ConfigError{"peers", len(c.Peers), fmt.Sprintf("at most %d nodes", peersMax)}
	}
	seen, self := map[uint64]bool{}, false
	for i, p := range c.Peers {
		field := fmt.Sprintf("peers[%d]", i)
		if p.Node == 0 || seen[p.Node] {
			return &ConfigError{field + ".node", p.Node, "give each node an id from 1 on, its own"}
		}
		seen[p.Node], self = true, self || p.Node == c.Node
		if err := checkAddress(field+".peer", p.Peer); err != nil {
			return err
		}
		for _, a := range [][2]string{{".http", p.HTTP}, {".grpc", p.GRPC}} {
			if a[1] == "" {
				continue
			}
			if err := checkAddress(field+a[0], a[1]); err != nil {
				return err
			}
		}
	}
	switch {
	case c.Join && len(c.Peers) == 0:
		return &ConfigError{"peers", "", "a node that joins must be told at least one node of the cluster"}
	case !c.Join && len(c.Peers) > 0 && !self:
		return &ConfigError{"peers", c.Node, "this node is not among the founding nodes: add it to the list, or set join"}
	}
	return nil
}

func (c *Config) validateLog() error {
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		return &ConfigError{"log.level", c.Log.Level, "one of debug, info, warn, error"}
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return &ConfigError{"log.format", c.Log.Format, "one of text, json"}
	}
	return nil
}

// between is a bound on a number.
type between struct {
	field             string
	value             int64
	shown             any
	lowest, highest   int64
	lowestS, highestS any
}

func count[T ~int | ~int64 | ~uint64](field string, v, lowest, highest T) between {
	if v > 1<<62 {
		return between{field, 1 << 62, v, int64(lowest), int64(highest), lowest, highest}
	}
	return between{field, int64(v), v, int64(lowest), int64(highest), lowest, highest}
}

func checkBounds(bounds ...between) error {
	for _, b := range bounds {
		if b.value < b.lowest || b.value > b.highest {
			return &ConfigError{b.field, b.shown, fmt.Sprintf("it must be from %v to %v", b.lowestS, b.highestS)}
		}
	}
	return nil
}

func (c *Config) validateRaft() error {
	r := &c.Raft
	election := Duration(int64(r.Tick) * int64(r.ElectionTicks))
	if err := checkBounds(
		count("raft.tick", r.Tick, Duration(time.Millisecond), Duration(10*time.Second)),
		count("raft.election-ticks", r.ElectionTicks, 3, 1000),
		count("raft.heartbeat-ticks", r.HeartbeatTicks, 1, r.ElectionTicks-1),
		count("raft.lease-drift", r.LeaseDrift, 0, election*3/4),
		count("raft.snapshot-entries", r.SnapshotEntries, 1, 1<<40),
		count("raft.snapshot-bytes", r.SnapshotBytes, 1, 1<<50),
		count("raft.tail-entries", r.TailEntries, 1, 1<<40),
		count("raft.tail-bytes", r.TailBytes, 1, 1<<40),
	); err != nil {
		return err
	}
	if r.LeaseReads && Duration(int64(r.Tick)*int64(r.ElectionTicks-2)) <= r.LeaseDrift {
		return &ConfigError{"raft.lease-drift", r.LeaseDrift, "nothing is left of the lease: lower it, or raise election-ticks"}
	}
	return nil
}

func (c *Config) validateStorage() error {
	return checkBounds(
		count("storage.segment-bytes", c.Storage.SegmentBytes, 1<<20, 4<<30),
		count("storage.disk-reserve", c.Storage.DiskReserve, 0, 1<<50),
		count("storage.snapshots-kept", c.Storage.SnapshotsKept, 1, 100),
	)
}

// valueBytesMax bounds kv.value-bytes-max, below what the store could take: a value fits one peer message many times over.
const valueBytesMax = 16 << 20

// validateKV has the store's own bounds, so that no directory is made under settings that the store refuses.
func (c *Config) validateKV() error {
	k := &c.KV
	if err := checkBounds(
		count("kv.shards", k.Shards, 1, kv.ShardsLimit),
		count("kv.key-bytes-max", k.KeyBytesMax, 1, kv.KeyBytesLimit),
		count("kv.value-bytes-max", k.ValueBytesMax, 1, valueBytesMax),
		count("kv.data-bytes-max", k.DataBytesMax, 0, 1<<50),
		count("kv.sessions-max", k.SessionsMax, 1, kv.SessionsLimit),
		count("kv.session-window", k.SessionWindow, 1, kv.SessionWindowLimit),
		count("kv.rebuild-operations-min", k.RebuildOperationsMin, 0, kv.RebuildMinLimit),
		count("kv.rebuild-deletes-min", k.RebuildDeletesMin, 0, kv.RebuildMinLimit),
	); err != nil {
		return err
	}
	switch ratio := k.RebuildSparseRatio; {
	case k.Shards&(k.Shards-1) != 0:
		return &ConfigError{"kv.shards", k.Shards, "it must be a power of two"}
	case !(ratio >= 0 && ratio <= kv.RebuildSparseRatioLimit): // NaN, too
		return &ConfigError{"kv.rebuild-sparse-ratio", ratio, fmt.Sprintf("it must be from 0 (the default) to %v", kv.RebuildSparseRatioLimit)}
	}
	return optionError(c.machineOptions().Validate())
}

// optionKeys are the settings' names of the store's options.
var optionKeys = map[string]string{
	"Shards": "kv.shards", "KeyBytesMax": "kv.key-bytes-max", "ValueBytesMax": "kv.value-bytes-max",
	"SessionsMax": "kv.sessions-max", "SessionWindow": "kv.session-window", "RebuildSparseRatio": "kv.rebuild-sparse-ratio",
	"RebuildOperationsMin": "kv.rebuild-operations-min", "RebuildDeletesMin": "kv.rebuild-deletes-min",
}

// optionError names the setting of an option that the store refuses. The bounds above come first; this holds should they ever differ.
func optionError(err error) error {
	if o := (*kv.OptionError)(nil); errors.As(err, &o) {
		return &ConfigError{optionKeys[o.Option], o.Value, "the store wants " + o.Bounds}
	}
	return err
}

func (c *Config) validateServer() error {
	s := &c.Server
	if err := checkBounds(
		count("server.request-timeout", s.RequestTimeout, Duration(10*time.Millisecond), Duration(10*time.Minute)),
		count("server.pending-max", s.PendingMax, 1, 1<<22),
		count("server.stop-timeout", s.StopTimeout, Duration(time.Millisecond), Duration(10*time.Minute)),
	); err != nil {
		return err
	}
	switch s.Writes {
	case server.WritesAuto, server.WritesForward, server.WritesRedirect:
	default:
		return &ConfigError{"server.writes", s.Writes, "one of auto, forward, redirect"}
	}
	return nil
}
