package zones

import (
	"cmp"
	"slices"
	"sort"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// absences are the clusters in which the key is absent: the initial one, perhaps, and one of each delete. Their values can't
// be told apart, so a result that says "absent" tells its cluster only when there is but one that it can be.
type absences struct {
	sources []int32 // clusters, by the invocation of their writers
	invoked []int64 // when, in the same order
	// revised are the sources whose revision is known, by revision; revisions are those.
	revised   []int32
	revisions []uint64
}

func (a *absences) add(c int32) { a.sources = append(a.sources, c) }

// sort takes in the initial cluster and orders the sources.
func (a *absences) sort(k *key) {
	if k.clusters[initial].absent {
		a.sources = append(a.sources, initial)
	}
	invoked := func(c int32) int64 {
		if c == initial {
			return earliest
		}
		return k.entries[k.clusters[c].writer].invoke
	}
	slices.SortStableFunc(a.sources, func(x, y int32) int {
		return cmp.Or(cmp.Compare(invoked(x), invoked(y)), cmp.Compare(x, y))
	})
	for _, c := range a.sources {
		a.invoked = append(a.invoked, invoked(c))
	}
}

// before counts the sources that an operation which returned at ret may have seen.
func (a *absences) before(ret int64) int {
	return sort.Search(len(a.invoked), func(i int) bool { return a.invoked[i] > ret })
}

// lookBackMax bounds how many sources are considered for a guess, so that guessing stays linear.
const lookBackMax = 32

// likely picks one of the sources that an operation may have seen: if by revision the newest that it tells, else the last
// asked for. A conditional write that succeeded has an absence to itself, so that it passes over those that are taken, and
// deletes of unknown outcome come last.
func (a *absences) likely(k *key, i int32, by preference) int32 {
	if by == byRevision {
		if c := a.newest(k, i); c != none {
			return c
		}
	}
	from := a.before(k.entries[i].ret) - 1
	if k.entries[i].makes == none {
		return a.sources[from]
	}
	doubtful := a.sources[from]
	for at := from; at >= 0 && at > from-lookBackMax; at-- {
		c := a.sources[at]
		if k.clusters[c].after != none {
			continue
		}
		if writer := k.clusters[c].writer; writer == none || !k.entries[writer].unknown {
			return c
		}
		doubtful = c
	}
	return doubtful
}

// newest returns the source of the newest revision that an operation may have seen, or none if it tells no revision.
func (a *absences) newest(k *key, i int32) int32 {
	o := &k.ops[i]
	seen := o.Revision
	if k.entries[i].makes != none && o.Wrote != 0 {
		seen = o.Wrote - 1
	}
	if seen == 0 {
		return none
	}
	if a.revised == nil {
		a.indexRevisions(k)
	}
	if n := sort.Search(len(a.revisions), func(i int) bool { return a.revisions[i] > seen }); n > 0 {
		return a.revised[n-1]
	}
	return none
}

func (a *absences) indexRevisions(k *key) {
	wrote := func(c int32) uint64 {
		if c == initial {
			return 0
		}
		return k.ops[k.clusters[c].writer].Wrote
	}
	for _, c := range a.sources {
		if c == initial || wrote(c) != 0 && k.ops[k.clusters[c].writer].Outcome == history.Done {
			a.revised = append(a.revised, c)
		}
	}
	slices.SortStableFunc(a.revised, func(x, y int32) int { return cmp.Compare(wrote(x), wrote(y)) })
	for _, c := range a.revised {
		a.revisions = append(a.revisions, wrote(c))
	}
}
