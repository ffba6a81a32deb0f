package search

import (
	"cmp"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// host is an operation and a read that any order can take along directly behind it.
type host struct {
	of   int32 // index of the operation
	read int32 // index of the read
}

// companions parts off the reads that need not be searched for: a read whose interval contains that of an operation of known
// outcome which leaves, or returned, the same value. Put directly behind that operation it fits in any order of the others:
// it sees the same value and changes nothing; what returned before it was invoked had returned before that operation was
// invoked, too, and what was invoked after it returned was invoked after that operation returned. Under a contract the
// revisions of reads count, and nothing is parted off.
//
// It returns what is left of kept, and the pairs. No host is a companion itself.
func companions(spec model.Key, ops []model.Op, kept []int32) ([]int32, []host) {
	if spec.Contract {
		return kept, nil
	}
	byValue := map[history.Value][]int32{}
	for _, i := range kept {
		if v, ok := leaves(&ops[i]); ok {
			byValue[v] = append(byValue[v], i)
		}
	}
	hostOf := map[int32]int32{}
	for _, i := range kept {
		// Each group once, at the first of its members: the order of the map must not matter.
		v, ok := leaves(&ops[i])
		if !ok || len(byValue[v]) < 2 || byValue[v][0] != i {
			continue
		}
		nest(ops, slices.Clone(byValue[v]), hostOf)
	}
	return part(kept, hostOf)
}

// nest finds hosts among the operations of one value. Going from the latest invocation back, each read contains every
// operation before it in this order that returned no later than it did; the one that returned first will do.
func nest(ops []model.Op, group []int32, hostOf map[int32]int32) {
	slices.SortFunc(group, func(a, b int32) int {
		x, y := &ops[a], &ops[b]
		if c := cmp.Compare(y.Invoke, x.Invoke); c != 0 {
			return c
		}
		// Of one instant the shorter first, and what is no read before a read, which it might take along.
		if c := cmp.Compare(x.Return, y.Return); c != 0 {
			return c
		}
		if reads(x) != reads(y) {
			if reads(y) {
				return -1
			}
			return 1
		}
		return cmp.Compare(a, b)
	})
	first := group[0]
	for _, i := range group[1:] {
		switch {
		case ops[i].Return < ops[first].Return:
			first = i
		case reads(&ops[i]):
			hostOf[i] = first
		}
	}
}

// part separates the companions from the rest.
func part(kept []int32, hostOf map[int32]int32) ([]int32, []host) {
	if len(hostOf) == 0 {
		return kept, nil
	}
	rest := make([]int32, 0, len(kept)-len(hostOf))
	hosts := make([]host, 0, len(hostOf))
	for _, i := range kept {
		of, ok := hostOf[i]
		if !ok {
			rest = append(rest, i)
			continue
		}
		hosts = append(hosts, host{of: of, read: i})
	}
	return rest, hosts
}

// reads says whether an operation's only trace is the value that it tells.
func reads(op *model.Op) bool {
	if op.Kind == history.Get {
		return true
	}
	if op.Outcome != history.ConditionFailed || !op.HasObserved {
		return false
	}
	// The condition must fail on that value whatever its revision is; otherwise the result is one of its own.
	switch op.Condition.Kind {
	case history.MustNotExist:
		return op.Observed.Present
	case history.MustExist:
		return !op.Observed.Present
	case history.ValueEquals:
		return op.Observed != op.Condition.Value
	}
	return false
}

// leaves returns the value that the key holds right after an operation of known outcome, as far as the operation alone
// tells.
func leaves(op *model.Op) (history.Value, bool) {
	switch {
	case op.Outcome == history.Unknown:
		return history.Absent, false
	case reads(op):
		return op.Observed, true
	case op.Outcome == history.ConditionFailed:
		return history.Absent, false
	case op.Kind == history.Put:
		return op.Value, true
	case op.Kind == history.Delete:
		return history.Absent, true
	}
	return history.Absent, false
}

// expand puts companions back into an order of the others.
func expand(order []int32, hosts []host) []int32 {
	if len(hosts) == 0 {
		return order
	}
	byHost := map[int32][]int32{}
	for _, h := range hosts {
		byHost[h.of] = append(byHost[h.of], h.read)
	}
	whole := make([]int32, 0, len(order)+len(hosts))
	for _, i := range order {
		whole = append(whole, i)
		whole = append(whole, byHost[i]...)
	}
	return whole
}
