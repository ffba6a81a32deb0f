package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// assembleStepsMax bounds the search for the pieces of one value.
const assembleStepsMax = 100_000

// part is one write in the order in which a value shows what was written.
type part struct {
	of      effect
	refused *refusals // that can have brought it, if no other write can
}

// assembly looks for writes that make a value in whatever order, each of them once.
type assembly struct {
	k       *key
	data    string
	allowed map[effect]*refusals
	left    map[effect]int
	begins  []int // lengths of put values
	lengths []int // of appended pieces
	parts   []part
	steps   int
}

// assemble returns the writes that make a value if their times do not count, the first first, or none. Those that are allowed
// though they were refused may have their effect, too. The operation that shows the value is no part of it. Undecided means that
// the search met its bound.
func (k *key) assemble(x int32, data string, allowed []*refusals) ([]part, answer) {
	a := assembly{k: k, data: data, allowed: map[effect]*refusals{}, left: map[effect]int{}, steps: assembleStepsMax}
	for e, w := range k.sources.byEffect {
		a.left[e] = len(w.byInvoke)
	}
	if k.ops[x].Writes() {
		a.left[effectOf(k.ops[x])]--
	}
	for _, r := range allowed {
		a.allowed[r.of] = r
		a.left[r.of] += len(r.writes)
	}
	for e := range a.left {
		switch {
		case e.kind == history.Put:
			a.begins = append(a.begins, len(e.value))
		case e.kind == history.Append && e.value != "":
			a.lengths = append(a.lengths, len(e.value))
		}
	}
	for _, lengths := range []*[]int{&a.begins, &a.lengths} {
		slices.Sort(*lengths)
		*lengths = slices.Compact(*lengths)
	}
	switch found := a.begin(); {
	case found:
		return a.parts, possible
	case a.steps <= 0:
		return nil, undecided
	}
	return nil, impossible
}

// begin tries what the value may begin with: nothing, the first value, or a put one.
func (a *assembly) begin() bool {
	if empty := (effect{history.Append, ""}); a.data == "" && a.left[empty] > 0 {
		a.parts = append(a.parts, a.part(empty))
		return true
	}
	initial := a.k.spec.Initial
	if (!initial.Present || a.left[effect{kind: history.Delete}] > 0) && a.from(0) {
		return true
	}
	if initial.Present && strings.HasPrefix(a.data, initial.Data) && a.from(len(initial.Data)) {
		return true
	}
	for _, n := range a.begins {
		if n <= len(a.data) && a.take(effect{history.Put, a.data[:n]}, n) {
			return true
		}
	}
	return false
}

// from makes the rest of the value of appended pieces.
func (a *assembly) from(at int) bool {
	if at == len(a.data) {
		return len(a.parts) > 0
	}
	for _, n := range a.lengths {
		if at+n > len(a.data) {
			break
		}
		if a.take(effect{history.Append, a.data[at : at+n]}, at+n) {
			return true
		}
	}
	return false
}

// take tries a write as the next part.
func (a *assembly) take(e effect, next int) bool {
	const stepBytes = 64
	if a.steps -= 1 + len(e.value)/stepBytes; a.steps <= 0 || a.left[e] <= 0 {
		return false
	}
	a.left[e]--
	a.parts = append(a.parts, a.part(e))
	if a.from(next) {
		return true
	}
	a.parts = a.parts[:len(a.parts)-1]
	a.left[e]++
	return false
}

func (a *assembly) part(e effect) part {
	if a.k.sources.byEffect[e] == nil {
		return part{e, a.allowed[e]}
	}
	return part{of: e}
}

// assembled explains a value that is made of what was written, but not in an order that could have been.
func (k *key) assembled(x int32, v history.Value, said string) *verdict.Contradiction {
	parts, found := k.assemble(x, v.Data, nil)
	if found == undecided {
		return k.tell(verdict.Unorderable, said+", which nothing that happened to the key until then can explain", x)
	}
	for _, p := range parts {
		if first := firstOutside(k.sources.byEffect[p.of].byInvoke, []int32{x}, nil); k.before(x, first) {
			return k.tell(verdict.FutureRead, fmt.Sprintf("%s before %s", said, k.asksTo(first)), x, first)
		}
	}
	for j := range parts {
		for i := j - 1; i >= 0; i-- {
			if c := k.reversed(x, said, parts[i].of, parts[j].of); c != nil {
				return c
			}
		}
	}
	if found == possible {
		return k.tell(verdict.Unorderable, said+", which nothing that happened to the key until then can explain", x)
	}
	return nil
}

// asksTo tells of the invocation of a write: "client 2 asked to append b".
func (k *key) asksTo(i int32) string {
	return fmt.Sprintf("%s asked to %s %s", k.who(i), verb(k.ops[i].Kind), k.text(k.ops[i].Value))
}

// reversed tells of a value that shows two writes in the opposite of their order.
func (k *key) reversed(x int32, said string, shownFirst, shownLater effect) *verdict.Contradiction {
	later, earlier := k.sources.byEffect[shownFirst], k.sources.byEffect[shownLater]
	first, last := firstOutside(later.byInvoke, []int32{x}, nil), firstOutside(earlier.byReturn, []int32{x}, nil)
	if !k.before(last, first) {
		return nil
	}
	had, asked := k.had(last), k.asksTo(first)
	if len(earlier.byInvoke) > 1 {
		had = strings.Replace(had, " had ", " had last ", 1)
	}
	if len(later.byInvoke) > 1 {
		asked = strings.Replace(asked, " asked to ", " first asked to ", 1)
	}
	sentence := fmt.Sprintf("%s, which shows %s before %s, although %s before %s",
		said, k.text(history.Of(shownFirst.value)), k.text(history.Of(shownLater.value)), had, asked)
	return k.tell(verdict.Unorderable, sentence, last, first, x)
}
