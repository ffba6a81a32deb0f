package cluster

import (
	"io"

	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// Recovered is what a node starts from: what its driver read from disk, or the founding state.
type Recovered struct {
	HardState HardState
	// Snapshot is the one whose state Machine holds; zero when there is none.
	Snapshot SnapshotMark
	// Entries of the log, without a gap. They may begin at or below Snapshot.Index when the log keeps a tail behind it, and
	// begin at Snapshot.Index+1 at the latest; without a snapshot at FoundingIndex+1. They are the node's from now on.
	Entries []*raftpb.Entry
	// Machine holds the snapshot's state, or is empty.
	Machine *kv.Machine
	// Membership and ConfState are those of the snapshot, or the founding ones, or empty on a node that joins.
	Membership Membership
	ConfState  *raftpb.ConfState
	// Restarted says that the node has run before on this directory: with lease reads it keeps its vote to itself at first.
	Restarted bool
}

// found turns the empty state of a founding node into the founding one.
func (r *Recovered) found() error {
	if r.Snapshot.Index != 0 || len(r.Membership.Members) == 0 {
		return nil
	}
	r.Snapshot = SnapshotMark{Index: FoundingIndex, Term: FoundingTerm}
	r.HardState.Term = max(r.HardState.Term, FoundingTerm)
	r.HardState.Commit = max(r.HardState.Commit, FoundingIndex)
	_, _, err := r.Machine.Apply(FoundingIndex, nil, nil)
	return err
}

// RestoreMachine builds a machine from a snapshot's chunks and tells the membership that the snapshot holds.
// next returns io.EOF after the last chunk.
func RestoreMachine(options kv.Options, next func() ([]byte, error)) (*kv.Machine, kv.Meta, error) {
	restorer, err := kv.NewRestorer(options)
	if err != nil {
		return nil, kv.Meta{}, err
	}
	for {
		chunk, err := next()
		if err == io.EOF {
			return restorer.Finish()
		}
		if err != nil {
			return nil, kv.Meta{}, err
		}
		if err := restorer.Add(chunk); err != nil {
			return nil, kv.Meta{}, err
		}
	}
}
