package cluster

import (
	"encoding/binary"

	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// Record is what Effects were, without what only lives in memory: for recordings, replays and golden files.
type Record struct {
	Appends  []Append
	Messages []*raftpb.Message
	Replies  []Reply
	Snapshot SnapshotMark // of Effects.Snapshot
	Compact  uint64
	Machine  uint64 // applied index of Effects.Machine
	Members  *Membership
	Role     *Role
	More     bool
	Fatal    string
}

// RecordOf copies effects into a record; entries and messages are shared.
func RecordOf(e *Effects) Record {
	r := Record{
		Appends: e.Appends, Messages: e.Messages, Replies: e.Replies, Compact: e.Compact, Members: e.Members, Role: e.Role, More: e.More,
	}
	if e.Snapshot != nil {
		meta := e.Snapshot.Meta()
		r.Snapshot = SnapshotMark{Index: meta.Index, Term: meta.Term}
	}
	if e.Machine != nil {
		r.Machine = e.Machine.Applied()
	}
	if e.Fatal != nil {
		r.Fatal = e.Fatal.Error()
	}
	return r
}

const (
	recordMembers = 1 << iota
	recordRole
	recordMore
	recordFlagsAll = 1<<iota - 1
)

// AppendRecord encodes a record: flags; the lists of appends, messages and replies; snapshot mark, compact, machine; the members and
// the role where the flags name them; the error's text.
func AppendRecord(dst []byte, r *Record) []byte {
	flags := uint64(0)
	if r.Members != nil {
		flags |= recordMembers
	}
	if r.Role != nil {
		flags |= recordRole
	}
	if r.More {
		flags |= recordMore
	}
	dst = binary.AppendUvarint(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(len(r.Appends)))
	for i := range r.Appends {
		dst = appendAppend(dst, &r.Appends[i])
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Messages)))
	for _, m := range r.Messages {
		dst = appendBytes(dst, AppendMessage(nil, m))
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Replies)))
	for i := range r.Replies {
		dst = appendReply(dst, &r.Replies[i])
	}
	for _, v := range [...]uint64{r.Snapshot.Index, r.Snapshot.Term, r.Compact, r.Machine} {
		dst = binary.AppendUvarint(dst, v)
	}
	if r.Members != nil {
		dst = appendMembers(dst, r.Members)
	}
	if r.Role != nil {
		dst = append(dst, byte(r.Role.State))
		dst = binary.AppendUvarint(dst, r.Role.Term)
		dst = binary.AppendUvarint(dst, r.Role.Leader)
	}
	return appendBytes(dst, r.Fatal)
}

// DecodeRecord is its inverse. Parts alias b. The error is a *DecodeError.
func DecodeRecord(b []byte) (Record, error) {
	d := &decoder{what: "effects", all: b}
	var r Record
	flags := d.bounded("flags", recordFlagsAll)
	for range d.count(appendBytesMin) {
		r.Appends = append(r.Appends, d.append())
	}
	for range d.count(messageBytesMin) {
		inner := &decoder{what: "message in effects", all: d.bytes()}
		if d.err != nil {
			break
		}
		r.Messages = append(r.Messages, inner.message())
		d.err = inner.end()
	}
	for range d.count(replyBytesMin) {
		r.Replies = append(r.Replies, d.reply())
	}
	r.Snapshot = SnapshotMark{Index: d.number(), Term: d.number()}
	r.Compact, r.Machine = d.number(), d.number()
	if flags&recordMembers != 0 {
		m := d.members()
		r.Members = &m
	}
	if flags&recordRole != 0 {
		r.Role = &Role{State: State(d.bounded("state", uint64(Learner))), Term: d.number(), Leader: d.number()}
	}
	r.More = flags&recordMore != 0
	r.Fatal = string(d.bytes())
	if err := d.end(); err != nil {
		return Record{}, err
	}
	return r, nil
}

// The least bytes that an element of a list takes.
const (
	appendBytesMin  = 8
	messageBytesMin = 14
	replyBytesMin   = 13
)

// appendAppend: id, hard state (term, vote, commit), snapshot (index, term), sync, entries as in a message.
func appendAppend(dst []byte, a *Append) []byte {
	for _, v := range [...]uint64{
		a.ID, a.HardState.Term, a.HardState.Vote, a.HardState.Commit, a.Snapshot.Index, a.Snapshot.Term,
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = appendBool(dst, a.Sync)
	return appendEntries(dst, a.Entries)
}

func (d *decoder) append() Append {
	return Append{
		ID:        d.number(),
		HardState: HardState{Term: d.number(), Vote: d.number(), Commit: d.number()},
		Snapshot:  SnapshotMark{Index: d.number(), Term: d.number()},
		Sync:      d.bool(),
		Entries:   d.entries(),
	}
}

// appendReply: id, outcome, reason, leader, index, then the result: status, existed, replayed, revision, create revision, mod
// revision, version, session.
func appendReply(dst []byte, r *Reply) []byte {
	for _, v := range [...]uint64{r.ID, uint64(r.Outcome), uint64(r.Reason), r.Leader, r.Index, uint64(r.Result.Status)} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = appendBool(dst, r.Result.Existed)
	dst = appendBool(dst, r.Result.Replayed)
	for _, v := range [...]uint64{
		r.Result.Revision, r.Result.CreateRevision, r.Result.ModRevision, r.Result.Version, r.Result.Session,
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

func (d *decoder) reply() Reply {
	return Reply{
		ID: d.number(), Outcome: Outcome(d.bounded("outcome", uint64(Unknown))), Reason: Reason(d.bounded("reason", uint64(ReasonConnectionLost))),
		Leader: d.number(), Index: d.number(),
		Result: kv.Result{
			Status: kv.Status(d.bounded("status", uint64(kv.Invalid))), Existed: d.bool(), Replayed: d.bool(),
			Revision: d.number(), CreateRevision: d.number(), ModRevision: d.number(), Version: d.number(), Session: d.number(),
		},
	}
}
