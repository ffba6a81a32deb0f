package kv

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Restorer builds a machine from a snapshot's chunks. One goroutine uses it. It needs the memory of the machine and one
// value besides; what a chunk declares is never allocated before the bytes for it arrived.
type Restorer struct {
	machine *Machine
	meta    Meta
	err     error

	header   header
	last     chunkKind // of the chunk before
	chunks   uint64
	bytes    uint64
	hash     xxhash.Digest // of all bytes so far
	sessions uint64        // restored so far

	// An item whose value goes on in the next chunk.
	partial     slot
	missing     int
	partialData []byte
}

// header is what the first chunk promises.
type header struct {
	revision, keys, dataBytes, lastSession, sessions uint64
}

// NewRestorer returns a restorer of machines with these options, or an *OptionError. The shards may be other than the
// writer's. Limits that are lower than what the snapshot holds are kept to from the next command on.
func NewRestorer(o Options) (*Restorer, error) {
	m, err := New(o)
	if err != nil {
		return nil, err
	}
	r := &Restorer{machine: m}
	r.hash.Reset()
	return r, nil
}

// Add takes the next chunk, in order. After an error (*SnapshotError, with the chunk's number and offset) the restorer is of no more use.
// The chunk is not kept.
func (r *Restorer) Add(chunk []byte) error {
	if r.err != nil {
		return r.err
	}
	c := cursor{data: chunk}
	r.err = r.add(&c)
	if r.err == nil {
		r.chunks++
		r.bytes += uint64(len(chunk))
		r.hash.Write(chunk)
	} else {
		r.machine = nil
	}
	return r.err
}

// refuse is the error for the current chunk, at a place in it.
func (r *Restorer) refuse(at int, reason string, arguments ...any) error {
	return &SnapshotError{Chunk: r.chunks, Offset: int64(r.bytes) + int64(at), Reason: fmt.Sprintf(reason, arguments...)}
}

func (r *Restorer) add(c *cursor) error {
	if r.last == trailerChunk {
		return r.refuse(0, "bytes behind the trailer")
	}
	if r.chunks == 0 {
		if err := r.preamble(c); err != nil {
			return err
		}
	}
	kind, err := r.frame(c)
	if err != nil {
		return err
	}
	if err := r.follows(kind); err != nil {
		return err
	}
	r.last = kind
	switch kind {
	case headerChunk:
		err = r.addHeader(c)
	case sessionsChunk:
		err = r.addSessions(c)
	case itemsChunk:
		err = r.addItems(c)
	default:
		err = r.addTrailer(c)
	}
	if err == nil && len(c.rest()) > 0 {
		err = r.refuse(c.at, "%d bytes left over in the %s chunk", len(c.rest()), kind)
	}
	return err
}

func (r *Restorer) preamble(c *cursor) error {
	p := c.take(preambleBytes)
	switch {
	case p == nil || string(p[:8]) != snapshotMagic:
		return r.refuse(0, "not a snapshot: no magic")
	case binary.LittleEndian.Uint32(p[12:]) != crc32.Checksum(p[:12], castagnoli):
		return r.refuse(12, "checksum of the preamble is wrong")
	}
	switch version := binary.LittleEndian.Uint32(p[8:]); {
	case version > SnapshotVersion:
		newer := &VersionError{"snapshot version", uint64(version), SnapshotVersion}
		return &SnapshotError{Offset: 8, Reason: newer.Error(), Err: newer}
	case version == 0:
		return r.refuse(8, "version 0")
	}
	return nil
}

// frame checks a chunk's length, checksum and number and returns its kind.
func (r *Restorer) frame(c *cursor) (chunkKind, error) {
	start := c.at
	f := c.take(frameBytes)
	if f == nil {
		return 0, r.refuse(start, "cut off within a chunk's frame")
	}
	payload := binary.LittleEndian.Uint32(f[4:])
	switch {
	case payload > ChunkBytes:
		return 0, r.refuse(start+4, "payload of %d bytes is above %d", payload, ChunkBytes)
	case int(payload) != len(c.rest()):
		return 0, r.refuse(start+4, "payload of %d bytes, but %d are there", payload, len(c.rest()))
	case binary.LittleEndian.Uint32(f) != crc32.Checksum(c.data[start+4:], castagnoli):
		return 0, r.refuse(start, "checksum is wrong")
	}
	if number := binary.LittleEndian.Uint64(f[8:]); number != r.chunks {
		return 0, r.refuse(start+8, "chunk %d in the place of chunk %d", number, r.chunks)
	}
	return chunkKind(binary.LittleEndian.Uint32(f[16:])), nil
}

// follows checks the order of kinds: a header, sessions, items, a trailer.
func (r *Restorer) follows(kind chunkKind) error {
	first, once := r.last == 0, kind == headerChunk || kind == trailerChunk
	switch {
	case kind < headerChunk || kind > trailerChunk:
		return r.refuse(0, "chunk of %s", kind)
	case first != (kind == headerChunk), kind < r.last, once && kind == r.last:
		return r.refuse(0, "%s chunk out of order", kind)
	case r.missing > 0 && kind != itemsChunk:
		return r.refuse(0, "%s chunk in the middle of a value", kind)
	}
	return nil
}

func (r *Restorer) addHeader(c *cursor) error {
	if len(c.rest()) < headerBytes {
		return r.refuse(c.at, "header is too short")
	}
	r.meta.Index, r.meta.Term = c.u64(), c.u64()
	r.header = header{c.u64(), c.u64(), c.u64(), c.u64(), c.u64()}
	length := int(c.u32())
	if length > ClusterBytesMax {
		return r.refuse(c.at, "cluster meta of %d bytes is above %d", length, ClusterBytesMax)
	}
	cluster := c.take(length)
	if cluster == nil {
		return r.refuse(c.at, "cluster meta is cut off")
	}
	if length > 0 {
		r.meta.Cluster = append([]byte(nil), cluster...)
	}
	h := &r.header
	switch {
	case h.keys > h.revision:
		return r.refuse(c.at, "%d keys after %d writes", h.keys, h.revision)
	case h.sessions > SessionsLimit || h.sessions > h.lastSession:
		return r.refuse(c.at, "%d sessions, the last one ever is %d", h.sessions, h.lastSession)
	case h.dataBytes > math.MaxInt64:
		return r.refuse(c.at, "%d data bytes", h.dataBytes)
	}
	return nil
}

func (r *Restorer) addSessions(c *cursor) error {
	if len(c.rest()) == 0 {
		return r.refuse(c.at, "empty sessions chunk")
	}
	for len(c.rest()) > 0 {
		if err := r.addSession(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *Restorer) addSession(c *cursor) error {
	at := c.at
	if len(c.rest()) < sessionHeadSize {
		return r.refuse(at, "session is cut off")
	}
	s := session{id: c.u64()}
	copy(s.nonce[:], c.take(NonceBytes))
	s.floor = c.u64()
	count := int(c.u32())
	table := &r.machine.sessions
	_, idTwice := table.byID[s.id]
	_, nonceTwice := table.byNonce[s.nonce]
	switch {
	case s.id == 0 || s.id > r.header.lastSession || idTwice || nonceTwice:
		return r.refuse(at, "session %d is impossible or there twice", s.id)
	case r.sessions >= r.header.sessions:
		return r.refuse(at, "more sessions than the %d of the header", r.header.sessions)
	case s.floor == 0 || s.floor > math.MaxUint64-SessionWindowLimit:
		return r.refuse(at, "session %d has the impossible floor %d", s.id, s.floor)
	case count > SessionWindowLimit || len(c.rest()) < count*outcomeSize:
		return r.refuse(at, "session %d is cut off: %d results", s.id, count)
	}
	for previous := s.floor - 1; count > 0; count-- {
		o := c.outcome()
		if why := r.outcomeFault(&s, &o, previous); why != "" {
			return r.refuse(c.at, "session %d, number %d: %s", s.id, o.sequence, why)
		}
		previous = o.sequence
		s.record(o)
	}
	table.add(s)
	r.sessions++
	return nil
}

func (r *Restorer) outcomeFault(s *session, o *outcome, previous uint64) string {
	switch {
	case o.sequence <= previous:
		return "out of order"
	case o.sequence-s.floor >= SessionWindowLimit:
		return "out of the window"
	case o.status > ConditionFailed:
		return "impossible status or flag"
	case o.revision > r.header.revision || o.modRevision > o.revision || o.createRevision > o.modRevision:
		return "impossible revisions"
	}
	return ""
}

func (r *Restorer) addItems(c *cursor) error {
	if len(c.rest()) == 0 {
		return r.refuse(c.at, "empty items chunk")
	}
	if r.missing > 0 {
		r.continueValue(c)
	}
	for len(c.rest()) > 0 {
		if err := r.addItem(c); err != nil {
			return err
		}
	}
	return nil
}

// continueValue takes more of a value that began in an earlier chunk.
func (r *Restorer) continueValue(c *cursor) {
	more := c.take(min(r.missing, len(c.rest())))
	r.partialData = append(r.partialData, more...)
	r.missing -= len(more)
	if r.missing == 0 {
		r.partial.data = append(make([]byte, 0, len(r.partialData)), r.partialData...)
		r.partialData = r.partialData[:0]
		r.insert(r.partial)
		r.partial = slot{}
	}
}

func (r *Restorer) addItem(c *cursor) error {
	at := c.at
	if len(c.rest()) < itemHeadSize {
		return r.refuse(at, "item is cut off")
	}
	keyBytes, valueBytes := c.u32(), c.u32()
	item := slot{keyBytes: keyBytes, createRevision: c.u64(), modRevision: c.u64(), version: c.u64()}
	if keyBytes == 0 || keyBytes > KeyBytesLimit || valueBytes > ValueBytesLimit {
		return r.refuse(at, "key of %d bytes and value of %d are out of bounds", keyBytes, valueBytes)
	}
	if why := r.itemFault(&item); why != "" {
		return r.refuse(at, "%s: create %d, mod %d, version %d, store %d", why, item.createRevision, item.modRevision, item.version, r.header.revision)
	}
	key := c.take(int(keyBytes))
	if key == nil {
		return r.refuse(at, "key is cut off")
	}
	number, tag := r.machine.place(xxhash.Sum64(key))
	if r.machine.shards[number].table.find(tag, key) >= 0 {
		return r.refuse(at, "key is there twice")
	}
	item.tag = tag
	return r.takeValue(c, item, key, int(valueBytes))
}

func (r *Restorer) itemFault(item *slot) string {
	switch {
	case item.createRevision == 0 || item.createRevision > item.modRevision || item.modRevision > r.header.revision:
		return "impossible revisions"
	case item.version == 0 || item.version-1 > item.modRevision-item.createRevision:
		return "impossible version"
	case r.machine.pending.keys >= int64(r.header.keys):
		return "more keys than the header says"
	}
	return ""
}

// takeValue stores the item if its value is all there; otherwise it waits for the next chunk.
func (r *Restorer) takeValue(c *cursor, item slot, key []byte, valueBytes int) error {
	if valueBytes <= len(c.rest()) {
		tagged := newSlot(item.tag, key, c.take(valueBytes))
		item.data = tagged.data
		r.insert(item)
		return nil
	}
	if len(c.data) < frameBytes+ChunkBytes {
		return r.refuse(c.at, "value goes on in the next chunk, but this one is not full")
	}
	part := c.take(len(c.rest()))
	r.partial, r.missing = item, valueBytes-len(part)
	r.partialData = append(append(r.partialData[:0], key...), part...)
	return nil
}

func (r *Restorer) insert(item slot) {
	number, _ := r.machine.place(xxhash.Sum64(item.key()))
	s := &r.machine.shards[number]
	s.table.insert(item)
	s.peak = s.table.count
	r.machine.pending.keys++
	r.machine.pending.dataBytes += item.dataBytes()
}

func (r *Restorer) addTrailer(c *cursor) error {
	if len(c.rest()) != trailerBytes {
		return r.refuse(c.at, "trailer of %d bytes, want %d", len(c.rest()), trailerBytes)
	}
	keys, dataBytes, chunks, bytes, sum := c.u64(), c.u64(), c.u64(), c.u64(), c.u64()
	got := r.machine.pending
	switch {
	case keys != r.header.keys || keys != uint64(got.keys):
		return r.refuse(c.at, "header says %d keys, trailer %d, found %d", r.header.keys, keys, got.keys)
	case dataBytes != r.header.dataBytes || dataBytes != uint64(got.dataBytes):
		return r.refuse(c.at, "header says %d data bytes, trailer %d, found %d", r.header.dataBytes, dataBytes, got.dataBytes)
	case r.sessions != r.header.sessions:
		return r.refuse(c.at, "header says %d sessions, found %d", r.header.sessions, r.sessions)
	case chunks != r.chunks+1 || bytes != r.bytes:
		return r.refuse(c.at, "trailer says %d chunks and %d bytes, found %d and %d", chunks, bytes, r.chunks+1, r.bytes)
	case sum != r.hash.Sum64():
		return r.refuse(c.at, "checksum of the whole is wrong")
	}
	return nil
}

// Finish returns the machine, or an error when the snapshot is incomplete. Nothing of a damaged snapshot is ever returned.
// The restorer is of no more use after it.
func (r *Restorer) Finish() (*Machine, Meta, error) {
	if r.err == nil && r.last != trailerChunk {
		r.err = r.refuse(0, "cut off: no trailer")
	}
	if r.err != nil {
		return nil, Meta{}, r.err
	}
	m := r.machine
	r.machine, r.err = nil, r.refuse(0, "restorer was finished")
	m.applied = r.meta.Index
	m.revision.Store(r.header.revision)
	m.sessions.last = r.header.lastSession
	m.publish()
	return m, r.meta, nil
}

// cursor reads a chunk. The caller checks that there is enough.
type cursor struct {
	data []byte
	at   int
}

func (c *cursor) rest() []byte { return c.data[c.at:] }

// take returns the next n bytes, nil when there are fewer; never nil otherwise.
func (c *cursor) take(n int) []byte {
	if n > len(c.data)-c.at {
		return nil
	}
	c.at += n
	return c.data[c.at-n : c.at : c.at]
}

func (c *cursor) u32() uint32 { return binary.LittleEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.LittleEndian.Uint64(c.take(8)) }

func (c *cursor) outcome() outcome {
	o := outcome{
		sequence: c.u64(), command: c.u64(), revision: c.u64(),
		createRevision: c.u64(), modRevision: c.u64(), version: c.u64(),
	}
	flags := c.take(2)
	o.status, o.existed = Status(flags[0]), flags[1] == 1
	if flags[1] > 1 {
		o.status = Invalid // no outcome has it: it will be refused
	}
	return o
}
