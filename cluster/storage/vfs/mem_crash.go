package vfs

import (
	"io/fs"
	"path"
	"slices"
)

// SectorBytes is what most disks write whole or not at all.
const SectorBytes = 512

// Fate counts what became of unsynced changes when the power was lost.
type Fate struct {
	NamesLost  int // changes of names that did not survive
	WritesLost int
	WritesTorn int
	// Reordered writes survived, whole or in part, although an earlier one to the same file was lost.
	Reordered int
}

// Fate is that of the file system that Crash made this one of; zero for any other.
func (m *Mem) Fate() Fate { return m.fate }

// Crash returns the file system that is found after the power was lost now; m itself is left as it is. choose(n) returns
// a number in [0, n) and decides the fate of each unsynced change: 0 always stands for the loss of it, so that a
// choose that returns 0 keeps only what was synced. All of what is left is durable.
func (m *Mem) Crash(choose func(n int) int) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem()
	after.capacity = m.capacity
	moved := map[*inode]*inode{}
	for _, dir := range m.sortedDirs() {
		after.dirs[dir] = m.dirs[dir].crash(choose, moved, &after.fate)
	}
	return after
}

func (m *Mem) sortedDirs() []string {
	set := map[string]*inode{}
	for dir := range m.dirs {
		set[dir] = nil
	}
	return sortedNames(set)
}

// crash decides names first, then the contents of the files that still have one.
func (d *memDir) crash(choose func(int) int, moved map[*inode]*inode, fate *Fate) *memDir {
	names := map[string]*inode{}
	for name, node := range d.durable {
		names[name] = node
	}
	for _, c := range d.pending {
		if choose(2) == 0 {
			fate.NamesLost++
			continue
		}
		for _, s := range c.sets {
			d.set(names, s)
		}
	}
	after := newMemDir()
	for _, name := range sortedNames(names) {
		node := names[name]
		if moved[node] == nil {
			moved[node] = node.crash(choose, fate)
		}
		after.names[name], after.durable[name] = moved[node], moved[node]
	}
	return after
}

func (n *inode) crash(choose func(int) int, fate *Fate) *inode {
	left := n.durable.clone()
	lost := 0
	for _, c := range n.pending {
		switch choose(3) {
		case 0:
			lost++
			continue
		case 1:
			left.apply(c)
		case 2:
			left.tear(c, choose)
			fate.WritesTorn++
		}
		if lost > 0 {
			fate.Reordered++
		}
	}
	fate.WritesLost += lost
	return newInode(left)
}

// tear applies part of a write: some sectors in any combination, or the first bytes up to anywhere, since not every disk keeps
// sectors whole. Where the file grew but bytes are lost, zeros are found.
func (c *contents) tear(change fileChange, choose func(int) int) {
	if change.data == nil {
		return
	}
	c.reach(change.off + int64(len(change.data)))
	if choose(2) == 0 {
		copy(c.bytes[change.off:], change.data[:choose(len(change.data))])
		return
	}
	for from := 0; from < len(change.data); {
		sectorEnd := (change.off+int64(from))/SectorBytes*SectorBytes + SectorBytes
		to := min(len(change.data), int(sectorEnd-change.off))
		if choose(2) == 1 {
			copy(c.bytes[change.off+int64(from):], change.data[from:to])
		}
		from = to
	}
}

// FlipBit inverts one bit of a file, as rot does: durably, and without a trace.
func (m *Mem) FlipBit(name string, off int64, bit uint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("flip", name)
	if err != nil {
		return err
	}
	if off < 0 || off >= node.content.size {
		return &fs.PathError{Op: "flip", Path: name, Err: fs.ErrInvalid}
	}
	node.settle()
	node.part()
	for _, c := range []*contents{&node.content, &node.durable} {
		c.reach(off + 1)
		c.bytes[off] ^= 1 << (bit % 8)
	}
	return nil
}

// ReadFile returns a copy of a file's contents.
func (m *Mem) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("read", name)
	if err != nil {
		return nil, err
	}
	b := make([]byte, node.content.size)
	node.content.readAt(b, 0)
	return b, nil
}

// WriteFile makes or replaces a file, durably, and its directory with it.
func (m *Mem) WriteFile(name string, b []byte) error {
	if err := m.MkdirAll(path.Dir(path.Clean(name))); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, leaf, err := m.dir("write", name)
	if err != nil {
		return err
	}
	d.settle()
	node := newInode(contents{slices.Clone(b), int64(len(b))})
	d.names[leaf], d.durable[leaf] = node, node
	return nil
}

// DurableNames appends to dst the names in a directory that a crash could not take away, sorted.
func (m *Mem) DurableNames(dst []string, dir string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[path.Clean(dir)]
	if d == nil {
		return dst
	}
	start := len(dst)
	for name := range d.durable {
		dst = append(dst, name)
	}
	slices.Sort(dst[start:])
	return dst
}

// DurableFrom appends to dst what a file durably holds from an offset on, up to the last byte that was written: zeros behind it
// that were only reserved are left out. False if a crash could take away its name.
func (m *Mem) DurableFrom(dst []byte, name string, off int64) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	d := m.dirs[path.Dir(name)]
	if d == nil || d.durable[path.Base(name)] == nil {
		return dst, false
	}
	if b := d.durable[path.Base(name)].durable.bytes; off < int64(len(b)) {
		dst = append(dst, b[off:]...)
	}
	return dst, true
}
