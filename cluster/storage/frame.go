package storage

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/lockstepdb/lockstep/cluster"
	"go.etcd.io/raft/v3/raftpb"
)

// A frame is what one write appends at least. Integers are little endian; a frame starts at a multiple of 8.
//
//	 0        4        8        12   13    14     16              24
//	+--------+--------+--------+----+-----+------+---------------+-----------------+---------+
//	| header | payload| payload|kind|parts| zero | durable       | payload         | zeros   |
//	| CRC    | CRC    | bytes  |    |     |      | offset        |                 | to 8    |
//	+--------+--------+--------+----+-----+------+---------------+-----------------+---------+
//
// The header CRC covers bytes 4 to 24. It starts from the segment's seed XOR the frame's offset, so that a frame counts
// only at its own place of its own segment; the payload CRC, which covers payload and zeros, is bound to the place by it.
// Both are CRC-32C. The durable offset says that all bytes of this segment below it were on disk before this frame was
// written: whatever is damaged below it has rotted and was not torn.
const (
	frameHeaderBytes = 24
	frameAlign       = 8
	// framePayloadBytesMax bounds an append that is one giant entry.
	framePayloadBytesMax = 1 << 30
	// framePayloadBytesTarget is where the entries of one append are divided into several frames.
	framePayloadBytesTarget = 1 << 20
)

type frameKind uint8

// The numbers are on disk and never change.
const (
	frameCheckpoint frameKind = 1 // first frame of a segment, and nowhere else
	frameAppend     frameKind = 2 // one cluster.Append, or a part of a big one
)

func (k frameKind) String() string {
	switch k {
	case frameCheckpoint:
		return "checkpoint"
	case frameAppend:
		return "append"
	}
	return "unknown"
}

// parts says what the payload of an append frame holds, in this order.
type frameParts uint8

const (
	partMark    frameParts = 1 << iota // index u64, term u64
	partHard                           // term u64, vote u64, commit u64
	partEntries                        // first index u64, count u32, zero u32, then the entries: term u64, type u32, bytes u32, data
	partsKnown  = partMark | partHard | partEntries
)

const (
	markBytes          = 16
	hardStateBytes     = 24
	entriesHeaderBytes = 16
	entryHeaderBytes   = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

type frameHeader struct {
	payloadCRC uint32
	length     uint32 // of the payload without the zeros behind it
	kind       frameKind
	parts      frameParts
	durable    int64
}

// bytes is the whole frame's length.
func (h frameHeader) bytes() int64 { return frameHeaderBytes + align(int64(h.length)) }

func align(n int64) int64 { return (n + frameAlign - 1) &^ (frameAlign - 1) }

// frameSeed binds a header's CRC to a place.
func frameSeed(segmentSeed uint32, offset int64) uint32 { return segmentSeed ^ uint32(offset) }

// sealFrame pads the payload behind buf[start+frameHeaderBytes:] and fills in the header that was left blank at start.
// offset is the frame's place in the segment.
func sealFrame(buf []byte, start int, offset int64, seed uint32, kind frameKind, parts frameParts, durable int64) []byte {
	length := len(buf) - start - frameHeaderBytes
	for len(buf)%frameAlign != start%frameAlign {
		buf = append(buf, 0)
	}
	h := buf[start : start+frameHeaderBytes]
	le.PutUint32(h[4:], crc32.Checksum(buf[start+frameHeaderBytes:], castagnoli))
	le.PutUint32(h[8:], uint32(length))
	h[12], h[13], h[14], h[15] = byte(kind), byte(parts), 0, 0
	le.PutUint64(h[16:], uint64(durable))
	le.PutUint32(h[0:], crc32.Update(frameSeed(seed, offset), castagnoli, h[4:]))
	return buf
}

// reasonTooLong is the only reason that comes with a header whose checksum matches.
const reasonTooLong = "frame is longer than the rest of the segment"

// decodeFrameHeader reads the header of a frame at offset; space is what the segment has from there on.
// A reason says why there is no valid header.
func decodeFrameHeader(b []byte, seed uint32, offset, space int64) (h frameHeader, reason string) {
	if space < frameHeaderBytes || len(b) < frameHeaderBytes {
		return h, "no room for a frame header"
	}
	h = frameHeader{
		payloadCRC: le.Uint32(b[4:]),
		length:     le.Uint32(b[8:]),
		kind:       frameKind(b[12]),
		parts:      frameParts(b[13]),
		durable:    int64(le.Uint64(b[16:])),
	}
	// The cheap conditions come first: the search behind a torn frame tries every multiple of 8.
	if h.kind == 0 && h.length == 0 && le.Uint32(b) == 0 {
		return h, "no frame"
	}
	if h.durable < 0 || h.durable > offset || b[14] != 0 || b[15] != 0 || h.length > framePayloadBytesMax {
		return h, "frame header is not valid"
	}
	if le.Uint32(b) != crc32.Update(frameSeed(seed, offset), castagnoli, b[4:frameHeaderBytes]) {
		return h, "checksum of the frame header does not match"
	}
	if h.bytes() > space {
		return h, reasonTooLong
	}
	return h, ""
}

// record is what an append frame says: mark first, then entries, then the hard state, each replacing what was before.
// After each frame the state is one that raft may find.
type record struct {
	mark    cluster.SnapshotMark
	hard    cluster.HardState
	entries []*raftpb.Entry
}

func (r record) payloadBytes() int64 {
	var n int64
	if r.mark.Index != 0 {
		n += markBytes
	}
	if r.hard.Term != 0 {
		n += hardStateBytes
	}
	if len(r.entries) > 0 {
		n += entriesHeaderBytes
	}
	for _, e := range r.entries {
		n += entryBytes(e)
	}
	return n
}

func entryBytes(e *raftpb.Entry) int64 { return entryHeaderBytes + int64(len(e.GetData())) }

// appendRecord encodes the frame of r at offset behind buf.
func appendRecord(buf []byte, r record, offset int64, seed uint32, durable int64) []byte {
	start := len(buf)
	buf = append(buf, blankHeader[:]...)
	var parts frameParts
	if r.mark.Index != 0 {
		parts |= partMark
		buf = appendUint64s(buf, r.mark.Index, r.mark.Term)
	}
	if r.hard.Term != 0 {
		parts |= partHard
		buf = appendUint64s(buf, r.hard.Term, r.hard.Vote, r.hard.Commit)
	}
	if len(r.entries) > 0 {
		parts |= partEntries
		buf = appendEntries(buf, r.entries)
	}
	return sealFrame(buf, start, offset, seed, frameAppend, parts, durable)
}

var blankHeader [frameHeaderBytes]byte

func appendUint64s(buf []byte, a, b uint64, more ...uint64) []byte {
	buf = le.AppendUint64(le.AppendUint64(buf, a), b)
	for _, v := range more {
		buf = le.AppendUint64(buf, v)
	}
	return buf
}

func appendEntries(buf []byte, entries []*raftpb.Entry) []byte {
	buf = le.AppendUint64(buf, entries[0].GetIndex())
	buf = le.AppendUint32(buf, uint32(len(entries)))
	buf = le.AppendUint32(buf, 0)
	for _, e := range entries {
		buf = le.AppendUint64(buf, e.GetTerm())
		buf = le.AppendUint32(buf, uint32(e.GetType()))
		buf = le.AppendUint32(buf, uint32(len(e.GetData())))
		buf = append(buf, e.GetData()...)
	}
	return buf
}

// decoded is a record that was read; its entries are still in the payload that it was read from.
type decoded struct {
	mark  cluster.SnapshotMark
	hard  cluster.HardState
	first uint64 // index of the first entry
	count uint64
	raw   []byte // the entries
}

// decodeRecord checks the payload of an append frame whole, so that a walk over its entries can't fail.
// What decodes encodes to the same bytes.
func decodeRecord(parts frameParts, b []byte) (d decoded, reason string) {
	if parts == 0 || parts&^partsKnown != 0 {
		return d, "append frame with unknown parts"
	}
	if parts&partMark != 0 {
		if len(b) < markBytes {
			return d, "append frame is too short for its snapshot mark"
		}
		d.mark = cluster.SnapshotMark{Index: le.Uint64(b), Term: le.Uint64(b[8:])}
		if d.mark.Index == 0 {
			return d, "snapshot mark of index 0"
		}
		b = b[markBytes:]
	}
	if parts&partHard != 0 {
		if len(b) < hardStateBytes {
			return d, "append frame is too short for its hard state"
		}
		d.hard = cluster.HardState{Term: le.Uint64(b), Vote: le.Uint64(b[8:]), Commit: le.Uint64(b[16:])}
		if d.hard.Term == 0 {
			return d, "hard state of term 0"
		}
		b = b[hardStateBytes:]
	}
	if parts&partEntries == 0 {
		if len(b) != 0 {
			return d, "append frame is longer than its parts"
		}
		return d, ""
	}
	return decodeEntriesPart(d, b)
}

func decodeEntriesPart(d decoded, b []byte) (decoded, string) {
	if len(b) < entriesHeaderBytes || le.Uint32(b[12:]) != 0 {
		return d, "header of the entries is not valid"
	}
	d.first, d.count = le.Uint64(b), uint64(le.Uint32(b[8:]))
	d.raw = b[entriesHeaderBytes:]
	if d.count == 0 || d.first == 0 || d.first+d.count < d.first {
		return d, "entries without an index"
	}
	rest := d.raw
	for range d.count {
		if len(rest) < entryHeaderBytes {
			return d, "append frame is too short for its entries"
		}
		size := uint64(le.Uint32(rest[12:])) + entryHeaderBytes
		if uint64(len(rest)) < size {
			return d, "append frame is too short for its entries"
		}
		rest = rest[size:]
	}
	if len(rest) != 0 {
		return d, "append frame is longer than its entries"
	}
	return d, ""
}

// rawEntry is an entry in a payload; data aliases it.
type rawEntry struct {
	index, term uint64
	kind        raftpb.EntryType
	data        []byte
}

// eachEntry walks over the entries; an index at which yield returns false is the last one.
func (d decoded) eachEntry(yield func(rawEntry) bool) {
	rest := d.raw
	for i := range d.count {
		size := entryHeaderBytes + int(le.Uint32(rest[12:]))
		e := rawEntry{index: d.first + i, term: le.Uint64(rest), kind: raftpb.EntryType(le.Uint32(rest[8:])), data: rest[entryHeaderBytes:size]}
		if !yield(e) {
			return
		}
		rest = rest[size:]
	}
}
