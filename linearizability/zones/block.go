package zones

import (
	"cmp"
	"slices"
)

// block is a chain of clusters that must follow each other directly, from its first cluster to its last. Its zone runs from
// its smallest return f to its largest invocation s.
type block struct {
	f, s        int64
	first, last int32
}

// chain forms the blocks. It returns a conflict if a chain contradicts itself.
func (k *key) chain() []int32 {
	k.blocks = append(k.blocks[:0], block{})
	counted, chained := 0, 0
	for c := range k.clusters {
		if c != int(initial) && k.clusters[c].first == none {
			continue
		}
		counted++
		if k.clusters[c].before != none {
			continue
		}
		b, length, conflict := k.follow(int32(c))
		if conflict != nil {
			return conflict
		}
		chained += length
		if int32(c) == initial {
			k.blocks[0] = b
		} else {
			k.blocks = append(k.blocks, b)
		}
	}
	if chained < counted {
		return k.circle()
	}
	return nil
}

// follow forms the block that begins with a cluster, and counts its clusters.
func (k *key) follow(first int32) (b block, length int, conflict []int32) {
	b = block{f: latest, s: earliest, first: first}
	for c := first; c != none; c = k.clusters[c].after {
		this := &k.clusters[c]
		if this.f < b.s {
			return b, 0, k.backwards(first)
		}
		b.f, b.s, b.last = min(b.f, this.f), max(b.s, this.s), c
		length++
	}
	return b, length, nil
}

// circle returns a chain without a beginning: writes of which each found the value of the one before.
func (k *key) circle() []int32 {
	reached := make([]bool, len(k.clusters))
	for _, b := range k.blocks {
		for c := b.first; c != none; c = k.clusters[c].after {
			reached[c] = true
		}
	}
	at := initial
	for reached[at] || k.clusters[at].first == none {
		at++
	}
	conflict := k.path(k.clusters[at].writer)
	for c := k.clusters[at].after; c != at; c = k.clusters[c].after {
		conflict = append(conflict, k.clusters[c].writer)
	}
	return conflict
}

// cross looks for two blocks that each must precede the other, and sorts the blocks by f. The initial block precedes all.
//
// Going by f, it is enough to compare each block with the one of largest s before it: if an earlier block A conflicts with
// B, and M is the one with the largest s, then either M is A or A and M conflict, and were found.
func (k *key) cross() []int32 {
	others := k.blocks[1:]
	slices.SortFunc(others, func(x, y block) int { return cmp.Or(cmp.Compare(x.f, y.f), cmp.Compare(x.first, y.first)) })
	if len(others) == 0 {
		return nil
	}
	if others[0].f < k.blocks[0].s {
		return k.against(k.blocks[0], others[0])
	}
	most := others[0]
	for _, b := range others[1:] {
		if b.f < most.s && most.f < b.s {
			return k.against(most, b)
		}
		if b.s > most.s {
			most = b
		}
	}
	return nil
}
