package zones

import (
	"cmp"
	"slices"
)

// preference is what decides between blocks that are ready.
type preference uint8

const (
	// byZone takes the block that others wait for, and minds the writes that must find the key present.
	byZone preference = iota
	// byRevision takes the block of the oldest revision, which a contract asks for.
	byRevision
)

// order returns a linearization of the settled key: the initial block, then the others in an order that their zones allow.
// By zone it returns nil only if there is none in which all writes that must find the key present do.
func (k *key) order(by preference) []int32 {
	s := &schedule{key: k, by: by, readers: k.readersByCluster(by), spares: k.spares()}
	s.order = make([]int32, 0, len(k.ops))
	s.placed, s.queued = make([]bool, len(k.blocks)), make([]bool, len(k.blocks))
	s.rank()
	if !s.run() {
		return nil
	}
	return s.order
}

// schedule places blocks one after the other.
//
// A block is ready when no other that remains must precede it. Which one to take matters only because some writes must find
// the key present; there every choice is safe: if any order exists, one exists that begins with it (see the package comment).
type schedule struct {
	key     *key
	by      preference
	readers groups
	order   []int32
	absent  bool // the key is absent after what is placed

	byLatest       []int32 // blocks by s
	released       int     // how many of byLatest have been queued
	floor, second  int     // the remaining blocks with the smallest and the second smallest f
	placed, queued []bool  // by block
	ranks          []uint64
	ready          [4]heap // by nature

	spares []int32 // unknown writes that nobody observed and that can make the key present, by invocation
}

// nature is what a block finds and leaves.
type nature uint8

const (
	puts    nature = iota // finds anything, leaves a value
	clears                // finds anything, leaves an absence
	updates               // must find a value, leaves one
	deletes               // must find a value, leaves an absence
)

func (k *key) nature(b block) nature {
	var n nature
	if k.clusters[b.last].absent {
		n |= clears
	}
	if k.clusters[b.first].needs {
		n |= updates
	}
	return n
}

// rank orders the ready blocks of one nature.
func (s *schedule) rank() {
	k := s.key
	s.ranks = make([]uint64, len(k.blocks))
	s.byLatest = make([]int32, 0, len(k.blocks))
	for i, b := range k.blocks {
		s.ranks[i] = uint64(i) // they are sorted by f
		if s.by == byRevision {
			s.ranks[i] = s.revision(b)
		}
		if i > 0 {
			s.byLatest = append(s.byLatest, int32(i))
		}
	}
	slices.SortFunc(s.byLatest, func(x, y int32) int {
		return cmp.Or(cmp.Compare(k.blocks[x].s, k.blocks[y].s), cmp.Compare(x, y))
	})
}

// revision is the oldest revision that a block tells, the greatest number if none.
func (s *schedule) revision(b block) uint64 {
	oldest := uint64(1<<64 - 1)
	for c := b.first; c != none; c = s.key.clusters[c].after {
		if w := s.key.clusters[c].writer; w != none && s.key.ops[w].Wrote != 0 {
			oldest = min(oldest, s.key.ops[w].Wrote)
		}
		for _, r := range s.readers.of(c) {
			if told := s.key.ops[r].Revision; told != 0 {
				oldest = min(oldest, told)
			}
		}
	}
	return oldest
}

func (s *schedule) run() bool {
	s.place(0)
	s.floor, s.second = 1, 2
	for remaining := len(s.key.blocks) - 1; remaining > 0; {
		s.release()
		if b := s.choose(); b >= 0 {
			if s.absent && s.key.clusters[s.key.blocks[b].first].needs {
				s.spare() // by revision only; without one the replay fails
			}
			s.place(b)
			remaining--
		} else if !s.spare() {
			return false
		}
	}
	return true
}

// release queues the blocks that have become ready.
func (s *schedule) release() {
	blocks := s.key.blocks
	for s.placed[s.floor] {
		s.floor++
	}
	s.second = max(s.second, s.floor+1)
	for s.second < len(blocks) && s.placed[s.second] {
		s.second++
	}
	for s.released < len(s.byLatest) && blocks[s.byLatest[s.released]].s <= blocks[s.floor].f {
		s.enqueue(s.byLatest[s.released])
		s.released++
	}
	if s.second == len(blocks) || blocks[s.floor].s <= blocks[s.second].f {
		s.enqueue(int32(s.floor))
	}
}

func (s *schedule) enqueue(b int32) {
	if s.queued[b] {
		return
	}
	s.queued[b] = true
	n := puts
	if s.by == byZone {
		n = s.key.nature(s.key.blocks[b])
	}
	s.ready[n].push(b, s.ranks)
}

// choose takes the ready block to place next, or -1 if none can be.
func (s *schedule) choose() int32 {
	wanted := [...]nature{updates, deletes, clears, puts}
	from := wanted[:]
	if s.absent && s.by == byZone {
		from = wanted[2:]
	}
	for _, n := range from {
		if len(s.ready[n]) > 0 {
			return s.ready[n].pop(s.ranks)
		}
	}
	return -1
}

// spare places a write of unknown outcome that makes the key present for what follows.
func (s *schedule) spare() bool {
	if len(s.spares) == 0 || s.key.entries[s.spares[0]].invoke > s.key.blocks[s.floor].f {
		return false
	}
	s.order = append(s.order, s.spares[0])
	s.spares, s.absent = s.spares[1:], false
	return true
}

// place appends a block's operations: each writer, then its readers.
func (s *schedule) place(b int32) {
	s.placed[b] = true
	k := s.key
	for c := k.blocks[b].first; c != none; c = k.clusters[c].after {
		if w := k.clusters[c].writer; w != none {
			s.order = append(s.order, w)
		}
		s.order = append(s.order, s.readers.of(c)...)
	}
	s.absent = k.clusters[k.blocks[b].last].absent
}

// spares returns the unknown writes that nobody observed and that take effect in an absent key.
func (k *key) spares() []int32 {
	var spares []int32
	for i := range k.entries {
		e := &k.entries[i]
		if !e.unknown || e.makes == none || k.clusters[e.makes].first != none || k.clusters[e.makes].absent {
			continue
		}
		if kind := wantOf(&k.ops[i]).kind; kind == wantNothing || kind == wantAbsent {
			spares = append(spares, int32(i))
		}
	}
	slices.SortStableFunc(spares, func(x, y int32) int { return cmp.Compare(k.entries[x].invoke, k.entries[y].invoke) })
	return spares
}

// groups are lists of operations by cluster: of(c) is list[ends[c]:ends[c+1]].
type groups struct {
	list, ends []int32
}

func (g groups) of(c int32) []int32 { return g.list[g.ends[c]:g.ends[c+1]] }

// readersByCluster lists each cluster's readers by invocation, or by revision first.
func (k *key) readersByCluster(by preference) groups {
	g := groups{ends: make([]int32, len(k.clusters)+2)}
	reads := func(e *entry) bool { return e.makes == none && e.sees >= 0 }
	for i := range k.entries {
		if e := &k.entries[i]; reads(e) {
			g.ends[e.sees+2]++
		}
	}
	for c := range k.clusters {
		g.ends[c+2] += g.ends[c+1]
	}
	g.list = make([]int32, g.ends[len(g.ends)-1])
	for i := range k.entries {
		if e := &k.entries[i]; reads(e) {
			g.list[g.ends[e.sees+1]] = int32(i)
			g.ends[e.sees+1]++
		}
	}
	for c := range k.clusters {
		slices.SortStableFunc(g.of(int32(c)), func(x, y int32) int {
			if by == byRevision && k.ops[x].Revision != k.ops[y].Revision {
				return cmp.Compare(k.ops[x].Revision, k.ops[y].Revision)
			}
			return cmp.Compare(k.entries[x].invoke, k.entries[y].invoke)
		})
	}
	return g
}
