package zones

import (
	"cmp"
	"math"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// The reasons for which a key is none for this tier.
const (
	whyTransaction = "a transaction spans several keys"
	whyAppend      = "appends write values that depend on the order"
	whyMalformed   = "an operation's times, value or outcome are not well formed"
	whyTwice       = "a value that was observed was attempted twice"
	whyRevision    = "a condition asks for a revision that no single known write has"
	whyUntold      = "a failed condition does not tell what it met"
	whyGuess       = "several deletes could have made an absence that was observed"
	whyReplay      = "the order found does not fit the revisions or the deletes"
)

// What entry.sees holds if it is no cluster.
const (
	none       int32 = -1 - iota
	impossible       // no state of the key fits
	guessed          // one of several clusters: it is in key.guesses
	twice            // a value that was attempted twice
	unrevised        // the write of a revision that no single known write has
	untold           // something that the result does not tell
)

// whyUnplaced says why an operation that sees such a thing can't be put into an order.
var whyUnplaced = map[int32]string{twice: whyTwice, unrevised: whyRevision, untold: whyUntold}

// initial is the cluster of the initial value. Its writer is imaginary and precedes everything.
const initial int32 = 0

// entry is an operation, as far as this tier needs it.
type entry struct {
	invoke, ret int64
	// sees is the cluster whose value the operation found, or one of the constants above.
	sees int32
	// makes is the cluster that the operation writes, or none if it is a read.
	makes int32
	// unknown operations count only when their value was observed.
	unknown bool
	// dropped operations constrain nothing.
	dropped bool
}

// key is one key being decided.
type key struct {
	spec     model.Key
	ops      []model.Op
	entries  []entry
	clusters []cluster
	blocks   []block // the initial cluster's first, then by f

	byValue    map[string]int32 // the cluster of a present value; the first if there are two
	byRevision map[uint64]int32 // the cluster of a put by its revision, none if there are two; nil until needed
	absences   absences

	queue []int32 // writers of unknown outcome that were observed, still to be admitted

	// contradiction is a conflict that was found on reading.
	contradiction []int32
	// guesses are the observations that could not be told, with a likely cluster, or none for one of the absences.
	guesses []observation
	// guessed says that settle left out what an operation that counts observed.
	guessed bool
	// needy says that an operation that counts must find the key present.
	needy bool
	// unplaced says why settle left out an operation that counts altogether, so that the key can't be accepted.
	unplaced string
}

// observation is an operation with the cluster that it may have seen.
type observation struct{ op, cluster int32 }

// read makes out who wrote what and who saw what. It returns the reason if the key is none for this tier.
func read(spec model.Key, ops []model.Op) (*key, string) {
	k := &key{spec: spec, ops: ops, entries: make([]entry, len(ops)), byValue: make(map[string]int32, len(ops)/2)}
	k.clusters = make([]cluster, 1, len(ops)/2+1)
	k.clusters[initial] = newCluster(none, !spec.Initial.Present)
	if spec.Initial.Present {
		k.byValue[spec.Initial.Data] = initial
	}
	for i := range ops {
		if why := k.enter(int32(i)); why != "" {
			return nil, why
		}
	}
	k.absences.sort(k)
	for i := range ops {
		k.look(int32(i))
	}
	return k, ""
}

// enter takes in an operation's times and what it writes.
func (k *key) enter(i int32) string {
	o, e := &k.ops[i], &k.entries[i]
	*e = entry{invoke: o.Invoke, ret: o.Return, sees: none, makes: none, unknown: o.Outcome == history.Unknown}
	if why := unfit(o); why != "" {
		return why
	}
	if o.Outcome == history.ConditionFailed || o.Kind == history.Get {
		e.dropped = e.unknown
		return ""
	}
	if o.Kind == history.Put {
		e.makes = k.add(i, false)
		if first, ok := k.byValue[o.Value.Data]; ok {
			k.clusters[first].twice = true
		} else {
			k.byValue[o.Value.Data] = e.makes
		}
		return ""
	}
	// A delete that found nothing reads an absence, and an unknown one that could only find nothing has no effect.
	if wantOf(o).kind == wantAbsent {
		e.dropped = e.unknown
		return ""
	}
	e.makes = k.add(i, true)
	k.absences.add(e.makes)
	return ""
}

// unfit says why an operation keeps a key from this tier.
func unfit(o *model.Op) string {
	reads := o.Kind == history.Get || o.Outcome == history.ConditionFailed
	switch {
	case o.Kind == history.Transact:
		return whyTransaction
	case o.Kind == history.Append && !reads:
		return whyAppend
	case o.Invoke > o.Return, o.Outcome == history.Unknown && o.Return != history.Forever,
		o.Kind == history.Put && !reads && !o.Value.Present,
		o.Kind == history.Get && o.Outcome == history.ConditionFailed,
		o.Outcome == history.Refused, o.Stale,
		o.Kind < history.Get || o.Kind > history.Transact:
		return whyMalformed
	}
	return ""
}

// add makes a cluster.
func (k *key) add(writer int32, absent bool) int32 {
	k.clusters = append(k.clusters, newCluster(writer, absent))
	return int32(len(k.clusters) - 1)
}

// look finds out which cluster an operation saw.
func (k *key) look(i int32) {
	e := &k.entries[i]
	if e.dropped {
		return
	}
	switch w := wantOf(&k.ops[i]); w.kind {
	case wantNever:
		e.sees = impossible
	case wantValue:
		k.lookValue(i, w.value)
	case wantAbsent:
		k.lookAbsent(i)
	case wantPresent:
		// Vacuous if the key never is absent.
		if len(k.absences.sources) > 0 {
			k.clusters[e.makes].needs = true
		}
	case wantRevision:
		if e.sees = k.written(w.revision); e.sees == none {
			e.sees = unrevised
		}
	case wantHinted:
		e.sees = untold
		if c := k.written(w.revision); c != none {
			k.suppose(i, c)
		}
	case wantUntold:
		e.sees = untold
	}
}

// lookValue finds the cluster of a value.
func (k *key) lookValue(i int32, value string) {
	e, o := &k.entries[i], &k.ops[i]
	c, ok := k.byValue[value]
	switch {
	case !ok:
		e.sees = impossible
		return
	case k.clusters[c].twice:
		e.sees = twice
		return
	}
	e.sees = c
	// A condition on a revision failed although the value that it met was written at that revision.
	if writer := k.clusters[c].writer; writer >= 0 && o.Outcome == history.ConditionFailed && k.contradiction == nil &&
		o.Condition.Kind == history.RevisionEquals && o.Condition.Revision != 0 && o.Condition.Revision == k.ops[writer].Wrote {
		k.contradiction = []int32{i, writer}
	}
}

// suppose keeps a cluster that an operation is likely to have seen.
func (k *key) suppose(i, c int32) {
	k.entries[i].sees = guessed
	k.guesses = append(k.guesses, observation{i, c})
}

// lookAbsent finds the absence that an operation saw: the only one, or a likely one.
func (k *key) lookAbsent(i int32) {
	e := &k.entries[i]
	switch sources := k.absences.before(e.ret); {
	case sources == 0:
		e.sees = impossible
	case sources == 1:
		e.sees = k.absences.sources[0]
	default:
		k.suppose(i, none)
	}
}

// written returns the cluster of the put with this revision, or none if it is not known.
func (k *key) written(revision uint64) int32 {
	if k.byRevision == nil {
		k.indexRevisions()
	}
	if c, ok := k.byRevision[revision]; ok {
		return c
	}
	return none
}

func (k *key) indexRevisions() {
	k.byRevision = map[uint64]int32{}
	for i := range k.ops {
		o, c := &k.ops[i], k.entries[i].makes
		if o.Kind != history.Put || c == none || o.Wrote == 0 {
			continue
		}
		if _, twice := k.byRevision[o.Wrote]; twice {
			c = none
		}
		k.byRevision[o.Wrote] = c
	}
}

// guess takes likely clusters for the ones that could not be told, and forgets what was settled without them. The latest
// come first, so that each finds the absences after it taken.
func (k *key) guess(by preference) {
	for i := range k.clusters {
		c := &k.clusters[i]
		fresh := newCluster(c.writer, c.absent)
		fresh.twice, fresh.needs = c.twice, c.needs
		*c = fresh
	}
	slices.SortStableFunc(k.guesses, func(x, y observation) int {
		return cmp.Compare(k.entries[y.op].ret, k.entries[x.op].ret)
	})
	for _, g := range k.guesses {
		e, c := &k.entries[g.op], g.cluster
		if c == none {
			c = k.absences.likely(k, g.op, by)
		}
		e.sees = c
		if e.makes != none {
			k.clusters[c].after = e.makes
		}
	}
	for _, g := range k.guesses {
		k.clusters[k.entries[g.op].sees].after = none // only a mark so far
	}
}

// earliest and latest bound all times.
const (
	earliest int64 = math.MinInt64
	latest   int64 = math.MaxInt64
)
