package vfs

import (
	"math/bits"
	"slices"
)

// contents is what a file holds: bytes, and zeros behind them up to size. Files are reserved in advance and hardly ever filled,
// so the zeros are not there before something is written behind them.
//
// Invariant: len(bytes) <= size.
type contents struct {
	bytes []byte
	size  int64
}

func (c *contents) apply(change fileChange) {
	if change.data == nil {
		c.resize(change.size)
		return
	}
	c.reach(change.off + int64(len(change.data)))
	copy(c.bytes[change.off:], change.data)
}

// resize cuts, or extends with zeros.
func (c *contents) resize(size int64) {
	if size < int64(len(c.bytes)) {
		c.bytes = c.bytes[:size]
	}
	c.size = size
}

// reach makes bytes reach up to end at least. Growth is by doubling, so that many small appends stay cheap.
func (c *contents) reach(end int64) {
	c.size = max(c.size, end)
	old := int64(len(c.bytes))
	switch {
	case end <= old:
	case end <= int64(cap(c.bytes)):
		c.bytes = c.bytes[:end]
		clear(c.bytes[old:])
	default:
		grown := make([]byte, end, 1<<bits.Len64(uint64(end)))
		copy(grown, c.bytes)
		c.bytes = grown
	}
}

// readAt reads at an offset below size.
func (c *contents) readAt(p []byte, off int64) int {
	p = p[:min(int64(len(p)), c.size-off)]
	n := 0
	if off < int64(len(c.bytes)) {
		n = copy(p, c.bytes[off:])
	}
	clear(p[n:])
	return len(p)
}

func (c contents) clone() contents { return contents{slices.Clone(c.bytes), c.size} }
