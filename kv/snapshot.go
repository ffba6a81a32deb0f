package kv

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Meta goes into a snapshot beside the machine's own state. Cluster is opaque here: the cluster's membership, at most
// ClusterBytesMax.
type Meta struct {
	Index, Term uint64
	Cluster     []byte
}

// Freeze starts a snapshot of the state as it is now; Meta.Index must be Applied. Its cost does not depend on the number
// of keys, but on that of the sessions: some 100 bytes are copied for each. One snapshot at a time: it panics when one is
// frozen or still being merged (see Frozen). Writer only.
//
// From now on until everything is merged, memory is needed for each key that is written, once: its overlay item, and
// the item that it covers. Nothing bounds that here but the data limit; whoever sees overlays grow without end should
// Thaw and give the snapshot up.
func (m *Machine) Freeze(meta Meta) *Snapshot {
	if m.phase != idle {
		panic("kv: freeze while a snapshot is frozen or its overlays are not merged")
	}
	if meta.Index != m.applied {
		panic(fmt.Sprintf("kv: freeze at index %d, but %d is applied", meta.Index, m.applied))
	}
	if len(meta.Cluster) > ClusterBytesMax {
		panic(fmt.Sprintf("kv: cluster meta of %d bytes is above %d", len(meta.Cluster), ClusterBytesMax))
	}
	meta.Cluster = slices.Clone(meta.Cluster)
	sessions := m.sessions.capture()
	s := &Snapshot{
		meta: meta, shards: m.shards, sessions: sessions, nextSession: sessions.oldest,
		revision: m.revision.Load(), keys: uint64(m.keys.Load()), dataBytes: uint64(m.dataBytes.Load()),
		stage: headerChunk,
	}
	s.hash.Reset()
	m.snapshot = s
	m.setPhase(frozen)
	return s
}

// Thaw ends the snapshot, finished or not: overlays are merged by Maintain from now on. The snapshot's reader must not
// call Next any more. It panics when nothing is frozen. Writer only.
func (m *Machine) Thaw() {
	if m.phase != frozen {
		panic("kv: thaw without a freeze")
	}
	m.snapshot.thawed.Store(true)
	m.snapshot = nil
	m.sessions.release()
	m.setPhase(merging)
	if len(m.overlaid) == 0 {
		m.setPhase(idle)
	}
}

// Snapshot encodes a frozen machine in chunks. One goroutine at a time calls Next, beside the machine's writer and readers.
// It reads the shards' tables without locks: while the machine is frozen nobody changes them.
type Snapshot struct {
	meta                      Meta
	revision, keys, dataBytes uint64
	sessions                  captured
	shards                    []shard
	thawed                    atomic.Bool

	// How far it is.
	stage       chunkKind // of the next chunk; 0 after the last one
	chunks      uint64
	bytes       uint64
	hash        xxhash.Digest // of all bytes so far
	nextSession int32
	shard       int
	inFrom      bool // in the shard's from, else in its table
	slot        int
	value       []byte // what is left of a value that did not fit
	itemKeys    uint64
	itemBytes   uint64
}

// Meta is what Freeze was given. Its Cluster must not be changed.
func (s *Snapshot) Meta() Meta { return s.meta }

// Next appends the next chunk, at most ChunkBytesMax, to dst. done is true with the last one; it panics after that, and
// after Thaw. The bytes depend on the state and its history alone, not on addresses, time or map order; two machines
// with the same state and another history (snapshots, maintenance, shards) list the keys in other orders.
func (s *Snapshot) Next(dst []byte) (chunk []byte, done bool) {
	if s.thawed.Load() {
		panic("kv: snapshot read after thaw")
	}
	start := len(dst)
	if s.chunks == 0 {
		dst = appendPreamble(dst)
	}
	frame := len(dst)
	dst = slices.Grow(dst, s.payloadBytes()+frameBytes)[:frame+frameBytes]
	kind := s.stage
	dst = s.appendPayload(dst, len(dst)+ChunkBytes)
	seal(dst[frame:], s.chunks, kind)
	s.chunks++
	s.bytes += uint64(len(dst) - start)
	s.hash.Write(dst[start:])
	return dst, s.stage == 0
}

// payloadBytes is about how many bytes the next payload takes, so that a small state needs little room.
func (s *Snapshot) payloadBytes() int {
	switch s.stage {
	case sessionsChunk:
		return min(ChunkBytes, s.sessions.count*(sessionHeadSize+outcomeSize))
	case itemsChunk:
		// The overhead that is counted with a key is above what its head takes.
		return int(min(ChunkBytes, s.dataBytes-s.itemBytes+uint64(len(s.value))))
	default:
		return len(s.meta.Cluster) + ChunkBytes/1024
	}
}

// appendPayload appends the payload of a chunk, so that dst gets no longer than end, and moves on to the next stage
// when this one has no more.
func (s *Snapshot) appendPayload(dst []byte, end int) []byte {
	switch s.stage {
	case headerChunk:
		dst = s.appendHeader(dst)
		s.stage = sessionsChunk
	case sessionsChunk:
		dst = s.appendSessions(dst, end)
	case itemsChunk:
		dst = s.appendItems(dst, end)
	case trailerChunk:
		dst = s.appendTrailer(dst)
		s.stage = 0
		return dst
	default:
		panic("kv: snapshot read past its last chunk")
	}
	if s.stage == sessionsChunk && s.nextSession < 0 {
		s.stage = itemsChunk
	}
	if s.stage == itemsChunk && s.value == nil && s.skipEmpty() == nil {
		s.stage = trailerChunk
	}
	return dst
}

func (s *Snapshot) appendHeader(dst []byte) []byte {
	for _, number := range [...]uint64{
		s.meta.Index, s.meta.Term, s.revision, s.keys, s.dataBytes, s.sessions.last, uint64(s.sessions.count),
	} {
		dst = binary.LittleEndian.AppendUint64(dst, number)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.meta.Cluster)))
	return append(dst, s.meta.Cluster...)
}

func (s *Snapshot) appendSessions(dst []byte, end int) []byte {
	for s.nextSession >= 0 {
		next := &s.sessions.entries[s.nextSession]
		count := 0
		next.outcomes(func(*outcome) { count++ })
		if len(dst)+sessionHeadSize+count*outcomeSize > end {
			break
		}
		dst = appendSession(dst, next, count)
		s.nextSession = next.newer
	}
	return dst
}

func appendSession(dst []byte, s *session, count int) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, s.id)
	dst = append(dst, s.nonce[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, s.floor)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(count))
	s.outcomes(func(o *outcome) {
		for _, number := range [...]uint64{
			o.sequence, o.command, o.revision, o.createRevision, o.modRevision, o.version,
		} {
			dst = binary.LittleEndian.AppendUint64(dst, number)
		}
		dst = append(dst, byte(o.status), byte(bit(o.existed)))
	})
	return dst
}

// skipEmpty moves to the next slot, over tables that have no more, and returns its table; nil when there is none.
func (s *Snapshot) skipEmpty() *table {
	for ; s.shard < len(s.shards); s.shard, s.inFrom, s.slot = s.shard+1, false, 0 {
		at := &s.shards[s.shard]
		if !s.inFrom {
			if s.slot < at.table.count {
				return &at.table
			}
			s.inFrom, s.slot = true, 0
		}
		if at.from != nil && s.slot < at.from.count {
			return at.from
		}
	}
	return nil
}

func (s *Snapshot) appendItems(dst []byte, end int) []byte {
	dst = s.appendValue(dst, end)
	for s.value == nil {
		from := s.skipEmpty()
		if from == nil {
			return dst
		}
		item := from.at(s.slot)
		if len(dst)+itemHeadSize+int(item.keyBytes) > end {
			return dst
		}
		dst = appendItemHead(dst, item)
		s.slot++
		s.itemKeys++
		s.itemBytes += uint64(item.dataBytes())
		s.value = item.value()
		dst = s.appendValue(dst, end)
	}
	return dst
}

func appendItemHead(dst []byte, item *slot) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, item.keyBytes)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(item.data))-item.keyBytes)
	dst = binary.LittleEndian.AppendUint64(dst, item.createRevision)
	dst = binary.LittleEndian.AppendUint64(dst, item.modRevision)
	dst = binary.LittleEndian.AppendUint64(dst, item.version)
	return append(dst, item.key()...)
}

// appendValue appends as much of the value as fits, and leaves nil when that was all.
func (s *Snapshot) appendValue(dst []byte, end int) []byte {
	n := min(len(s.value), end-len(dst))
	dst = append(dst, s.value[:n]...)
	s.value = s.value[n:]
	if len(s.value) == 0 {
		s.value = nil
	}
	return dst
}

func (s *Snapshot) appendTrailer(dst []byte) []byte {
	if s.itemKeys != s.keys || s.itemBytes != s.dataBytes {
		panic(fmt.Sprintf("kv: frozen with %d keys of %d bytes, found %d of %d", s.keys, s.dataBytes, s.itemKeys, s.itemBytes))
	}
	for _, number := range [...]uint64{s.keys, s.dataBytes, s.chunks + 1, s.bytes, s.hash.Sum64()} {
		dst = binary.LittleEndian.AppendUint64(dst, number)
	}
	return dst
}
