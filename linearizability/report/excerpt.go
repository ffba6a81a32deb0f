package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// Bounds of what a page holds, so that it opens quickly however long the history is.
const (
	// operationsMax is how many operations a page holds.
	operationsMax = 20_000
	// cardsMax is how many violations are drawn.
	cardsMax = 50
	// windowMax is how many operations the drawing of a violation shows beside those that contradict each other.
	windowMax = 50
	// windowClientsMax is how many clients it shows beside theirs.
	windowClientsMax = 8
	// marksMax is how many faults, leaders and notes a page holds.
	marksMax = 2_000
	// keysMax is how many keys the table of keys holds.
	keysMax = 5_000
	// textBytesMax bounds a key or value in the details of an operation.
	textBytesMax = 1_024
)

// What the drawing of a violation shows on either side, as a part of the violation's own time: at least marginMin, and up to
// marginMax until windowAim other operations are in sight.
const (
	marginMin = 0.08
	marginMax = 0.4
	windowAim = 12
)

// window is what the drawing of a violation shows.
type window struct {
	From, To int64 // nanoseconds as in history.Operation
	// Operations are those that contradict each other, then their surroundings.
	Operations []int32
	// Left counts other operations on the same keys within the time that are not shown.
	Left int
}

// widen sets the time of the window, a margin around another.
func (w *window) widen(from, to, margin int64) {
	w.From, w.To = since(from, margin), to
	if to < history.Forever-margin {
		w.To += margin
	}
}

// touches says that an operation may have been under way within the window.
func (w *window) touches(o *history.Operation) bool { return o.Invoke <= w.To && o.Return >= w.From }

// windowAround chooses what to draw around a contradiction: the operations on its keys nearest to it, by few clients.
func windowAround(h *history.History, byKey map[string][]int32, x *verdict.Contradiction) window {
	w := window{Operations: slices.Clone(x.Operations)}
	if len(x.Operations) == 0 {
		return w
	}
	from, to := span(h, x.Operations)
	length := since(to, from)
	w.widen(from, to, int64(float64(length)*marginMax))
	near := neighbours(h, byKey, x, w)
	margin := max(1, int64(float64(length)*marginMin))
	if len(near) > 0 {
		margin = max(margin, min(near[min(len(near), windowAim)-1].distance*9/8, int64(float64(length)*marginMax)))
	}
	w.widen(from, to, margin)
	near = slices.DeleteFunc(near, func(n neighbour) bool { return !w.touches(&h.Operations[n.index]) })
	clients := map[int32]bool{}
	for _, i := range x.Operations {
		clients[h.Operations[i].Client] = true
	}
	room := windowClientsMax
	for _, n := range near {
		client := h.Operations[n.index].Client
		if len(w.Operations) == len(x.Operations)+windowMax || !clients[client] && room == 0 {
			w.Left++
			continue
		}
		if !clients[client] {
			clients[client] = true
			room--
		}
		w.Operations = append(w.Operations, n.index)
	}
	return w
}

// neighbour is an operation and how far in time it is from the ends of those that contradict each other.
type neighbour struct {
	index    int32
	distance int64
}

// neighbours returns the other operations on the keys of a contradiction within a window, the nearest first.
func neighbours(h *history.History, byKey map[string][]int32, x *verdict.Contradiction, w window) []neighbour {
	var near []neighbour
	seen := map[string]bool{}
	for _, i := range x.Operations {
		key := h.Operations[i].Key
		if seen[key] {
			continue
		}
		seen[key] = true
		for _, j := range byKey[key] {
			o := &h.Operations[j]
			if w.touches(o) && !slices.Contains(x.Operations, j) {
				near = append(near, neighbour{j, distance(h, x.Operations, o)})
			}
		}
	}
	slices.SortStableFunc(near, func(a, b neighbour) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.index, b.index))
	})
	return near
}

// distance is the time from an operation to the nearest of the given ones; 0 if it is concurrent with one.
func distance(h *history.History, indices []int32, o *history.Operation) int64 {
	nearest := history.Forever
	for _, i := range indices {
		x := &h.Operations[i]
		xReturn, oReturn := x.Return, o.Return
		if xReturn == history.Forever {
			xReturn = x.Invoke // the rest of time would be near to everything
		}
		if oReturn == history.Forever {
			oReturn = o.Invoke
		}
		nearest = min(nearest, max(0, since(o.Invoke, xReturn), since(x.Invoke, oReturn)))
	}
	return nearest
}

// span returns the first invocation and the last end of operations, unknown ones counted by their invocation.
func span(h *history.History, indices []int32) (from, to int64) {
	from, to = h.Operations[indices[0]].Invoke, h.Operations[indices[0]].Invoke
	for _, i := range indices {
		o := &h.Operations[i]
		from, to = min(from, o.Invoke), max(to, o.Invoke)
		if o.Return != history.Forever {
			to = max(to, o.Return)
		}
	}
	return from, to
}

// excerpt is the choice of operations that a page holds.
type excerpt struct {
	Operations []int32 // ascending
	// Notes say what was left out, a sentence each.
	Notes []string

	taken []bool // by operation of the history
}

// choose takes all operations if they fit. If not: first those that the drawings need and one of each client, then those of
// keys with a violation, then those of undecided keys, then the others. A group that does not fit whole is sampled.
func choose(h *history.History, keys []verdict.KeyResult, byKey map[string][]int32, needed []int32) excerpt {
	n := len(h.Operations)
	if n <= operationsMax {
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		return excerpt{Operations: all}
	}
	groups := groupsByVerdict(n, keys, byKey)
	e := excerpt{taken: make([]bool, n)}
	e.take(needed, operationsMax)
	e.takeClients(h)
	for _, g := range groups {
		e.take(g.operations, operationsMax)
	}
	slices.Sort(e.Operations)
	e.note(h, groups)
	return e
}

// group is the operations on keys of one verdict.
type group struct {
	name       string
	operations []int32 // ascending
}

// groupsByVerdict puts each operation into one group, and the groups in the order in which they matter.
func groupsByVerdict(n int, keys []verdict.KeyResult, byKey map[string][]int32) []group {
	verdicts := make([]verdict.Verdict, n)
	for i := range verdicts {
		verdicts[i] = verdict.Linearizable
	}
	for i := range keys {
		for _, j := range byKey[keys[i].Key] {
			verdicts[j] = keys[i].Verdict
		}
	}
	var list []group
	for _, g := range []struct {
		v    verdict.Verdict
		name string
	}{{verdict.Violation, "on keys with a violation"}, {verdict.Undecided, "on undecided keys"}, {verdict.Linearizable, "on the other keys"}} {
		var operations []int32
		for i, v := range verdicts {
			if v == g.v {
				operations = append(operations, int32(i))
			}
		}
		if len(operations) > 0 {
			list = append(list, group{g.name, operations})
		}
	}
	return list
}

// take adds those of a list that are not there yet, or a sample if they are more than fit below a number of operations.
func (e *excerpt) take(list []int32, most int) {
	fresh := make([]int32, 0, len(list))
	for _, i := range list {
		if !e.taken[i] {
			e.taken[i] = true // a list may name an operation twice
			fresh = append(fresh, i)
		}
	}
	chosen := sample(fresh, max(0, most-len(e.Operations)))
	for _, i := range fresh {
		e.taken[i] = false
	}
	for _, i := range chosen {
		e.taken[i] = true
	}
	e.Operations = append(e.Operations, chosen...)
}

// takeClients adds an operation of each client that has none yet, for at most half of the page.
func (e *excerpt) takeClients(h *history.History) {
	first := map[int32]int32{}
	for i := range h.Operations {
		client := h.Operations[i].Client
		if best, there := first[client]; !there || e.taken[i] && !e.taken[best] || e.taken[i] == e.taken[best] && scatter(int32(i)) < scatter(best) {
			first[client] = int32(i)
		}
	}
	e.take(slices.Sorted(maps.Values(first)), operationsMax/2)
}

// sample returns so many of the operations that their hashes are the smallest. Taking every k-th one would see only some of
// the clients, or only calls of one kind, where clients take turns.
func sample(operations []int32, room int) []int32 {
	if len(operations) <= room {
		return operations
	}
	hashed := make([]uint64, len(operations))
	for n, i := range operations {
		hashed[n] = scatter(i)&^math.MaxUint32 | uint64(uint32(i))
	}
	slices.Sort(hashed)
	chosen := make([]int32, room)
	for n := range chosen {
		chosen[n] = int32(uint32(hashed[n]))
	}
	return chosen
}

// scatter hashes an index: the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
// Generators", 2014), which spreads neighbours over the whole range.
func scatter(i int32) uint64 {
	z := (uint64(uint32(i)) + 1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// note says what the page holds: of how many operations, by how many clients, and of which keys.
func (e *excerpt) note(h *history.History, groups []group) {
	all, here := map[int32]bool{}, map[int32]bool{}
	for i := range h.Operations {
		all[h.Operations[i].Client] = true
		if e.taken[i] {
			here[h.Operations[i].Client] = true
		}
	}
	clients := "all " + plural(len(all), "client")
	switch {
	case len(all) == 1:
		clients = "1 client"
	case len(here) < len(all):
		clients = thousands(int64(len(here))) + " of " + plural(len(all), "client")
	}
	text := fmt.Sprintf("This page holds %s of %s, by %s", thousands(int64(len(e.Operations))), plural(len(h.Operations), "operation"), clients)
	if len(groups) > 1 {
		text += ": " + strings.Join(e.parts(groups), ", ")
	}
	e.Notes = append(e.Notes, text+". The others are in the file only.")
}

// parts counts what the page holds of each group.
func (e *excerpt) parts(groups []group) []string {
	var parts []string
	for _, g := range groups {
		held := 0
		for _, i := range g.operations {
			if e.taken[i] {
				held++
			}
		}
		part := fmt.Sprintf("%s of %s %s", thousands(int64(held)), thousands(int64(len(g.operations))), g.name)
		if held == len(g.operations) {
			part = fmt.Sprintf("all %s %s", thousands(int64(held)), g.name)
		}
		parts = append(parts, part)
	}
	return parts
}

// partitions maps each key to its operations.
func partitions(h *history.History) map[string][]int32 {
	byKey := map[string][]int32{}
	for _, p := range h.Partitions() {
		byKey[p.Key] = p.Operations
	}
	return byKey
}

// byGravity returns the keys of a result, those with problems first, each group in its order.
func byGravity(keys []verdict.KeyResult) []*verdict.KeyResult {
	sorted := make([]*verdict.KeyResult, len(keys))
	for i := range keys {
		sorted[i] = &keys[i]
	}
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i].Verdict, sorted[j].Verdict
		return a != b && a.Worse(b) == a
	})
	return sorted
}
