package model

import (
	"cmp"
	"math"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// Witness orders a store's operations by the revisions in their results and verifies the order in full. ok means that the
// order, as indices into ops, is a linearization; false decides nothing.
//
// Revisions have no gaps, so each was made by exactly one operation. Where no answer claims a revision, an operation of
// unknown outcome made it: Witness tries those that results speak for first, and goes back on a choice when a later result
// contradicts it. Behind the write of a revision come the results that were evaluated at it, by invocation, which never
// contradicts real time; results without a revision come as late as real time and compactions let them. With a known writer
// for every revision it takes O(n log n); the number of steps is bounded in any case.
func (m Store) Witness(ops []Op) (order []int32, ok bool) {
	w := witness{store: m, ops: ops}
	if !w.sort() {
		return nil, false
	}
	w.observe()
	order, ok = w.search()
	if !ok || m.Replay(ops, order) != nil {
		return nil, false
	}
	return order, true
}

const (
	// witnessStepsEach and witnessStepsMin bound the steps that Witness takes: so many for each operation, and so many more.
	witnessStepsEach = 64
	witnessStepsMin  = 1 << 16
)

// witness is the search for an order by revisions.
type witness struct {
	store Store
	ops   []Op
	last  int64 // the newest revision in a result

	writer map[int64]int32   // the operation whose answer says that it made a revision
	group  map[int64][]int32 // the other results at a revision, by invocation
	maybe  map[int64][]int32 // those of a group that may have made its revision: the answer does not say
	timed  []timed           // operations without a revision that are known to have been carried out, by due
	pool   []int32           // writes that may have made any revision or none, by invocation

	seen  map[int64][]history.Pair // what results showed as written at a revision
	shown map[shownPair]int64      // at which revision results showed a value
	quiet map[string][]span        // when a key was not written, ascending and disjoint
}

// timed is an operation that has no place by revision, and the time until which it must have one.
type timed struct {
	operation int32
	due       int64
	compacts  int64 // the revision, if it is a compaction that succeeded; noCompaction otherwise
}

// noCompaction is less than what can be compacted to.
const noCompaction = -1

// shownPair is a key with a value.
type shownPair struct{ key, value string }

// span is the revisions after one and up to another.
type span struct{ after, to int64 }

// sort tells the operations apart. It fails if two of them claim a revision.
func (w *witness) sort() bool {
	w.writer, w.group, w.maybe = map[int64]int32{}, map[int64][]int32{}, map[int64][]int32{}
	for n := range w.ops {
		i, o := int32(n), w.ops[n]
		revision := int64(o.Revision)
		switch {
		case o.Outcome == history.Unknown:
			w.pool = append(w.pool, i)
			continue
		case revision == 0 || o.Transaction.Kind == history.Compact || o.Transaction.Kind == history.Defragment:
			w.timed = append(w.timed, timed{operation: i, due: o.Return, compacts: compacts(o.Transaction)})
			if !o.Transaction.Answered {
				w.pool = append(w.pool, i)
			}
			continue
		case wrote(o.Transaction):
			if _, taken := w.writer[revision]; taken {
				return false
			}
			w.writer[revision] = i
		default:
			w.group[revision] = append(w.group[revision], i)
			if !o.Transaction.Answered || o.Transaction.Kind == history.RevokeLease {
				w.maybe[revision] = append(w.maybe[revision], i)
			}
		}
		w.last = max(w.last, revision)
	}
	w.byTime()
	return true
}

// wrote says that an answer tells that keys were changed.
func wrote(t *history.Transaction) bool {
	if t.Kind != history.Steps || !t.Answered || t.Failure != history.NoFailure {
		return false
	}
	ran := t.Ran()
	for i := range ran {
		if ran[i].Kind == history.Put || ran[i].Kind == history.Delete && i < len(t.Results) && t.Results[i].Deleted > 0 {
			return true
		}
	}
	return false
}

// byTime sorts the lists. Operations come by invocation already if ops do.
func (w *witness) byTime() {
	invoke := func(a, b int32) int { return cmp.Compare(w.ops[a].Invoke, w.ops[b].Invoke) }
	for _, list := range w.group {
		slices.SortStableFunc(list, invoke)
	}
	slices.SortStableFunc(w.pool, invoke)
	w.hurry()
	slices.SortStableFunc(w.timed, func(a, b timed) int {
		if a.due != b.due || a.compacts == b.compacts {
			return cmp.Compare(a.due, b.due)
		}
		// What was refused because of a compaction comes behind it.
		if a.compacts == noCompaction || b.compacts == noCompaction {
			return cmp.Compare(b.compacts, a.compacts)
		}
		return cmp.Compare(a.compacts, b.compacts)
	})
}

// compacts returns the revision of a compaction that succeeded.
func compacts(t *history.Transaction) int64 {
	if t.Kind != history.Compact || !t.Answered || t.Failure != history.NoFailure {
		return noCompaction
	}
	return t.Revision
}

// hurry brings compactions forward: before those to newer revisions, and before what was refused because of them.
func (w *witness) hurry() {
	var done []*timed
	for i := range w.timed {
		if w.timed[i].compacts != noCompaction {
			done = append(done, &w.timed[i])
		}
	}
	slices.SortStableFunc(done, func(a, b *timed) int { return cmp.Compare(a.compacts, b.compacts) })
	for _, x := range w.timed {
		t := w.ops[x.operation].Transaction
		if t.Failure != history.Compacted || refusedBy(t) <= noCompaction {
			continue
		}
		i, _ := slices.BinarySearchFunc(done, refusedBy(t), func(d *timed, r int64) int { return cmp.Compare(d.compacts, r) })
		for i < len(done) && w.ops[done[i].operation].Invoke > x.due {
			i++
		}
		if i < len(done) {
			done[i].due = min(done[i].due, x.due)
		}
	}
	for i := len(done) - 2; i >= 0; i-- {
		done[i].due = min(done[i].due, done[i+1].due)
	}
}

// refusedBy returns the smallest revision whose compaction makes a store refuse a transaction.
func refusedBy(t *history.Transaction) int64 {
	if t.Kind == history.Compact {
		return t.Revision
	}
	oldest := int64(math.MaxInt64)
	for _, steps := range [][]history.Step{t.Then, t.Else} {
		for _, s := range steps {
			if s.Kind == history.Get && s.Revision > 0 {
				oldest = min(oldest, s.Revision)
			}
		}
	}
	return min(oldest, math.MaxInt64-1) + 1
}

// observe collects what results show of writes that have no answer.
func (w *witness) observe() {
	w.seen, w.shown, w.quiet = map[int64][]history.Pair{}, map[shownPair]int64{}, map[string][]span{}
	if len(w.pool) == 0 && len(w.maybe) == 0 {
		return
	}
	for _, o := range w.ops {
		t := o.Transaction
		if o.Outcome == history.Unknown || !t.Answered || t.Kind != history.Steps || o.Revision == 0 {
			continue
		}
		for i, step := range t.Ran() {
			if i >= len(t.Results) || step.Kind != history.Get {
				continue
			}
			at := int64(o.Revision)
			if step.Revision > 0 {
				at = min(at, step.Revision)
			}
			w.show(t.Results[i].Pairs, at)
		}
	}
	for key, spans := range w.quiet {
		w.quiet[key] = disjoint(spans)
	}
}

// show notes pairs that were there at a revision.
func (w *witness) show(pairs []history.Pair, at int64) {
	for _, p := range pairs {
		if p.Revision == 0 {
			continue
		}
		w.shown[shownPair{p.Key, p.Value}] = p.Revision
		if p.Revision < at {
			w.quiet[p.Key] = append(w.quiet[p.Key], span{p.Revision, at})
		}
		if _, known := w.writer[p.Revision]; !known && !slices.Contains(w.seen[p.Revision], p) {
			w.seen[p.Revision] = append(w.seen[p.Revision], p)
		}
	}
}

// disjoint sorts and merges spans.
func disjoint(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.after, b.after) })
	merged := spans[:1]
	for _, s := range spans[1:] {
		if last := &merged[len(merged)-1]; s.after <= last.to {
			last.to = max(last.to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// isQuiet says that results show that a key was not written at a revision.
func (w *witness) isQuiet(key string, revision int64) bool {
	spans := w.quiet[key]
	i, _ := slices.BinarySearchFunc(spans, revision, func(s span, r int64) int { return cmp.Compare(s.to, r) })
	return i < len(spans) && spans[i].after < revision
}

// position is how far an order got.
type position struct {
	state  StoreState
	latest int64 // the latest invocation so far
	placed int   // how many operations
	late   int   // how many of those without a revision
}

// choice is a revision with the operations that may have made it.
type choice struct {
	from       position
	candidates []int32
	next       int // the candidate to try next
}

// trail is an order in the making.
type trail struct {
	*witness
	position
	order []int32
	used  []bool
	steps int // that are left
}

// search builds the order revision by revision.
func (w *witness) search() ([]int32, bool) {
	t := &trail{witness: w, used: make([]bool, len(w.ops)), steps: witnessStepsEach*len(w.ops) + witnessStepsMin}
	t.position = position{state: w.store.Start(), latest: -1 << 63}
	if !t.placeGroup(revisionFirst) {
		return nil, false
	}
	var choices []choice
	for {
		if t.state.revision >= w.last && t.finish() {
			return t.order, true
		}
		if t.state.revision < w.last {
			choices = append(choices, choice{from: t.position, candidates: t.candidates(t.state.revision + 1)})
		}
		if choices = t.advance(choices); len(choices) == 0 {
			return nil, false
		}
	}
}

// advance takes the newest choice that has a candidate left that fits.
func (t *trail) advance(choices []choice) []choice {
	for len(choices) > 0 {
		c := &choices[len(choices)-1]
		for c.next < len(c.candidates) && t.steps > 0 {
			t.back(c.from)
			c.next++
			if t.make(c.candidates[c.next-1], c.from.state.revision+1) {
				return choices
			}
		}
		t.back(c.from)
		choices = choices[:len(choices)-1]
	}
	return choices
}

// back undoes everything after a position.
func (t *trail) back(to position) {
	for _, i := range t.order[to.placed:] {
		t.used[i] = false
	}
	t.order = t.order[:to.placed]
	t.position = to
}

// candidates returns who may have made a revision, those first that no result shows at another one.
func (t *trail) candidates(revision int64) []int32 {
	if i, ok := t.writer[revision]; ok {
		return []int32{i}
	}
	fit := slices.Clone(t.maybe[revision])
	var elsewhere []int32
	for _, i := range t.pool {
		if t.used[i] {
			continue
		}
		written, quiet := t.shows(i, revision)
		switch {
		case quiet:
		case written:
			elsewhere = append(elsewhere, i)
		default:
			fit = append(fit, i)
		}
	}
	return append(fit, elsewhere...)
}

// shows says whether results show what an operation writes as written at another revision, and whether they show that a key
// that it certainly would have written was not written at this one.
func (t *trail) shows(i int32, revision int64) (elsewhere, quiet bool) {
	tx := t.ops[i].Transaction
	certain := len(tx.Compares) == 0
	for _, steps := range [][]history.Step{tx.Then, tx.Else} {
		for _, s := range steps {
			if s.Kind != history.Put {
				continue
			}
			if at, ok := t.shown[shownPair{s.Key, s.Value}]; ok && at != revision {
				elsewhere = true
			}
			if certain && t.isQuiet(s.Key, revision) {
				quiet = true
			}
		}
	}
	return elsewhere, quiet
}

// make places the write of a revision and the results at it.
func (t *trail) make(i int32, revision int64) bool {
	if !t.place(i) || t.state.revision != revision {
		return false
	}
	for _, p := range t.seen[revision] {
		if e, ok := t.state.keys.get(p.Key); !ok || !e.is(&p) {
			return false
		}
	}
	return t.placeGroup(revision)
}

// placeGroup places the results at a revision.
func (t *trail) placeGroup(revision int64) bool {
	for _, i := range t.group[revision] {
		if !t.used[i] && !t.place(i) {
			return false
		}
	}
	return true
}

// place puts an operation next, behind those without a revision that precede it.
func (t *trail) place(i int32) bool {
	for t.late < len(t.timed) && t.timed[t.late].due < t.ops[i].Invoke {
		if !t.placeTimed() {
			return false
		}
	}
	return t.put(i)
}

// placeTimed puts the next operation without a revision next. If it changes keys, it has made a revision and stands there
// already.
func (t *trail) placeTimed() bool {
	i := t.timed[t.late].operation
	t.late++
	if t.used[i] {
		return true
	}
	revision := t.state.revision
	return t.put(i) && t.state.revision == revision
}

// put puts an operation next.
func (t *trail) put(i int32) bool {
	o := t.ops[i]
	t.steps--
	if o.Return < t.latest {
		return false
	}
	next, ok := t.store.Step(t.state, o)
	if !ok {
		return false
	}
	t.state, t.latest = next, max(t.latest, o.Invoke)
	t.order = append(t.order, i)
	t.placed++
	t.used[i] = true
	return true
}

// finish places what is left when no result tells a newer revision.
func (t *trail) finish() bool {
	for ; t.late < len(t.timed); t.late++ {
		if i := t.timed[t.late].operation; !t.used[i] && !t.put(i) {
			return false
		}
	}
	return true
}
