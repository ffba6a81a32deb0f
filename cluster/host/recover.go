package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/kv"
)

// DirectoryError says that a data directory is not this node's.
type DirectoryError struct {
	Dir              string
	Cluster          string // the directory's
	Node             uint64
	WantedCluster    string // the configuration's
	WantedNode       uint64
	Joined, WantJoin bool
}

func (e *DirectoryError) Error() string {
	if e.Cluster == e.WantedCluster && e.Node == e.WantedNode {
		return fmt.Sprintf("directory %s was made with join=%v and the configuration says join=%v: set join as it was, or name another directory", e.Dir, e.Joined, e.WantJoin)
	}
	return fmt.Sprintf("directory %s belongs to node %d of cluster %q, not to node %d of cluster %q: name another directory, or correct node and cluster",
		e.Dir, e.Node, e.Cluster, e.WantedNode, e.WantedCluster)
}

// SettingsError says that a directory was made under other settings of those that decide what commands come to.
type SettingsError struct{ Dir, Made, Configured string }

func (e *SettingsError) Error() string {
	return fmt.Sprintf("directory %s was made with %q and the configuration says %q: these settings are fixed when a cluster is made, "+
		"since its log must come to the same when it is replayed; set them as they were", e.Dir, e.Made, e.Configured)
}

// settings are those that decide what commands come to, as the store takes them: what behaves the same is the same text. All nodes must
// have the same ones, for good.
func (c *Config) settings() string {
	o := c.machineOptions().WithDefaults()
	return fmt.Sprintf("kv.key-bytes-max=%d kv.value-bytes-max=%d kv.sessions-max=%d kv.session-window=%d",
		o.KeyBytesMax, o.ValueBytesMax, o.SessionsMax, o.SessionWindow)
}

// leases is the timing that lease reads rely on, empty without them.
func (c *Config) leases() string {
	if !c.Raft.LeaseReads {
		return ""
	}
	return fmt.Sprintf("raft.tick=%v raft.election-ticks=%d", time.Duration(c.Raft.Tick), c.Raft.ElectionTicks)
}

// openStore opens the node's directory and makes it first if it is absent. A directory of another node is not touched.
func openStore(fsys vfs.FS, c *Config) (s *storage.Store, created bool, err error) {
	id, err := storage.Inspect(fsys, c.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		created = true
		if err := createStore(fsys, c); err != nil {
			return nil, false, fmt.Errorf("making the data directory %s: %w", c.DataDir, err)
		}
	case err != nil:
		return nil, false, fmt.Errorf("data directory %s: %w", c.DataDir, err)
	case id.Cluster == c.Cluster && id.Node == c.Node && id.Join == c.Join && id.Settings != c.settings():
		return nil, false, &SettingsError{Dir: c.DataDir, Made: id.Settings, Configured: c.settings()}
	case id.Cluster != c.Cluster || id.Node != c.Node || id.Join != c.Join:
		return nil, false, &DirectoryError{Dir: c.DataDir, Cluster: id.Cluster, Node: id.Node, WantedCluster: c.Cluster, WantedNode: c.Node,
			Joined: id.Join, WantJoin: c.Join}
	}
	s, err = storage.Open(fsys, c.DataDir, storage.Options{
		SegmentBytes: int64(c.Storage.SegmentBytes), DiskReserveBytes: int64(c.Storage.DiskReserve), SnapshotsKept: c.Storage.SnapshotsKept,
	})
	if err != nil {
		return nil, false, fmt.Errorf("data directory %s: %w", c.DataDir, err)
	}
	return s, created, nil
}

func createStore(fsys vfs.FS, c *Config) error {
	id := storage.Identity{Cluster: c.Cluster, Node: c.Node, Join: c.Join, Settings: c.settings()}
	if _, err := rand.Read(id.Instance[:]); err != nil {
		return err
	}
	return storage.Create(fsys, c.DataDir, id)
}

// recover reads the log and the newest snapshot and builds the node from them.
func (h *Host) recover() (*cluster.Node, error) {
	began := time.Now()
	read, err := h.store.Recover()
	if err != nil {
		return nil, fmt.Errorf("recovering %s: %w", h.config.DataDir, err)
	}
	r := cluster.Recovered{HardState: read.HardState, Snapshot: read.Snapshot, Entries: read.Entries, Restarted: read.Restarted}
	if err := h.recoverMachine(&r); err != nil {
		return nil, fmt.Errorf("recovering %s: %w", h.config.DataDir, err)
	}
	for _, text := range read.SnapshotsRejected {
		h.log.Warn("snapshot passed over", "reason", text)
	}
	h.log.Info("recovered", "epoch", read.Epoch, "term", read.HardState.Term, "snapshot", read.Snapshot.Index,
		"entries", len(read.Entries), "commit", read.HardState.Commit, "tail-cut-bytes", read.TailCutBytes,
		"keys", r.Machine.Stats().Keys, "took", time.Since(began).Round(time.Millisecond))
	h.machine.Store(r.Machine)
	h.identity.setMembership(r.Membership)
	return cluster.New(h.nodeConfig(read.Epoch), r)
}

// recoverMachine restores the snapshot's state, or founds an empty one.
func (h *Host) recoverMachine(r *cluster.Recovered) (err error) {
	if r.Snapshot.Index == 0 {
		r.Membership = h.store.Identity().Founding
		r.ConfState = &raftpb.ConfState{}
		for _, m := range r.Membership.Members {
			r.ConfState.Voters = append(r.ConfState.Voters, m.ID)
		}
		r.Machine, err = kv.New(h.config.machineOptions())
		return err
	}
	var meta kv.Meta
	if r.Machine, meta, err = h.restore(r.Snapshot); err != nil {
		return err
	}
	r.Membership, r.ConfState, err = cluster.DecodeMembership(meta.Cluster)
	return err
}

func (c *Config) machineOptions() kv.Options {
	return kv.Options{
		Shards: c.KV.Shards, KeyBytesMax: c.KV.KeyBytesMax, ValueBytesMax: int(c.KV.ValueBytesMax),
		SessionsMax: c.KV.SessionsMax, SessionWindow: c.KV.SessionWindow, RebuildSparseRatio: c.KV.RebuildSparseRatio,
		RebuildOperationsMin: c.KV.RebuildOperationsMin, RebuildDeletesMin: c.KV.RebuildDeletesMin,
	}
}

// nodeConfig is the node's part of the configuration.
func (h *Host) nodeConfig(epoch uint64) cluster.Config {
	c := &h.config
	tick := int64(c.Raft.Tick)
	return cluster.Config{
		ID: c.Node, Epoch: epoch,
		TickNanos: tick, ElectionTicks: c.Raft.ElectionTicks, HeartbeatTicks: c.Raft.HeartbeatTicks,
		// Deadlines of requests are the host's; the node's own bound is behind them.
		RequestTicks:    int(2*int64(c.Server.RequestTimeout)/tick) + 1,
		PendingMax:      c.Server.PendingMax,
		SnapshotEntries: c.Raft.SnapshotEntries, SnapshotBytes: uint64(c.Raft.SnapshotBytes),
		TailEntries: c.Raft.TailEntries, TailBytes: uint64(c.Raft.TailBytes),
		DataBytesMax: int64(c.KV.DataBytesMax),
		LeaseReads:   c.Raft.LeaseReads, LeaseDriftNanos: int64(c.Raft.LeaseDrift),
		Logger:  raftLog{h.log},
		Machine: c.machineOptions(),
	}
}

// raftLog passes raft's own lines on at debug level. A broken invariant panics, as raft expects of its logger.
type raftLog struct{ log *slog.Logger }

var _ raft.Logger = raftLog{}

func (l raftLog) Debug(v ...any)            { l.log.Debug("raft", "text", fmt.Sprint(v...)) }
func (l raftLog) Debugf(f string, v ...any) { l.debugf(f, v) }
func (l raftLog) Info(v ...any)             { l.log.Debug("raft", "text", fmt.Sprint(v...)) }
func (l raftLog) Infof(f string, v ...any)  { l.debugf(f, v) }

func (l raftLog) Warning(v ...any)            { l.log.Debug("raft", "text", fmt.Sprint(v...)) }
func (l raftLog) Warningf(f string, v ...any) { l.debugf(f, v) }
func (l raftLog) Error(v ...any)              { l.log.Warn("raft", "text", fmt.Sprint(v...)) }
func (l raftLog) Errorf(f string, v ...any)   { l.log.Warn("raft", "text", fmt.Sprintf(f, v...)) }

func (l raftLog) Fatal(v ...any)            { panic("raft: " + fmt.Sprint(v...)) }
func (l raftLog) Fatalf(f string, v ...any) { panic("raft: " + fmt.Sprintf(f, v...)) }
func (l raftLog) Panic(v ...any)            { panic("raft: " + fmt.Sprint(v...)) }
func (l raftLog) Panicf(f string, v ...any) { panic("raft: " + fmt.Sprintf(f, v...)) }

// debugf spares the formatting when nobody listens.
func (l raftLog) debugf(f string, v []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("raft", "text", fmt.Sprintf(f, v...))
	}
}
