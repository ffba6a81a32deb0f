package kv

import "github.com/cespare/xxhash/v2"

// aheadCommands is how many commands are looked up ahead together; what they touch fits the first-level cache.
const aheadCommands = 64

// ahead touches the memory that the next commands will need. In a large store a lookup is a chain of cache misses
// (index, slot, key), each waiting for the one before. Walking many chains side by side, one link at a time, lets the
// processor wait for them together. What it reads is a hint and decides nothing; only the hashes are used.
type ahead struct {
	hashes [aheadCommands]uint64
	slots  [aheadCommands]*slot
	sum    byte // keeps the reads from being optimized away
}

func (a *ahead) look(m *Machine, commands []Command) {
	for i := range commands {
		a.hashes[i] = xxhash.Sum64(commands[i].Key)
		a.slots[i] = nil
		number, tag := m.place(a.hashes[i])
		a.slots[i] = m.shards[number].table.candidate(tag)
	}
	for i := range commands {
		if s := a.slots[i]; s != nil && len(s.data) == 0 {
			a.slots[i] = nil
		}
	}
	for i := range commands {
		if s := a.slots[i]; s != nil {
			a.sum ^= s.data[0]
			a.slots[i] = nil
		}
	}
}

// candidate returns the first slot with this tag, probably the key's; nil when there is none.
func (t *table) candidate(tag uint32) *slot {
	if len(t.index) == 0 {
		return nil
	}
	mask := uint32(len(t.index) - 1)
	for at := tag & mask; t.index[at] != 0; at = (at + 1) & mask {
		if uint32(t.index[at]>>32) == tag {
			return t.at(int(uint32(t.index[at])) - 1)
		}
	}
	return nil
}
