package cluster

import (
	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// EventKind says what happened. Numbers are part of the stable encoding and never change.
type EventKind uint8

const (
	EventTick          EventKind = iota + 1 // Now: time passed
	EventReceive                            // Message (and Staged for a MsgSnap): a peer's message arrived
	EventPersisted                          // ID: the append, and all before it, is durable
	EventPropose                            // ID, Command
	EventRead                               // ID: a linearizable read
	EventChangeMember                       // ID, Change
	EventTransfer                           // ID, Peer: hand leadership to the peer, 0 for the best voter
	EventSnapshotSaved                      // Index: the snapshot file of that index is durable; 0 with Failed: it could not be written
	EventSnapshotSent                       // Peer, Failed: a transfer to the peer ended
	EventUnreachable                        // Peer: a message to the peer was dropped
	EventDiskReserve                        // Failed: free disk fell below the reserve; not Failed: it is above again
	EventCancel                             // ID: nobody waits for the request any more (its caller's deadline passed)
)

// Event is something that happened outside of the node. It is a plain value: which fields count is said beside its kind.
type Event struct {
	Kind    EventKind
	Failed  bool
	ID      uint64 // of a request: chosen by the driver, unique among those it has not had an answer to; of an append: Append.ID
	Now     int64  // nanoseconds of a monotonic clock, from any origin. Read after the last request of the batch was received.
	Peer    uint64
	Index   uint64
	Command *kv.Command     // owned by the node until the request's Reply
	Message *raftpb.Message // owned by the node from now on
	Staged  *Staged         // of a MsgSnap
	Change  *MemberChange
}

// Staged is a machine that the driver built from a received snapshot, whose file is durable, beside the serving one.
// The node swaps it in once raft has accepted the snapshot and its record is persisted, or drops it.
type Staged struct {
	Machine *kv.Machine
	Meta    kv.Meta
}
