package cluster

import (
	"fmt"

	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3"
)

// Config of a Node. A zero field takes its default. Ticks are counted in TickNanos.
type Config struct {
	ID    uint64 // this node, not 0
	Epoch uint64 // of this start, not 0: durable before the node is created, and never used by an earlier start

	// TickNanos is the time of one tick; default 50 ms. Too short a tick makes elections out of scheduling delays.
	TickNanos int64
	// ElectionTicks: a follower campaigns after this many to twice as many ticks without a leader. Default 10, at least
	// 3 and more than HeartbeatTicks. The same on every node.
	ElectionTicks int
	// HeartbeatTicks between a leader's heartbeats; default 1.
	HeartbeatTicks int
	// RequestTicks until a request without an answer expires: a proposal as Unknown, a read as Refused. Default 200.
	RequestTicks int
	// ReadRetryTicks until an unanswered read round is started again under a new context; doubled with each time that this did
	// not suffice. Default 4.
	ReadRetryTicks int

	// EntryBytesMax and EntryCommandsMax bound what is batched into one entry; a single command always fits.
	// Defaults 1 MiB + 64 KiB and 4,096.
	EntryBytesMax    int
	EntryCommandsMax int
	// MessageBytesMax bounds the entries of one append message; default 1 MiB. A single entry always fits.
	MessageBytesMax uint64
	// InflightMax and InflightBytesMax bound unanswered append messages to one peer; defaults 64 and 16 MiB.
	// Too many defeat batching on a fast network.
	InflightMax      int
	InflightBytesMax uint64
	// UncommittedBytesMax bounds a leader's uncommitted entries; proposals above it are refused. Default 64 MiB.
	UncommittedBytesMax uint64
	// ApplyBytesMax bounds the entries applied in one Step; default 4 MiB.
	ApplyBytesMax uint64
	// PendingMax bounds proposals without an answer, and apart from them reads; default 65,536 each.
	PendingMax int
	// PendingBytesMax bounds the commands that wait for their entry; default 64 MiB.
	PendingBytesMax int
	// AppendsInflightMax: proposals wait for the next batch while this many appends with entries are not durable; default 4.
	AppendsInflightMax int

	// A snapshot starts when this many entries, or bytes of entries, were applied since the last one.
	// Defaults 1,000,000 and 256 MiB.
	SnapshotEntries uint64
	SnapshotBytes   uint64
	// SnapshotRetryTicks until a snapshot that could not be written is tried again; default 200.
	SnapshotRetryTicks int
	// TailEntries and TailBytes bound the applied entries that are kept in memory for followers that are behind; what is
	// older reaches them by snapshot. The tighter one counts. Defaults 10,000 and 32 MiB. While a snapshot is on its
	// way to a peer, four times as much may be kept.
	TailEntries uint64
	TailBytes   uint64
	// MaintainSteps bounds the item moves of the machine's background work in one Step; default 256.
	MaintainSteps int

	// DataBytesMax: puts are refused before kv.Machine.DataBytes would exceed it; 0 for no limit. May differ by node:
	// only the leader of the moment judges by its own.
	DataBytesMax int64

	// LeaseReads lets a leader answer reads without a round while its lease lasts. Off by default, since it trusts clocks:
	// no two nodes' clocks may drift apart by more than LeaseDriftNanos within an election timeout (default an eighth of it).
	// All nodes must agree on it: it makes a restarted node refuse its vote for one election timeout.
	LeaseReads      bool
	LeaseDriftNanos int64

	// Logger receives raft's own log lines; nil for none. It decides nothing.
	Logger raft.Logger

	Machine kv.Options
}

// WithDefaults returns c with zero fields replaced by their defaults.
func (c Config) WithDefaults() Config {
	setDefault(&c.TickNanos, 50e6)
	setDefault(&c.ElectionTicks, 10)
	setDefault(&c.HeartbeatTicks, 1)
	setDefault(&c.RequestTicks, 200)
	setDefault(&c.ReadRetryTicks, 4)
	setDefault(&c.EntryBytesMax, 1<<20+64<<10)
	setDefault(&c.EntryCommandsMax, 4096)
	setDefault(&c.MessageBytesMax, 1<<20)
	setDefault(&c.InflightMax, 64)
	setDefault(&c.InflightBytesMax, 16<<20)
	setDefault(&c.UncommittedBytesMax, 64<<20)
	setDefault(&c.ApplyBytesMax, 4<<20)
	setDefault(&c.PendingMax, 65536)
	setDefault(&c.PendingBytesMax, 64<<20)
	setDefault(&c.AppendsInflightMax, 4)
	setDefault(&c.SnapshotEntries, 1_000_000)
	setDefault(&c.SnapshotBytes, 256<<20)
	setDefault(&c.SnapshotRetryTicks, 200)
	setDefault(&c.TailEntries, 10_000)
	setDefault(&c.TailBytes, 32<<20)
	setDefault(&c.MaintainSteps, 256)
	setDefault(&c.LeaseDriftNanos, c.TickNanos*int64(c.ElectionTicks)/8)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate names the first field that is out of bounds.
func (c *Config) validate() error {
	switch {
	case c.ID == 0:
		return fmt.Errorf("cluster: ID is 0; node ids start at 1")
	case c.Epoch == 0:
		return fmt.Errorf("cluster: Epoch is 0; an epoch is made durable before a node starts")
	case c.TickNanos < 1000:
		return fmt.Errorf("cluster: TickNanos is %d; at least 1000", c.TickNanos)
	case c.HeartbeatTicks < 1:
		return fmt.Errorf("cluster: HeartbeatTicks is %d; at least 1", c.HeartbeatTicks)
	case c.ElectionTicks < 3 || c.ElectionTicks <= c.HeartbeatTicks:
		return fmt.Errorf("cluster: ElectionTicks is %d; at least 3 and above HeartbeatTicks (%d)", c.ElectionTicks, c.HeartbeatTicks)
	case c.LeaseReads && c.leaseNanos() <= 0:
		return fmt.Errorf("cluster: LeaseDriftNanos %d leaves nothing of a lease of %d ticks of %d ns", c.LeaseDriftNanos, c.ElectionTicks-2, c.TickNanos)
	}
	return c.validateBounds()
}

// validateBounds refuses what a conversion to an unsigned bound would turn into no bound at all.
func (c *Config) validateBounds() error {
	for _, bound := range []struct {
		name  string
		value int
	}{
		{"RequestTicks", c.RequestTicks}, {"ReadRetryTicks", c.ReadRetryTicks}, {"EntryBytesMax", c.EntryBytesMax},
		{"EntryCommandsMax", c.EntryCommandsMax}, {"InflightMax", c.InflightMax}, {"PendingMax", c.PendingMax},
		{"PendingBytesMax", c.PendingBytesMax}, {"AppendsInflightMax", c.AppendsInflightMax},
		{"SnapshotRetryTicks", c.SnapshotRetryTicks}, {"MaintainSteps", c.MaintainSteps},
	} {
		if bound.value < 1 {
			return fmt.Errorf("cluster: %s is %d; at least 1", bound.name, bound.value)
		}
	}
	if c.DataBytesMax < 0 {
		return fmt.Errorf("cluster: DataBytesMax is %d; 0 for no limit", c.DataBytesMax)
	}
	return nil
}

// raftConfig is raft's view of c.
func (c *Config) raftConfig(storage raft.Storage, applied uint64) *raft.Config {
	logger := c.Logger
	if logger == nil {
		logger = silent{}
	}
	return &raft.Config{
		ID:                        c.ID,
		ElectionTick:              c.ElectionTicks,
		HeartbeatTick:             c.HeartbeatTicks,
		Storage:                   storage,
		Applied:                   applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             c.MessageBytesMax,
		MaxCommittedSizePerReady:  c.ApplyBytesMax,
		MaxUncommittedEntriesSize: c.UncommittedBytesMax,
		MaxInflightMsgs:           c.InflightMax,
		MaxInflightBytes:          max(c.InflightBytesMax, c.MessageBytesMax),
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		Logger:                    logger,
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
	}
}
