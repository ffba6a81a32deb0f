package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// classifiedMax is the largest set that is looked at for its shape.
const classifiedMax = 12

// classify finds the kind of a minimal set and its sentence. Each shape checks that what it says is true of the set.
func (k *key) classify(set []int32) verdict.Contradiction {
	if len(set) > classifiedMax {
		return *k.unorderable(set)
	}
	for _, shape := range []func([]int32) *verdict.Contradiction{
		k.mismatched, k.alone, k.doubled, k.doubledUnknown, k.appended, k.grown, k.pieced, k.replaced, k.vanished, k.opposed, k.diverged,
	} {
		if c := shape(set); c != nil {
			return *c
		}
	}
	return *k.unorderable(set)
}

// alone explains one operation that nothing in the key could have led to.
func (k *key) alone(set []int32) *verdict.Contradiction {
	if len(set) != 1 {
		return nil
	}
	x := set[0]
	v, ok := k.met(x)
	if !ok || k.selfContradictory(x) {
		return k.unaccounted(x)
	}
	writes := slices.DeleteFunc(slices.Clone(k.sources.of(v).byInvoke), func(w int32) bool { return w == x })
	said := k.saidOf(x, v)
	switch {
	case v == k.spec.Initial:
		return nil
	case len(writes) > 0:
		first := writes[0]
		if !k.before(x, first) {
			return nil
		}
		return k.tell(verdict.FutureRead, said+" before "+k.who(first)+" asked to "+verb(k.ops[first].Kind)+" it", x, first)
	}
	if v.Present && k.sources.appends {
		if c := k.assembled(x, v, said); c != nil {
			return c
		}
	}
	if c := k.refused(x, v, said); c != nil {
		return c
	}
	if !v.Present {
		return k.tell(verdict.Phantom, fmt.Sprintf("%s, although the key held %s from the start and nobody had deleted it", said, k.text(k.spec.Initial)), x)
	}
	if !k.sources.appends {
		return k.tell(verdict.Phantom, said+", which nobody wrote", x)
	}
	return k.tell(verdict.Phantom, said+", which no puts and appends together make", x)
}

// verb names what a write does.
func verb(kind history.Kind) string {
	return map[history.Kind]string{history.Put: "put", history.Append: "append", history.Delete: "delete"}[kind]
}

// selfContradictory says that a failed condition holds of the very value that was met.
func (k *key) selfContradictory(x int32) bool {
	o := k.ops[x]
	if o.Outcome != history.ConditionFailed || !o.HasObserved {
		return false
	}
	switch c := o.Condition; c.Kind {
	case history.MustNotExist:
		return !o.Observed.Present
	case history.MustExist:
		return o.Observed.Present
	case history.ValueEquals:
		return c.Value == o.Observed
	case history.RevisionEquals:
		return c.Revision == 0 && !o.Observed.Present
	}
	return false
}

// unaccounted explains one operation whose result names no value.
func (k *key) unaccounted(x int32) *verdict.Contradiction {
	o := k.ops[x]
	switch {
	case o.Outcome == history.ConditionFailed && o.Condition.Kind == history.Always:
		return k.tell(verdict.Unorderable, k.said(x)+", although it has no condition", x)
	case k.selfContradictory(x):
		return k.tell(verdict.Unorderable, k.said(x)+", of which its condition holds", x)
	case o.Condition.Kind == history.RevisionEquals && o.Outcome == history.Done:
		return k.tell(verdict.Phantom, fmt.Sprintf("%s, although the key never had revision %d until then", k.said(x), o.Condition.Revision), x)
	case k.present(x) && !k.spec.Initial.Present:
		if r := merged(k.refusalsBefore(x)); r != nil && k.neverWritten(x) {
			return k.tellRefused(r, k.said(x)+", although "+k.only(r, "wrote the key"), x)
		}
		if first := k.firstPut(); first >= 0 && k.before(x, first) {
			return k.tell(verdict.FutureRead, k.said(x)+" before anybody asked to write the key, "+k.who(first)+" being the first", x, first)
		}
		return k.tell(verdict.Phantom, k.said(x)+", although nobody had written the key", x)
	}
	return k.tell(verdict.Unorderable, k.said(x)+", which nothing that happened to the key until then can explain", x)
}

// neverWritten says that nobody asked for a put or an append, other than refused ones, before an operation returned.
func (k *key) neverWritten(x int32) bool {
	first := k.firstPut()
	return first < 0 || first == x || k.before(x, first)
}

// firstPut returns the put or append that was invoked first, or -1.
func (k *key) firstPut() int32 {
	for i, o := range k.ops {
		if o.Writes() && (o.Kind == history.Put || o.Kind == history.Append) {
			return int32(i)
		}
	}
	return -1
}

// doubled explains two conditional writes that succeeded on one predecessor.
func (k *key) doubled(set []int32) *verdict.Contradiction {
	for n, a := range set {
		for _, b := range set[n+1:] {
			if c := k.pair(set, a, b); c != nil {
				return c
			}
		}
	}
	return nil
}

func (k *key) pair(set []int32, a, b int32) *verdict.Contradiction {
	if !k.conditional(a) || !k.conditional(b) {
		return nil
	}
	v, ok := k.required(a)
	if other, same := k.required(b); !ok || !same || v != other {
		return k.pairOfAny(set, a, b)
	}
	for _, i := range []int32{a, b} {
		if left, ok := k.leaves(i); ok && left == v {
			return nil
		}
	}
	from := k.originOf(v, max(end(k.ops[a]), end(k.ops[b])))
	for _, i := range []int32{a, b} {
		if k.ops[i].Kind == history.Append && k.ops[i].Value.Data == "" {
			return nil
		}
	}
	for _, i := range set {
		if i != a && i != b && !slices.Contains(from.writes, i) {
			return nil
		}
	}
	what := "both succeeded on " + k.text(v)
	once := ", which nobody wrote again between them"
	last := from.last
	switch {
	case !v.Present && len(from.writes) == 0:
		what, once = "both succeeded on an absent key", " that nobody deleted between them"
	case !v.Present:
		what, once = "both succeeded on an absent key", ", deleted only once, by "+k.who(last)
		if len(from.writes) > 1 || from.initial {
			once = " that nobody deleted between them (deleted last by " + k.who(last) + ")"
		}
	case len(from.writes) == 1 && !from.initial:
		once = k.onlyOnce(v, last)
	case last >= 0:
		once += k.by(v, from)
	}
	sentence := fmt.Sprintf("%s and %s %s%s", k.asked(a), k.asked(b), what, once)
	return k.tell(verdict.DoubleCompareAndSet, sentence, append([]int32{a, b, last}, set...)...)
}

// onlyOnce says of the only write that can have made a value: ", which client 3 wrote only once".
func (k *key) onlyOnce(v history.Value, w int32) string {
	if o := k.ops[w]; o.Kind == history.Append && o.Value != v {
		return ", which came about only once, when " + k.who(w) + " appended " + k.text(o.Value)
	}
	return ", which " + k.who(w) + " wrote only once"
}

// doubledUnknown explains two conditional writes on one predecessor that was there once, of which one or both got no answer, but
// a result shows what only they can have written.
func (k *key) doubledUnknown(set []int32) *verdict.Contradiction {
	for n, a := range set {
		for _, b := range set[n+1:] {
			if k.ops[a].Outcome != history.Unknown && k.ops[b].Outcome != history.Unknown {
				continue
			}
			if c := k.pairShown(set, a, b); c != nil {
				return c
			}
		}
	}
	return nil
}

func (k *key) pairShown(set []int32, a, b int32) *verdict.Contradiction {
	v, ok := k.required(a)
	if other, same := k.required(b); !ok || !same || v != other {
		return nil
	}
	all, shown := []int32{a, b}, ""
	for _, i := range []int32{a, b} {
		left, leaves := k.leaves(i)
		if !leaves || left == v {
			return nil
		}
		if k.ops[i].Outcome != history.Unknown {
			continue
		}
		x := k.shownOnly(set, i, left)
		if x < 0 {
			return nil
		}
		said := k.saidOf(x, left)
		if shown == "" {
			shown = ": " + said
		} else {
			shown += " and " + said
		}
		all = append(all, x)
	}
	from := k.originOf(v, history.Forever)
	what, once := k.text(v), ""
	switch n := len(from.writes); {
	case n == 1 && !from.initial && v.Present:
		once = k.onlyOnce(v, from.last)
	case n == 0 && from.initial && v.Present:
		once = ", which was there only from the start"
	case n == 0 && from.initial:
		what, once = "an absent key", " that nobody deleted"
	default:
		return nil
	}
	return k.tell(verdict.DoubleCompareAndSet, fmt.Sprintf("%s and %s both took effect on %s%s%s", k.asked(a), k.asked(b), what, once, shown),
		append(all, from.last)...)
}

// shownOnly returns the result of a set that shows what nobody but one write can have written, or -1.
func (k *key) shownOnly(set []int32, w int32, left history.Value) int32 {
	from := k.originOf(left, history.Forever)
	if from.initial || len(from.writes) != 1 || from.writes[0] != w {
		return none
	}
	for _, x := range set {
		if v, ok := k.met(x); ok && v == left && x != w {
			return x
		}
	}
	return none
}

// pairOfAny explains two deletes that both found a value which was there once.
func (k *key) pairOfAny(set []int32, a, b int32) *verdict.Contradiction {
	if k.ops[a].Kind != history.Delete || k.ops[b].Kind != history.Delete || k.before(a, b) || k.before(b, a) {
		return nil
	}
	for _, i := range set {
		if v, ok := k.leaves(i); i != a && i != b && (!ok || !v.Present) {
			return nil
		}
	}
	sentence := fmt.Sprintf("%s and %s both found a value, which nobody wrote again between them", k.asked(a), k.asked(b))
	all := append([]int32{a, b}, set...)
	if puts := k.sources.puts.byInvoke; len(puts) == 1 {
		sentence = fmt.Sprintf("%s and %s both found a value, which %s put only once", k.asked(a), k.asked(b), k.who(puts[0]))
		all = append(all, puts[0])
	}
	return k.tell(verdict.DoubleCompareAndSet, sentence, all...)
}

// appended explains an append that a later result misses, or shows twice.
func (k *key) appended(set []int32) *verdict.Contradiction {
	if len(set) != 2 {
		return nil
	}
	for n, a := range set {
		x := set[1-n]
		v, ok := k.met(x)
		if k.ops[a].Kind != history.Append || !k.ops[a].Writes() || !ok {
			continue
		}
		piece := k.ops[a].Value
		said := k.saidOf(x, v)
		switch count := strings.Count(v.Data, piece.Data); {
		case piece.Data == "":
		case count == 0 && k.before(a, x):
			return k.lostAppend(a, x, said, piece)
		case count > 1 && k.pieces(piece.Data) == 1:
			times := map[bool]string{true: "twice", false: fmt.Sprintf("%d times", count)}[count == 2]
			return k.tell(verdict.Phantom, fmt.Sprintf("%s, which shows %s %s, although it was appended only once, by %s", said, k.text(piece), times, k.who(a)), a, x)
		}
	}
	return nil
}

func (k *key) lostAppend(a, x int32, said string, piece history.Value) *verdict.Contradiction {
	for i := range k.ops {
		if k.showsPiece(int32(i), piece.Data) {
			return k.tell(verdict.StaleRead, fmt.Sprintf("%s, which lacks %s, although %s before %s asked", said, k.text(piece), k.had(a), k.who(x)), a, x)
		}
	}
	v, _ := k.met(x)
	sentence := fmt.Sprintf("%s was acknowledged and then lost: %s, and nobody ever saw %s", k.asked(a), k.later(x, v), k.text(piece))
	return k.tell(verdict.LostUpdate, sentence, a, x)
}

// pieces counts the writes that can bring in a piece.
func (k *key) pieces(piece string) int {
	n := 0
	for _, o := range k.ops {
		if o.Writes() && strings.Contains(o.Value.Data, piece) {
			n++
		}
	}
	return n
}

// vanished explains results that tell only whether there is a value, or that it is not one.
func (k *key) vanished(set []int32) *verdict.Contradiction {
	if len(set) != 2 {
		return nil
	}
	o, x := set[0], set[1]
	if !k.before(o, x) {
		o, x = x, o
	}
	v, ok := k.shows(o)
	if !ok || !k.before(o, x) {
		return nil
	}
	_, definite := k.met(x)
	switch {
	case definite:
		return nil
	case !v.Present && k.present(x):
		return k.undeleted(o, x)
	case k.ops[x].Outcome == history.ConditionFailed && k.ops[x].Condition.Kind == history.ValueEquals && k.ops[x].Condition.Value == v:
		from, by := origin{last: none}, ""
		if !k.acknowledged(o) {
			from = k.metFrom(o, v)
			by = k.by(v, from)
		}
		return k.tell(verdict.Unorderable, fmt.Sprintf("%s, although its condition held: %s before %s asked, and nothing changed it in between", k.said(x), k.had(o)+by, k.who(x)), o, x, from.last)
	}
	return nil
}

// undeleted explains a result that tells of a value after the key was seen absent.
func (k *key) undeleted(o, x int32) *verdict.Contradiction {
	if k.acknowledged(o) {
		return k.tell(verdict.ResurrectedDelete, fmt.Sprintf("%s, although %s had deleted the key before %s asked and nobody wrote it again", k.said(x), k.who(o), k.who(x)), o, x)
	}
	return k.tell(verdict.StaleRead, fmt.Sprintf("%s, although %s before %s asked and nobody wrote it again", k.said(x), k.had(o), k.who(x)), o, x)
}

// unorderable lists the operations in the order in which they were asked.
func (k *key) unorderable(set []int32) *verdict.Contradiction {
	order := slices.Clone(set)
	slices.SortStableFunc(order, func(a, b int32) int {
		if k.ops[a].Invoke < k.ops[b].Invoke {
			return -1
		} else if k.ops[a].Invoke > k.ops[b].Invoke {
			return 1
		}
		return int(a - b)
	})
	const listedMax = 12
	var b strings.Builder
	for n, i := range order[:min(len(order), listedMax)] {
		switch {
		case n == 0:
		case k.allBefore(order[:n], i):
			b.WriteString("; then ")
		case k.before(order[n-1], i):
			b.WriteString("; also ")
		default:
			b.WriteString("; meanwhile ")
		}
		b.WriteString(k.said(i) + k.revisions(i))
		if w := k.writerOf(i); w >= 0 && !slices.Contains(order, w) {
			v, _ := k.met(i)
			fmt.Fprintf(&b, " (%s%s)", k.text(v), strings.TrimSuffix(strings.Replace(k.by(v, k.metFrom(i, v)), "(", "", 1), ")"))
			set = append(set[:len(set):len(set)], w)
		}
	}
	if more := len(order) - listedMax; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return k.tell(verdict.Unorderable, "no order explains these results: "+b.String(), set...)
}

// writerOf returns the write that the value in a result comes from, the last one of several, or -1.
func (k *key) writerOf(i int32) int32 {
	v, ok := k.met(i)
	if !ok {
		return none
	}
	return k.metFrom(i, v).last
}

// revisions tells the revisions in a result, where a contract makes them part of it.
func (k *key) revisions(i int32) string {
	text := ""
	if o := k.ops[i]; k.spec.Contract && o.Revision != 0 {
		if o.KeyRevision != 0 {
			text = fmt.Sprintf(" of revision %d", o.KeyRevision)
		}
		text += fmt.Sprintf(" at revision %d", o.Revision)
	}
	return text
}

// allBefore says that all operations of a set precede another.
func (k *key) allBefore(set []int32, i int32) bool {
	for _, a := range set {
		if !k.before(a, i) {
			return false
		}
	}
	return true
}

// unexplained is for a key in which no contradiction was found within the bounds.
func (k *key) unexplained(conflict []int32) verdict.Contradiction {
	if len(conflict) > 0 {
		return *k.unorderable(conflict)
	}
	sentence := fmt.Sprintf("no order explains the results of all %d operations, and no smaller set was found within the bound of %d steps", len(k.ops), stepsMax)
	c := k.tell(verdict.Unorderable, sentence)
	c.Operations = slices.Clone(k.index)
	return *c
}
