package kv

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A snapshot is a preamble and a row of chunks, drawn here and in docs/format/snapshot.md. All numbers are
// little-endian. A chunk is what Snapshot.Next gives and Restorer.Add takes; the preamble belongs to the first one.
//
//	preamble  magic "LOCKSNAP" | version u32 | CRC-32C of the 12 bytes before u32           16 bytes
//	chunk     CRC-32C of the rest u32 | payload length u32 | number u64 | kind u32 | payload  20 bytes and the payload
//
//	kind 1, header    index u64 | term u64 | revision u64 | keys u64 | data bytes u64 |
//	                  last session id u64 | sessions u64 | cluster length u32 | cluster
//	kind 2, sessions  whole sessions, the one used longest ago first:
//	                  id u64 | nonce 16 bytes | floor u64 | results u32 |
//	                  each: sequence u64 | command hash u64 | revision u64 | create u64 | mod u64 | version u64 |
//	                        status u8 | existed u8
//	kind 3, items     key length u32 | value length u32 | create u64 | mod u64 | version u64 | key | value
//	                  lengths, metadata and key lie within one chunk; a value may go on in the next ones
//	kind 4, trailer   keys u64 | data bytes u64 | chunks u64, this one included | bytes before this chunk u64 |
//	                  xxhash of the bytes before this chunk u64
//
// One header, then sessions, then items, then one trailer. The preamble and the framing of a chunk stay the same in
// all versions, so that a newer snapshot is told from a damaged one.
const (
	snapshotMagic = "LOCKSNAP"

	// SnapshotVersion is the version that Snapshot writes, and the newest that Restorer reads.
	SnapshotVersion = 1

	preambleBytes   = 16
	frameBytes      = 20
	headerBytes     = 7*8 + 4
	sessionHeadSize = 8 + NonceBytes + 8 + 4
	outcomeSize     = 6*8 + 2
	itemHeadSize    = 2*4 + 3*8
	trailerBytes    = 5 * 8

	// ChunkBytes is the size that chunks aim at; ChunkBytesMax is the most that one has.
	ChunkBytes    = 256 << 10
	ChunkBytesMax = ChunkBytes + preambleBytes + frameBytes

	// ChunkPrefixBytes of a chunk are enough for ChunkLength.
	ChunkPrefixBytes = preambleBytes + 8

	// ClusterBytesMax bounds Meta.Cluster, so that the header is one chunk.
	ClusterBytesMax = 128 << 10
)

type chunkKind uint32

const (
	headerChunk chunkKind = iota + 1
	sessionsChunk
	itemsChunk
	trailerChunk
)

func (k chunkKind) String() string {
	switch k {
	case headerChunk:
		return "header"
	case sessionsChunk:
		return "sessions"
	case itemsChunk:
		return "items"
	case trailerChunk:
		return "trailer"
	default:
		return fmt.Sprintf("unknown kind %d", uint32(k))
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendPreamble(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, snapshotMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, SnapshotVersion)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// seal fills in the frame of a chunk whose payload is in place behind frameBytes of room.
func seal(chunk []byte, number uint64, kind chunkKind) {
	binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)-frameBytes))
	binary.LittleEndian.PutUint64(chunk[8:], number)
	binary.LittleEndian.PutUint32(chunk[16:], uint32(kind))
	binary.LittleEndian.PutUint32(chunk, crc32.Checksum(chunk[4:], castagnoli))
}

// ChunkLength says how long the chunk with this number is, from its first ChunkPrefixBytes bytes or, if it is shorter,
// from all that is left: for readers of chunks that lie one behind the other. The bytes are not checked beyond that.
func ChunkLength(number uint64, prefix []byte) (int, error) {
	skip := 0
	if number == 0 {
		skip = preambleBytes
	}
	if len(prefix) < skip+8 {
		return 0, &SnapshotError{Chunk: number, Reason: "cut off within a chunk's frame"}
	}
	payload := binary.LittleEndian.Uint32(prefix[skip+4:])
	if payload > ChunkBytes {
		return 0, &SnapshotError{Chunk: number, Reason: fmt.Sprintf("payload of %d bytes is above %d", payload, ChunkBytes)}
	}
	return skip + frameBytes + int(payload), nil
}
