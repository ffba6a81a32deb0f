package search

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/internal/generate"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// exhaustive decides by trying every order: the meaning of the specification, without any of the search's shortcuts.
func exhaustive(spec model.Key, ops []model.Op) bool {
	used := make([]bool, len(ops))
	left := 0
	for i := range ops {
		if ops[i].Outcome != history.Unknown {
			left++
		}
	}
	var try func(state model.State, left int) bool
	try = func(state model.State, left int) bool {
		if left == 0 {
			return true
		}
		for i := range ops {
			if used[i] || !minimal(ops, used, i) {
				continue
			}
			next, ok := spec.Step(state, ops[i])
			if !ok {
				continue
			}
			used[i] = true
			rest := left
			if ops[i].Outcome != history.Unknown {
				rest--
			}
			if try(next, rest) {
				return true
			}
			used[i] = false
		}
		return false
	}
	return try(spec.Start(), left)
}

// minimal says that no unused operation had returned before i was invoked.
func minimal(ops []model.Op, used []bool, i int) bool {
	for j := range ops {
		if !used[j] && ops[j].Return < ops[i].Invoke {
			return false
		}
	}
	return true
}

// smallShape draws the shape of a history of one key that can be decided exhaustively.
func smallShape(r *rand.Rand) generate.Shape {
	pick := func(of float64) float64 {
		if r.IntN(2) == 0 {
			return 0
		}
		return r.Float64() * of
	}
	return generate.Shape{
		Operations: 2 + r.IntN(6), Clients: 1 + r.IntN(4), Overlap: 0.5 + r.Float64()/2,
		Gets: 1, Puts: r.Float64(), Deletes: pick(0.7), Appends: pick(0.3), Creates: pick(0.5), Updates: pick(0.5),
		CompareValues: pick(1), CompareRevisions: pick(1), CompareDeletes: pick(0.5),
		Unknown: pick(0.6), Lost: r.Float64(), Late: pick(1), Refused: pick(0.2), Blind: pick(1), Existed: pick(1),
		Revisions: history.Revisions(r.IntN(3)), Distinct: r.IntN(3) == 0, Values: 1 + r.IntN(3), Grain: int64(1 + 400*r.IntN(2)),
	}
}

// wholeKey prepares the only key of a history.
func wholeKey(t testing.TB, h *history.History) (model.Key, model.Prepared, bool) {
	t.Helper()
	all := make([]int32, len(h.Operations))
	for i := range all {
		all[i] = int32(i)
	}
	p, err := model.Prepare(h, all)
	return model.Key{Initial: h.Origin.Initial, Contract: h.Origin.Revisions == history.Contract}, p, err == nil
}

// describe lists a history for a failed test.
func describe(h *history.History) string {
	var b strings.Builder
	for i := range h.Operations {
		o := &h.Operations[i]
		fmt.Fprintf(&b, "%2d %6d %20d client %d %v revision %d key revision %d existed %d\n", i, o.Invoke, o.Return, o.Client, o, o.Revision, o.KeyRevision, o.Existed)
	}
	return b.String()
}

func TestSearchAgreesWithExhaustiveSearch(t *testing.T) {
	const seed = 3
	histories := 60_000
	if testing.Short() {
		histories /= 10
	}
	if n, err := strconv.Atoi(os.Getenv("LOCKSTEP_CHECK_HISTORIES")); err == nil {
		histories = n
	}
	r := rand.New(rand.NewPCG(seed, 1))
	count := map[verdict.Verdict]int{}
	for n := range histories {
		h := generate.History(r.Uint64(), smallShape(r))
		if n%4 == 0 {
			h.Origin.Initial = history.Of("v1")
		}
		for range n % 3 {
			h = generate.Mutate(r.Uint64(), h)
		}
		spec, p, ok := wholeKey(t, h)
		if !ok {
			continue
		}
		want := verdict.Violation
		if exhaustive(spec, p.Ops) {
			want = verdict.Linearizable
		}
		got := Check(spec, p.Ops, Budget{}, true)
		require.Equal(t, want, got.Verdict, "seed %d, history %d, contract %v, initial %v:\n%s", seed, n, spec.Contract, spec.Initial, describe(h))
		require.Equal(t, Finished, got.End)
		if want == verdict.Linearizable {
			require.NoError(t, spec.Replay(p.Ops, got.Order))
		}
		checkPartials(t, spec, p.Ops, got.Partial)
		count[want]++
	}
	t.Logf("seed %d: %d linearizable, %d violations", seed, count[verdict.Linearizable], count[verdict.Violation])
	require.Greater(t, count[verdict.Linearizable], histories/10)
	require.Greater(t, count[verdict.Violation], histories/10)
}

// checkPartials verifies that a partial order is a legal beginning.
func checkPartials(t *testing.T, spec model.Key, ops []model.Op, partials [][]int32) {
	t.Helper()
	for n, order := range partials {
		if n > 0 {
			require.LessOrEqual(t, len(order), len(partials[0]))
		}
		latest, state := int64(-1), spec.Start()
		for _, i := range order {
			require.GreaterOrEqual(t, ops[i].Return, latest)
			latest = max(latest, ops[i].Invoke)
			var ok bool
			state, ok = spec.Step(state, ops[i])
			require.True(t, ok, "partial order %v at %d", order, i)
		}
	}
}

// operation returns an operation of a hand-made key.
func operation(client int32, kind history.Kind, value string, invoke, back int64) history.Operation {
	o := history.Operation{Client: client, Kind: kind, Outcome: history.Done, Key: "k", Invoke: invoke, Return: back}
	if kind == history.Get {
		o.Observed, o.HasObserved = history.Of(value), true
		if value == "" {
			o.Observed = history.Absent
		}
		return o
	}
	if kind != history.Delete {
		o.Value = history.Of(value)
	}
	return o
}

func unknown(o history.Operation) history.Operation {
	o.Outcome, o.Return = history.Unknown, history.Forever
	return o
}

func prepared(all ...history.Operation) []model.Op {
	ops := make([]model.Op, len(all))
	for i := range all {
		ops[i] = model.Op{Operation: &all[i]}
		if all[i].Outcome == history.Done && all[i].Writes() {
			ops[i].Wrote = all[i].Revision
		}
	}
	return ops
}

func TestUnknownWriteMayTakeEffectLateOrNever(t *testing.T) {
	w := unknown(operation(1, history.Put, "a", 0, 0))
	late := prepared(w, operation(2, history.Get, "", 10, 20), operation(2, history.Get, "a", 30, 40))
	require.Equal(t, verdict.Linearizable, Check(model.Key{}, late, Budget{}, false).Verdict)
	never := prepared(w, operation(2, history.Get, "", 10, 20), operation(2, history.Get, "", 30, 40))
	require.Equal(t, verdict.Linearizable, Check(model.Key{}, never, Budget{}, false).Verdict)
	twice := prepared(w, operation(2, history.Get, "a", 10, 20), operation(2, history.Get, "", 30, 40))
	require.Equal(t, verdict.Violation, Check(model.Key{}, twice, Budget{}, false).Verdict)
}

// A contract gives an unknown write the revision that a read told of its value, which may still be that of another write: one
// from before the recording began.
func TestUnknownWriteIsNotForcedToTakeEffectByItsRevision(t *testing.T) {
	read := operation(2, history.Get, "a", 10, 20)
	read.Revision, read.KeyRevision = 10, 7
	again := operation(2, history.Get, "a", 50, 60)
	again.Revision, again.KeyRevision = 11, 7
	ops := prepared(read, unknown(operation(1, history.Put, "a", 30, 0)), again)
	ops[1].Wrote = 7
	spec := model.Key{Initial: history.Of("a"), Contract: true}
	result := Check(spec, ops, Budget{}, true)
	require.Equal(t, verdict.Linearizable, result.Verdict)
	require.Equal(t, []int32{0, 2}, result.Order)
}

func TestRelevantLeavesOutWhatNothingCouldNotice(t *testing.T) {
	get := func(v string, from, to int64) history.Operation { return operation(9, history.Get, v, from, to) }
	put := func(v string, from int64) history.Operation {
		return unknown(operation(1, history.Put, v, from, 0))
	}
	blind := operation(3, history.Put, "z", 50, 60)
	blind.Outcome, blind.Condition = history.ConditionFailed, history.Condition{Kind: history.ValueEquals, Value: history.Of("x")}
	swap := put("b", 0)
	swap.Condition = history.Condition{Kind: history.ValueEquals, Value: history.Of("a")}
	for _, c := range []struct {
		name string
		ops  []history.Operation
		kept []int32
	}{
		{"nobody read it", []history.Operation{put("a", 0), get("", 10, 20)}, []int32{1}},
		{"somebody read it", []history.Operation{put("a", 0), get("a", 10, 20)}, []int32{0, 1}},
		{"read before it was asked for", []history.Operation{put("a", 30), get("a", 10, 20)}, []int32{1}},
		{"touching", []history.Operation{put("a", 20), get("a", 10, 20)}, []int32{0, 1}},
		{"a blind failure may be its doing", []history.Operation{put("a", 0), blind}, []int32{0, 1}},
		{"a chain ends in a read", []history.Operation{put("a", 0), swap, get("b", 10, 20)}, []int32{0, 1, 2}},
		{"a chain ends in nothing", []history.Operation{put("a", 0), swap, get("c", 10, 20)}, []int32{2}},
		{"appends make values of values", []history.Operation{put("a", 0), operation(1, history.Append, "b", 0, 10)}, []int32{0, 1}},
	} {
		require.Equal(t, c.kept, relevant(prepared(c.ops...)), c.name)
	}
}

func TestCompanionsGoWithTheirHosts(t *testing.T) {
	ops := prepared(
		operation(1, history.Put, "a", 10, 20),
		operation(2, history.Get, "a", 10, 20), // the same interval as the put
		operation(3, history.Get, "a", 5, 40),  // contains both
		operation(4, history.Get, "a", 15, 40), // overlaps
		operation(5, history.Get, "b", 0, 50),  // another value
		operation(6, history.Put, "a", 0, 50),  // a write is none
	)
	kept, hosts := companions(model.Key{}, ops, []int32{0, 1, 2, 3, 4, 5})
	require.Equal(t, []int32{0, 3, 4, 5}, kept)
	require.Equal(t, []host{{of: 0, read: 1}, {of: 0, read: 2}}, hosts)
	require.Equal(t, []int32{5, 0, 1, 2, 3}, expand([]int32{5, 0, 3}, hosts))
	kept, hosts = companions(model.Key{Contract: true}, ops, []int32{0, 1, 2})
	require.Equal(t, []int32{0, 1, 2}, kept)
	require.Empty(t, hosts)
}

// A condition that failed on the very value that it asks for fits nowhere, though its interval contains that value's write.
func TestFailureOnTheValueAskedForIsAViolation(t *testing.T) {
	failed := operation(2, history.Put, "b", 0, 30)
	failed.Outcome, failed.Condition = history.ConditionFailed, history.Condition{Kind: history.ValueEquals, Value: history.Of("a")}
	failed.Observed, failed.HasObserved = history.Of("a"), true
	ops := prepared(operation(1, history.Put, "a", 10, 20), failed)
	require.Equal(t, verdict.Violation, Check(model.Key{}, ops, Budget{}, false).Verdict)
	failed.Condition.Value = history.Of("c")
	ops = prepared(operation(1, history.Put, "a", 10, 20), failed)
	require.Equal(t, verdict.Linearizable, Check(model.Key{}, ops, Budget{}, false).Verdict)
}

// Porcupine goes on from only one of two equal places, and compares only those of equal hash.
func TestEqualityOfPlaces(t *testing.T) {
	ops := prepared(operation(1, history.Put, "a", 0, 10))
	m := newMachine[model.State](newKeySpecification(model.Key{}, ops, nil), ops, nil, Budget{}).model()
	state := func(value history.Value, revision, seen uint64, owed bool) *place[model.State] {
		p := &place[model.State]{state: model.State{Value: value, Revision: revision, Seen: seen}, owed: owed}
		p.hash = (&machine[model.State]{spec: &keySpecification{}}).hash(p)
		return p
	}
	same := state(history.Of("a"), 1, 2, false)
	require.True(t, m.Equal(same, state(history.Of("a"), 1, 2, false)))
	require.Equal(t, m.Hash(same), m.Hash(state(history.Of("a"), 1, 2, false)))
	for _, other := range []*place[model.State]{
		state(history.Of("b"), 1, 2, false), state(history.Of("a"), 2, 2, false), state(history.Of("a"), 1, 3, false), state(history.Of("a"), 1, 2, true),
	} {
		require.False(t, m.Equal(same, other), "%+v", other)
		require.NotEqual(t, m.Hash(same), m.Hash(other), "%+v", other)
	}
	require.False(t, m.Equal(state(history.Absent, 0, 0, false), state(history.Of(""), 0, 0, false)))
}

// hard returns operations that no order explains, and that a search takes long to give up on: concurrent compare-and-sets
// from each of some values to each other, which all succeeded, and some of them twice, so that no path takes all.
func hard(values int) []model.Op {
	var all []history.Operation
	swap := func(from, to int) {
		o := operation(int32(len(all)), history.Put, string(rune('a'+to)), 0, 10)
		o.Condition = history.Condition{Kind: history.ValueEquals, Value: history.Of(string(rune('a' + from)))}
		all = append(all, o)
	}
	for from := range values {
		for to := range values {
			if from != to {
				swap(from, to)
			}
		}
	}
	swap(1, 2)
	swap(1, 2)
	return prepared(all...)
}

// fromA is where hard's operations start.
var fromA = model.Key{Initial: history.Of("a")}

func TestSpentBudgetIsNeverAVerdict(t *testing.T) {
	ops := hard(3)
	free := Check(fromA, ops, Budget{}, true)
	require.Equal(t, verdict.Violation, free.Verdict)
	require.Equal(t, Finished, free.End)
	require.NotEmpty(t, free.Partial)
	for _, steps := range []int64{1, 2, free.Steps / 2, free.Steps - 1} {
		bounded := Check(fromA, ops, Budget{Steps: steps}, true)
		require.Equal(t, Result{Verdict: verdict.Undecided, End: StepsSpent, Steps: steps}, bounded)
	}
	exact := Check(fromA, ops, Budget{Steps: free.Steps}, true)
	require.Equal(t, free, exact)
}

func TestBudgetOfALinearizableKey(t *testing.T) {
	const seed = 5
	h := generate.History(seed, generate.Shape{Operations: 60, Clients: 6, Gets: 1, Puts: 1, Values: 3, Unknown: 0.1})
	spec, p, _ := wholeKey(t, h)
	free := Check(spec, p.Ops, Budget{}, true)
	require.Equal(t, verdict.Linearizable, free.Verdict)
	require.Equal(t, free, Check(spec, p.Ops, Budget{Steps: free.Steps}, true))
	require.Equal(t, verdict.Undecided, Check(spec, p.Ops, Budget{Steps: free.Steps - 1}, true).Verdict)
}

func TestDeadlineAndStopAreNeverAVerdict(t *testing.T) {
	ops := hard(4)
	past := Check(fromA, ops, Budget{Deadline: time.Unix(1, 0)}, true)
	require.Equal(t, Result{Verdict: verdict.Undecided, End: DeadlinePassed, Steps: stepsBetweenClocks}, past)
	stop := make(chan struct{})
	close(stop)
	stopped := Check(fromA, ops, Budget{Stop: stop}, true)
	require.Equal(t, Result{Verdict: verdict.Undecided, End: Stopped, Steps: stepsBetweenClocks}, stopped)
}

func TestMemoryIsBounded(t *testing.T) {
	ops, kept := hard(2), []int32{0, 1, 2, 3}
	m := newMachine[model.State](newKeySpecification(fromA, ops, kept), ops, kept, Budget{})
	m.model().Init()
	require.NotNil(t, m.step(m.deepest, &m.calls[0]))
	m.places = bytesMax/placeBytes + 1
	require.Nil(t, m.step(m.deepest, &m.calls[0]))
	require.Equal(t, MemorySpent, m.end)
}

func TestSearchRepeats(t *testing.T) {
	ops := prepared(
		operation(1, history.Put, "a", 0, 10), operation(2, history.Put, "b", 0, 10),
		operation(3, history.Get, "a", 20, 30), operation(4, history.Get, "b", 20, 30),
	)
	first := Check(model.Key{}, ops, Budget{}, true)
	require.Len(t, first.Partial, 2)
	require.LessOrEqual(t, len(first.Partial), partialsMax)
	for range 20 {
		require.Equal(t, first, Check(model.Key{}, ops, Budget{}, true))
	}
}

func TestPhantomIsRejectedWithoutSearch(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []model.Op
		want verdict.Verdict
	}{
		{"nobody wrote it", prepared(operation(1, history.Put, "a", 0, 10), operation(2, history.Get, "b", 20, 30)), verdict.Violation},
		{"written only afterwards", prepared(operation(1, history.Put, "a", 40, 50), operation(2, history.Get, "a", 20, 30)), verdict.Violation},
		{"never deleted", prepared(operation(1, history.Get, "i", 0, 10), operation(2, history.Get, "", 20, 30)), verdict.Violation},
		{"initial", prepared(operation(1, history.Get, "i", 0, 10)), verdict.Linearizable},
	} {
		result := Check(model.Key{Initial: history.Of("i")}, c.ops, Budget{}, false)
		require.Equal(t, c.want, result.Verdict, c.name)
		require.Equal(t, c.want == verdict.Violation, result.Steps == 0, c.name)
	}
}

func TestEmpty(t *testing.T) {
	require.Equal(t, verdict.Linearizable, Check(model.Key{}, nil, Budget{}, true).Verdict)
}
