package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// refusals are writes of one effect that must not have had it: they were refused, or their condition failed. They are indices
// into the whole history, because the key leaves refused operations out.
type refusals struct {
	of      effect
	writes  []int32 // by invocation
	mixed   bool    // are both puts and appends
	refused int     // how many were refused; of the others the condition failed
}

// refusalsBefore returns the refusals of the key that were asked before an operation returned, without that operation, in the
// order of their first invocation.
func (k *key) refusalsBefore(x int32) []*refusals {
	var all []*refusals
	byEffect := map[effect]*refusals{}
	for i := range k.h.Operations {
		o := &k.h.Operations[i]
		failed := o.Outcome == history.ConditionFailed
		if o.Key != k.ops[x].Key || !failed && o.Outcome != history.Refused || int32(i) == k.index[x] || o.Invoke > end(k.ops[x]) {
			continue
		}
		e := effect{o.Kind, o.Value.Data}
		switch o.Kind {
		case history.Delete:
			e.value = ""
		case history.Put, history.Append:
		default:
			continue
		}
		r := byEffect[e]
		if r == nil {
			r = &refusals{of: e}
			byEffect[e], all = r, append(all, r)
		}
		r.writes = append(r.writes, int32(i))
		if !failed {
			r.refused++
		}
	}
	return all
}

// only tells of the refusals as the only ones that did something: "only a refused put by client 2 wrote".
func (k *key) only(r *refusals, did string) string {
	name, first := r.name(), k.h.ClientName(k.h.Operations[r.writes[0]].Client)
	switch n := len(r.writes); {
	case n == 1 && r.refused == 1:
		return fmt.Sprintf("only a refused %s by %s %s", name, first, did)
	case n == 1:
		return fmt.Sprintf("only %s %s by %s %s whose condition failed", article(name), name, first, did)
	case r.refused == n:
		return fmt.Sprintf("only refused %ss %s, the first by %s", name, did, first)
	case r.refused == 0:
		return fmt.Sprintf("only %ss %s whose condition failed, the first by %s", name, did, first)
	}
	return fmt.Sprintf("only %ss %s that were refused or whose condition failed, the first by %s", name, did, first)
}

// name names what the writes are: "put".
func (r *refusals) name() string {
	if r.mixed {
		return "write"
	}
	return verb(r.of.kind)
}

// article returns the article of a noun.
func article(noun string) string {
	if strings.HasPrefix(noun, "a") {
		return "an"
	}
	return "a"
}

// merged returns the refusals of all puts and appends as one, or nil.
func merged(all []*refusals) *refusals {
	var m *refusals
	for _, r := range all {
		switch {
		case r.of.kind == history.Delete:
			continue
		case m == nil:
			m = &refusals{of: r.of}
		}
		m.mixed = m.mixed || r.of.kind != m.of.kind
		m.writes = append(m.writes, r.writes...)
		m.refused += r.refused
	}
	if m != nil {
		slices.Sort(m.writes) // indices are in the order of invocation
	}
	return m
}

// tellRefused is tell for a finding that names refusals: the first of them is listed besides.
func (k *key) tellRefused(r *refusals, sentence string, set ...int32) *verdict.Contradiction {
	c := k.tell(verdict.RefusedRead, sentence, set...)
	if first := r.writes[0]; !slices.Contains(c.Operations, first) {
		c.Operations = append(c.Operations, first)
	}
	slices.SortStableFunc(c.Operations, func(a, b int32) int {
		return cmp.Or(cmp.Compare(k.h.Operations[a].Invoke, k.h.Operations[b].Invoke), cmp.Compare(a, b))
	})
	return c
}

// refused explains a value that cannot be had without a refused write.
func (k *key) refused(x int32, v history.Value, said string) *verdict.Contradiction {
	all := k.refusalsBefore(x)
	for _, r := range all {
		switch {
		case v.Present && r.of == effect{history.Put, v.Data}:
			return k.tellRefused(r, said+", which "+k.only(r, "wrote"), x)
		case !v.Present && r.of.kind == history.Delete:
			return k.tellRefused(r, fmt.Sprintf("%s, although the key held %s from the start and %s", said, k.text(k.spec.Initial), k.only(r, "deleted it")), x)
		}
	}
	if !v.Present {
		return nil
	}
	parts, _ := k.assemble(x, v.Data, all)
	for _, p := range parts {
		if p.refused == nil || k.pieces(p.of.value) > 0 || k.spec.Initial.Present && strings.Contains(k.spec.Initial.Data, p.of.value) {
			continue
		}
		did := map[history.Kind]string{history.Put: "wrote", history.Append: "brought"}[p.of.kind]
		if p.of.value == v.Data {
			return k.tellRefused(p.refused, said+", which "+k.only(p.refused, did), x)
		}
		return k.tellRefused(p.refused, fmt.Sprintf("%s and shows %s, which %s", said, k.text(history.Of(p.of.value)), k.only(p.refused, did)), x)
	}
	return nil
}

// undone explains a result that finds the key absent although only a refused delete can have deleted it.
func (k *key) undone(r replacement) *verdict.Contradiction {
	if r.old.Present || !k.acknowledged(r.o) {
		return nil
	}
	for _, gone := range k.refusalsBefore(r.x) {
		gone.writes = slices.DeleteFunc(gone.writes, func(i int32) bool { return k.h.Operations[i].Return < k.ops[r.o].Invoke })
		if gone.of.kind != history.Delete || len(gone.writes) == 0 {
			continue
		}
		gone.count(k.h)
		did := "deleted it"
		if len(r.from.writes) > 0 {
			did = "deleted it again"
		}
		return k.tellRefused(gone, fmt.Sprintf("%s%s, although %s before %s asked and %s",
			k.saidOf(r.x, r.old), k.by(r.old, r.from), k.had(r.o), k.who(r.x), k.only(gone, did)), r.from.last, r.o, r.x)
	}
	return nil
}

// count counts the refused ones anew.
func (r *refusals) count(h *history.History) {
	r.refused = 0
	for _, i := range r.writes {
		if h.Operations[i].Outcome == history.Refused {
			r.refused++
		}
	}
}
