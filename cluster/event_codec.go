package cluster

import (
	"encoding/binary"

	"github.com/lockstepdb/lockstep/kv"
)

// Flags of an encoded event: which of its parts follow.
const (
	eventFailed = 1 << iota
	eventCommand
	eventMessage
	eventStaged
	eventChange
	eventFlagsAll = 1<<iota - 1
)

// AppendEvent encodes an event for recordings: number kind, flags, id, now, peer, index; then the parts that the flags name. Of a
// staged machine only the meta is encoded: a recording keeps the snapshot itself beside the events.
func AppendEvent(dst []byte, e *Event) []byte {
	for _, v := range [...]uint64{uint64(e.Kind), eventFlags(e), e.ID, uint64(e.Now), e.Peer, e.Index} {
		dst = binary.AppendUvarint(dst, v)
	}
	if e.Command != nil {
		dst = appendCommand(dst, e.Command)
	}
	if e.Message != nil {
		dst = appendBytes(dst, AppendMessage(nil, e.Message))
	}
	if e.Staged != nil {
		dst = binary.AppendUvarint(dst, e.Staged.Meta.Index)
		dst = binary.AppendUvarint(dst, e.Staged.Meta.Term)
		dst = appendBytes(dst, e.Staged.Meta.Cluster)
	}
	if e.Change != nil {
		dst = appendChange(dst, e.Change)
	}
	return dst
}

func eventFlags(e *Event) (flags uint64) {
	for _, part := range [...]struct {
		there bool
		flag  uint64
	}{
		{e.Failed, eventFailed}, {e.Command != nil, eventCommand}, {e.Message != nil, eventMessage},
		{e.Staged != nil, eventStaged}, {e.Change != nil, eventChange},
	} {
		if part.there {
			flags |= part.flag
		}
	}
	return flags
}

// DecodeEvent is its inverse; a staged part has no machine. Parts alias b. The error is a *DecodeError.
func DecodeEvent(b []byte) (Event, error) {
	d := &decoder{what: "event", all: b}
	e := Event{Kind: EventKind(d.bounded("event kind", uint64(EventCancel)))}
	flags := d.bounded("flags", eventFlagsAll)
	e.Failed = flags&eventFailed != 0
	e.ID, e.Now, e.Peer, e.Index = d.number(), int64(d.number()), d.number(), d.number()
	if flags&eventCommand != 0 {
		e.Command = d.command()
	}
	if flags&eventMessage != 0 {
		inner := &decoder{what: "message in an event", all: d.bytes()}
		if d.err == nil {
			e.Message = inner.message()
			d.err = inner.end()
		}
	}
	if flags&eventStaged != 0 {
		e.Staged = &Staged{Meta: kv.Meta{Index: d.number(), Term: d.number(), Cluster: d.bytes()}}
	}
	if flags&eventChange != 0 {
		change := d.change()
		e.Change = &change
	}
	if err := d.end(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// appendCommand encodes a command on its own: a batch (kv.AppendBatch) has an id that it does not have yet.
func appendCommand(dst []byte, c *kv.Command) []byte {
	for _, v := range [...]uint64{
		uint64(c.Kind), uint64(c.Condition), c.ConditionRevision, c.Session, c.Sequence, c.Acknowledged,
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = appendBytes(dst, c.Key)
	dst = appendBytes(dst, c.Value)
	return append(dst, c.Nonce[:]...)
}

func (d *decoder) command() *kv.Command {
	c := &kv.Command{
		Kind: kv.CommandKind(d.bounded("command kind", 255)), Condition: kv.Condition(d.bounded("condition", 255)),
		ConditionRevision: d.number(), Session: d.number(), Sequence: d.number(), Acknowledged: d.number(),
		Key: d.bytes(), Value: d.bytes(),
	}
	if d.err != nil {
		return c
	}
	if d.rest() < kv.NonceBytes {
		d.fail("truncated nonce")
		return c
	}
	d.at += copy(c.Nonce[:], d.all[d.at:])
	return c
}
