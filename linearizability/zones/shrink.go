package zones

import (
	"cmp"
	"slices"
	"sort"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// shrinkStepsMax bounds the work of leaving out single operations, in operations looked at.
const shrinkStepsMax = 20_000_000

// shrink returns a small conflict of a key whose blocks can be ordered, but not so that all writes that must find the key
// present do. No two of its blocks contradict each other, so it is found by leaving operations out: the shortest time in
// which it arises, then single operations.
func (k *key) shrink() []int32 {
	s := newShrinking(k)
	by := s.definite
	end := sort.Search(len(by), func(n int) bool { return s.contradict(by[:n]) })
	begin := sort.Search(end, func(n int) bool { return !s.contradict(by[n:end]) }) - 1
	if begin < 0 {
		return by
	}
	core := slices.Clone(by[begin:end])
	for i := len(core) - 1; i >= 0 && s.steps < shrinkStepsMax; i-- {
		if rest := slices.Delete(slices.Clone(core), i, i+1); s.contradict(rest) {
			core = rest
		}
	}
	return k.withWriters(core)
}

// withWriters adds the writes of the values and revisions that a conflict's operations mention: their times are part of the
// contradiction. So are those of what these mention, and so on: a write that is missing could have taken effect at any time, and
// then explain what a delete found.
func (k *key) withWriters(conflict []int32) []int32 {
	writers := map[history.Value][]int32{}
	for i := range k.ops {
		if o := &k.ops[i]; o.Kind == history.Put && k.entries[i].makes != none {
			writers[o.Value] = append(writers[o.Value], int32(i))
		}
	}
	all, added := slices.Clone(conflict), make([]bool, len(k.ops))
	for _, i := range conflict {
		added[i] = true
	}
	for at := 0; at < len(all); at++ {
		for _, w := range k.mentions(all[at], writers) {
			if !added[w] {
				added[w], all = true, append(all, w)
			}
		}
	}
	return all
}

// mentions returns the writes of what an operation observed or asked for.
func (k *key) mentions(i int32, writers map[history.Value][]int32) []int32 {
	var mentioned []int32
	o := &k.ops[i]
	if o.Kind == history.Get || o.HasObserved {
		mentioned = append(mentioned, writers[o.Observed]...)
	}
	if o.Condition.Kind == history.ValueEquals {
		mentioned = append(mentioned, writers[o.Condition.Value]...)
	}
	if c := k.entries[i].sees; c >= 0 && k.clusters[c].writer != none {
		mentioned = append(mentioned, k.clusters[c].writer)
	}
	return mentioned
}

// shrinking is a key whose operations are left out in part.
//
// What remains of an operation that is left out asks for less: of a delete, that it may have taken effect; of a put, that it
// took effect, whatever it found; of a read nothing. Were such a put allowed not to take effect, or at any time, then all puts
// of the past could explain what deletes found, and none could be left out.
type shrinking struct {
	key      *key
	definite []int32             // the operations of known outcome, by return
	remains  []history.Operation // what remains of each operation that is left out
	kept     []bool
	ops      []model.Op
	steps    int // operations looked at
}

func newShrinking(k *key) *shrinking {
	s := &shrinking{key: k, remains: make([]history.Operation, len(k.ops)), kept: make([]bool, len(k.ops))}
	for i := range k.ops {
		s.remains[i] = *k.ops[i].Operation
		if k.entries[i].unknown {
			continue
		}
		s.definite = append(s.definite, int32(i))
		o := &s.remains[i]
		o.Existed = history.NotSaid
		if o.Kind == history.Put {
			o.Condition = history.Condition{}
		} else {
			o.Outcome, o.Return = history.Unknown, history.Forever
		}
	}
	slices.SortStableFunc(s.definite, func(x, y int32) int { return cmp.Compare(k.entries[x].ret, k.entries[y].ret) })
	return s
}

// contradict says whether no order explains the kept operations and what remains of the others.
func (s *shrinking) contradict(kept []int32) bool {
	clear(s.kept)
	for _, i := range kept {
		s.kept[i] = true
	}
	s.ops = s.ops[:0]
	for i, o := range s.key.ops {
		if !s.kept[i] {
			if s.key.entries[i].makes == none {
				continue
			}
			o.Operation = &s.remains[i]
		}
		s.ops = append(s.ops, o)
	}
	s.steps += len(s.key.ops)
	k, why := read(s.key.spec, s.ops)
	return why == "" && (k.settle() != nil || k.needy && k.order(byZone) == nil)
}
