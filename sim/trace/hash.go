package trace

import "github.com/cespare/xxhash/v2"

// Hash tells lives apart: two lives with the same hash had the same events. It takes numbers, never memory, so that it is the
// same on every architecture. The zero value is that of no events.
type Hash struct{ state uint64 }

// Add takes an event in, but for its Text. What the raft engine says is made only when somebody reads it, and so does not count.
func (h *Hash) Add(e *Event) {
	if e.Kind == Raft {
		return
	}
	h.word(uint64(e.At))
	h.word(uint64(e.Kind) | e.Node<<8 | e.Peer<<24 | uint64(e.Client)<<40)
	h.word(xxhash.Sum64String(e.What))
	for _, n := range e.Numbers[:len(e.Kind.Fields())] {
		h.word(n)
	}
}

// Sum returns the hash of what was added so far.
func (h *Hash) Sum() uint64 { return h.state }

// word mixes a number in: the finalizer of MurmurHash3 (Appleby) over the sum of state and number.
func (h *Hash) word(n uint64) {
	z := h.state + n + 0x9e3779b97f4a7c15
	z = (z ^ z>>33) * 0xff51afd7ed558ccd
	z = (z ^ z>>33) * 0xc4ceb9fe1a85ec53
	h.state = z ^ z>>33
}
