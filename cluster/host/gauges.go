package host

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockstepdb/lockstep/cluster"
)

// sample is one value of a gauge or counter that is looked up when metrics are collected.
type sample struct {
	value  float64
	labels []string
}

// reading is what all gauges of one collection are taken from.
type reading struct {
	host   *Host
	status cluster.Status
}

// gauge tells how one metric is looked up.
type gauge struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	read       func(*reading) []sample
}

// gauges collects what the node, the log, the transport and the machine know of themselves.
type gauges struct {
	host  *Host
	list  []gauge
	descs []*prometheus.Desc
}

func newGauges(h *Host) *gauges {
	g := &gauges{host: h}
	g.list = append(g.list, raftGauges()...)
	g.list = append(g.list, logGauges()...)
	g.list = append(g.list, peerGauges()...)
	g.list = append(g.list, kvGauges()...)
	for _, v := range g.list {
		g.descs = append(g.descs, prometheus.NewDesc("lockstep_"+v.name, v.help, v.labels, nil))
	}
	return g
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range g.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	r := reading{host: g.host, status: g.host.Status()}
	for i, v := range g.list {
		for _, s := range v.read(&r) {
			out <- prometheus.MustNewConstMetric(g.descs[i], v.kind, s.value, s.labels...)
		}
	}
}

// one makes a gauge of a single number.
func one(name, help string, read func(*reading) float64) gauge {
	return gauge{name: name, help: help, kind: prometheus.GaugeValue, read: func(r *reading) []sample { return []sample{{value: read(r)}} }}
}

// counted makes a counter of a single number.
func counted(name, help string, read func(*reading) float64) gauge {
	g := one(name, help, read)
	g.kind = prometheus.CounterValue
	return g
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func raftGauges() []gauge {
	return []gauge{
		one("raft_term", "The node's term.", func(r *reading) float64 { return float64(r.status.Role.Term) }),
		one("raft_leader", "Id of the leader that this node follows; 0: none known.", func(r *reading) float64 { return float64(r.status.Role.Leader) }),
		one("raft_is_leader", "1 while this node leads.", func(r *reading) float64 { return bit(r.status.Role.State == cluster.Leader) }),
		one("raft_commit_index", "Highest index known to be committed.", func(r *reading) float64 { return float64(r.status.Commit) }),
		one("raft_applied_index", "Highest index applied to the store.", func(r *reading) float64 { return float64(r.status.Applied) }),
		one("raft_last_index", "Highest index in the log.", func(r *reading) float64 { return float64(r.status.LastIndex) }),
		one("raft_first_index", "Lowest index kept for followers that are behind.", func(r *reading) float64 { return float64(r.status.FirstIndex) }),
		one("raft_snapshot_index", "Index of the newest snapshot.", func(r *reading) float64 { return float64(r.status.Snapshot) }),
		one("raft_members", "Members of the cluster, learners included.", func(r *reading) float64 { return float64(len(r.status.Membership.Members)) }),
		one("ready", "1 while a leader is known and what was committed is applied.", func(r *reading) float64 { return bit(r.status.Ready) }),
		one("pending_proposals", "Writes in the node without an answer.", func(r *reading) float64 { return float64(r.status.Pending) }),
		one("pending_reads", "Linearizable reads in the node without an answer.", func(r *reading) float64 { return float64(r.status.Reads) }),
		one("pending_requests", "Requests of all kinds that arrived and are not answered, those that were sent on included.",
			func(r *reading) float64 { return float64(r.host.queue.waiting()) }),
	}
}

func logGauges() []gauge {
	return []gauge{
		counted("log_written_bytes_total", "Bytes written to the log.", func(r *reading) float64 { return float64(r.host.store.Stats().AppendedBytes) }),
		one("log_bytes", "Size of the log's files, preallocated room included.", func(r *reading) float64 { return float64(r.host.store.Stats().LogBytes) }),
		one("log_segments", "Files of the log.", func(r *reading) float64 { return float64(r.host.store.Stats().Segments) }),
		one("snapshot_file_bytes", "Size of the newest snapshot's file.", func(r *reading) float64 { return float64(r.host.store.Stats().SnapshotBytes) }),
		one("disk_free_bytes", "Free disk below the data directory.", func(r *reading) float64 { return float64(r.host.store.Stats().FreeBytes) }),
		one("disk_reserve_bytes", "Free disk below which writes are refused.", func(r *reading) float64 { return float64(r.host.config.Storage.DiskReserve) }),
		one("disk_low", "1 while writes are refused for want of disk.", func(r *reading) float64 { return bit(r.status.DiskLow) }),
	}
}

// perPeer makes a gauge with a sample for each peer that a leader follows.
func perPeer(name, help string, read func(*reading, *cluster.PeerStatus) float64) gauge {
	return gauge{name: name, help: help, kind: prometheus.GaugeValue, labels: []string{"peer"}, read: func(r *reading) (out []sample) {
		for i := range r.status.Peers {
			p := &r.status.Peers[i]
			out = append(out, sample{value: read(r, p), labels: []string{strconv.FormatUint(p.ID, 10)}})
		}
		return out
	}}
}

func peerGauges() []gauge {
	list := []gauge{
		perPeer("raft_peer_match_index", "Of a leader: highest index known to be on the peer's disk.", func(_ *reading, p *cluster.PeerStatus) float64 { return float64(p.Match) }),
		perPeer("raft_peer_lag_entries", "Of a leader: entries that the peer is behind.", func(r *reading, p *cluster.PeerStatus) float64 {
			return float64(max(r.status.LastIndex, p.Match) - p.Match)
		}),
		perPeer("raft_peer_active", "Of a leader: 1 while the peer answers.", func(_ *reading, p *cluster.PeerStatus) float64 { return bit(p.RecentActive) }),
		{name: "raft_peer_state", help: "Of a leader: 1 for the peer's state (probe, replicate, snapshot).", kind: prometheus.GaugeValue,
			labels: []string{"peer", "state"}, read: peerStates},
	}
	list = append(list, counted("peer_overflow_messages_total", "Received messages that were dropped because the node was too far behind with earlier ones.",
		func(r *reading) float64 { return float64(r.host.queue.overflow()) }))
	for _, l := range linkCounters {
		list = append(list, l.gauge())
	}
	return list
}

func peerStates(r *reading) (out []sample) {
	for _, p := range r.status.Peers {
		for _, state := range []string{"probe", "replicate", "snapshot"} {
			out = append(out, sample{value: bit(p.State == state), labels: []string{strconv.FormatUint(p.ID, 10), state}})
		}
	}
	return out
}

func kvGauges() []gauge {
	return []gauge{
		one("kv_keys", "Keys in the store.", func(r *reading) float64 { return float64(r.host.Machine().Stats().Keys) }),
		one("kv_data_bytes", "Keys, values and a fixed cost for each key, as the limit counts them.", func(r *reading) float64 { return float64(r.host.Machine().DataBytes()) }),
		one("kv_data_limit_bytes", "Limit on lockstep_kv_data_bytes, above which puts are refused.", func(r *reading) float64 { return float64(r.host.config.KV.DataBytesMax) }),
		one("kv_revision", "The store's revision: writes that changed it.", func(r *reading) float64 { return float64(r.host.Machine().Revision()) }),
		one("kv_sessions", "Client sessions.", func(r *reading) float64 { return float64(r.host.Machine().Stats().Sessions) }),
		one("kv_overlay_keys", "Keys written during a snapshot and not merged yet.", func(r *reading) float64 { return float64(r.host.Machine().Stats().OverlayKeys) }),
		one("kv_frozen", "1 while a snapshot is taken or merged.", func(r *reading) float64 { return bit(r.host.Machine().Stats().Frozen) }),
		counted("kv_sessions_evicted_total", "Sessions evicted to make room for new ones.", func(r *reading) float64 { return float64(r.host.Machine().Stats().SessionsEvicted) }),
		counted("kv_replays_total", "Writes answered from a session's results.", func(r *reading) float64 { return float64(r.host.Machine().Stats().Replayed) }),
		counted("kv_shard_rebuilds_total", "Sparse shards rebuilt to give memory back.", func(r *reading) float64 { return float64(r.host.Machine().Stats().Rebuilds) }),
	}
}
