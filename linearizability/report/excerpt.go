package report

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

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
}

// choose takes all operations if they fit. If not: first those that the drawings need, then those of keys with a violation,
// then those of undecided keys, then the others, each group evenly over its time if it does not fit whole.
func choose(h *history.History, keys []verdict.KeyResult, byKey map[string][]int32, needed []int32) excerpt {
	n := len(h.Operations)
	if n <= operationsMax {
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		return excerpt{Operations: all}
	}
	taken := make([]bool, n)
	e := excerpt{}
	e.take(taken, needed, "")
	var problem [verdict.Violation + 1][]int32
	for i := range keys {
		k := &keys[i]
		problem[k.Verdict] = append(problem[k.Verdict], byKey[k.Key]...)
	}
	for v := range problem {
		slices.Sort(problem[v])
	}
	e.take(taken, problem[verdict.Violation], "on keys with a violation")
	e.take(taken, problem[verdict.Undecided], "on undecided keys")
	var rest []int32
	for i := range n {
		if !taken[i] {
			rest = append(rest, int32(i))
		}
	}
	others := "on the other keys"
	if len(problem[verdict.Violation])+len(problem[verdict.Undecided]) == 0 {
		others = "of the history"
	}
	e.take(taken, rest, others)
	slices.Sort(e.Operations)
	first := fmt.Sprintf("This page holds %s of %s.", thousands(int64(len(e.Operations))), plural(n, "operation"))
	e.Notes = append([]string{first}, e.Notes...)
	return e
}

// take adds a group, evenly thinned to the room that is left, and notes it under its name.
func (e *excerpt) take(taken []bool, group []int32, what string) {
	room := operationsMax - len(e.Operations)
	got, fresh := 0, group[:0:0]
	for _, i := range group {
		if taken[i] {
			got++
		} else {
			fresh = append(fresh, i)
		}
	}
	keep := min(room, len(fresh))
	for j := range keep {
		i := fresh[j*len(fresh)/keep]
		if !taken[i] { // a group may name an operation twice
			taken[i] = true
			e.Operations = append(e.Operations, i)
			got++
		}
	}
	if what == "" || len(group) == 0 {
		return
	}
	if keep == len(fresh) {
		e.Notes = append(e.Notes, fmt.Sprintf("It has all %s %s.", thousands(int64(len(group))), what))
		return
	}
	e.Notes = append(e.Notes, fmt.Sprintf("Of the %s %s it has %s, taken evenly; the others are in the file only.",
		thousands(int64(len(group))), what, thousands(int64(got))))
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
