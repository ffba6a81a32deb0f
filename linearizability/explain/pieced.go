package explain

import (
	"fmt"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// pieced explains two results of a key that is appended to by a piece that was appended once: it stands behind different values in
// the two, or one result lacks it although it was there before.
func (k *key) pieced(set []int32) *verdict.Contradiction {
	x, y, two := k.twoResults(set)
	if !two || !k.sources.appends {
		return nil
	}
	v, ok := k.met(x)
	u, same := k.met(y)
	if !ok || !same || u == v || !v.Present || !u.Present {
		return nil
	}
	if len(v.Data) < len(u.Data) {
		x, y, v, u = y, x, u, v
	}
	if k.before(x, y) && strings.HasPrefix(v.Data, u.Data) {
		return k.tell(verdict.StaleRead, fmt.Sprintf("%s, although %s before %s asked, which continues it", k.saidOf(y, u), k.had(x), k.who(y)), x, y)
	}
	for i := range k.ops {
		c := int32(i)
		at, once := k.appendedAt(c, v.Data)
		if !once {
			continue
		}
		switch other := strings.Index(u.Data, k.ops[c].Value.Data); {
		case other >= 0 && v.Data[:at] != u.Data[:other]:
			return k.misplaced(c, x, y, v.Data[:at], u.Data[:other])
		case other < 0 && v.Data[:at] == u.Data && k.acknowledged(c) && k.before(c, y):
			return k.tell(verdict.StaleRead, fmt.Sprintf("%s, which lacks %s, although %s before %s asked, and %s shows it right behind",
				k.saidOf(y, u), k.text(k.ops[c].Value), k.had(c), k.who(y), k.asked(x)), c, x, y)
		}
	}
	return nil
}

// twoResults returns the two that a set holds beside appends that tell nothing.
func (k *key) twoResults(set []int32) (x, y int32, two bool) {
	var results []int32
	for _, i := range set {
		if _, ok := k.met(i); ok {
			results = append(results, i)
		} else if k.ops[i].Kind != history.Append {
			return 0, 0, false
		}
	}
	if len(results) != 2 {
		return 0, 0, false
	}
	return results[0], results[1], true
}

// appendedAt returns where a result shows what an append added. once says that nothing else can have brought it there.
func (k *key) appendedAt(c int32, data string) (at int, once bool) {
	o := k.ops[c]
	if o.Kind != history.Append || o.Value.Data == "" {
		return 0, false
	}
	at = strings.Index(data, o.Value.Data)
	if at < 0 || strings.Contains(data[at+1:], o.Value.Data) || k.spec.Initial.Present && strings.Contains(k.spec.Initial.Data, o.Value.Data) {
		return 0, false
	}
	for i := range k.ops {
		if w := k.ops[i]; int32(i) != c && w.Kind != history.Get && strings.Contains(w.Value.Data, o.Value.Data) {
			return 0, false
		}
	}
	return at, true
}

// misplaced tells of a piece that stands at two places.
func (k *key) misplaced(c, x, y int32, a, b string) *verdict.Contradiction {
	behind := func(s string) string {
		if s == "" {
			return "at the beginning"
		}
		const shown = 24
		if len(s) > shown {
			s = s[len(s)-shown:]
			return "behind …" + k.text(history.Of(s))
		}
		return "behind " + k.text(history.Of(s))
	}
	return k.tell(verdict.SplitBrain, fmt.Sprintf("%s, which %s appended once, stands %s in the result of %s, but %s in that of %s",
		k.text(k.ops[c].Value), k.who(c), behind(a), k.asked(x), behind(b), k.asked(y)), c, x, y)
}
