package zones

// cluster is a write with the operations that read it.
type cluster struct {
	writer int32 // the operation; none for the initial value
	// before and after are the clusters that a conditional write chains to this one, or none.
	before, after int32
	// because is the operation that observed the value of a writer of unknown outcome and so made it count.
	because int32
	// f is the smallest return and s the largest invocation in the cluster, first and last are the operations they are of;
	// none as long as the cluster has no operation that counts.
	f, s        int64
	first, last int32

	absent bool // the key is absent in it
	needs  bool // the writer must find the key present
	twice  bool // another write attempts the same value
}

func newCluster(writer int32, absent bool) cluster {
	return cluster{writer: writer, before: none, after: none, because: none, f: latest, s: earliest, first: none, last: none, absent: absent}
}

// stretch takes an operation into the cluster.
func (c *cluster) stretch(i int32, e *entry) {
	if c.first == none || e.ret < c.f {
		c.f, c.first = e.ret, i
	}
	if c.last == none || e.invoke > c.s {
		c.s, c.last = e.invoke, i
	}
}

// settle puts the operations that count into their clusters, the clusters into blocks, and looks for blocks that each must
// precede the other. It returns a conflict, or nil if there is none. What can't be told it leaves out: what remains demands
// less, so that a conflict is one all the same.
func (k *key) settle() []int32 {
	if k.contradiction != nil {
		return k.contradiction
	}
	for i := range k.entries {
		if e := &k.entries[i]; !e.unknown {
			if conflict := k.admit(int32(i), e); conflict != nil {
				return conflict
			}
		}
	}
	for len(k.queue) > 0 {
		i := k.queue[len(k.queue)-1]
		k.queue = k.queue[:len(k.queue)-1]
		if conflict := k.admit(i, &k.entries[i]); conflict != nil {
			return conflict
		}
	}
	if conflict := k.chain(); conflict != nil {
		return conflict
	}
	return k.cross()
}

// admit counts an operation, and the writer that it observed.
func (k *key) admit(i int32, e *entry) []int32 {
	if e.makes != none {
		k.clusters[e.makes].stretch(i, e)
		k.needy = k.needy || k.clusters[e.makes].needs
	}
	switch e.sees {
	case none:
		return nil
	case impossible:
		return k.path(i)
	case guessed:
		k.guessed = true
		return nil
	case twice, unrevised, untold:
		k.unplaced = whyUnplaced[e.sees]
		return nil
	}
	return k.observe(i, e)
}

// observe takes in that an operation saw a cluster.
func (k *key) observe(i int32, e *entry) []int32 {
	c := &k.clusters[e.sees]
	if c.writer != none && c.because == none && k.entries[c.writer].unknown {
		c.because = i
		k.queue = append(k.queue, c.writer)
	}
	if e.makes != none {
		return k.link(e.sees, e.makes)
	}
	c.stretch(i, e)
	if c.writer != none && e.ret < k.entries[c.writer].invoke {
		return []int32{i, c.writer}
	}
	return nil
}

// link chains a conditional write's cluster behind the one that it found.
func (k *key) link(before, after int32) []int32 {
	if rival := k.clusters[before].after; rival != none {
		conflict := append(k.path(k.clusters[rival].writer), k.path(k.clusters[after].writer)...)
		if writer := k.clusters[before].writer; writer != none {
			conflict = append(conflict, writer)
		}
		return conflict
	}
	k.clusters[before].after, k.clusters[after].before = after, before
	return nil
}

// path returns an operation and, if its outcome is unknown, the observations because of which it counts.
func (k *key) path(i int32) []int32 {
	path := []int32{i}
	for k.entries[i].unknown {
		i = k.clusters[k.entries[i].makes].because
		path = append(path, i)
	}
	return path
}
