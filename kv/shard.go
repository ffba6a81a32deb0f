package kv

import "sync"

// shard holds the keys whose hash picks it. Readers look in overlay, then table, then from; a key is in at most one of
// table and from. Its 128 bytes are two cache lines, so that neighbours' locks do not share one.
type shard struct {
	mu    sync.RWMutex // the writer holds it to change what follows up to overlay; it reads them without
	table table
	// from is what a rebuild still has to move into table; nil without one.
	from *table
	// overlay holds what was written since Freeze and is not merged yet, tombstones included; nil without.
	overlay *table

	// The rest is the writer's alone.
	operations, deletes int  // since the last rebuild
	peak                int  // most keys at once since the last rebuild
	queued              bool // waits for a rebuild
}

// find returns the key's item. The caller holds the read lock, or is the writer.
func (s *shard) find(tag uint32, key []byte) *slot {
	if s.overlay != nil {
		if number := s.overlay.find(tag, key); number >= 0 {
			if item := s.overlay.at(number); !item.tombstone() {
				return item
			}
			return nil
		}
	}
	return s.findBelow(tag, key)
}

// findBelow looks below the overlay.
func (s *shard) findBelow(tag uint32, key []byte) *slot {
	if number := s.table.find(tag, key); number >= 0 {
		return s.table.at(number)
	}
	if s.from != nil {
		if number := s.from.find(tag, key); number >= 0 {
			return s.from.at(number)
		}
	}
	return nil
}

// keys below the overlay.
func (s *shard) count() int {
	if s.from != nil {
		return s.table.count + s.from.count
	}
	return s.table.count
}

// put stores an item while the tables may change. Under the write lock.
func (s *shard) put(item slot) {
	if s.overlay != nil {
		s.overlay.drop(item.tag, item.key())
	}
	s.putBelow(item)
}

func (s *shard) putBelow(item slot) {
	if s.from != nil {
		s.from.drop(item.tag, item.key())
	}
	s.table.upsert(item)
	s.peak = max(s.peak, s.count())
}

// remove takes a key out while the tables may change. Under the write lock.
func (s *shard) remove(tag uint32, key []byte) {
	if s.overlay != nil {
		s.overlay.drop(tag, key)
	}
	s.removeBelow(tag, key)
}

func (s *shard) removeBelow(tag uint32, key []byte) {
	if !s.table.drop(tag, key) && s.from != nil {
		s.from.drop(tag, key)
	}
}

// drop removes a key if it is there.
func (t *table) drop(tag uint32, key []byte) bool {
	number := t.find(tag, key)
	if number >= 0 {
		t.remove(number)
	}
	return number >= 0
}

// cover stores an item, or a tombstone, in the overlay. Under the write lock.
func (s *shard) cover(item slot) {
	if s.overlay == nil {
		s.overlay = new(table)
	}
	s.overlay.upsert(item)
}

// uncover removes a key while the tables are frozen: by a tombstone only if they hold it. Under the write lock.
func (s *shard) uncover(tag uint32, key []byte) {
	if below := s.findBelow(tag, key); below != nil {
		s.cover(slot{data: below.data[:below.keyBytes], keyBytes: below.keyBytes, tag: tag})
		return
	}
	s.overlay.drop(tag, key)
}

// mergeLast moves one overlay item into the tables; false when there is none left. Under the write lock.
func (s *shard) mergeLast() bool {
	if s.overlay.count == 0 {
		s.overlay = nil
		return false
	}
	item := *s.overlay.at(s.overlay.count - 1)
	s.overlay.remove(s.overlay.count - 1)
	if item.tombstone() {
		s.removeBelow(item.tag, item.key())
	} else {
		s.putBelow(item)
	}
	return true
}

// sparse says that a rebuild is due.
func (s *shard) sparse(o *Options) bool {
	return s.from == nil && s.operations >= o.RebuildOperationsMin && s.deletes >= o.RebuildDeletesMin &&
		float64(s.count()) < o.RebuildSparseRatio*float64(s.peak)
}

// startRebuild sets the table aside to be moved into a new one of the right size. Under the write lock.
func (s *shard) startRebuild(index []uint64) {
	s.from = new(table)
	*s.from = s.table
	s.table = table{index: index}
	s.operations, s.deletes, s.peak = 0, 0, s.from.count
}

// each calls visit for every key as it is now, in an order of the layout. Writer only.
func (s *shard) each(visit func(*slot)) {
	below := func(t *table) {
		for number := range t.count {
			item := t.at(number)
			if s.overlay == nil || s.overlay.find(item.tag, item.key()) < 0 {
				visit(item)
			}
		}
	}
	below(&s.table)
	if s.from != nil {
		below(s.from)
	}
	if s.overlay != nil {
		for number := range s.overlay.count {
			if item := s.overlay.at(number); !item.tombstone() {
				visit(item)
			}
		}
	}
}
