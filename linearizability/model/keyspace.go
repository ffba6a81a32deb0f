package model

import "github.com/cespare/xxhash/v2"

// entry is what a store holds under one key.
type entry struct {
	key, value string
	mod        int64 // revision of the last write
	create     int64 // revision of the write that made it present
	version    int64 // writes since then
	lease      int64 // 0: none
}

// hash returns the entry's hash.
func (e *entry) hash() uint64 {
	h := hashWord(xxhash.Sum64String(e.value), uint64(e.mod))
	h = hashWord(h, uint64(e.create))
	h = hashWord(h, uint64(e.version))
	h = hashWord(h, uint64(e.lease))
	return hashWord(h, xxhash.Sum64String(e.key))
}

// hashWord mixes a word into a hash: the finalizer of splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom
// Number Generators", 2014) over their sum.
func hashWord(h, word uint64) uint64 {
	h = h*0x9e3779b97f4a7c15 + word
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// keyspace is an immutable sorted map of entries. A search keeps many states that differ in few keys, so a write copies
// only a path: a treap (Seidel and Aragon, "Randomized Search Trees", 1996) whose priorities are hashes of the keys. Its
// shape then follows from its keys alone, so that equal maps are equal trees, and comparing two versions of a map stops
// where they share a subtree. A sorted slice would copy every key for each write.
//
// The nil keyspace is empty.
type keyspace struct {
	entry       entry
	priority    uint64
	left, right *keyspace
	size        int
	digest      uint64 // of the set of entries; the sum over them, so that it does not depend on the shape
}

// node returns a keyspace of an entry and two subtrees.
func node(e entry, priority uint64, left, right *keyspace) *keyspace {
	return &keyspace{
		entry: e, priority: priority, left: left, right: right,
		size:   1 + left.len() + right.len(),
		digest: e.hash() + left.sum() + right.sum(),
	}
}

// with returns the keyspace with other subtrees.
func (k *keyspace) with(left, right *keyspace) *keyspace {
	n := *k
	n.left, n.right = left, right
	n.size = 1 + left.len() + right.len()
	n.digest = k.digest - k.left.sum() - k.right.sum() + left.sum() + right.sum()
	return &n
}

// len returns how many keys there are.
func (k *keyspace) len() int {
	if k == nil {
		return 0
	}
	return k.size
}

// sum returns the hash of all entries.
func (k *keyspace) sum() uint64 {
	if k == nil {
		return 0
	}
	return k.digest
}

// get returns what a key holds.
func (k *keyspace) get(key string) (entry, bool) {
	for k != nil {
		switch {
		case key < k.entry.key:
			k = k.left
		case key > k.entry.key:
			k = k.right
		default:
			return k.entry, true
		}
	}
	return entry{}, false
}

// put returns the keyspace with an entry set.
func (k *keyspace) put(e entry) *keyspace {
	return k.insert(e, xxhash.Sum64String(e.key))
}

// insert is put with the key's priority.
func (k *keyspace) insert(e entry, priority uint64) *keyspace {
	switch {
	case k == nil:
		return node(e, priority, nil, nil)
	case e.key == k.entry.key:
		return node(e, priority, k.left, k.right)
	case before(priority, e.key, k):
		left, right := k.split(e.key)
		return node(e, priority, left, right)
	case e.key < k.entry.key:
		return k.with(k.left.insert(e, priority), k.right)
	}
	return k.with(k.left, k.right.insert(e, priority))
}

// before says that a key belongs above a node. Keys of one priority are ordered, which keeps the shape unique. A key that
// the tree holds already is met on the way down before any node that it belongs above.
func before(priority uint64, key string, k *keyspace) bool {
	return priority > k.priority || priority == k.priority && key < k.entry.key
}

// split returns the keys before a key that it does not hold, and those after it.
func (k *keyspace) split(key string) (left, right *keyspace) {
	if k == nil {
		return nil, nil
	}
	if key < k.entry.key {
		left, right = k.left.split(key)
		return left, k.with(right, k.right)
	}
	left, right = k.right.split(key)
	return k.with(k.left, left), right
}

// remove returns the keyspace without a key that it holds.
func (k *keyspace) remove(key string) *keyspace {
	switch {
	case key < k.entry.key:
		return k.with(k.left.remove(key), k.right)
	case key > k.entry.key:
		return k.with(k.left, k.right.remove(key))
	}
	return join(k.left, k.right)
}

// join returns the union of two keyspaces, all keys of the first being before those of the second.
func join(left, right *keyspace) *keyspace {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case before(left.priority, left.entry.key, right):
		return left.with(left.left, join(left.right, right))
	}
	return right.with(join(left, right.left), right.right)
}

// equal compares two keyspaces.
func (k *keyspace) equal(other *keyspace) bool {
	if k == other {
		return true
	}
	if k == nil || other == nil || k.digest != other.digest || k.size != other.size || k.entry != other.entry {
		return false
	}
	return k.left.equal(other.left) && k.right.equal(other.right)
}

// visit calls f with the entries from start on and before end, in order, until it returns false. An empty end is none.
func (k *keyspace) visit(start, end string, f func(*entry) bool) bool {
	if k == nil {
		return true
	}
	if start < k.entry.key && !k.left.visit(start, end, f) {
		return false
	}
	if end != "" && k.entry.key >= end {
		return true
	}
	if k.entry.key >= start && !f(&k.entry) {
		return false
	}
	return k.right.visit(start, end, f)
}

// rank returns how many keys are before a key.
func (k *keyspace) rank(key string) int {
	n := 0
	for k != nil {
		if key <= k.entry.key {
			k = k.left
			continue
		}
		n += k.left.len() + 1
		k = k.right
	}
	return n
}

// count returns how many keys there are from start on and before end. An empty end is none.
func (k *keyspace) count(start, end string) int {
	to := k.len()
	if end != "" {
		to = k.rank(end)
	}
	return max(0, to-k.rank(start))
}
