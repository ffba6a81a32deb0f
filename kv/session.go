package kv

import (
	"math/bits"
	"slices"
)

// outcome is the result of one sequence number, and what tells its command from another one.
type outcome struct {
	sequence                                       uint64
	command                                        uint64 // hash of the command, see commandHash
	revision, createRevision, modRevision, version uint64
	status                                         Status // OK or ConditionFailed
	existed                                        bool
}

func (o *outcome) result() Result {
	return Result{
		Status: o.status, Existed: o.existed, Replayed: true, Revision: o.revision,
		CreateRevision: o.createRevision, ModRevision: o.modRevision, Version: o.version,
	}
}

// session is a client's: what it sent and may send again.
type session struct {
	id    uint64 // 0: the entry is free
	nonce [NonceBytes]byte
	// floor is the lowest sequence number that may still be used, from 1. It never falls.
	floor uint64
	// ring holds the outcome of a sequence number at number mod length. Its length is a power of two, no more than the
	// window needs; entries below floor or of another number count as empty, so that raising the floor is one store.
	ring []outcome
	// copied is the freeze after which ring became this session's own again.
	copied uint64
	// older and newer are entries in the order of use, -1 at the ends. A free entry's newer is the next free one.
	older, newer int32
}

// Sizes in memory, for Options.SessionBytesMax; a test holds them against the types.
const (
	outcomeBytes  = 56
	sessionBytes  = 72 + 2*mapEntryBytes
	mapEntryBytes = 56 // an entry of byID or byNonce, spare room included

	ringLengthMin = 4
)

// ringLength is the length of a ring that holds span numbers.
func ringLength(span int) int {
	return max(ringLengthMin, 1<<bits.Len(uint(span-1)))
}

// outcome returns what is known of a sequence number at or above the floor, nil if nothing.
func (s *session) outcome(sequence uint64) *outcome {
	if len(s.ring) == 0 {
		return nil
	}
	if o := &s.ring[sequence&uint64(len(s.ring)-1)]; o.sequence == sequence {
		return o
	}
	return nil
}

// record keeps an outcome whose number is at or above the floor and within the window.
func (s *session) record(o outcome) {
	if length := ringLength(int(o.sequence - s.floor + 1)); length > len(s.ring) {
		s.extend(length)
	}
	s.ring[o.sequence&uint64(len(s.ring)-1)] = o
}

func (s *session) extend(length int) {
	ring := make([]outcome, length)
	for i := range s.ring {
		if o := &s.ring[i]; o.sequence >= s.floor {
			ring[o.sequence&uint64(length-1)] = *o
		}
	}
	s.ring = ring
}

// outcomes calls visit for what is kept, by rising sequence number.
func (s *session) outcomes(visit func(*outcome)) {
	for span := range uint64(len(s.ring)) {
		if o := s.outcome(s.floor + span); o != nil {
			visit(o)
		}
	}
}

// sessions is the session table. Entries are values in one slice, so that a freeze copies them in one sweep; the rings
// they refer to are copied when they are first written after it.
type sessions struct {
	entries         []session
	byID            map[uint64]int32 // looked up only, never ranged over
	byNonce         map[[NonceBytes]byte]int32
	oldest, newest  int32 // by use; -1 when there is none
	free            int32 // -1 when there is none
	count           int
	last            uint64 // the last id given
	freezes         uint64 // how often the table was captured
	evicted         uint64
	sharedWithReads bool // a capture is being read: rings of before it must not change
}

func newSessions() sessions {
	return sessions{
		byID:    make(map[uint64]int32),
		byNonce: make(map[[NonceBytes]byte]int32),
		oldest:  -1, newest: -1, free: -1,
	}
}

// open returns the nonce's session, or a new one after evicting until there is room. replayed says that it was there.
func (t *sessions) open(nonce [NonceBytes]byte, sessionsMax int) (id uint64, replayed bool) {
	if entry, ok := t.byNonce[nonce]; ok {
		t.touch(entry)
		return t.entries[entry].id, true
	}
	for t.count >= sessionsMax {
		t.close(t.oldest)
		t.evicted++
	}
	t.last++
	t.add(session{id: t.last, nonce: nonce, floor: 1})
	return t.last, false
}

// add appends a session as the one used last.
func (t *sessions) add(s session) int32 {
	entry := t.free
	if entry >= 0 {
		t.free = t.entries[entry].newer
	} else {
		entry = int32(len(t.entries))
		t.entries = append(t.entries, session{})
	}
	s.copied = t.freezes
	t.entries[entry] = s
	t.byID[s.id] = entry
	t.byNonce[s.nonce] = entry
	t.count++
	t.link(entry)
	return entry
}

func (t *sessions) close(entry int32) {
	t.unlink(entry)
	s := &t.entries[entry]
	delete(t.byID, s.id)
	delete(t.byNonce, s.nonce)
	*s = session{newer: t.free}
	t.free = entry
	t.count--
}

// touch makes an entry the one used last.
func (t *sessions) touch(entry int32) {
	if t.newest != entry {
		t.unlink(entry)
		t.link(entry)
	}
}

func (t *sessions) link(entry int32) {
	s := &t.entries[entry]
	s.older, s.newer = t.newest, -1
	if t.newest >= 0 {
		t.entries[t.newest].newer = entry
	} else {
		t.oldest = entry
	}
	t.newest = entry
}

func (t *sessions) unlink(entry int32) {
	s := &t.entries[entry]
	if s.older >= 0 {
		t.entries[s.older].newer = s.newer
	} else {
		t.oldest = s.newer
	}
	if s.newer >= 0 {
		t.entries[s.newer].older = s.older
	} else {
		t.newest = s.older
	}
}

// record keeps an outcome. A ring that a capture may be reading is copied first.
func (t *sessions) record(s *session, o outcome) {
	if t.sharedWithReads && s.copied != t.freezes {
		s.ring = slices.Clone(s.ring)
		s.copied = t.freezes
	}
	s.record(o)
}

// captured is the session table at one moment.
type captured struct {
	entries []session
	oldest  int32
	count   int
	last    uint64
}

// capture costs one copy of the entries: 72 bytes each, not of their results.
func (t *sessions) capture() captured {
	t.freezes++
	t.sharedWithReads = true
	return captured{slices.Clone(t.entries), t.oldest, t.count, t.last}
}

// release says that the capture is not read any more.
func (t *sessions) release() { t.sharedWithReads = false }

// byUse calls visit from the session used longest ago to the one used last.
func (t *sessions) byUse(visit func(*session)) {
	for entry := t.oldest; entry >= 0; entry = t.entries[entry].newer {
		visit(&t.entries[entry])
	}
}
