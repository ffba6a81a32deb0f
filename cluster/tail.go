package cluster

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// tail is raft's Storage: the durable log's last entries in memory. It follows the disk (an entry enters when its append
// was reported durable) and never reads it, so that a Step never waits for I/O.
//
// Invariant: entries[i] has index offset+1+i; offset is 0 or the index of an entry that is applied; offsetTerm is its term.
type tail struct {
	hardState HardState
	confState *raftpb.ConfState // of the applied index at start; raft asks once

	offset, offsetTerm uint64
	entries            []*raftpb.Entry
	bytes              uint64 // of entries' data

	// snapshot is the newest one whose file is durable here, zero for none. It may be older than offset: then there is none to send.
	snapshot          SnapshotMark
	snapshotConfState *raftpb.ConfState
	confIndex         uint64 // of the last applied conf change
	// wanted is set when raft asked for a snapshot and there was none to send.
	wanted bool
}

func newTail(r *Recovered) (*tail, error) {
	t := &tail{hardState: r.HardState, confState: r.ConfState, snapshotConfState: r.ConfState}
	if t.confState == nil {
		t.confState = &raftpb.ConfState{}
	}
	entries := t.begin(r)
	for i, e := range entries {
		if e.GetIndex() != t.offset+1+uint64(i) {
			return nil, fmt.Errorf("cluster: recovered entry %d where %d was due after snapshot %d", e.GetIndex(), t.offset+1+uint64(i), t.offset)
		}
	}
	t.append(entries)
	// A snapshot holds committed entries only, whatever commit index was written last.
	t.hardState.Commit = max(t.hardState.Commit, r.Snapshot.Index)
	if t.hardState.Commit > t.last() {
		return nil, fmt.Errorf("cluster: recovered commit index %d lies above the last entry %d", t.hardState.Commit, t.last())
	}
	return t, nil
}

// begin finds the tail's first entry. What lies at or below the snapshot is kept for followers that are a little behind: the first
// of it becomes the offset, of which only the term counts.
func (t *tail) begin(r *Recovered) []*raftpb.Entry {
	t.offset, t.offsetTerm = r.Snapshot.Index, r.Snapshot.Term
	entries := r.Entries
	if len(entries) == 0 || entries[0].GetIndex() > r.Snapshot.Index {
		return entries
	}
	behind := r.Snapshot.Index - entries[0].GetIndex()
	if behind < uint64(len(entries)) && entries[behind].GetIndex() == r.Snapshot.Index && entries[behind].GetTerm() == r.Snapshot.Term {
		t.offset, t.offsetTerm = entries[0].GetIndex(), entries[0].GetTerm()
		return entries[1:]
	}
	for len(entries) > 0 && entries[0].GetIndex() <= r.Snapshot.Index {
		entries = entries[1:]
	}
	return entries
}

func (t *tail) last() uint64 { return t.offset + uint64(len(t.entries)) }

// append takes durable entries, which replace the tail from the first one's index on.
func (t *tail) append(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].GetIndex()
	if first <= t.offset || first > t.last()+1 {
		panic(fmt.Sprintf("cluster: append of entry %d to a tail that holds (%d, %d]", first, t.offset, t.last()))
	}
	kept := first - t.offset - 1
	for _, e := range t.entries[kept:] {
		t.bytes -= uint64(len(e.GetData()))
	}
	t.entries = append(t.entries[:kept], entries...) // in place: Entries gives raft copies
	for _, e := range entries {
		t.bytes += uint64(len(e.GetData()))
	}
}

// restart begins anew behind a received snapshot.
func (t *tail) restart(mark SnapshotMark, cs *raftpb.ConfState) {
	t.offset, t.offsetTerm, t.entries, t.bytes = mark.Index, mark.Term, nil, 0
	t.snapshot, t.snapshotConfState, t.confIndex = mark, cs, mark.Index
}

// trim drops entries up to and including limit as long as more than entriesMax entries or bytesMax bytes are held.
func (t *tail) trim(limit, entriesMax, bytesMax uint64) {
	n := 0
	for n < len(t.entries) && t.entries[n].GetIndex() <= limit &&
		(uint64(len(t.entries)-n) > entriesMax || t.bytes > bytesMax) {
		t.bytes -= uint64(len(t.entries[n].GetData()))
		n++
	}
	if n == 0 {
		return
	}
	t.offset, t.offsetTerm = t.entries[n-1].GetIndex(), t.entries[n-1].GetTerm()
	clear(t.entries[:n]) // the array may live on for long; its entries need not
	t.entries = t.entries[n:]
}

// InitialState implements raft.Storage.
func (t *tail) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	hs := t.hardState
	if hs == (HardState{}) {
		return nil, t.confState, nil
	}
	return &raftpb.HardState{Term: new(hs.Term), Vote: new(hs.Vote), Commit: new(hs.Commit)}, t.confState, nil
}

// Entries implements raft.Storage. Raft may append to the slice but not change its entries.
func (t *tail) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	if lo <= t.offset {
		return nil, raft.ErrCompacted
	}
	if hi > t.last()+1 {
		return nil, raft.ErrUnavailable
	}
	entries := t.entries[lo-t.offset-1 : hi-t.offset-1]
	size := uint64(0)
	for i, e := range entries {
		size += uint64(len(e.GetData())) + entryOverheadBytes
		if i > 0 && size > maxSize {
			entries = entries[:i]
			break
		}
	}
	// A copy: trim clears slots of the array while raft may still hold the slice.
	return append([]*raftpb.Entry(nil), entries...), nil
}

// entryOverheadBytes is about what an entry takes in a message beside its data.
const entryOverheadBytes = 16

// Term implements raft.Storage.
func (t *tail) Term(i uint64) (uint64, error) {
	switch {
	case i < t.offset:
		return 0, raft.ErrCompacted
	case i == t.offset:
		return t.offsetTerm, nil
	case i > t.last():
		return 0, raft.ErrUnavailable
	}
	return t.entries[i-t.offset-1].GetTerm(), nil
}

// LastIndex implements raft.Storage.
func (t *tail) LastIndex() (uint64, error) { return t.last(), nil }

// FirstIndex implements raft.Storage.
func (t *tail) FirstIndex() (uint64, error) { return t.offset + 1, nil }

// Snapshot implements raft.Storage: a mark without data, which the driver streams from the file. A snapshot from which
// the tail does not go on, or that does not know the last conf change, is of no use to a follower; then a new one is wanted.
func (t *tail) Snapshot() (*raftpb.Snapshot, error) {
	if t.snapshot.Index == 0 || t.snapshot.Index < t.offset || t.snapshot.Index < t.confIndex {
		t.wanted = true
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		ConfState: t.snapshotConfState, Index: new(t.snapshot.Index), Term: new(t.snapshot.Term),
	}}, nil
}
