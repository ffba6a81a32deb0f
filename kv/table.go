package kv

// slot holds one key. Its key and value share one allocation that is never written again, so that a reader may keep a
// slice of it after it released the lock.
type slot struct {
	data                                 []byte // the key, then the value
	createRevision, modRevision, version uint64 // version 0: a tombstone, in overlays only
	keyBytes                             uint32
	tag                                  uint32 // upper half of the key's hash
}

func (s *slot) key() []byte     { return s.data[:s.keyBytes] }
func (s *slot) value() []byte   { return s.data[s.keyBytes:len(s.data):len(s.data)] }
func (s *slot) tombstone() bool { return s.version == 0 }

func (s *slot) dataBytes() int64 { return int64(len(s.data)) + ItemOverheadBytes }

const (
	pageSlots      = 256
	firstPageSlots = 4
	indexLengthMin = 8
)

// table is a hash table that can be walked in steps. Slots are dense: 0..count-1, in pages that never move, so that
// growth copies no items; removing one moves the last one into its place, so that a walk from the end may remove as
// it goes. The index is open addressing with linear probing, deletion by backward shift and no pointers in it, so that
// the collector does not scan it and growth does not touch a key.
//
//	index entry, 0 = empty:  tag (32 bits) | slot number + 1 (32 bits)
//
// Go's map was not chosen since it can neither be walked in bounded steps nor in an order of its own. The one costly
// step is doubling the index. In 128 shards it takes about 0.1 ms at 1,000,000 keys and 1 ms at 10,000,000
// (BenchmarkGrow); more shards make it shorter.
type table struct {
	index []uint64 // length a power of two or zero; at most three quarters in use
	pages [][]slot // all of pageSlots but a first and only one, which may be shorter
	count int
}

// find returns the number of the key's slot, -1 when it is not there.
func (t *table) find(tag uint32, key []byte) int {
	if len(t.index) == 0 {
		return -1
	}
	mask := uint32(len(t.index) - 1)
	for at := tag & mask; ; at = (at + 1) & mask {
		entry := t.index[at]
		if entry == 0 {
			return -1
		}
		if uint32(entry>>32) != tag {
			continue
		}
		number := int(uint32(entry)) - 1
		if string(t.at(number).key()) == string(key) {
			return number
		}
	}
}

// at returns a slot, valid until the next insert or remove.
func (t *table) at(number int) *slot { return &t.pages[number/pageSlots][number%pageSlots] }

// full says that one more key needs a longer index.
func (t *table) full() bool { return (t.count+1)*4 > len(t.index)*3 }

// grownIndex returns an index for at least count keys. The table is not changed, so that no lock is needed yet.
func (t *table) grownIndex(count int) []uint64 {
	length := max(indexLengthMin, len(t.index))
	for count*4 > length*3 {
		length *= 2
	}
	grown := make([]uint64, length)
	mask := uint32(length - 1)
	for _, entry := range t.index {
		if entry != 0 {
			grown[vacant(grown, uint32(entry>>32)&mask, mask)] = entry
		}
	}
	return grown
}

func vacant(index []uint64, at, mask uint32) uint32 {
	for index[at] != 0 {
		at = (at + 1) & mask
	}
	return at
}

// insert adds a key that is not there.
func (t *table) insert(item slot) {
	if t.full() {
		t.index = t.grownIndex(t.count + 1)
	}
	t.reserveSlot()
	mask := uint32(len(t.index) - 1)
	t.index[vacant(t.index, item.tag&mask, mask)] = uint64(item.tag)<<32 | uint64(t.count+1)
	*t.at(t.count) = item
	t.count++
}

func (t *table) reserveSlot() {
	switch pages := len(t.pages); {
	case pages == 0:
		t.pages = append(t.pages, make([]slot, firstPageSlots))
	case pages == 1 && t.count == len(t.pages[0]) && t.count < pageSlots:
		// A small table is not charged a whole page: many shards with few keys would cost more than the keys.
		page := make([]slot, 2*t.count)
		copy(page, t.pages[0])
		t.pages[0] = page
	case t.count == pages*pageSlots:
		t.pages = append(t.pages, make([]slot, pageSlots))
	}
}

// upsert replaces the key's item or adds it.
func (t *table) upsert(item slot) {
	if number := t.find(item.tag, item.key()); number >= 0 {
		*t.at(number) = item
		return
	}
	t.insert(item)
}

// remove takes a slot out and moves the last one into its place.
func (t *table) remove(number int) {
	t.vacate(t.entryOf(number))
	last := t.count - 1
	if number != last {
		entry := t.entryOf(last)
		moved := t.at(last)
		t.index[entry] = uint64(moved.tag)<<32 | uint64(number+1)
		*t.at(number) = *moved
	}
	*t.at(last) = slot{}
	t.count--
	t.releasePage()
}

// entryOf returns the place in the index of a slot that is in it.
func (t *table) entryOf(number int) uint32 {
	tag := t.at(number).tag
	want := uint64(tag)<<32 | uint64(number+1)
	mask := uint32(len(t.index) - 1)
	at := tag & mask
	for t.index[at] != want {
		at = (at + 1) & mask
	}
	return at
}

// vacate empties an index entry and shifts back those behind it that probed over it, so that no tombstones pile up.
func (t *table) vacate(hole uint32) {
	mask := uint32(len(t.index) - 1)
	for next := (hole + 1) & mask; t.index[next] != 0; next = (next + 1) & mask {
		home := uint32(t.index[next]>>32) & mask
		if (next-home)&mask >= (next-hole)&mask {
			t.index[hole] = t.index[next]
			hole = next
		}
	}
	t.index[hole] = 0
}

// releasePage lets go of the last page when it and the one before are empty. One empty page is kept, so that a table
// at a page's edge does not allocate at each insert.
func (t *table) releasePage() {
	if last := len(t.pages) - 1; last > 0 && t.count <= (last-1)*pageSlots {
		t.pages[last] = nil
		t.pages = t.pages[:last]
	}
}
