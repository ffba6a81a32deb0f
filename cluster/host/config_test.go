package host

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/kv"
)

func valid() Config {
	c := Default()
	c.Node, c.DataDir = 1, "d"
	return c
}

func TestTheDefaultIsValid(t *testing.T) {
	c := valid()
	require.NoError(t, c.Validate())
}

func TestValidateNamesTheFieldItsValueAndWhatToDo(t *testing.T) {
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Cluster = "" }, `cluster is "": give the cluster a name`},
		{func(c *Config) { c.Node = 0 }, `node is "0": give this node an id`},
		{func(c *Config) { c.DataDir = "" }, `data-dir is "": name the directory`},
		{func(c *Config) { c.HTTPAddress = "0.0.0.0:8081" }, `http-address is "0.0.0.0:8081": this is not a loopback address and traffic is plain text`},
		{func(c *Config) { c.PeerAddress = ":16801" }, `peer-address is ":16801": this is not a loopback address`},
		{func(c *Config) { c.AdminAddress = "example.org:1" }, `admin-address is "example.org:1": this is not a loopback`},
		{func(c *Config) { c.GRPCAddress = "" }, `grpc-address is "": write it like host:port`},
		{func(c *Config) { c.GRPCAddress = "127.0.0.1:70000" }, `grpc-address is "127.0.0.1:70000": the port must be a number`},
		{func(c *Config) { c.Peers = []Peer{{Node: 2, Peer: "h:1"}} }, `peers is "1": this node is not among the founding nodes`},
		{func(c *Config) { c.Peers = []Peer{{Node: 1, Peer: "h:1"}, {Node: 1, Peer: "h:2"}} }, `peers[1].node is "1": give each node an id`},
		{func(c *Config) { c.Peers = []Peer{{Node: 1, Peer: "h"}} }, `peers[0].peer is "h": write it like host:port`},
		{func(c *Config) { c.Peers = []Peer{{Node: 1, Peer: "h:1", HTTP: "x"}} }, `peers[0].http is "x": write it like host:port`},
		{func(c *Config) { c.Join = true }, `peers is "": a node that joins must be told`},
		{func(c *Config) { c.Log.Level = "loud" }, `log.level is "loud": one of debug, info, warn, error`},
		{func(c *Config) { c.Raft.Tick = 0 }, `raft.tick is "0s": it must be from 1ms to 10s`},
		{func(c *Config) { c.Raft.HeartbeatTicks = 10 }, `raft.heartbeat-ticks is "10": it must be from 1 to 9`},
		{func(c *Config) { c.Raft.SnapshotEntries = math.MaxUint64 }, `raft.snapshot-entries is "18446744073709551615": it must be from`},
		{func(c *Config) {
			c.Raft.LeaseReads, c.Raft.ElectionTicks, c.Raft.LeaseDrift = true, 3, Duration(60*time.Millisecond)
		}, `raft.lease-drift is "60ms": nothing is left`},
		{func(c *Config) { c.Storage.SegmentBytes = 1000 }, `storage.segment-bytes is "1000": it must be from 1MiB to 4GiB`},
		{func(c *Config) { c.KV.Shards = 100 }, `kv.shards is "100": it must be a power of two`},
		{func(c *Config) { c.KV.ValueBytesMax = 64 << 20 }, `kv.value-bytes-max is "64MiB": it must be from 1 to 16MiB`},
		{func(c *Config) { c.KV.ValueBytesMax = 0 }, `kv.value-bytes-max is "0": it must be from 1 to 16MiB`},
		{func(c *Config) { c.KV.RebuildSparseRatio = math.NaN() }, `kv.rebuild-sparse-ratio is "NaN": it must be from 0 (the default) to 0.9`},
		{func(c *Config) { c.KV.RebuildSparseRatio = 2 }, `kv.rebuild-sparse-ratio is "2"`},
		{func(c *Config) { c.Server.PendingMax = 0 }, `server.pending-max is "0": it must be from 1`},
		{func(c *Config) { c.Server.Writes = "drop" }, `server.writes is "drop": one of auto, forward, redirect`},
	}
	for _, test := range tests {
		c := valid()
		test.change(&c)
		err := c.Validate()
		require.ErrorContains(t, err, test.want)
		var named *ConfigError
		require.ErrorAs(t, err, &named)
	}
}

// kvBounds are the ends of each setting of the store: what a node opens with, and the nearest values beyond.
var kvBounds = []struct {
	key      string
	set      func(*KVConfig, float64)
	in, over []float64
}{
	{"kv.shards", func(k *KVConfig, v float64) { k.Shards = int(v) }, []float64{1, 65536}, []float64{0, 3, 65537, 131072}},
	{"kv.key-bytes-max", func(k *KVConfig, v float64) { k.KeyBytesMax = int(v) }, []float64{1, 65535}, []float64{0, 65536}},
	{"kv.value-bytes-max", func(k *KVConfig, v float64) { k.ValueBytesMax = Size(v) }, []float64{1, 16 << 20}, []float64{0, 16<<20 + 1}},
	{"kv.data-bytes-max", func(k *KVConfig, v float64) { k.DataBytesMax = Size(v) }, []float64{0, 1 << 50}, []float64{-1, 1<<50 + 1}},
	{"kv.sessions-max", func(k *KVConfig, v float64) { k.SessionsMax = int(v) }, []float64{1, 65536}, []float64{0, 65537}},
	{"kv.session-window", func(k *KVConfig, v float64) { k.SessionWindow = int(v) }, []float64{1, 4096}, []float64{0, 4097}},
	{"kv.rebuild-sparse-ratio", func(k *KVConfig, v float64) { k.RebuildSparseRatio = v }, []float64{0, 0.9}, []float64{-0.1, 0.91, math.Inf(1)}},
	{"kv.rebuild-operations-min", func(k *KVConfig, v float64) { k.RebuildOperationsMin = int(v) }, []float64{0, 1 << 30}, []float64{-1, 1<<30 + 1}},
	{"kv.rebuild-deletes-min", func(k *KVConfig, v float64) { k.RebuildDeletesMin = int(v) }, []float64{0, 1 << 30}, []float64{-1, 1<<30 + 1}},
}

// What passes validation opens, and what does not leaves no directory behind: its settings would be fixed for good.
func TestTheStoreTakesWhatValidationLetsThrough(t *testing.T) {
	tried := map[string]bool{}
	for _, b := range kvBounds {
		tried[b.key] = true
		for _, v := range b.in {
			t.Run(fmt.Sprint(b.key, "=", v), func(t *testing.T) {
				m := newGroup(t, 1, func(c *Config) { b.set(&c.KV, v) }).members[0]
				m.start()
				m.awaitReady()
				m.mustPut("k", "v")
			})
		}
		for _, v := range b.over {
			t.Run(fmt.Sprint(b.key, "=", v, " is refused"), func(t *testing.T) {
				m := newGroup(t, 1, func(c *Config) { b.set(&c.KV, v) }).members[0]
				_, err := m.open()
				var refused *ConfigError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, b.key, refused.Field)
				require.NoDirExists(t, m.dir)
			})
		}
	}
	for _, key := range optionKeys {
		require.True(t, tried[key], key)
	}
	require.Len(t, optionKeys, reflect.TypeFor[kv.Options]().NumField(), "an option of the store has no setting")
}

// Settings that behave the same are recorded as the same text.
func TestEqualSettingsAreRecordedAsEqual(t *testing.T) {
	c := valid()
	written := c.settings()
	for _, zero := range []func(*KVConfig){
		func(k *KVConfig) { k.KeyBytesMax = 0 }, func(k *KVConfig) { k.ValueBytesMax = 0 },
		func(k *KVConfig) { k.SessionsMax = 0 }, func(k *KVConfig) { k.SessionWindow = 0 },
	} {
		c = valid()
		zero(&c.KV)
		require.Equal(t, written, c.settings())
	}
	c.KV.SessionWindow = 255
	require.NotEqual(t, written, c.settings())
}

func TestInsecureAllowsOtherAddresses(t *testing.T) {
	c := valid()
	c.Insecure, c.HTTPAddress, c.PeerAddress = true, "0.0.0.0:8081", "node-1.example.org:16801"
	require.NoError(t, c.Validate())
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "17": 17, "64MiB": 64 << 20, "1 KiB": 1024, "3B": 3, "2TiB": 2 << 40, "8GiB": 8 << 30} {
		var s Size
		require.NoError(t, s.UnmarshalText([]byte(text)))
		require.Equal(t, want, s)
		again, err := s.MarshalText()
		require.NoError(t, err)
		var twice Size
		require.NoError(t, twice.UnmarshalText(again))
		require.Equal(t, want, twice)
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "64MB", "9999999TiB", "64mib"} {
		var s Size
		require.ErrorContains(t, s.UnmarshalText([]byte(text)), "write it like 64MiB", text)
	}
	var d Duration
	require.NoError(t, d.UnmarshalText([]byte("1m30s")))
	require.Equal(t, Duration(90*time.Second), d)
	text, err := d.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "1m30s", string(text))
	require.ErrorContains(t, d.UnmarshalText([]byte("90")), "write it like 50ms")
}

func FuzzSize(f *testing.F) {
	f.Add("64MiB")
	f.Add("-0 B")
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		require.NoError(t, again.UnmarshalText([]byte(s.String())))
		require.Equal(t, s, again)
	})
}

func TestMemoryLimit(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const meminfo = "MemTotal:       16384 kB\nMemFree: 1 kB\n"
	tests := map[string]struct {
		files fstest.MapFS
		want  int64
		from  string
	}{
		"no control group": {fstest.MapFS{}, 16 << 20, "the machine's memory"},
		"version 2": {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("1048576\n")},
			1 << 20, "/sys/fs/cgroup/a/memory.max"},
		"version 2 in a container": {fstest.MapFS{"proc/self/cgroup": file("0::/docker/x\n"), "sys/fs/cgroup/memory.max": file("2097152\n")},
			2 << 20, "/sys/fs/cgroup/memory.max"},
		"version 1": {fstest.MapFS{"proc/self/cgroup": file("5:cpu,memory:/x\n2:pids:/x\n"), "sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("3145728\n")},
			3 << 20, "/sys/fs/cgroup/memory/x/memory.limit_in_bytes"},
		"version 1 without a limit": {fstest.MapFS{"proc/self/cgroup": file("5:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")},
			16 << 20, "the machine's memory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			total, err := procMemory(fstest.MapFS{"proc/meminfo": file(meminfo)})
			require.NoError(t, err)
			got, from := smallestLimit(test.files, total)
			require.Equal(t, test.want, got)
			require.Equal(t, test.from, from)
		})
	}
	bytes, _, err := memoryLimit()
	require.NoError(t, err)
	require.Positive(t, bytes)
}
