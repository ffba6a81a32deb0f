package explain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// shape says what a random history is made of.
type shape struct {
	name                         string
	operations, clients, values  int
	conditions, deletes, appends bool
	revisions                    history.Revisions
}

var shapes = []shape{
	{name: "register", operations: 9, clients: 4, values: 3},
	{name: "register of distinct values", operations: 9, clients: 4, values: 100},
	{name: "deletes", operations: 9, clients: 4, values: 2, deletes: true},
	{name: "conditions", operations: 9, clients: 4, values: 3, conditions: true, deletes: true},
	{name: "conditions on distinct values", operations: 9, clients: 4, values: 100, conditions: true, deletes: true},
	{name: "appends", operations: 8, clients: 3, values: 3, appends: true, deletes: true, conditions: true},
	{name: "revisions", operations: 9, clients: 4, values: 3, conditions: true, deletes: true, revisions: history.Hints},
	{name: "contract", operations: 9, clients: 4, values: 3, conditions: true, deletes: true, revisions: history.Contract},
}

// generate makes a linearizable history: operations take effect in their order at the middle of their times.
func (s shape) generate(r *rand.Rand) *history.History {
	h := &history.History{Origin: history.Origin{Revisions: s.revisions}}
	n := 2 + r.IntN(s.operations-1)
	spec := model.Key{}
	state, revision := spec.Start(), uint64(1)
	for i := range n {
		middle := int64(10 * (i + 1))
		o := s.call(r, state, i)
		o.Client = int32(1 + r.IntN(s.clients))
		o.Key = "k"
		o.Invoke, o.Return = middle-int64(r.IntN(25)), middle+int64(r.IntN(25))
		effective := s.answer(r, spec, &state, &revision, &o)
		if r.IntN(6) == 0 && (effective || r.IntN(2) == 0) {
			o.Outcome, o.Return, o.Existed, o.Revision = history.Unknown, history.Forever, history.NotSaid, 0
			o.Observed, o.HasObserved, o.KeyRevision = history.Absent, false, 0
		}
		h.Operations = append(h.Operations, o)
	}
	h.Sort()
	return h
}

// call chooses what is asked.
func (s shape) call(r *rand.Rand, state model.State, i int) history.Operation {
	v := fmt.Sprintf("v%d", r.IntN(s.values))
	if s.values > 50 {
		v = fmt.Sprintf("v%d", i)
	}
	o := history.Operation{Kind: history.Get, Outcome: history.Done}
	switch pick := r.IntN(10); {
	case pick < 4:
		return o
	case s.deletes && pick == 4:
		o.Kind = history.Delete
	case s.appends && pick < 8:
		o.Kind, o.Value = history.Append, history.Of(v[1:])
	default:
		o.Kind, o.Value = history.Put, history.Of(v)
	}
	if s.conditions && r.IntN(2) == 0 {
		o.Condition = s.condition(r, state)
	}
	return o
}

func (s shape) condition(r *rand.Rand, state model.State) history.Condition {
	switch r.IntN(5) {
	case 0:
		return history.Condition{Kind: history.MustNotExist}
	case 1:
		return history.Condition{Kind: history.MustExist}
	case 2:
		if s.revisions != history.NoRevisions {
			return history.Condition{Kind: history.RevisionEquals, Revision: state.Revision}
		}
	case 3:
		return history.Condition{Kind: history.ValueEquals, Value: history.Of("v0")}
	}
	return history.Condition{Kind: history.ValueEquals, Value: state.Value}
}

// answer gives an operation its result, applies it, and says whether it changed the key.
func (s shape) answer(r *rand.Rand, spec model.Key, state *model.State, revision *uint64, o *history.Operation) bool {
	if s.revisions != history.NoRevisions {
		o.Revision = *revision
		o.KeyRevision = state.Revision
	}
	if o.Kind == history.Get {
		o.Observed, o.HasObserved = state.Value, true
		return false
	}
	try := *o
	try.Revision, try.KeyRevision = 0, 0
	next, ok := spec.Step(*state, model.Op{Operation: &try, Wrote: *revision + 1})
	if !ok {
		o.Outcome = history.ConditionFailed
		if r.IntN(2) == 0 {
			o.Observed, o.HasObserved = state.Value, true
		}
		return false
	}
	if r.IntN(3) == 0 && o.Kind != history.Append {
		o.Existed = history.No
		if state.Value.Present {
			o.Existed = history.Yes
		}
	}
	o.KeyRevision = 0
	if o.Kind == history.Delete && !state.Value.Present {
		o.Existed = history.No
		return false
	}
	if s.revisions != history.NoRevisions {
		*revision++
		o.Revision = *revision
		if o.Kind != history.Delete {
			next.Revision = *revision
		}
	}
	next.Seen = 0
	*state = next
	return true
}

// mutate changes one result.
func mutate(r *rand.Rand, h *history.History) {
	o := &h.Operations[r.IntN(len(h.Operations))]
	other := h.Operations[r.IntN(len(h.Operations))]
	switch r.IntN(7) {
	case 0:
		o.Outcome, o.Return = history.Done, min(o.Return, o.Invoke+20)
	case 1:
		if o.Condition.Kind != history.Always && o.Outcome == history.Done {
			o.Outcome, o.Existed = history.ConditionFailed, history.NotSaid
		} else if o.Outcome == history.ConditionFailed {
			o.Outcome, o.HasObserved, o.Observed = history.Done, false, history.Absent
		}
	case 2:
		o.Invoke, o.Return = o.Invoke+20, max(o.Return, o.Invoke+25)
	case 3:
		o.Revision = other.Revision
	case 4:
		if o.Kind != history.Get {
			o.Outcome, o.Return, o.Existed = history.Refused, min(o.Return, o.Invoke+20), history.NotSaid
			o.Observed, o.HasObserved = history.Absent, false
		}
	default:
		if o.Kind == history.Get && o.Outcome == history.Done {
			o.Observed, o.KeyRevision = other.Value, other.Revision
			if other.Kind == history.Get {
				o.Observed, o.KeyRevision = other.Observed, other.KeyRevision
			}
		}
	}
	h.Sort()
}

// each calls check with random histories, mutated or not, until as many were made.
func each(t *testing.T, count int, check func(t *testing.T, r *rand.Rand, h *history.History, spec model.Key, p model.Prepared)) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(count) {
				r := rand.New(rand.NewPCG(seed, 7))
				h := s.generate(r)
				for range r.IntN(3) {
					mutate(r, h)
				}
				spec, p, err := prepare(h)
				if err != nil || len(p.Ops) == 0 {
					continue
				}
				func() {
					defer func() {
						if t.Failed() {
							t.Logf("seed %d\n%s", seed, dump(h))
						}
					}()
					check(t, r, h, spec, p)
				}()
			}
		})
	}
}

func dump(h *history.History) string {
	var b strings.Builder
	for i := range h.Operations {
		o := &h.Operations[i]
		fmt.Fprintf(&b, "%d: client %d [%d, %d] %s", i, o.Client, o.Invoke, o.Return, o)
		if o.Revision != 0 || o.KeyRevision != 0 {
			fmt.Fprintf(&b, " revision %d of key %d", o.Revision, o.KeyRevision)
		}
		if o.Existed != history.NotSaid {
			fmt.Fprintf(&b, " existed %d", o.Existed)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func count(t *testing.T, full int) int {
	if testing.Short() {
		return full / 10
	}
	return full
}

// A sweep over all operations decides as all orders do, and one over some of them never rejects what they accept.
func TestSweepAgreesWithAllOrders(t *testing.T) {
	each(t, count(t, 800), func(t *testing.T, r *rand.Rand, h *history.History, spec model.Key, p model.Prepared) {
		want := linearizable(spec, p.Ops)
		k := newKey(h, spec, p)
		all := everything(len(p.Ops))
		got, _ := k.decide(all, false, stepsMax)
		require.Equal(t, want, got == possible, "all orders say %v, the sweep %v", want, got)
		if got, _ := k.decide(all, true, stepsMax); want {
			require.Equal(t, possible, got, "loose")
		}
		for range 4 {
			set := slices.DeleteFunc(slices.Clone(all), func(int32) bool { return r.IntN(3) == 0 })
			fails := k.fails(set)
			if want {
				require.False(t, fails, "%v of a linearizable history", set)
			}
			if smaller := slices.DeleteFunc(slices.Clone(set), func(int32) bool { return r.IntN(3) == 0 }); k.fails(smaller) {
				require.True(t, fails, "%v fails, but %v does not", smaller, set)
			}
		}
	})
}

func everything(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// What Key returns contradicts itself, is minimal and small, and the sentence names all its clients.
func TestExplanations(t *testing.T) {
	kinds := map[string]int{}
	each(t, count(t, 800), func(t *testing.T, r *rand.Rand, h *history.History, spec model.Key, p model.Prepared) {
		if linearizable(spec, p.Ops) {
			return
		}
		got := Key(h, spec, p, nil)
		kinds[string(got.Kind)]++
		require.NotEmpty(t, got.Operations)
		require.LessOrEqual(t, len(got.Operations), 8, "%s", got.Sentence)
		require.True(t, slices.IsSortedFunc(got.Operations, func(a, b int32) int {
			return int(h.Operations[a].Invoke - h.Operations[b].Invoke)
		}))
		var alone []model.Op
		for n, i := range got.Operations {
			require.False(t, n > 0 && got.Operations[n-1] == i, "twice: %v", got.Operations)
			require.Contains(t, got.Sentence, h.ClientName(h.Operations[i].Client), "operation %d: %s", i, got.Sentence)
			if at := slices.Index(p.Index, i); at >= 0 {
				alone = append(alone, p.Ops[at])
			}
		}
		require.False(t, linearizable(spec, alone), "%v has an order: %s", got.Operations, got.Sentence)
		require.Contains(t, got.Sentence, "on key k, ")
		require.Equal(t, got, Key(h, spec, p, nil), "a second time")
		minimalSet(t, h, spec, p)
	})
	t.Log(kinds)
}

// minimalSet checks that no operation can be left out of the set that the sentence is about.
func minimalSet(t *testing.T, h *history.History, spec model.Key, p model.Prepared) {
	plain := spec
	plain.Contract = false
	k := newKey(h, plain, p)
	set, ok := k.contradiction(nil)
	if !ok {
		k = newKey(h, spec, p)
		set, ok = k.contradiction(nil)
	}
	require.True(t, ok)
	require.True(t, k.fails(set))
	for n := range set {
		require.False(t, k.fails(slices.Concat(set[:n], set[n+1:])), "%v without number %d", set, n)
	}
}
