package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// replacement is a result that shows an old value after another was there.
type replacement struct {
	x    int32 // the result
	old  history.Value
	from origin // of old
	o    int32  // precedes x, and wrote or met another value
	new  history.Value
	// seen met old before o was invoked, if that and not the return of the write says that old came before; else -1.
	seen int32
}

// replaced explains a result that shows a value which had been replaced.
func (k *key) replaced(set []int32) *verdict.Contradiction {
	for _, x := range set {
		if v, ok := k.met(x); ok {
			if r := k.direct(replacement{x: x, old: v, from: k.metFrom(x, v), o: -1, seen: -1}); r.o >= 0 {
				return k.stale(r)
			}
		}
	}
	for _, x := range set {
		for _, o := range set {
			r, ok := k.replacement(x, o)
			if !ok {
				continue
			}
			if k.over(r.from, o) {
				return k.stale(r)
			}
			for _, e := range set {
				if v, ok := k.met(e); ok && v == r.old && k.before(e, o) && k.once(r.from) {
					r.seen = e
					return k.between(r)
				}
			}
		}
	}
	return nil
}

func (k *key) replacement(x, o int32) (replacement, bool) {
	r := replacement{x: x, o: o, seen: -1}
	var met, shown bool
	r.old, met = k.met(x)
	r.new, shown = k.shows(o)
	if !met || !shown || r.old == r.new || !k.before(o, x) {
		return r, false
	}
	r.from = k.metFrom(x, r.old)
	return r, true
}

// once says that a value was there once and never again.
func (k *key) once(from origin) bool {
	return len(from.writes) == 1 && !from.initial
}

// direct looks in the whole key for the write that replaced the value and says most: a delete if the key stayed deleted, else
// the first acknowledged write of another value.
func (k *key) direct(r replacement) replacement {
	first, gone := int32(-1), int32(-1)
	lastPut := int64(never)
	for i := range k.ops {
		c := int32(i)
		if k.ops[c].Invoke > end(k.ops[r.x]) {
			break
		}
		if v, ok := k.leaves(c); ok && v.Present || k.ops[c].Kind == history.Append && k.ops[c].Writes() {
			lastPut = max(lastPut, end(k.ops[c]))
		}
		if v, ok := k.leaves(c); !ok || v == r.old || c == r.x || !k.acknowledged(c) || !k.before(c, r.x) || !k.over(r.from, c) {
			continue
		}
		if first < 0 || end(k.ops[c]) < end(k.ops[first]) {
			first = c
		}
		if k.ops[c].Kind == history.Delete {
			gone = c
		}
	}
	if gone >= 0 && lastPut < k.ops[gone].Invoke {
		first = gone
	}
	if first >= 0 {
		r.o = first
		r.new, _ = k.leaves(first)
	}
	return r
}

// stale tells of a value that had been replaced, and chooses between the kinds of that.
func (k *key) stale(r replacement) *verdict.Contradiction {
	if c := k.pair([]int32{r.o, r.x}, r.o, r.x); c != nil {
		return c
	}
	if c := k.undone(r); c != nil {
		return c
	}
	if k.ops[r.o].Kind == history.Delete && k.acknowledged(r.o) {
		sentence := fmt.Sprintf("%s%s, which %s had deleted before %s asked", k.saidOf(r.x, r.old), k.by(r.old, r.from), k.who(r.o), k.who(r.x))
		return k.tell(verdict.ResurrectedDelete, sentence, r.from.last, r.o, r.x)
	}
	if newer := k.originOf(r.new, end(k.ops[r.o])); !r.new.Present && newer.last >= 0 && !k.acknowledged(r.o) {
		return k.overwritten(r, verdict.ResurrectedDelete, "")
	}
	for _, kind := range []func(replacement) *verdict.Contradiction{k.alternating, k.mutual, k.lost} {
		if c := kind(r); c != nil {
			return c
		}
	}
	return k.overwritten(r, verdict.StaleRead, "")
}

// overwritten is the plain sentence for a replaced value.
func (k *key) overwritten(r replacement, kind verdict.Kind, more string) *verdict.Contradiction {
	said := k.saidOf(r.x, r.old)
	if !k.acknowledged(r.o) {
		newer := k.originOf(r.new, end(k.ops[r.o]))
		sentence := fmt.Sprintf("%s%s, although %s%s before %s asked, and nobody %s since %s asked%s",
			said, k.by(r.old, r.from), k.had(r.o), k.by(r.new, newer), k.who(r.x), k.again(r.old), k.who(r.o), more)
		return k.tell(kind, sentence, r.from.last, newer.last, r.o, r.x)
	}
	if !r.old.Present {
		sentence := fmt.Sprintf("%s%s, although %s before %s asked and nobody deleted it again%s", said, k.by(r.old, r.from), k.had(r.o), k.who(r.x), more)
		if len(r.from.writes) == 0 {
			sentence = fmt.Sprintf("%s, although %s before %s asked and nobody deleted it%s", said, k.had(r.o), k.who(r.x), more)
		}
		return k.tell(kind, sentence, r.from.last, r.o, r.x)
	}
	sentence := fmt.Sprintf("%s%s, which %s overwrote with %s before %s asked%s", said, k.by(r.old, r.from), k.who(r.o), k.text(r.new), k.who(r.x), more)
	return k.tell(kind, sentence, r.from.last, r.o, r.x)
}

// again returns what nobody did: "wrote v1", "deleted it".
func (k *key) again(v history.Value) string {
	if v.Present {
		return "wrote " + k.text(v)
	}
	return "deleted it"
}

// lost tells of an acknowledged write that everybody ignores.
func (k *key) lost(r replacement) *verdict.Contradiction {
	if k.conditional(r.x) {
		return k.overwritten(r, verdict.LostUpdate, ", so that "+k.text(r.new)+" was lost")
	}
	if !k.acknowledged(r.o) || !r.new.Present || !k.ignored(r) {
		return nil
	}
	sentence := fmt.Sprintf("%s was acknowledged and then lost: %s%s, and nobody ever saw %s",
		k.asked(r.o), k.later(r.x, r.old), k.by(r.old, r.from), k.text(r.new))
	return k.tell(verdict.LostUpdate, sentence, r.from.last, r.o, r.x)
}

// ignored says that nobody ever met what an acknowledged write wrote, and that at least two results should have.
func (k *key) ignored(r replacement) bool {
	const missesMin = 2
	misses := 0
	later := history.Forever // when another write may first have replaced it
	for i, o := range k.ops {
		c := int32(i)
		if v, ok := k.met(c); ok && (v == r.new || k.sources.appends && v.Present && strings.HasPrefix(v.Data, r.new.Data)) {
			return false
		}
		if c != r.o && o.Writes() && end(o) >= k.ops[r.o].Invoke {
			later = min(later, o.Invoke)
		}
	}
	for i, o := range k.ops {
		if _, ok := k.met(int32(i)); ok && k.before(r.o, int32(i)) && end(o) < later {
			misses++
		}
	}
	return misses >= missesMin
}

// alternating tells of results that go from the old value to another and back.
func (k *key) alternating(r replacement) *verdict.Contradiction {
	if !r.new.Present && k.acknowledged(r.o) {
		return nil
	}
	old := func(v history.Value) bool { return v == r.old }
	x1 := k.earliest(r.o, old)
	if x1 < 0 || k.earliest(x1, func(v history.Value) bool { return v != r.old }) < 0 {
		// Where a result tells of the replacement, it need not be the first one.
		if k.acknowledged(r.o) || !k.once(r.from) {
			return nil
		}
		x1 = k.earliest(none, old)
	}
	if x1 < 0 {
		return nil
	}
	y := k.earliest(x1, func(v history.Value) bool { return v != r.old })
	if y < 0 {
		return nil
	}
	x2 := k.earliest(y, old)
	if x2 < 0 {
		return nil
	}
	v, _ := k.met(y)
	from := k.originOf(r.old, end(k.ops[x2]))
	if !k.over(from, r.o) {
		return nil
	}
	return k.alternate(r.old, from, v, k.originOf(v, end(k.ops[y])), x1, y, x2)
}

func (k *key) alternate(a history.Value, fromA origin, b history.Value, fromB origin, x1, y, x2 int32) *verdict.Contradiction {
	sentence := fmt.Sprintf("results alternate between %s%s and %s%s: %s, then %s, then %s again, although nobody %s again",
		k.text(a), k.by(a, fromA), k.text(b), k.by(b, fromB), k.did(x1), k.did(y), k.did(x2), k.again(a))
	return k.tell(verdict.SplitBrain, sentence, fromA.last, fromB.last, x1, y, x2)
}

// none stands for no operation.
const none int32 = -1

// earliest returns the result that returned first and met such a value, among those invoked after an operation returned if
// one is named; or none.
func (k *key) earliest(after int32, such func(history.Value) bool) int32 {
	found := int32(-1)
	for i, o := range k.ops {
		c := int32(i)
		if found >= 0 && o.Invoke > end(k.ops[found]) {
			break
		}
		if v, ok := k.met(c); ok && such(v) && (after == none || k.before(after, c)) && (found < 0 || end(o) < end(k.ops[found])) {
			found = c
		}
	}
	return found
}

// mutualMax bounds how many operations mutual looks at: its work grows with the square.
const mutualMax = 1000

// mutual tells of two clients each of which ignores a write of the other.
func (k *key) mutual(r replacement) *verdict.Contradiction {
	here, there := k.ops[r.x].Client, k.ops[r.o].Client
	if here == there || !k.acknowledged(r.o) || !r.old.Present {
		return nil
	}
	var writes []int32 // acknowledged, by the client of the result
	for i, o := range k.ops[:min(len(k.ops), mutualMax)] {
		if _, ok := k.leaves(int32(i)); ok && o.Client == here && k.acknowledged(int32(i)) {
			writes = append(writes, int32(i))
		}
	}
	for i, o := range k.ops[:min(len(k.ops), mutualMax)] {
		x := int32(i)
		if v, ok := k.met(x); o.Client != there || !ok || !v.Present || len(k.sources.making(k.ops, v)) != 1 {
			continue
		}
		for _, w := range writes {
			other, ok := k.replacement(x, w)
			if ok && k.over(other.from, w) {
				return k.sides(r, other)
			}
		}
	}
	return nil
}

func (k *key) sides(a, b replacement) *verdict.Contradiction {
	half := func(r replacement) string {
		return fmt.Sprintf("%s%s, although %s before", k.saidOf(r.x, r.old), k.by(r.old, r.from), k.had(r.o))
	}
	return k.tell(verdict.SplitBrain, "two clients ignore each other's acknowledged writes: "+half(a)+", and "+half(b),
		a.from.last, a.o, a.x, b.from.last, b.o, b.x)
}

// between tells of a value that was seen, then replaced while its own write had not returned, then seen again.
func (k *key) between(r replacement) *verdict.Contradiction {
	newer := k.originOf(r.new, end(k.ops[r.o]))
	writer := r.from.writes[0]
	if !k.acknowledged(r.o) {
		return k.alternate(r.old, r.from, r.new, newer, r.seen, r.o, r.x)
	}
	what := "overwrote it with " + k.text(r.new)
	kind := verdict.StaleRead
	switch {
	case k.ops[r.o].Kind == history.Delete:
		what, kind = "deleted it", verdict.ResurrectedDelete
	case k.conditional(r.x):
		kind = verdict.LostUpdate
	}
	sentence := fmt.Sprintf("%s%s, although %s and then %s %s before %s asked",
		k.saidOf(r.x, r.old), k.by(r.old, r.from), k.had(r.seen), k.who(r.o), what, k.who(r.x))
	return k.tell(kind, sentence, writer, r.seen, r.o, r.x)
}

// opposed explains two values each of which was there before the other.
func (k *key) opposed(set []int32) *verdict.Contradiction {
	for _, i := range slices.Clone(set) {
		if v, ok := k.met(i); ok && len(k.sources.of(v).byInvoke) == 1 {
			set = append(set[:len(set):len(set)], k.sources.of(v).byInvoke[0])
		}
	}
	for _, a1 := range set {
		for _, b2 := range set {
			v, ok := k.shows(a1)
			u, same := k.shows(b2)
			if !ok || !same || u == v || !k.before(a1, b2) {
				continue
			}
			if c := k.opposing(set, a1, b2, v, u); c != nil {
				return c
			}
		}
	}
	return nil
}

// opposing looks for the other two: v was there before u, and here u before v.
func (k *key) opposing(set []int32, a1, b2 int32, v, u history.Value) *verdict.Contradiction {
	fromV, fromU := k.originOf(v, history.Forever), k.originOf(u, history.Forever)
	if !k.once(fromV) || !k.once(fromU) {
		return nil
	}
	for _, b1 := range set {
		for _, a2 := range set {
			x, ok := k.shows(b1)
			y, same := k.shows(a2)
			if !ok || !same || x != u || y != v || !k.before(b1, a2) {
				continue
			}
			sentence := fmt.Sprintf("clients disagree which of %s%s and %s%s came first: %s before %s, but %s before %s",
				k.text(v), k.by(v, fromV), k.text(u), k.by(u, fromU), k.did(a1), k.did(b2), k.did(b1), k.did(a2))
			return k.tell(verdict.SplitBrain, sentence, a1, b2, b1, a2, fromV.last, fromU.last)
		}
	}
	return nil
}
