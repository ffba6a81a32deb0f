package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// A segment is a file of the log: a header, a checkpoint frame, and then append frames. It gets its name only once header
// and checkpoint are durable in it, so a segment without them is damaged and never just unfinished.
//
//	 0         8         12      16        24     32          48         56        64       68     72
//	+---------+---------+-------+---------+------+-----------+----------+---------+--------+------+-------
//	| "lockseg| version | flags | cluster | node | instance  | sequence | first   | header | zero | frames
//	|  \n"    |         |       | hash    |      | (16)      | number   | index   | CRC    |      |
//	+---------+---------+-------+---------+------+-----------+----------+---------+--------+------+-------
//
// The header CRC covers bytes 0 to 64 and is the seed of all frames' CRCs. First index is the index of the first entry
// that may follow. Flag 1: the file was recycled, so old frames lie behind the newest one.
const (
	segmentMagic       = "lockseg\n"
	segmentFormat      = 1
	segmentHeaderBytes = 72
	segmentRecycled    = 1

	// checkpointBytes is the payload of a checkpoint: ten u64, in the order of the type's fields.
	checkpointBytes = 80
	// segmentFirstFrame is where the first append frame of a segment is.
	segmentFirstFrame = segmentHeaderBytes + frameHeaderBytes + checkpointBytes
)

// Bounds of Options.SegmentBytes. The upper one keeps offsets within the 32 bits that a frame's seed has of them.
const (
	segmentBytesMin = 1 << 10
	segmentBytesMax = 1 << 31
)

const (
	segmentSuffix = ".seg"
	tempSuffix    = ".tmp"
)

// checkpoint is what all segments before this one come to, so that they can be dropped, and where the log before it ends.
type checkpoint struct {
	epoch uint64
	hard  cluster.HardState
	mark  cluster.SnapshotMark // the last one in the log
	last  point                // the last entry, or the mark that took its place
	prev  link
}

// point is an entry's place in the log. Term 0: not known.
type point struct{ index, term uint64 }

// link names the segment that the log continues from, and the offset up to which it counts. All below it was durable
// before the link was; all behind it is void. Sequence 0: there is none.
type link struct {
	seq uint64
	end int64
}

type segmentHeader struct {
	flags uint32
	owner owner
	seq   uint64
	first uint64
	seed  uint32
}

// owner is whom a file belongs to.
type owner struct {
	cluster  uint64 // hash of the cluster's name
	node     uint64
	instance cluster.Instance
}

func (id Identity) owner() owner {
	sum := sha256.Sum256([]byte(id.Cluster))
	return owner{cluster: le.Uint64(sum[:]), node: id.Node, instance: id.Instance}
}

func segmentName(seq uint64) string { return fmt.Sprintf("%016x%s", seq, segmentSuffix) }

func parseSegmentName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 16, 64)
	return seq, err == nil && seq != 0 && segmentName(seq) == name
}

// appendSegmentHead encodes a header and the checkpoint frame behind it, and returns the seed for further frames.
func appendSegmentHead(buf []byte, h segmentHeader, c checkpoint) ([]byte, uint32) {
	start := len(buf)
	buf = append(buf, segmentMagic...)
	buf = le.AppendUint32(buf, segmentFormat)
	buf = le.AppendUint32(buf, h.flags)
	buf = appendUint64s(buf, h.owner.cluster, h.owner.node)
	buf = append(buf, h.owner.instance[:]...)
	buf = appendUint64s(buf, h.seq, c.last.index+1)
	seed := crc32.Checksum(buf[start:], castagnoli)
	buf = le.AppendUint32(buf, seed)
	buf = le.AppendUint32(buf, 0)
	frame := len(buf)
	buf = append(buf, blankHeader[:]...)
	buf = appendUint64s(buf, c.epoch, c.hard.Term, c.hard.Vote, c.hard.Commit, c.mark.Index, c.mark.Term,
		c.last.index, c.last.term, c.prev.seq, uint64(c.prev.end))
	buf = sealFrame(buf, frame, int64(frame-start), seed, frameCheckpoint, 0, 0)
	return buf, seed
}

// decodeSegmentHeader checks a header, but not whom it belongs to.
func decodeSegmentHeader(file string, seq uint64, b []byte) (segmentHeader, error) {
	damaged := func(offset int64, reason string) (segmentHeader, error) {
		return segmentHeader{}, &CorruptionError{File: file, Segment: seq, Offset: offset, Reason: reason}
	}
	if len(b) < segmentHeaderBytes {
		return damaged(int64(len(b)), "file ends within the segment header")
	}
	if string(b[:8]) != segmentMagic {
		return damaged(0, "not a log segment")
	}
	// Version before checksum: a newer format may lay out the rest in another way.
	if v := le.Uint32(b[8:]); v > segmentFormat {
		return segmentHeader{}, &FormatError{File: file, Version: v, Supported: segmentFormat}
	}
	h := segmentHeader{flags: le.Uint32(b[12:]), owner: decodeOwner(b[16:]), seq: le.Uint64(b[48:]), first: le.Uint64(b[56:]), seed: le.Uint32(b[64:])}
	if h.seed != crc32.Checksum(b[:64], castagnoli) || le.Uint32(b[68:]) != 0 {
		return damaged(0, "checksum of the segment header does not match")
	}
	if le.Uint32(b[8:]) != segmentFormat || h.flags&^segmentRecycled != 0 {
		return damaged(8, "segment header with unknown version or flags")
	}
	if h.seq != seq {
		return damaged(48, fmt.Sprintf("file holds segment %d", h.seq))
	}
	return h, nil
}

func decodeOwner(b []byte) owner {
	o := owner{cluster: le.Uint64(b), node: le.Uint64(b[8:])}
	copy(o.instance[:], b[16:32])
	return o
}

// check compares a file's owner with the directory's.
func (o owner) check(file string, want owner) error {
	mismatch := func(field, found, want string) error {
		return &IdentityError{File: file, Field: field, Found: found, Want: want}
	}
	switch {
	case o.cluster != want.cluster:
		return mismatch("cluster", fmt.Sprintf("%016x", o.cluster), fmt.Sprintf("%016x", want.cluster))
	case o.node != want.node:
		return mismatch("node", strconv.FormatUint(o.node, 10), strconv.FormatUint(want.node, 10))
	case o.instance != want.instance:
		return mismatch("instance", hex.EncodeToString(o.instance[:]), hex.EncodeToString(want.instance[:]))
	}
	return nil
}

func decodeCheckpoint(b []byte) checkpoint {
	u := func(i int) uint64 { return le.Uint64(b[8*i:]) }
	return checkpoint{
		epoch: u(0),
		hard:  cluster.HardState{Term: u(1), Vote: u(2), Commit: u(3)},
		mark:  cluster.SnapshotMark{Index: u(4), Term: u(5)},
		last:  point{u(6), u(7)},
		prev:  link{u(8), int64(u(9))},
	}
}

// segment is one file of the log as recovery and the writer know it.
type segment struct {
	segmentHeader
	checkpoint checkpoint
	name       string // path
	bytes      int64  // of the file
	end        int64  // where its frames end
	// indexMax is the highest index of an entry in it that was not voided by a snapshot mark; 0 for none.
	// It is the highest of all, also of those that were replaced, since the replacement may be in a later segment.
	indexMax uint64
}

// readSegmentHead reads and checks header and checkpoint. want nil: of any owner.
func readSegmentHead(f vfs.File, name string, seq uint64, want *owner) (*segment, error) {
	size, err := f.Size()
	if err != nil {
		return nil, &FailedError{Op: "size", File: name, Err: err}
	}
	b := make([]byte, min(size, segmentFirstFrame))
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, &FailedError{Op: "read", File: name, Err: err}
	}
	h, err := decodeSegmentHeader(name, seq, b)
	if err != nil {
		return nil, err
	}
	if want != nil {
		if err := h.owner.check(name, *want); err != nil {
			return nil, err
		}
	}
	c, reason := decodeCheckpointFrame(h, b)
	if reason != "" {
		return nil, &CorruptionError{File: name, Segment: seq, Offset: segmentHeaderBytes, Reason: reason}
	}
	return &segment{segmentHeader: h, checkpoint: c, name: name, bytes: size, end: segmentFirstFrame}, nil
}

func decodeCheckpointFrame(h segmentHeader, b []byte) (c checkpoint, reason string) {
	f, reason := decodeFrameHeader(b[segmentHeaderBytes:], h.seed, segmentHeaderBytes, int64(len(b)-segmentHeaderBytes))
	if reason != "" {
		return c, "checkpoint: " + reason
	}
	payload := b[segmentHeaderBytes+frameHeaderBytes:]
	if f.kind != frameCheckpoint || f.parts != 0 || f.length != checkpointBytes {
		return c, "the first frame is not a checkpoint"
	}
	if f.payloadCRC != crc32.Checksum(payload, castagnoli) {
		return c, "checksum of the checkpoint does not match"
	}
	c = decodeCheckpoint(payload)
	if c.last.index+1 != h.first || c.prev.seq >= h.seq || c.prev.end < 0 || (c.prev.seq != 0 && c.prev.end < segmentFirstFrame) {
		return c, "checkpoint does not fit its segment"
	}
	return c, ""
}
