package host

import (
	"time"

	"github.com/lockstepdb/lockstep/cluster/server"
)

// Config of one real node. The command line fills it from flags, environment, file and defaults; names are those of the
// YAML file, durations are written like 50ms, sizes like 64MiB.
type Config struct {
	Cluster  string `koanf:"cluster"`  // the cluster's name, 1 to 128 bytes; the same on every node; default lockstep
	Node     uint64 `koanf:"node"`     // this node's id, from 1
	DataDir  string `koanf:"data-dir"` // required
	Join     bool   `koanf:"join"`     // join a running cluster instead of founding one
	Insecure bool   `koanf:"insecure"` // allow plain text on other than loopback addresses

	HTTPAddress  string `koanf:"http-address"`  // listen addresses, host:port; default 127.0.0.1:8081
	GRPCAddress  string `koanf:"grpc-address"`  // 127.0.0.1:9081
	PeerAddress  string `koanf:"peer-address"`  // 127.0.0.1:16801
	AdminAddress string `koanf:"admin-address"` // 127.0.0.1:16901; empty: none

	// Peers are all founding nodes, this one too, with the addresses that others are to use; the same list on every founding
	// node. A node that joins lists the nodes that it is to find. Empty: a cluster of one. Later on these addresses take
	// precedence over those of the membership.
	Peers []Peer `koanf:"peers"`

	Log     LogConfig     `koanf:"log"`
	Raft    RaftConfig    `koanf:"raft"`
	Storage StorageConfig `koanf:"storage"`
	KV      KVConfig      `koanf:"kv"`
	Server  ServerConfig  `koanf:"server"`
}

// Peer is a node as the others reach it.
type Peer struct {
	Node uint64 `koanf:"node"`
	Peer string `koanf:"peer"` // host:port
	HTTP string `koanf:"http"` // host:port, told to clients
	GRPC string `koanf:"grpc"` // host:port, told to clients
}

type LogConfig struct {
	Level  string `koanf:"level"`  // debug, info, warn, error; default info
	Format string `koanf:"format"` // text or json; default text
}

// RaftConfig is about time and the log's length. All nodes should agree on tick, election-ticks and lease-reads.
type RaftConfig struct {
	Tick           Duration `koanf:"tick"`            // 50ms; 1ms to 10s. Too short: elections because of scheduling delays
	ElectionTicks  int      `koanf:"election-ticks"`  // 10; 3 to 1,000 and more than heartbeat-ticks
	HeartbeatTicks int      `koanf:"heartbeat-ticks"` // 1
	// LeaseReads: a leader answers linearizable reads by its clock while its lease lasts; default false. It trusts that no two clocks
	// drift apart by more than LeaseDrift within an election timeout.
	LeaseReads      bool     `koanf:"lease-reads"`
	LeaseDrift      Duration `koanf:"lease-drift"`      // 0: an eighth of the election timeout
	SnapshotEntries uint64   `koanf:"snapshot-entries"` // 1,000,000: entries applied that start the next snapshot
	SnapshotBytes   Size     `koanf:"snapshot-bytes"`   // 256MiB: the same by bytes of entries
	TailEntries     uint64   `koanf:"tail-entries"`     // 10,000: entries kept for slow followers; those behind it get a snapshot
	TailBytes       Size     `koanf:"tail-bytes"`       // 64MiB: the same by bytes, in memory
}

type StorageConfig struct {
	SegmentBytes  Size `koanf:"segment-bytes"`  // 64MiB; at least 1MiB
	DiskReserve   Size `koanf:"disk-reserve"`   // 256MiB: below this much free disk puts are refused
	SnapshotsKept int  `koanf:"snapshots-kept"` // 2; 1 to 100
}

// KVConfig is about the store. Keys, values and sessions are judged by these bounds when a command is applied: all nodes must agree on
// them (and on sessions-max and session-window).
type KVConfig struct {
	Shards        int  `koanf:"shards"`          // 128; a power of two up to 65,536
	KeyBytesMax   int  `koanf:"key-bytes-max"`   // 1024; 1 to 65,535
	ValueBytesMax Size `koanf:"value-bytes-max"` // 1MiB; 1 to 16MiB, so that a value fits one peer message many times over
	// DataBytesMax bounds keys and values, with a fixed cost for each key: puts above it are refused as full. 0: half of
	// the machine's memory or of the control group's limit, whichever is smaller. The other half is for what a store needs beside its
	// data: the maps' spare room, the log's tail, a snapshot in the making, and garbage that is not collected yet.
	DataBytesMax         Size    `koanf:"data-bytes-max"`
	SessionsMax          int     `koanf:"sessions-max"`           // 4096; 1 to 65,536
	SessionWindow        int     `koanf:"session-window"`         // 256; 1 to 4,096
	RebuildSparseRatio   float64 `koanf:"rebuild-sparse-ratio"`   // up to 0.9; 0: the store's default
	RebuildOperationsMin int     `koanf:"rebuild-operations-min"` // up to 1,073,741,824; 0: the store's default
	RebuildDeletesMin    int     `koanf:"rebuild-deletes-min"`    // up to 1,073,741,824; 0: the store's default
}

type ServerConfig struct {
	RequestTimeout Duration `koanf:"request-timeout"` // 10s; 10ms to 10m
	PendingMax     int      `koanf:"pending-max"`     // 65,536: requests without an answer, those of other nodes included; above it: overloaded
	Writes         string   `koanf:"writes"`          // on a follower: auto (gRPC forwards, HTTP redirects; the default), forward, redirect
	FollowerReads  bool     `koanf:"follower-reads"`  // true: followers answer linearizable reads themselves
	CORSOrigins    []string `koanf:"cors-origins"`    // none
	StopTimeout    Duration `koanf:"stop-timeout"`    // 10s: bound of a graceful stop
}

// Default is a Config with every default; Node and DataDir are left to the caller.
func Default() Config {
	return Config{
		Cluster:     "lockstep",
		HTTPAddress: "127.0.0.1:8081", GRPCAddress: "127.0.0.1:9081", PeerAddress: "127.0.0.1:16801", AdminAddress: "127.0.0.1:16901",
		Log: LogConfig{Level: "info", Format: "text"},
		Raft: RaftConfig{
			Tick: Duration(50 * time.Millisecond), ElectionTicks: 10, HeartbeatTicks: 1,
			SnapshotEntries: 1_000_000, SnapshotBytes: 256 << 20, TailEntries: 10_000, TailBytes: 64 << 20,
		},
		Storage: StorageConfig{SegmentBytes: 64 << 20, DiskReserve: 256 << 20, SnapshotsKept: 2},
		KV: KVConfig{
			Shards: 128, KeyBytesMax: 1024, ValueBytesMax: 1 << 20, SessionsMax: 4096, SessionWindow: 256,
		},
		Server: ServerConfig{
			RequestTimeout: Duration(10 * time.Second), PendingMax: 65536, Writes: server.WritesAuto, FollowerReads: true,
			StopTimeout: Duration(10 * time.Second),
		},
	}
}
