package zones

import "sort"

// place is a cluster's place in its chain.
type place struct {
	cluster int32
	at      int // from 0
}

// backwards returns the conflict within a chain: of all pairs of clusters in the wrong order in time the nearest, with the
// writes that lead from the one to the other.
func (k *key) backwards(first int32) []int32 {
	// descent holds the clusters so far whose s no later one reaches, so that s falls along it.
	var descent []place
	from, to, nearest := none, none, len(k.clusters)
	for c, at := first, 0; c != none; c, at = k.clusters[c].after, at+1 {
		this := &k.clusters[c]
		later := sort.Search(len(descent), func(i int) bool { return k.clusters[descent[i].cluster].s <= this.f })
		if later > 0 && at-descent[later-1].at < nearest {
			from, to, nearest = descent[later-1].cluster, c, at-descent[later-1].at
		}
		for len(descent) > 0 && k.clusters[descent[len(descent)-1].cluster].s <= this.s {
			descent = descent[:len(descent)-1]
		}
		descent = append(descent, place{c, at})
	}
	return append(k.writers(from, to), k.clusters[from].last, k.clusters[to].first)
}

// writers returns the writes from one cluster of a chain to a later one, both included.
func (k *key) writers(from, to int32) []int32 {
	var writers []int32
	for c := from; ; c = k.clusters[c].after {
		if k.clusters[c].writer != none {
			writers = append(writers, k.clusters[c].writer)
		}
		if c == to {
			return writers
		}
	}
}

// against returns the conflict of two blocks: an operation of a that precedes one of b, an operation of b that precedes one
// of a, and the writes that hold each block together between its two. Only a may be the initial block.
func (k *key) against(a, b block) []int32 {
	mine := k.nearest(a, b.f, b.s)
	f, s := earliest, k.entries[mine.last].invoke
	if mine.first != none {
		f = k.entries[mine.first].ret
	}
	return append(k.hold(mine), k.hold(k.nearest(b, f, s))...)
}

// grip is what makes a block conflict with another: its operation first returned before some time, and its operation last
// was invoked after some time. from and to are the clusters of the two in the order of the chain. The imaginary writer of the
// initial value needs no operation to be first: it is none then.
type grip struct{ first, last, from, to int32 }

// nearest returns the operations of a block, in clusters as near to each other as can be, of which one returned before s and
// one was invoked after f. They exist.
func (k *key) nearest(b block, f, s int64) grip {
	early, late := place{cluster: none}, place{cluster: none}
	var bestEarly, bestLate place
	distance := len(k.clusters)
	for c, at := b.first, 0; c != none; c, at = k.clusters[c].after, at+1 {
		if k.clusters[c].f < s || c == initial {
			early = place{c, at}
		}
		if k.clusters[c].s > f {
			late = place{c, at}
		}
		if early.cluster == none || late.cluster == none {
			continue
		}
		if apart := max(early.at, late.at) - min(early.at, late.at); apart < distance {
			distance, bestEarly, bestLate = apart, early, late
		}
	}
	first, last := k.choose(bestEarly.cluster, bestLate.cluster, f, s)
	if bestLate.at < bestEarly.at {
		return grip{first, last, bestLate.cluster, bestEarly.cluster}
	}
	return grip{first, last, bestEarly.cluster, bestLate.cluster}
}

// choose picks the two operations in their clusters: the writers, which are there anyway, if they will do.
func (k *key) choose(early, late int32, f, s int64) (first, last int32) {
	first, last = k.clusters[early].first, k.clusters[late].last
	if w := k.clusters[early].writer; w != none && k.entries[w].ret < s {
		first = w
	}
	if w := k.clusters[late].writer; w != none && k.entries[w].invoke > f {
		last = w
	}
	if early == initial {
		first = none
	}
	return first, last
}

// hold returns the operations of a grip, and the writes from one to the other.
func (k *key) hold(g grip) []int32 {
	held := append(k.writers(g.from, g.to), g.last)
	if g.first != none {
		held = append(held, g.first)
	}
	// A writer of unknown outcome that ends the chain counts because something observed it. If that is not yet here, add it.
	if top := k.clusters[g.to].writer; top != none && k.entries[top].unknown && g.last == top && !k.sees(g.first, g.to) {
		held = append(held, k.path(top)...)
	}
	return held
}

// sees says that an operation observed a cluster.
func (k *key) sees(i, cluster int32) bool { return i != none && k.entries[i].sees == cluster }
