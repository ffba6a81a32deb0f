package config

// Doc explains a setting. Help texts, the example file and docs/configuration tables are made from it.
type Doc struct {
	Usage string // one sentence without a final dot
	Range string // the values that are allowed, with the unit; empty when the type says it all
}

// docs has an entry for every key; a test keeps it so.
var docs = map[string]Doc{
	"cluster":  {"name of the cluster, the same on every node", "1..128 bytes"},
	"node":     {"id of this node, as in peers", "from 1"},
	"data-dir": {"directory of the log and the snapshots; it belongs to one node for ever", ""},
	"join":     {"join a running cluster as a learner instead of founding one", ""},
	"insecure": {"allow plain text on other than loopback addresses", ""},

	"http-address":  {"where HTTP clients connect", "host:port"},
	"grpc-address":  {"where gRPC clients connect", "host:port"},
	"peer-address":  {"where the other nodes connect", "host:port"},
	"admin-address": {"where metrics, profiles and raft status are served; keep it private", "host:port, or empty for none"},

	"peers": {"one founding node with the addresses that others use, this node too; repeat it for each; none for a cluster of one", "id=host:port,http=host:port,grpc=host:port"},

	"log.level":  {"least severe lines to log; debug may show keys", "debug, info, warn or error"},
	"log.format": {"how lines are written", "text or json"},

	"raft.tick":             {"time of one tick, which the other times of raft count", "1ms..10s"},
	"raft.election-ticks":   {"a follower campaigns after this many to twice as many ticks without a leader", "3..1,000"},
	"raft.heartbeat-ticks":  {"ticks between the leader's heartbeats", "from 1, below election-ticks"},
	"raft.lease-reads":      {"let the leader answer reads from a lease, without a round; needs clocks that drift less than lease-drift", ""},
	"raft.lease-drift":      {"how far two clocks may drift apart within an election timeout; 0 is an eighth of it", "up to three quarters of the election timeout"},
	"raft.snapshot-entries": {"entries applied since the last snapshot that start the next", "from 1"},
	"raft.snapshot-bytes":   {"bytes of entries since the last snapshot that start the next", "from 1"},
	"raft.tail-entries":     {"entries kept behind a snapshot for slow followers; the smaller of both tails counts", "from 1"},
	"raft.tail-bytes":       {"bytes of entries kept behind a snapshot for slow followers", "from 1"},

	"storage.segment-bytes":  {"size of a log segment, preallocated", "1MiB..4GiB"},
	"storage.disk-reserve":   {"free disk below which writes are refused, so that a full disk loses nothing", "from 0"},
	"storage.snapshots-kept": {"snapshot files kept", "1..100"},

	"kv.shards":                 {"shards of the map, each with its lock", "power of two, 1..65,536"},
	"kv.key-bytes-max":          {"longest key, in bytes; the same on every node", "1..65,535"},
	"kv.value-bytes-max":        {"longest value; the same on every node", "1..16MiB"},
	"kv.data-bytes-max":         {"total data above which puts are refused; 0 is half of the memory or cgroup limit", "from 0"},
	"kv.sessions-max":           {"client sessions; the one used longest ago is evicted; the same on every node", "1..65,536"},
	"kv.session-window":         {"outstanding sequence numbers of a session; the same on every node", "1..4,096"},
	"kv.rebuild-sparse-ratio":   {"a shard is rebuilt when its items are fewer than this share of what it once held", "0..0.9; 0 is the store's default"},
	"kv.rebuild-operations-min": {"operations on a shard before it may be rebuilt", "0..1,073,741,824; 0 is the store's default"},
	"kv.rebuild-deletes-min":    {"deletes from a shard before it may be rebuilt", "0..1,073,741,824; 0 is the store's default"},

	"server.request-timeout": {"longest time a request may take; a write that is not answered by then is of unknown outcome", "10ms..10m"},
	"server.pending-max":     {"requests without an answer; more are refused as overload", "1..4,194,304"},
	"server.writes":          {"what a follower does with a write: auto forwards gRPC and redirects HTTP", "auto, forward or redirect"},
	"server.follower-reads":  {"followers answer linearizable reads themselves, after asking the leader for its commit index", ""},
	"server.cors-origins":    {"web origins that browsers may call from; none by default", "like https://example.org, or *"},
	"server.stop-timeout":    {"bound of a graceful stop", "1ms..10m"},
}
