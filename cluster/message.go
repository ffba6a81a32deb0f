package cluster

import (
	"encoding/binary"

	"go.etcd.io/raft/v3/raftpb"
)

// A peer message, as AppendMessage writes it (docs/format/message.md):
//
//	number  version, now 1
//	number  type
//	number  to, from, term, logTerm, index, commit, vote, rejectHint
//	number  flags: 1 reject, 2 a snapshot follows
//	bytes   context
//	list    entries: term, index, type, data
//	        if flag 2: index, term, ConfState (five lists as in a membership)
//
// Responses and a snapshot's data never travel in a message.

const (
	messageVersion  = 1
	messageReject   = 1
	messageSnapshot = 2

	messageTypeMax = uint64(raftpb.MsgForgetLeader)
	entryTypeMax   = uint64(raftpb.EntryConfChangeV2)
)

// MessageSize is about the encoding's length, for buffers.
func MessageSize(m *raftpb.Message) int {
	size := 64 + len(m.GetContext())
	for _, e := range m.GetEntries() {
		size += len(e.GetData()) + entryOverheadBytes
	}
	return size
}

// AppendMessage encodes a peer message without reflection. It reads the message only.
func AppendMessage(dst []byte, m *raftpb.Message) []byte {
	for _, v := range [...]uint64{
		messageVersion, uint64(m.GetType()), m.GetTo(), m.GetFrom(), m.GetTerm(), m.GetLogTerm(), m.GetIndex(),
		m.GetCommit(), m.GetVote(), m.GetRejectHint(), messageFlags(m),
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = appendBytes(dst, m.GetContext())
	dst = appendEntries(dst, m.GetEntries())
	if m.GetSnapshot() == nil {
		return dst
	}
	meta := m.GetSnapshot().GetMetadata()
	dst = binary.AppendUvarint(dst, meta.GetIndex())
	dst = binary.AppendUvarint(dst, meta.GetTerm())
	return appendConfState(dst, meta.GetConfState())
}

func messageFlags(m *raftpb.Message) (flags uint64) {
	if m.GetReject() {
		flags |= messageReject
	}
	if m.GetSnapshot() != nil {
		flags |= messageSnapshot
	}
	return flags
}

// DecodeMessage decodes into a message of its own. Entries' data and the context alias b, which must not change afterwards.
// The error is a *DecodeError.
func DecodeMessage(b []byte) (*raftpb.Message, error) {
	d := decoder{what: "message", all: b}
	m := d.message()
	if err := d.end(); err != nil {
		return nil, err
	}
	return m, nil
}

// decodedMessage keeps what a message's fields point to beside it: one allocation instead of eleven.
type decodedMessage struct {
	message raftpb.Message
	numbers [8]uint64
	kind    raftpb.MessageType
	reject  bool
}

func (d *decoder) message() *raftpb.Message {
	if v := d.number(); d.err == nil && v != messageVersion {
		d.fail("unknown version")
	}
	o := &decodedMessage{kind: raftpb.MessageType(d.bounded("message type", messageTypeMax))}
	f := &o.numbers
	for i := range f {
		f[i] = d.number()
	}
	flags := d.bounded("flags", messageReject|messageSnapshot)
	m := &o.message
	m.Type, m.To, m.From, m.Term, m.LogTerm = &o.kind, &f[0], &f[1], &f[2], &f[3]
	m.Index, m.Commit, m.Vote, m.RejectHint = &f[4], &f[5], &f[6], &f[7]
	m.Context = d.bytes()
	m.Entries = d.entries()
	if flags&messageReject != 0 {
		o.reject = true
		m.Reject = &o.reject
	}
	if flags&messageSnapshot != 0 {
		m.Snapshot = &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			Index: new(d.number()), Term: new(d.number()), ConfState: d.confState(),
		}}
	}
	return m
}

func appendEntries(dst []byte, entries []*raftpb.Entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	for _, e := range entries {
		dst = binary.AppendUvarint(dst, e.GetTerm())
		dst = binary.AppendUvarint(dst, e.GetIndex())
		dst = binary.AppendUvarint(dst, uint64(e.GetType()))
		dst = appendBytes(dst, e.GetData())
	}
	return dst
}

// decodedEntry keeps an entry's pointed-to fields beside it. Those of a message share one allocation, as their data do.
type decodedEntry struct {
	entry       raftpb.Entry
	term, index uint64
	kind        raftpb.EntryType
}

func (d *decoder) entries() []*raftpb.Entry {
	n := d.count(4)
	if n == 0 || d.err != nil {
		return nil
	}
	list, block := make([]*raftpb.Entry, n), make([]decodedEntry, n)
	for i := range list {
		e := &block[i]
		e.term, e.index, e.kind = d.number(), d.number(), raftpb.EntryType(d.bounded("entry type", entryTypeMax))
		e.entry.Term, e.entry.Index, e.entry.Type = &e.term, &e.index, &e.kind
		e.entry.Data = d.bytes()
		list[i] = &e.entry
	}
	return list
}
