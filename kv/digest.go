package kv

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// StateHash is a digest of everything in the state: keys, values, metadata, revision, applied index, sessions with
// their results and order of use, and the counter of session ids. Equal states have equal digests, however they are
// laid out (shards, overlays, rebuilds). Its cost is that of reading everything: for tests, the simulator and
// comparing nodes. Writer only.
func (m *Machine) StateHash() uint64 {
	var sum uint64 // of the items' digests: a sum does not depend on the order
	var d digest
	for i := range m.shards {
		m.shards[i].each(func(item *slot) { sum += d.item(item) })
	}
	d.start()
	d.numbers(sum, m.revision.Load(), m.applied, uint64(m.keys.Load()), uint64(m.dataBytes.Load()))
	d.numbers(m.sessions.last, uint64(m.sessions.count))
	m.sessions.byUse(d.session)
	return d.hash.Sum64()
}

// digest writes numbers and bytes to a hash.
type digest struct {
	hash xxhash.Digest
	room [8 * 8]byte
}

func (d *digest) start() { d.hash.Reset() }

func (d *digest) numbers(values ...uint64) {
	b := d.room[:0]
	for _, value := range values {
		b = binary.LittleEndian.AppendUint64(b, value)
	}
	d.hash.Write(b)
}

func (d *digest) item(item *slot) uint64 {
	d.start()
	d.numbers(uint64(item.keyBytes), item.createRevision, item.modRevision, item.version)
	d.hash.Write(item.data)
	return d.hash.Sum64()
}

func (d *digest) session(s *session) {
	d.numbers(s.id, s.floor)
	d.hash.Write(s.nonce[:])
	s.outcomes(func(o *outcome) {
		d.numbers(o.sequence, o.command, o.revision, o.createRevision, o.modRevision, o.version, uint64(o.status), bit(o.existed))
	})
	d.numbers(0) // ends the outcomes: no sequence number is 0
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
