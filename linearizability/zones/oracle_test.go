package zones

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// oracle is the dumb second implementation: it tries all orders by the model. It knows nothing of values, clusters or zones.
type oracle struct {
	spec     model.Key
	ops      []model.Op
	definite uint32
	before   [32]uint32 // what must have been placed before an operation: all that returned before it was invoked
	tried    map[searched]struct{}
}

// searched is where a search has been.
type searched struct {
	placed uint32
	state  model.State
}

// linearizable says whether some order of all operations, except for any of unknown outcome, fits the model.
func (o *oracle) linearizable(spec model.Key, ops []model.Op) bool {
	o.spec, o.ops, o.definite = spec, ops, 0
	for i := range ops {
		o.before[i] = 0
		if ops[i].Outcome != history.Unknown {
			o.definite |= 1 << i
		}
		for j := range ops {
			if ops[j].Return < ops[i].Invoke {
				o.before[i] |= 1 << j
			}
		}
	}
	if o.tried == nil {
		o.tried = map[searched]struct{}{}
	}
	clear(o.tried)
	return o.from(0, spec.Start())
}

func (o *oracle) from(placed uint32, state model.State) bool {
	left := o.definite &^ placed
	if left == 0 {
		return true
	}
	if bits.OnesCount32(left) > 3 {
		if _, been := o.tried[searched{placed, state}]; been {
			return false
		}
		o.tried[searched{placed, state}] = struct{}{}
	}
	for i := range o.ops {
		if placed&(1<<i) != 0 || o.before[i]&left != 0 {
			continue
		}
		next, ok := o.spec.Step(state, o.ops[i])
		if ok && (o.definite&(1<<i) != 0 || next != state) && o.from(placed|1<<i, next) {
			return true
		}
	}
	return false
}

// judge compares Check's result with the oracle and verifies what it returns as proof: the order by replay, the conflict by
// the oracle. It returns what is wrong, or "".
func (o *oracle) judge(spec model.Key, ops []model.Op, r Result) string {
	plain := spec
	plain.Contract = false
	switch {
	case !r.Applies:
		if r.Why == "" || r.Linearizable || r.Order != nil || r.Conflict != nil {
			return "an undecided key has a result, or no reason"
		}
		return ""
	case r.Linearizable:
		if !o.linearizable(spec, ops) {
			return "accepted, and the oracle finds no order"
		}
		if err := spec.Replay(ops, r.Order); err != nil {
			return "the order does not replay: " + err.Error()
		}
		return ""
	}
	if o.linearizable(plain, ops) {
		return "rejected, and the oracle finds an order"
	}
	return o.contradictory(plain, ops, r.Conflict)
}

// contradictory verifies that no order explains a conflict, whichever of the other writes took effect: they are kept, with an
// unknown outcome. If the conflict is about presence, other puts did take effect, whatever they found.
func (o *oracle) contradictory(spec model.Key, ops []model.Op, conflict []int32) string {
	if len(conflict) == 0 || !slices.IsSorted(conflict) {
		return "no conflict, or not in order"
	}
	if plain(ops) && len(conflict) > 6 {
		return fmt.Sprintf("the conflict %v is larger than it need be", conflict)
	}
	if o.linearizable(spec, around(ops, conflict, true)) &&
		(!needy(ops, conflict) || o.linearizable(spec, around(ops, conflict, false)) || o.linearizable(spec, alone(ops, conflict))) {
		return fmt.Sprintf("the conflict %v can be explained", conflict)
	}
	return ""
}

// needy says that some operation of a conflict must find the key present.
func needy(ops []model.Op, conflict []int32) bool {
	return slices.ContainsFunc(conflict, func(i int32) bool { return wantOf(&ops[i]).kind == wantPresent })
}

// around returns a conflict among the other writes, of unknown outcome; or only the deletes of them are.
func around(ops []model.Op, conflict []int32, puts bool) []model.Op {
	var rest []model.Op
	for i, op := range ops {
		if !slices.Contains(conflict, int32(i)) {
			if !op.Writes() {
				continue
			}
			less := *op.Operation
			less.Existed = history.NotSaid
			if op.Kind == history.Delete || puts {
				less.Outcome, less.Return = history.Unknown, history.Forever
			} else if op.Outcome == history.Done {
				less.Condition = history.Condition{}
			}
			op.Operation = &less
		}
		rest = append(rest, op)
	}
	return rest
}

// alone returns a conflict without the other writes, except for those whose values it mentions: these may have taken effect.
func alone(ops []model.Op, conflict []int32) []model.Op {
	mentioned := map[history.Value]bool{}
	for _, i := range conflict {
		if o := ops[i]; o.Kind == history.Get || o.HasObserved {
			mentioned[o.Observed] = true
		}
		if c := ops[i].Condition; c.Kind == history.ValueEquals {
			mentioned[c.Value] = true
		}
	}
	var rest []model.Op
	for _, op := range around(ops, conflict, true) {
		if op.Outcome != history.Unknown || op.Kind == history.Put && mentioned[op.Value] {
			rest = append(rest, op)
		}
	}
	return rest
}

// plain says that a history has reads and unconditional writes only, which say nothing of what they found. Of writes that did find
// the key a conflict may need any number: each could have been what another found.
func plain(ops []model.Op) bool {
	for _, o := range ops {
		if o.Kind != history.Get && (o.Kind != history.Put || o.Condition.Kind != history.Always) || o.Outcome == history.ConditionFailed ||
			o.Kind == history.Put && o.Existed != history.NotSaid {
			return false
		}
	}
	return true
}

// text draws a history for a failure's message.
func text(spec model.Key, ops []model.Op) string {
	var b strings.Builder
	fmt.Fprintf(&b, "initial %s, contract %v\n", spec.Initial, spec.Contract)
	for i, o := range ops {
		end := fmt.Sprint(o.Return)
		if o.Return == history.Forever {
			end = "∞"
		}
		fmt.Fprintf(&b, "%2d [%d, %s] %s existed=%d revision=%d key=%d wrote=%d\n", i, o.Invoke, end, o, o.Existed, o.Revision, o.KeyRevision, o.Wrote)
	}
	return b.String()
}

// mustJudge checks a history and fails the test if anything is wrong with the result.
func (o *oracle) mustJudge(t testing.TB, spec model.Key, ops []model.Op) Result {
	t.Helper()
	r := Check(spec, ops, true)
	if wrong := o.judge(spec, ops, r); wrong != "" {
		t.Fatalf("%s\n%+v\n%s", wrong, r, text(spec, ops))
	}
	return r
}
