package explain

import (
	"fmt"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// diverged explains two results that show two values although nothing can have led from one to the other.
func (k *key) diverged(set []int32) *verdict.Contradiction {
	if len(set) != 2 {
		return nil
	}
	x, y := set[0], set[1]
	v, ok := k.met(x)
	u, same := k.met(y)
	if !ok || !same || u == v {
		return nil
	}
	until := max(end(k.ops[x]), end(k.ops[y]))
	fromV, fromU := k.originOf(v, until), k.originOf(u, until)
	for _, from := range []origin{fromV, fromU} {
		if !k.over(from, x) || !k.over(from, y) {
			return nil
		}
	}
	sentence := fmt.Sprintf("clients see two values at once: %s%s and %s%s, although nobody wrote either any more when they asked",
		k.saidOf(x, v), k.by(v, fromV), k.saidOf(y, u), k.by(u, fromU))
	return k.tell(verdict.SplitBrain, sentence, fromV.last, fromU.last, x, y)
}

// grown explains two results of a key that was only appended to.
func (k *key) grown(set []int32) *verdict.Contradiction {
	if len(set) != 2 || !k.sources.appends {
		return nil
	}
	x, y := set[0], set[1]
	v, ok := k.met(x)
	u, same := k.met(y)
	if !ok || !same || u == v {
		return nil
	}
	for i, o := range k.ops {
		c := int32(i)
		if o.Writes() && o.Kind != history.Append && !(k.before(c, x) && k.before(c, y)) {
			return nil
		}
	}
	if k.before(y, x) {
		x, y, v, u = y, x, u, v
	}
	switch {
	case k.before(x, y) && strings.HasPrefix(v.Data, u.Data):
		return k.tell(verdict.StaleRead, fmt.Sprintf("%s, although %s before %s asked and the key was only appended to",
			k.saidOf(y, u), k.had(x), k.who(y)), x, y)
	case !strings.HasPrefix(v.Data, u.Data) && !strings.HasPrefix(u.Data, v.Data):
		return k.tell(verdict.SplitBrain, fmt.Sprintf("%s and %s: neither begins with the other, although the key was only appended to",
			k.saidOf(x, v), k.saidOf(y, u)), x, y)
	}
	return nil
}
