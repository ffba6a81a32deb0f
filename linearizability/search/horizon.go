package search

import (
	"slices"
	"sort"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// horizon is what the operations of a key can ever tell of its values. A value that none of them names, and from which
// appends make none that is named, can't be told from any other such value: whatever may follow the one may follow the other.
// The search has a single state for all of them, nameless, where it would otherwise have one for each order of writes that
// nobody read.
type horizon struct {
	// named is until when a value is told of: the latest return of the operations that name it.
	named map[history.Value]int64
	// sorted holds the named values if there are appends. Then the beginning of a named value counts as named, at any time.
	sorted   []string
	appends  bool
	nameless history.Value
	// revisions says that some condition asks for one; otherwise a state without a contract need not keep its revision.
	revisions bool
}

// newHorizon looks at the operations that the search is to order.
func newHorizon(ops []model.Op, kept []int32) horizon {
	h := horizon{named: map[history.Value]int64{}}
	for _, i := range kept {
		op := &ops[i]
		h.appends = h.appends || op.Kind == history.Append
		if op.HasObserved || op.Kind == history.Get {
			h.name(op.Observed, op.Return)
		}
		switch op.Condition.Kind {
		case history.ValueEquals:
			h.name(op.Condition.Value, op.Return)
		case history.RevisionEquals:
			h.revisions = true
		}
	}
	longest := ""
	for v := range h.named {
		if len(v.Data) > len(longest) || len(v.Data) == len(longest) && v.Data > longest {
			longest = v.Data
		}
		if h.appends {
			h.sorted = append(h.sorted, v.Data)
		}
	}
	slices.Sort(h.sorted)
	// Longer than every named value, it begins none of them, and neither does it with anything appended.
	h.nameless = history.Of(longest + ".")
	return h
}

func (h *horizon) name(v history.Value, until int64) {
	if at, ok := h.named[v]; !ok || until > at {
		h.named[v] = until
	}
}

// tells says whether an operation could still tell a value that was written by one invoked at the given time. One that had
// returned by then has its place already.
func (h *horizon) tells(v history.Value, invoke int64) bool {
	if !h.appends {
		until, ok := h.named[v]
		return ok && invoke <= until
	}
	at := sort.SearchStrings(h.sorted, v.Data)
	return at < len(h.sorted) && strings.HasPrefix(h.sorted[at], v.Data)
}

// deadEnds returns the writes, as indices, that must not leave a nameless value behind: a result that tells a value comes
// after the write in real time, and nothing can replace the value before that result. For each write it looks at the result
// that returned first of those invoked after the write returned; a replacement is a put or delete, not the write itself, that
// had neither returned when the write was invoked nor was invoked after that result returned.
func deadEnds(ops []model.Op, kept []int32) map[int32]bool {
	var results, replacements []int32
	for _, i := range kept {
		op := &ops[i]
		switch {
		case op.Kind == history.Get, op.Outcome == history.ConditionFailed && op.HasObserved:
			results = append(results, i)
		case op.Writes() && op.Kind != history.Append:
			replacements = append(replacements, i)
		}
	}
	byInvoke := func(a, b int32) int { return compareTimes(ops[a].Invoke, ops[b].Invoke, a, b) }
	slices.SortFunc(results, byInvoke)
	slices.SortFunc(replacements, byInvoke)
	first := make([]int64, len(results)+1) // the first return from here on
	first[len(results)] = history.Forever
	for i := len(results) - 1; i >= 0; i-- {
		first[i] = min(first[i+1], ops[results[i]].Return)
	}
	last := latestTwo(ops, replacements)
	dead := map[int32]bool{}
	for _, i := range kept {
		op := &ops[i]
		if !op.Writes() || op.Kind == history.Delete {
			continue
		}
		from := sort.Search(len(results), func(n int) bool { return ops[results[n]].Invoke > op.Return })
		if from == len(results) {
			continue
		}
		upTo := sort.Search(len(replacements), func(n int) bool { return ops[replacements[n]].Invoke > first[from] })
		if !last[upTo].after(op.Invoke, i) {
			dead[i] = true
		}
	}
	return dead
}

func compareTimes(x, y int64, a, b int32) int {
	switch {
	case x != y && x < y:
		return -1
	case x != y:
		return 1
	}
	return int(a - b)
}

// latest is the operation that returned last among several, and the return of the last but one.
type latest struct {
	op        int32
	back, but int64
}

// latestTwo returns the latest of each number of leading operations.
func latestTwo(ops []model.Op, order []int32) []latest {
	all := make([]latest, len(order)+1)
	now := latest{op: -1, back: never, but: never}
	all[0] = now
	for n, i := range order {
		switch back := ops[i].Return; {
		case back > now.back:
			now = latest{op: i, back: back, but: now.back}
		case back > now.but:
			now.but = back
		}
		all[n+1] = now
	}
	return all
}

// after says whether any of them but one had not returned at a time.
func (l latest) after(time int64, but int32) bool {
	if l.op == but {
		return l.but != never && l.but >= time
	}
	return l.op >= 0 && l.back >= time
}
