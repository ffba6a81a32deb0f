package kv

import "encoding/binary"

// apply does one command, whose key has this hash. It never fails: whatever is wrong with the command becomes its status.
func (m *Machine) apply(c *Command, hash uint64) Result {
	if c.fault(&m.options) != nil {
		return m.refusal(Invalid)
	}
	switch {
	case c.Kind == OpenSession:
		return m.openSession(c)
	case c.Kind == CloseSession:
		return m.closeSession(c)
	case c.Session != 0:
		return m.writeInSession(c, hash)
	default:
		return m.write(c, hash)
	}
}

func (m *Machine) refusal(status Status) Result {
	return Result{Status: status, Revision: m.revision.Load()}
}

func (m *Machine) openSession(c *Command) Result {
	id, replayed := m.sessions.open(c.Nonce, m.options.SessionsMax)
	if replayed {
		m.pending.replayed++
	}
	return Result{Session: id, Replayed: replayed, Revision: m.revision.Load()}
}

func (m *Machine) closeSession(c *Command) Result {
	entry, ok := m.sessions.byID[c.Session]
	if !ok {
		return m.refusal(SessionExpired)
	}
	m.sessions.close(entry)
	return m.refusal(OK)
}

// writeInSession does a write once, however often it is sent. The order of the checks is part of the format: first the
// use of the session counts, then the floor rises, then the number is judged.
func (m *Machine) writeInSession(c *Command, hash uint64) Result {
	entry, ok := m.sessions.byID[c.Session]
	if !ok {
		return m.refusal(SessionExpired)
	}
	m.sessions.touch(entry)
	s := &m.sessions.entries[entry]
	window := uint64(m.options.SessionWindow)
	// By as much as it says: a node refuses many a write before it gets here, and each of them took a number.
	s.floor = max(s.floor, c.Acknowledged)
	switch {
	case c.Sequence < s.floor:
		return m.refusal(SequenceAcknowledged)
	case c.Sequence-s.floor >= window:
		return m.refusal(SequenceOutOfWindow)
	}
	return m.writeOnce(s, c, hash)
}

func (m *Machine) writeOnce(s *session, c *Command, hash uint64) Result {
	command := m.commandHash(c)
	if known := s.outcome(c.Sequence); known != nil {
		if known.command != command {
			return m.refusal(SequenceReused)
		}
		m.pending.replayed++
		return known.result()
	}
	r := m.write(c, hash)
	m.sessions.record(s, outcome{
		sequence: c.Sequence, command: command, revision: r.Revision,
		createRevision: r.CreateRevision, modRevision: r.ModRevision, version: r.Version,
		status: r.Status, existed: r.Existed,
	})
	return r
}

// commandHash tells a command from another one under the same number. It is kept in snapshots, so it never changes:
// xxhash of kind, condition, condition revision, key length (all little-endian), key and value.
func (m *Machine) commandHash(c *Command) uint64 {
	var head [18]byte
	head[0], head[1] = byte(c.Kind), byte(c.Condition)
	binary.LittleEndian.PutUint64(head[2:], c.ConditionRevision)
	binary.LittleEndian.PutUint64(head[10:], uint64(len(c.Key)))
	m.digest.Reset()
	m.digest.Write(head[:])
	m.digest.Write(c.Key)
	m.digest.Write(c.Value)
	return m.digest.Sum64()
}

// write does a put or a delete. The writer looks the key up without the lock: nobody else changes a shard.
func (m *Machine) write(c *Command, hash uint64) Result {
	number, tag := m.place(hash)
	s := &m.shards[number]
	s.operations++
	old := s.find(tag, c.Key)
	if !c.holds(old) {
		return m.describe(ConditionFailed, old)
	}
	if c.Kind == Delete {
		return m.delete(number, tag, old, c)
	}
	return m.put(number, tag, old, c)
}

// holds says whether the command's condition is true of the key's item, nil for none.
func (c *Command) holds(old *slot) bool {
	switch c.Condition {
	case MustNotExist:
		return old == nil
	case MustExist:
		return old != nil
	case RevisionEquals:
		return old != nil && old.modRevision == c.ConditionRevision
	default:
		return true
	}
}

// describe is a result that tells of the key as it is.
func (m *Machine) describe(status Status, old *slot) Result {
	r := m.refusal(status)
	if old != nil {
		r.Existed = true
		r.CreateRevision, r.ModRevision, r.Version = old.createRevision, old.modRevision, old.version
	}
	return r
}

func (m *Machine) put(number int32, tag uint32, old *slot, c *Command) Result {
	revision := m.revision.Load() + 1
	item := newSlot(tag, c.Key, c.Value)
	item.createRevision, item.modRevision, item.version = revision, revision, 1
	if old != nil {
		item.createRevision, item.version = old.createRevision, old.version+1
		m.pending.dataBytes -= old.dataBytes()
	} else {
		m.pending.keys++
	}
	m.pending.dataBytes += item.dataBytes()
	r := Result{
		Existed: old != nil, Revision: revision,
		CreateRevision: item.createRevision, ModRevision: revision, Version: item.version,
	}
	m.store(number, old, item, revision)
	return r
}

// newSlot copies key and value into one allocation.
func newSlot(tag uint32, key, value []byte) slot {
	data := make([]byte, len(key)+len(value))
	copy(data[copy(data, key):], value)
	return slot{data: data, keyBytes: uint32(len(key)), tag: tag}
}

// store puts the item where the phase wants it and advances the revision, both under the shard's write lock.
func (m *Machine) store(number int32, old *slot, item slot, revision uint64) {
	s := &m.shards[number]
	if m.phase == frozen {
		m.change(number, revision, func() { s.cover(item) })
		return
	}
	if s.overlay != nil || s.from != nil {
		m.change(number, revision, func() { s.put(item) })
		return
	}
	m.storePlain(s, old, item, revision)
}

// storePlain is store for a shard of one table, which is the common case: old is in that table.
func (m *Machine) storePlain(s *shard, old *slot, item slot, revision uint64) {
	var index []uint64
	if old == nil && s.table.full() {
		index = s.table.grownIndex(s.table.count + 1) // before the lock, so that readers do not wait for it
	}
	s.mu.Lock()
	switch {
	case old != nil:
		*old = item
	case index != nil:
		s.table.index = index
		fallthrough
	default:
		s.table.insert(item)
	}
	m.revision.Store(revision)
	s.mu.Unlock()
	s.peak = max(s.peak, s.table.count)
}

// change runs a change of a shard that may have an overlay, and keeps count of the overlays' keys.
func (m *Machine) change(number int32, revision uint64, do func()) {
	s := &m.shards[number]
	before, had := s.overlayCount(), s.overlay != nil
	s.mu.Lock()
	do()
	m.revision.Store(revision)
	s.mu.Unlock()
	if !had && s.overlay != nil {
		m.overlaid = append(m.overlaid, number)
	}
	m.overlay += s.overlayCount() - before
}

func (s *shard) overlayCount() int {
	if s.overlay == nil {
		return 0
	}
	return s.overlay.count
}

// delete removes a key. An absent one is no change, and no error.
func (m *Machine) delete(number int32, tag uint32, old *slot, c *Command) Result {
	r := m.describe(OK, old)
	if old == nil {
		return r
	}
	s := &m.shards[number]
	s.deletes++
	m.pending.keys--
	m.pending.dataBytes -= old.dataBytes()
	r.Revision++
	if m.phase == frozen {
		m.change(number, r.Revision, func() { s.uncover(tag, c.Key) })
		return r
	}
	m.change(number, r.Revision, func() { s.remove(tag, c.Key) })
	m.queueIfSparse(number)
	return r
}
