package host

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
)

// Buckets. Seconds go from a fast disk's sync to an election; bytes and counts by fours.
var (
	secondsBuckets = prometheus.ExponentialBuckets(50e-6, 2, 18) // 50 us to 6.5 s
	bytesBuckets   = prometheus.ExponentialBuckets(256, 4, 10)   // 256 B to 64 MiB
	countBuckets   = prometheus.ExponentialBuckets(1, 4, 8)      // 1 to 16,384
)

// metrics are what the driver counts as things happen; what it can look up when asked is in gauges.
type metrics struct {
	host *Host

	stepDuration                               prometheus.Histogram
	writeDuration, readDuration                prometheus.Histogram
	replies                                    *prometheus.CounterVec
	proposals, reads, forwarded, leaderChanges prometheus.Counter

	appendEntries, appendBytes, appendDuration, syncDuration prometheus.Histogram
	snapshotDuration, snapshotBytes                          prometheus.Histogram
	snapshots, transfers                                     *prometheus.CounterVec

	// rejected are the children of replies by outcome and reason, looked up once.
	rejected [4][32]prometheus.Counter
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "lockstep", Name: name, Help: help, Buckets: buckets})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "lockstep", Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lockstep", Name: name, Help: help}, labels)
}

func newMetrics(h *Host) *metrics {
	m := &metrics{
		host:          h,
		stepDuration:  histogram("loop_step_duration_seconds", "Time of one step of the node, without disk and network.", secondsBuckets),
		writeDuration: histogram("write_duration_seconds", "Time from a write's arrival at the node to its reply: batching, commit and apply.", secondsBuckets),
		readDuration:  histogram("read_duration_seconds", "Time from a linearizable read's arrival at the node to its release.", secondsBuckets),
		replies:       counters("rejections_total", "Requests that were not done, by outcome (refused, unknown) and reason.", "outcome", "reason"),
		proposals:     counter("proposals_total", "Writes that arrived at the node, those of other nodes included."),
		reads:         counter("reads_total", "Linearizable reads that arrived at the node."),
		forwarded:     counter("forwarded_total", "Requests that were sent on to the leader."),
		leaderChanges: counter("raft_leader_changes_total", "Leaders that this node has seen elected."),

		appendEntries:  histogram("log_append_entries", "Entries written to the log at once.", countBuckets),
		appendBytes:    histogram("log_append_bytes", "Bytes of entries written to the log at once.", bytesBuckets),
		appendDuration: histogram("log_append_duration_seconds", "Time of one write to the log, sync included.", secondsBuckets),
		syncDuration:   histogram("log_sync_duration_seconds", "Time of one sync of the log.", secondsBuckets),

		snapshotDuration: histogram("snapshot_duration_seconds", "Time to write a snapshot beside serving.", prometheus.ExponentialBuckets(1e-3, 4, 10)),
		snapshotBytes:    histogram("snapshot_bytes", "Size of a snapshot.", prometheus.ExponentialBuckets(4096, 8, 9)),
		snapshots:        counters("snapshots_total", "Snapshots written, by result (ok, failed).", "result"),
		transfers:        counters("snapshot_transfers_total", "Snapshots sent to and received from peers, by direction (in, out) and result (ok, failed).", "direction", "result"),
	}
	for _, result := range []string{"ok", "failed"} {
		m.snapshots.WithLabelValues(result)
		m.transfers.WithLabelValues("in", result)
		m.transfers.WithLabelValues("out", result)
	}
	return m
}

// register puts everything into the registry, Go's and the process's own metrics included.
func (m *metrics) register(r prometheus.Registerer, version string) error {
	for _, c := range []prometheus.Collector{
		m.stepDuration, m.writeDuration, m.readDuration, m.replies, m.proposals, m.reads, m.forwarded, m.leaderChanges,
		m.appendEntries, m.appendBytes, m.appendDuration, m.syncDuration, m.snapshotDuration, m.snapshotBytes, m.snapshots, m.transfers,
		newGauges(m.host), buildMetric(version), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func buildMetric(version string) prometheus.Collector {
	revision := "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "lockstep", Name: "build_info", Help: "1, with the binary's version, revision and Go version as labels.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "go_version": runtime.Version()},
	})
	g.Set(1)
	return g
}

func seconds(nanos int64) float64 { return float64(nanos) / 1e9 }

func (m *metrics) observeSync(d time.Duration) { m.syncDuration.Observe(d.Seconds()) }

func (m *metrics) observeAppend(appends []cluster.Append, nanos int64) {
	entries, bytes := 0, 0
	for i := range appends {
		entries += len(appends[i].Entries)
		for _, e := range appends[i].Entries {
			bytes += len(e.GetData())
		}
	}
	m.appendDuration.Observe(seconds(nanos))
	if entries > 0 {
		m.appendEntries.Observe(float64(entries))
		m.appendBytes.Observe(float64(bytes))
	}
}

// observeReply is called on the loop alone.
func (m *metrics) observeReply(v *slot, r *cluster.Reply, now int64) {
	if w := v.request; w != nil && v.began != 0 {
		if w.Kind == server.Read {
			m.reads.Inc()
		} else {
			m.proposals.Inc()
		}
		if r.Outcome == cluster.Done && w.Kind == server.Read {
			m.readDuration.Observe(seconds(now - v.began))
		} else if r.Outcome == cluster.Done {
			m.writeDuration.Observe(seconds(now - v.began))
		}
	}
	if r.Outcome != cluster.Done {
		m.reject(r)
	}
}

func (m *metrics) reject(r *cluster.Reply) {
	o, reason := int(r.Outcome), int(r.Reason)
	if o >= len(m.rejected) || reason >= len(m.rejected[o]) {
		m.replies.WithLabelValues(outcomeName(r.Outcome), reasonName(r.Reason)).Inc()
		return
	}
	c := &m.rejected[o][reason]
	if *c == nil {
		*c = m.replies.WithLabelValues(outcomeName(r.Outcome), reasonName(r.Reason))
	}
	(*c).Inc()
}

func outcomeName(o cluster.Outcome) string {
	switch o {
	case cluster.Done:
		return "done"
	case cluster.Refused:
		return "refused"
	}
	return "unknown"
}

func reasonName(r cluster.Reason) string {
	names := [...]string{
		cluster.ReasonNone: "none", cluster.ReasonNotLeader: "not_leader", cluster.ReasonNoLeader: "no_leader",
		cluster.ReasonOverloaded: "overloaded", cluster.ReasonDataFull: "data_full", cluster.ReasonDiskFull: "disk_full",
		cluster.ReasonInvalid: "invalid", cluster.ReasonSuperseded: "superseded", cluster.ReasonTransferring: "transferring",
		cluster.ReasonExpired: "expired", cluster.ReasonSnapshotSkipped: "snapshot_skipped", cluster.ReasonMembership: "membership",
		cluster.ReasonStopping: "stopping", cluster.ReasonCanceled: "canceled", cluster.ReasonConnectionLost: "connection_lost",
		cluster.ReasonBehind: "learner_behind",
	}
	if int(r) < len(names) && names[r] != "" {
		return names[r]
	}
	return "reason_" + strconv.Itoa(int(r))
}

func result(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

func (m *metrics) observeSnapshot(err error, bytes int64, took time.Duration) {
	m.snapshots.WithLabelValues(result(err)).Inc()
	if err == nil {
		m.snapshotDuration.Observe(took.Seconds())
		m.snapshotBytes.Observe(float64(bytes))
	}
}

func (m *metrics) observeTransfer(direction string, err error) {
	m.transfers.WithLabelValues(direction, result(err)).Inc()
}
