package explain

import (
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/search"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/linearizability/zones"
)

const (
	// stepsMax bounds the explanation of one key, in steps of the model: about a second.
	stepsMax = 4_000_000
	// wholeStepsMax bounds one sweep over the whole key.
	wholeStepsMax = 1_500_000
	// setStepsMax bounds one sweep over a set that is to be made smaller.
	setStepsMax = 60_000
	// windowStepsEach is added to that for each operation of a window.
	windowStepsEach = 40
	// searchStepsMax bounds one search over the beginning of a key.
	searchStepsMax = 200_000
	// searchOperationsMax is the longest key that is searched: the search's memory grows with the square of it.
	searchOperationsMax = 4_000
	// exactOperationsMax is the largest set of which all subsets are tried, the smallest first.
	exactOperationsMax = 28
	// exactStepsMax bounds that.
	exactStepsMax = 800_000
)

// key is a key to be explained.
type key struct {
	h       *history.History
	spec    model.Key
	ops     []model.Op
	index   []int32
	sources sources
	steps   int64 // left of stepsMax
	// cut is where the key becomes impossible: writes that were under way then may have taken effect or not, if so with their
	// result, and later operations do not count. Forever, if it is not known.
	cut int64
	// culprit is the operation that returned there, or -1.
	culprit int32
	texts   map[history.Value]string // of values that would look like others
}

func newKey(h *history.History, spec model.Key, p model.Prepared) *key {
	return &key{
		h: h, spec: spec, ops: p.Ops, index: p.Index, sources: newSources(p.Ops),
		steps: stepsMax, cut: history.Forever, culprit: -1,
	}
}

// contradiction returns a minimal set that contradicts itself.
func (k *key) contradiction(conflict []int32) ([]int32, bool) {
	for _, set := range [][]int32{conflict, k.withWriters(conflict)} {
		if len(set) > 0 && k.fails(set) {
			return k.smallest(set), true
		}
	}
	if k.locate() {
		if set, ok := k.window(); ok {
			return k.smallest(set), true
		}
	}
	if set := k.zoneConflict(); len(set) > 0 && k.fails(set) {
		return k.smallest(set), true
	}
	return k.searched()
}

// withWriters returns the set together with all writes of the values that it shows, if that is not too many.
func (k *key) withWriters(set []int32) []int32 {
	all := slices.Clone(set)
	for _, i := range set {
		if v, ok := k.met(i); ok && len(all) < exactOperationsMax {
			w := k.sources.of(v).byInvoke
			all = append(all, w[:min(len(w), exactOperationsMax)]...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fails says that the set contradicts itself. False means possible or not known.
func (k *key) fails(set []int32) bool {
	got, _ := k.decide(set, false, setStepsMax)
	return got == impossible
}

// decide sweeps over a set. With loose, members of unknown outcome count as free effects.
func (k *key) decide(set []int32, loose bool, budget int64) (answer, int32) {
	if k.steps <= 0 {
		return undecided, -1
	}
	budget = min(budget, k.steps)
	left := budget - int64(len(set))/4
	members, at, l := k.members(set, loose)
	outside := set
	if loose {
		outside = at
	}
	s := sweep{spec: k.spec, lens: l, steps: &left}
	got, i := s.run(members, k.frees(outside, l))
	k.steps -= budget - left
	if got != impossible {
		return got, -1
	}
	return impossible, at[i]
}

// members returns the operations of a set as a sweep takes them, with their indices, and the lens for them.
func (k *key) members(set []int32, loose bool) ([]member, []int32, *lens) {
	l := newLens(k.spec.Contract, k.sources.appends)
	members := make([]member, 0, len(set))
	at := make([]int32, 0, len(set))
	for _, i := range set {
		m := member{op: k.ops[i]}
		m.once = end(m.op) > k.cut || m.op.Outcome == history.Unknown
		if m.op.Invoke > k.cut || m.once && (loose || !m.op.Writes()) {
			continue
		}
		until := end(m.op)
		if m.once {
			until = history.Forever
		}
		l.add(m.op, until)
		members, at = append(members, m), append(at, i)
	}
	l.finish()
	for j := range members {
		if m := &members[j]; m.once {
			m.until = l.matters(m.op)
		}
	}
	return members, at, l
}

// relaxed returns a write as if its outcome were unknown.
func relaxed(o model.Op) model.Op {
	c := *o.Operation
	c.Outcome, c.Return, c.Existed = history.Unknown, history.Forever, history.NotSaid
	o.Operation = &c
	return o
}

// locate finds the moment at which the key becomes impossible.
func (k *key) locate() bool {
	all := make([]int32, len(k.ops))
	for i := range all {
		all[i] = int32(i)
	}
	for _, loose := range []bool{false, true} {
		switch got, culprit := k.decide(all, loose, wholeStepsMax); got {
		case impossible:
			k.culprit, k.cut = culprit, end(k.ops[culprit])
			return true
		case possible:
			return false
		}
	}
	return false
}

// window returns a set that contradicts itself: the operations that returned last before the cut, as few as twice a power of
// two, together with what was under way then.
func (k *key) window() ([]int32, bool) {
	before := k.returned()
	var under []int32
	for i, o := range k.ops {
		if o.Writes() && o.Invoke <= k.cut && end(o) > k.cut {
			under = append(under, int32(i))
		}
	}
	for n := 1; ; n *= 2 {
		n = min(n, len(before))
		set := slices.Clone(before[len(before)-n:])
		slices.Sort(set)
		if got, _ := k.decide(set, false, setStepsMax+int64(n)*windowStepsEach); got == impossible {
			return set, true
		}
		set = append(set, under...)
		slices.Sort(set)
		if got, _ := k.decide(set, false, wholeStepsMax); got == impossible {
			return set, true
		}
		if n == len(before) {
			return nil, false
		}
	}
}

// returned returns the operations that had returned at the cut, by return; the culprit is the last.
func (k *key) returned() []int32 {
	var before []int32
	for i, o := range k.ops {
		if end(o) <= k.cut && o.Outcome != history.Unknown {
			before = append(before, int32(i))
		}
	}
	slices.SortStableFunc(before, func(a, b int32) int {
		switch {
		case a == b:
			return 0
		case a == k.culprit || end(k.ops[a]) > end(k.ops[b]):
			return 1
		case b == k.culprit || end(k.ops[a]) < end(k.ops[b]):
			return -1
		}
		return int(a - b)
	})
	return before
}

// zoneConflict asks the zones for a set, where they apply.
func (k *key) zoneConflict() []int32 {
	r := zones.Check(k.spec, k.ops, false)
	if !r.Applies || r.Linearizable {
		return nil
	}
	return known(r.Conflict, len(k.ops))
}

// searched is for keys with too much going on at once for a sweep: it cuts the key where porcupine finds it impossible, and
// leaves out what it can. The set may stay large.
func (k *key) searched() ([]int32, bool) {
	if len(k.ops) > searchOperationsMax {
		return nil, false
	}
	ends := k.returned()
	low, high := 0, len(ends)
	for low < high {
		middle := (low + high) / 2
		ops, _ := k.until(end(k.ops[ends[middle]]))
		if search.Check(k.spec, ops, search.Budget{Steps: searchStepsMax}, false).Verdict == verdict.Violation {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == len(ends) {
		return nil, false
	}
	k.culprit, k.cut = ends[low], end(k.ops[ends[low]])
	if set, ok := k.window(); ok {
		return k.smallest(set), true
	}
	_, set := k.until(k.cut)
	return set, true
}

// until returns the key as far as it went at a time.
func (k *key) until(cut int64) ([]model.Op, []int32) {
	var ops []model.Op
	var at []int32
	for i, o := range k.ops {
		late := end(o) > cut
		if o.Invoke > cut || late && !o.Writes() {
			continue
		}
		if late {
			o = relaxed(o)
		}
		ops, at = append(ops, o), append(at, int32(i))
	}
	return ops, at
}

// smallest returns a minimal subset of a set that contradicts itself, and one of the fewest operations if the set is small.
func (k *key) smallest(set []int32) []int32 {
	if len(set) > exactOperationsMax {
		set = k.shrink(set)
	}
	if len(set) > exactOperationsMax {
		return set
	}
	reserve := k.steps - exactStepsMax
	for size := 1; size < len(set); size++ {
		if found := k.ofSize(k.preferred(set), size, reserve); found != nil {
			return found
		}
		if k.steps <= reserve {
			break
		}
	}
	return k.shrink(set)
}

// preferred orders a set for being tried: acknowledged writes first, because they explain best.
func (k *key) preferred(set []int32) []int32 {
	order := slices.Clone(set)
	slices.SortStableFunc(order, func(a, b int32) int { return k.rank(a) - k.rank(b) })
	return order
}

func (k *key) rank(i int32) int {
	switch o := k.ops[i]; {
	case i == k.culprit:
		return 0
	case o.Outcome == history.Unknown:
		return 3
	case o.Writes():
		return 1
	}
	return 2
}

// ofSize returns the first subset of a size that contradicts itself, in lexical order of the preference.
func (k *key) ofSize(order []int32, size int, reserve int64) []int32 {
	pick := make([]int, size)
	for i := range pick {
		pick[i] = i
	}
	set := make([]int32, size)
	for k.steps > reserve {
		if k.culprit >= 0 && order[0] == k.culprit && pick[0] != 0 {
			return nil // without the operation that returned at the cut nothing is impossible yet
		}
		for i, at := range pick {
			set[i] = order[at]
		}
		slices.Sort(set)
		if k.steps -= 8; k.fails(set) {
			return set
		}
		if !next(pick, len(order)) {
			return nil
		}
	}
	return nil
}

// next moves to the next combination of n in lexical order.
func next(pick []int, n int) bool {
	for i := len(pick) - 1; i >= 0; i-- {
		if pick[i] < n-len(pick)+i {
			pick[i]++
			for j := i + 1; j < len(pick); j++ {
				pick[j] = pick[j-1] + 1
			}
			return true
		}
	}
	return false
}

// shrink returns a minimal subset by delta debugging: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
// Input" (2002), figure 5, with complements only. When the steps end it returns what it has.
func (k *key) shrink(set []int32) []int32 {
	for parts := 2; len(set) > 1 && k.steps > 0; {
		size := (len(set) + parts - 1) / parts
		smaller := []int32(nil)
		for from := 0; from < len(set) && smaller == nil; from += size {
			rest := slices.Concat(set[:from], set[min(from+size, len(set)):])
			if k.fails(rest) {
				smaller = rest
			}
		}
		switch {
		case smaller != nil:
			set, parts = smaller, max(parts-1, 2)
		case size == 1:
			return set
		default:
			parts = min(parts*2, len(set))
		}
	}
	return set
}
