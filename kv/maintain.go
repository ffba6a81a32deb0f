package kv

// phase of a machine with regard to snapshots.
type phase uint8

const (
	idle    phase = iota
	frozen        // a snapshot reads the tables; writes go to overlays
	merging       // overlays are being merged into the tables
)

const (
	// stepsPerLock bounds the item moves under one hold of a shard's lock: some 10 µs for its readers.
	stepsPerLock = 64
	// copyBytesMax bounds the items that a rebuild copies to new memory. Larger ones share a span with few others, so
	// that moving them gives little back and could stall.
	copyBytesMax = 4096
)

// Frozen says that a snapshot is being read or its overlays are not merged yet. Writer only; others see Stats.
func (m *Machine) Frozen() bool { return m.phase != idle }

// Maintain does background work (merging overlays, rebuilding sparse shards) of at most about steps item moves and
// says whether there is more. While a snapshot is frozen there is nothing to do. Writer only.
//
// A step costs about 0.2 to 0.5 µs. Starting a rebuild costs an index for the shard's keys besides.
func (m *Machine) Maintain(steps int) (more bool) {
	steps = max(steps, 1)
	if m.phase == merging {
		steps = m.merge(steps)
	}
	if m.phase == idle {
		m.rebuildSparse(steps)
	}
	m.publish()
	return m.phase == merging || m.phase == idle && (m.rebuild >= 0 || len(m.sparse) > 0)
}

// merge moves overlay items into the tables and returns the steps that are left.
func (m *Machine) merge(steps int) int {
	for ; m.merged < len(m.overlaid) && steps > 0; steps-- { // a finished shard counts as a step, too
		number := m.overlaid[m.merged]
		s := &m.shards[number]
		moved, done := m.mergeSome(s, min(steps, stepsPerLock))
		steps -= moved
		if done {
			m.merged++
			m.queueIfSparse(number)
		}
	}
	if m.merged == len(m.overlaid) {
		m.overlaid, m.merged = m.overlaid[:0], 0
		m.setPhase(idle)
	}
	return steps
}

func (m *Machine) mergeSome(s *shard, steps int) (moved int, done bool) {
	before := s.overlayCount()
	s.mu.Lock()
	for moved < steps && s.mergeLast() {
		moved++
	}
	done = s.overlay == nil
	s.mu.Unlock()
	m.overlay += s.overlayCount() - before
	return moved, done
}

func (m *Machine) setPhase(p phase) {
	m.phase = p
	m.published.frozen.Store(p != idle)
}

// queueIfSparse remembers a shard that has become sparse, once.
func (m *Machine) queueIfSparse(number int32) {
	if s := &m.shards[number]; !s.queued && s.sparse(&m.options) {
		s.queued = true
		m.sparse = append(m.sparse, number)
	}
}

// rebuildSparse moves the items of sparse shards into tables of their size, one shard after the other.
func (m *Machine) rebuildSparse(steps int) {
	for steps > 0 && (m.rebuild >= 0 || m.nextRebuild()) {
		number := m.rebuild
		s := &m.shards[number]
		steps -= 1 + moveSome(s, min(steps, stepsPerLock))
		if s.from == nil {
			m.rebuild = -1
			m.published.rebuilds.Add(1)
			m.queueIfSparse(number)
		}
	}
}

// nextRebuild starts the rebuild of a shard that is still sparse, if there is one.
func (m *Machine) nextRebuild() bool {
	for len(m.sparse) > 0 {
		number := m.sparse[len(m.sparse)-1]
		m.sparse = m.sparse[:len(m.sparse)-1]
		s := &m.shards[number]
		s.queued = false
		if !s.sparse(&m.options) {
			continue
		}
		index := new(table).grownIndex(s.table.count)
		s.mu.Lock()
		s.startRebuild(index)
		s.mu.Unlock()
		m.rebuild = number
		return true
	}
	return false
}

// moveSome moves items of a shard that is being rebuilt. Small ones get new memory, close to each other: otherwise a
// few survivors would keep whole spans of the heap from being given back. The copies are made before the lock.
func moveSome(s *shard, steps int) int {
	var copies [stepsPerLock]slot
	moved := min(steps, s.from.count)
	for i := range moved {
		copies[i] = s.from.at(s.from.count - 1 - i).copied()
	}
	s.mu.Lock()
	for i := range moved {
		s.from.remove(s.from.count - 1)
		s.table.insert(copies[i])
	}
	if s.from.count == 0 {
		s.from = nil
	}
	s.mu.Unlock()
	return moved
}

// copied is the item with its key and value in new memory, if they are small.
func (s *slot) copied() slot {
	c := *s
	if len(s.data) <= copyBytesMax {
		c.data = make([]byte, len(s.data))
		copy(c.data, s.data)
	}
	return c
}
