package explain

import (
	"cmp"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// effect is what a write does to the key.
type effect struct {
	kind  history.Kind
	value string
}

func effectOf(o model.Op) effect {
	if o.Kind == history.Delete {
		return effect{kind: history.Delete}
	}
	return effect{o.Kind, o.Value.Data}
}

// writers are the writes of one effect, in two orders.
type writers struct {
	byInvoke []int32 // the first first
	byReturn []int32 // the last first
}

// sources is an index of all writes of a key.
type sources struct {
	byEffect   map[effect]*writers
	byRevision map[uint64][]int32 // one, unless the store is broken
	effects    []effect           // in the order of first invocation
	puts       writers
	appends    bool
	appended   []int // the lengths of appended pieces, in order
}

func newSources(ops []model.Op) sources {
	s := sources{byEffect: map[effect]*writers{}, byRevision: map[uint64][]int32{}}
	for i, o := range ops {
		if !o.Writes() {
			continue
		}
		e := effectOf(o)
		w := s.byEffect[e]
		if w == nil {
			w = &writers{}
			s.byEffect[e] = w
			s.effects = append(s.effects, e)
		}
		w.byInvoke = append(w.byInvoke, int32(i))
		if e.kind == history.Put {
			s.puts.byInvoke = append(s.puts.byInvoke, int32(i))
		}
		if e.kind == history.Append {
			s.appends, s.appended = true, append(s.appended, len(e.value))
		}
		if o.Wrote != 0 {
			s.byRevision[o.Wrote] = append(s.byRevision[o.Wrote], int32(i))
		}
	}
	slices.Sort(s.appended)
	s.appended = slices.Compact(s.appended)
	s.puts.sort(ops)
	for _, e := range s.effects {
		s.byEffect[e].sort(ops)
	}
	return s
}

func (w *writers) sort(ops []model.Op) {
	slices.SortStableFunc(w.byInvoke, func(a, b int32) int { return cmp.Compare(ops[a].Invoke, ops[b].Invoke) })
	w.byReturn = slices.Clone(w.byInvoke)
	slices.SortStableFunc(w.byReturn, func(a, b int32) int { return cmp.Compare(end(ops[b]), end(ops[a])) })
}

// of returns the writes of a value: puts of a present one, deletes for the absent one.
func (s *sources) of(v history.Value) writers {
	e := effect{kind: history.Delete}
	if v.Present {
		e = effect{history.Put, v.Data}
	}
	if w := s.byEffect[e]; w != nil {
		return *w
	}
	return writers{}
}

// making returns the writes that a value may come about by, by invocation: those of the value, and the appends of its end.
func (s *sources) making(ops []model.Op, v history.Value) []int32 {
	found := s.of(v).byInvoke
	if !s.appends || !v.Present {
		return found
	}
	found = slices.Clone(found)
	for _, n := range s.appended {
		if n > len(v.Data) || n == 0 && v.Data != "" {
			continue
		}
		if w := s.byEffect[effect{history.Append, v.Data[len(v.Data)-n:]}]; w != nil {
			found = append(found, w.byInvoke...)
		}
	}
	slices.SortFunc(found, func(a, b int32) int { return cmp.Or(cmp.Compare(ops[a].Invoke, ops[b].Invoke), cmp.Compare(a, b)) })
	return found
}

// end returns when an operation was over. One of unknown outcome never is.
func end(o model.Op) int64 {
	if o.Outcome == history.Unknown {
		return history.Forever
	}
	return max(o.Return, o.Invoke)
}

// free is an effect that operations outside the set may have, any number of times from from to until.
type free struct {
	effect
	wrote       uint64
	from, until int64
}

// frees returns the effects of the writes outside the set that the set can tell, except that an effect is left out if it
// could only make a value that is not told apart and nobody asks.
func (k *key) frees(kept []int32, l *lens) []free {
	var all []free
	add := func(f free, w writers, skip func(int32) bool) {
		first, last := firstOutside(w.byInvoke, kept, skip), firstOutside(w.byReturn, kept, skip)
		if first >= 0 {
			f.from, f.until = k.ops[first].Invoke, end(k.ops[last])
			all = append(all, f)
		}
	}
	told := func(i int32) bool { return l.revision(k.ops[i].Wrote) != never }
	for _, e := range k.told(l) {
		add(free{effect: e, wrote: k.wroteUntold(l)}, *k.sources.byEffect[e], told)
	}
	if l.vague != never {
		blurred := func(i int32) bool { return told(i) || l.beginning(history.Of(k.ops[i].Value.Data)) }
		add(free{effect: effect{history.Put, l.other.Data}, wrote: k.wroteUntold(l)}, k.sources.puts, blurred)
	}
	for _, r := range sortedKeys(l.revisions) {
		for _, i := range k.sources.byRevision[r] {
			add(free{effect: effectOf(k.ops[i]), wrote: r}, writers{[]int32{i}, []int32{i}}, nil)
		}
	}
	return all
}

// wroteUntold returns the revision of a free write that nobody tells apart. Under a contract it counts as none, so that it
// moves no newest revision: the weaker reading.
func (k *key) wroteUntold(l *lens) uint64 {
	if l.contract || len(l.revisions) == 0 {
		return 0
	}
	return untold
}

// told returns the effects that the lens tells apart, in order.
func (k *key) told(l *lens) []effect {
	var found []effect
	if k.sources.appends {
		for _, e := range k.sources.effects {
			if e.kind != history.Put || l.beginning(history.Of(e.value)) {
				found = append(found, e)
			}
		}
		return found
	}
	for v := range l.values {
		e := effect{kind: history.Delete}
		if v.Present {
			e = effect{history.Put, v.Data}
		}
		if k.sources.byEffect[e] != nil {
			found = append(found, e)
		}
	}
	if gone := (effect{kind: history.Delete}); l.vague != never && l.value(history.Absent) == never && k.sources.byEffect[gone] != nil {
		found = append(found, gone)
	}
	slices.SortFunc(found, func(a, b effect) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.value, b.value))
	})
	return found
}

func sortedKeys(m map[uint64]int64) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// firstOutside returns the first operation of a list that is not kept nor to be skipped, or -1.
func firstOutside(list, kept []int32, skip func(int32) bool) int32 {
	for _, i := range list {
		if _, in := slices.BinarySearch(kept, i); !in && (skip == nil || !skip(i)) {
			return i
		}
	}
	return -1
}
