package policy

import "encoding/binary"

// session is the numbering of an open session; its id is 0 when none is open.
type session struct {
	id     uint64
	window uint64
	// floor <= next <= floor+window. Numbers from floor up to next are outstanding or finished; floor itself is
	// outstanding, or equals next. The store takes a number n as long as n < floor+window.
	floor, next uint64
	finished    []bool // finished[n%window], of the numbers from floor up to next
}

// session0 is no session.
var session0 session

// newSession numbers from 1. A window of 0 would stop the client for good: it counts as 1.
func newSession(id, window uint64) session {
	window = min(max(window, 1), WindowMax)
	return session{id: id, window: window, floor: 1, next: 1, finished: make([]bool, window)}
}

// take returns the next number; false when the window is full.
func (s *session) take() (uint64, bool) {
	if s.next >= s.floor+s.window {
		return 0, false
	}
	n := s.next
	s.finished[n%s.window] = false
	s.next++
	return n, true
}

// finish lets a number go, and the floor rise over all that are finished.
func (s *session) finish(n uint64) {
	s.finished[n%s.window] = true
	for s.floor < s.next && s.finished[s.floor%s.window] {
		s.floor++
	}
}

// nonce stays the same until the store tells the session that was opened under it, so that retries open one.
type nonce struct {
	drawn bool
	bytes [NonceBytes]byte
}

func (n *nonce) draw(identity, random uint64) {
	n.drawn = true
	binary.BigEndian.PutUint64(n.bytes[:8], identity)
	binary.BigEndian.PutUint64(n.bytes[8:], random)
}
