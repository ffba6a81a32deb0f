package linearizability_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/internal/generate"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/search"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/linearizability/witness"
	"github.com/lockstepdb/lockstep/linearizability/zones"
)

// plain is porcupine alone, with the specification as it is and nothing left out: the measure for what the tiers say. An
// operation of unknown outcome may be placed after all results without effect; the state counts them for that. limit is in
// time of the processor, 0 for none; past it the answer is porcupine.Unknown.
func plain(spec model.Key, ops []model.Op, limit time.Duration) porcupine.CheckResult {
	type state struct {
		model.State
		left int
	}
	known, steps, end, spent := 0, 0, processorTime()+limit, false
	all := make([]porcupine.Operation, len(ops))
	for i := range ops {
		all[i] = porcupine.Operation{Input: ops[i], Call: ops[i].Invoke, Return: ops[i].Return}
		if ops[i].Outcome != history.Unknown {
			known++
		}
	}
	ok := porcupine.CheckOperations(porcupine.Model{
		Init: func() any { return state{spec.Start(), known} },
		Step: func(s, input, _ any) (bool, any) {
			if steps++; limit > 0 && steps%4096 == 0 {
				spent = spent || processorTime() > end
			}
			at, op := s.(state), input.(model.Op)
			if spent || at.left == 0 {
				return !spent, at
			}
			next, ok := spec.Step(at.State, op)
			left := at.left
			if op.Outcome != history.Unknown {
				left--
			}
			return ok, state{next, left}
		},
		Hash: func(s any) uint64 { return xxhash.Sum64String(s.(state).Value.Data) },
	}, all)
	switch {
	case ok:
		return porcupine.Ok
	case spent:
		return porcupine.Unknown
	}
	return porcupine.Illegal
}

// smallShape draws the shape of a history of one key of up to twelve operations.
func smallShape(r *rand.Rand) generate.Shape {
	pick := func(of float64) float64 {
		if r.IntN(2) == 0 {
			return 0
		}
		return r.Float64() * of
	}
	return generate.Shape{
		Operations: 1 + r.IntN(12), Clients: 1 + r.IntN(5), Overlap: 0.4 + 0.6*r.Float64(),
		Gets: 1, Puts: r.Float64(), Deletes: pick(0.5), Appends: pick(0.1), Creates: pick(0.5), Updates: pick(0.5),
		CompareValues: pick(1), CompareRevisions: pick(1), CompareDeletes: pick(0.3), Stale: pick(0.1),
		Unknown: pick(0.5), Lost: r.Float64(), Late: pick(1), Refused: pick(0.2), Blind: pick(0.5), Existed: pick(1),
		Revisions: history.Revisions(r.IntN(3)), Distinct: r.IntN(3) > 0, Values: 1 + r.IntN(4), Grain: int64(1 + 300*r.IntN(2)),
	}
}

// histories is how many random histories a test tries: LOCKSTEP_CHECK_HISTORIES, or what suits an ordinary run.
func histories(t *testing.T, usual int) int {
	if n, err := strconv.Atoi(os.Getenv("LOCKSTEP_CHECK_HISTORIES")); err == nil {
		return n
	}
	if testing.Short() {
		return usual / 10
	}
	return usual
}

// describe lists a history for a failed test.
func describe(h *history.History) string {
	var b strings.Builder
	for i := range h.Operations {
		o := &h.Operations[i]
		fmt.Fprintf(&b, "%2d %6d %20d client %d %v revision %d key revision %d existed %d\n",
			i, o.Invoke, o.Return, o.Client, o, o.Revision, o.KeyRevision, o.Existed)
	}
	return b.String()
}

func indices(h *history.History) []int32 {
	all := make([]int32, len(h.Operations))
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// TestTiersAgreeWithPorcupine compares each tier alone with porcupine alone on small random histories.
func TestTiersAgreeWithPorcupine(t *testing.T) {
	const seed = 11
	total := histories(t, 60_000)
	r := rand.New(rand.NewPCG(seed, 2))
	count := map[string]int{}
	for n := range total {
		h := generate.History(r.Uint64(), smallShape(r))
		if n%5 == 0 {
			h.Origin.Initial = history.Of("v1")
		}
		for range n % 3 {
			h = generate.Mutate(r.Uint64(), h)
		}
		p, err := model.Prepare(h, indices(h))
		require.NoError(t, err)
		if p.Guess != "" {
			count["by a guess"]++ // then only an order is a proof
		}
		spec := model.Key{Initial: h.Origin.Initial, Contract: h.Origin.Revisions == history.Contract}
		want := plain(spec, p.Ops, 0) == porcupine.Ok
		count[fmt.Sprintf("linearizable %v", want)]++
		place := func() string {
			return fmt.Sprintf("seed %d, history %d, initial %v, revisions %d, porcupine %v:\n%s",
				seed, n, spec.Initial, h.Origin.Revisions, want, describe(h))
		}
		s := search.Check(spec, p.Ops, search.Budget{}, false)
		require.Equal(t, want, s.Verdict == verdict.Linearizable, "search, with revisions %d", h.Origin.Revisions)
		if z := zones.Check(spec, p.Ops, true); z.Applies {
			count["by zones"]++
			if z.Linearizable != want && (z.Linearizable || p.Guess == "") {
				t.Fatalf("zones say %v, conflict %v; %s", z.Linearizable, z.Conflict, place())
			}
			if z.Linearizable && spec.Replay(p.Ops, z.Order) != nil {
				t.Fatalf("zones: order %v: %v; %s", z.Order, spec.Replay(p.Ops, z.Order), place())
			}
		}
		if h.Origin.Revisions == history.NoRevisions {
			continue
		}
		if order, ok := witness.Key(spec, p.Ops); ok {
			count["by witness"]++
			if err := spec.Replay(p.Ops, order); err != nil || !want {
				t.Fatalf("witness: order %v: %v; %s", order, err, place())
			}
		}
	}
	t.Logf("seed %d, %d histories: %v", seed, total, count)
	for _, what := range []string{"linearizable true", "linearizable false", "by zones", "by witness"} {
		require.Greater(t, count[what], total/10, what)
	}
}

// A store that keeps its contract must never be accused, whatever tier looks.
func TestSoundHistoriesPass(t *testing.T) {
	const seed = 13
	total := histories(t, 20_000)
	r := rand.New(rand.NewPCG(seed, 3))
	count := map[verdict.Verdict]int{}
	for n := range total {
		shape := smallShape(r)
		shape.Keys = 1 + r.IntN(3)
		h := generate.History(r.Uint64(), shape)
		result := linearizability.Check(context.Background(), h, linearizability.Options{Workers: 1, Certificates: true})
		count[result.Verdict]++
		if result.Verdict == verdict.Violation {
			t.Fatalf("seed %d, history %d: %+v\n%s", seed, n, result, describe(h))
		}
		for _, key := range result.Keys {
			require.Equal(t, key.Verdict == verdict.Undecided, key.Reason != "", "%+v", key)
			require.Nil(t, key.Contradiction)
			require.Empty(t, key.Partial)
		}
	}
	t.Logf("seed %d: %v", seed, count)
	require.Greater(t, count[verdict.Linearizable], total*8/10)
}

func TestHundredOperationsOfTwentyClientsAreDecided(t *testing.T) {
	for _, unknown := range []float64{0, 0.2} {
		for seed := range uint64(50) {
			h := generate.History(seed, crowd(unknown))
			result := linearizability.Check(context.Background(), h, linearizability.Options{Tiers: []verdict.Tier{verdict.Zones}})
			require.Equal(t, verdict.Linearizable, result.Verdict, "seed %d: %+v", seed, result.Keys)
			require.Equal(t, verdict.Zones, result.Keys[0].Tier)
			result = linearizability.Check(context.Background(), generate.Mutate(seed, h), linearizability.Options{})
			require.NotEqual(t, verdict.Undecided, result.Verdict, "seed %d: %+v", seed, result.Keys)
		}
	}
}

// crowd is a hundred operations by twenty clients that all talk at once, on one key, with distinct values.
func crowd(unknown float64) generate.Shape {
	return generate.Shape{Operations: 100, Clients: 20, Gets: 1, Puts: 1, Distinct: true, Unknown: unknown, Lost: 0.5}
}

// mixed is a history of many keys: of some a fault is planted.
func mixed(seed uint64, revisions history.Revisions) *history.History {
	h := generate.History(seed, generate.Shape{
		Operations: 3000, Keys: 40, Clients: 12, Gets: 2, Puts: 1, Deletes: 0.2, CompareValues: 1, Stale: 0.05,
		Unknown: 0.03, Lost: 0.5, Refused: 0.03, Values: 6, Revisions: revisions,
	})
	for n := range uint64(12) {
		h = generate.Mutate(seed*100+n, h)
	}
	return h
}

func TestResultDoesNotDependOnWorkers(t *testing.T) {
	for _, revisions := range []history.Revisions{history.NoRevisions, history.Hints, history.Contract} {
		h := mixed(uint64(revisions)+1, revisions)
		o := linearizability.Options{Workers: 1, Certificates: true, Steps: 3000}
		first := linearizability.Check(context.Background(), h, o)
		seen := map[verdict.Verdict]int{}
		for _, key := range first.Keys {
			seen[key.Verdict]++
		}
		t.Logf("revisions %d: %v", revisions, seen)
		require.NotZero(t, seen[verdict.Violation])
		require.NotZero(t, seen[verdict.Linearizable])
		for _, workers := range []int{2, 7, 100} {
			o.Workers = workers
			require.Equal(t, first, linearizability.Check(context.Background(), h, o), "%d workers", workers)
		}
	}
}

func TestCheckDoesNotChangeTheHistory(t *testing.T) {
	h := mixed(5, history.Hints)
	before := append([]history.Operation(nil), h.Operations...)
	linearizability.Check(context.Background(), h, linearizability.Options{})
	require.Equal(t, before, h.Operations)
}

func TestProgressCountsEveryKey(t *testing.T) {
	h := mixed(6, history.NoRevisions)
	var calls []int
	linearizability.Check(context.Background(), h, linearizability.Options{Workers: 3, Progress: func(done, total int) {
		require.Equal(t, 40, total)
		calls = append(calls, done)
	}})
	require.Len(t, calls, 40)
	for i, done := range calls {
		require.Equal(t, i+1, done)
	}
}

func TestSpentBudgetIsUndecidedWithAdvice(t *testing.T) {
	h := generate.History(1, generate.Shape{Operations: 60, Clients: 4, Gets: 1, Puts: 1, Values: 3})
	for _, c := range []struct {
		name   string
		o      linearizability.Options
		reason string
	}{
		{"steps", linearizability.Options{Steps: 5}, "took its 5 steps: raise --budget, record revisions, or write each value only once (witness: results carry no revisions; zones: "},
		{"time", linearizability.Options{Steps: -1, Time: time.Nanosecond}, "raise --budget"},
		{"tiers", linearizability.Options{Tiers: []verdict.Tier{verdict.Witness}}, "none of the tiers that may decide could: witness: results carry no revisions"},
	} {
		// Of the clock a search sees only every so many steps.
		h := h
		if c.name == "time" {
			h = generate.History(1, generate.Shape{Operations: 3000, Clients: 4, Gets: 1, Puts: 1, Values: 3})
		}
		result := linearizability.Check(context.Background(), h, c.o)
		require.Equal(t, verdict.Undecided, result.Verdict, c.name)
		require.Equal(t, verdict.NoTier, result.Keys[0].Tier, c.name)
		require.Contains(t, result.Keys[0].Reason, c.reason, c.name)
		require.Nil(t, result.Keys[0].Contradiction, c.name)
	}
}

func TestCancelledCheckIsUndecided(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	result := linearizability.Check(ctx, mixed(1, history.NoRevisions), linearizability.Options{})
	require.Equal(t, verdict.Undecided, result.Verdict)
	for _, key := range result.Keys {
		require.Equal(t, verdict.Undecided, key.Verdict)
		require.Contains(t, key.Reason, "cancelled")
	}

	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	keys := 0
	result = linearizability.Check(ctx, mixed(1, history.NoRevisions), linearizability.Options{Workers: 1, Progress: func(done, total int) {
		if keys = total; done == 3 {
			cancel()
		}
	}})
	for i, key := range result.Keys {
		require.Equal(t, i >= 3, strings.Contains(key.Reason, "cancelled"), "key %d of %d: %+v", i, keys, key)
	}
}

func TestNothingToCheckIsNoPass(t *testing.T) {
	refused := history.Operation{Kind: history.Put, Key: "k", Value: history.Of("a"), Outcome: history.Refused, Return: 1}
	for _, h := range []*history.History{{}, {Operations: []history.Operation{refused}}} {
		result := linearizability.Check(context.Background(), h, linearizability.Options{})
		require.Equal(t, verdict.Undecided, result.Verdict)
		require.NotEmpty(t, result.Reason)
		require.Zero(t, result.Checked)
	}
}

// operation returns an operation of a hand-made history on key k.
func operation(client int32, kind history.Kind, value string, invoke, back int64) history.Operation {
	o := history.Operation{Client: client, Kind: kind, Outcome: history.Done, Key: "k", Invoke: invoke, Return: back}
	switch kind {
	case history.Get:
		o.HasObserved = true
		if value != "" {
			o.Observed = history.Of(value)
		}
	case history.Put:
		o.Value = history.Of(value)
	}
	return o
}

func stale(o history.Operation) history.Operation {
	o.Stale = true
	return o
}

func TestStaleReadsWithoutContract(t *testing.T) {
	refused := operation(1, history.Put, "a", 0, 10)
	refused.Outcome = history.Refused
	for _, c := range []struct {
		name     string
		ops      []history.Operation
		sentence string // empty: possible
	}{
		{"overwritten", []history.Operation{operation(1, history.Put, "a", 0, 10), operation(1, history.Put, "b", 20, 30), stale(operation(2, history.Get, "a", 40, 50))}, ""},
		{"initial", []history.Operation{operation(1, history.Put, "a", 0, 10), stale(operation(2, history.Get, "", 40, 50))}, ""},
		{"from nowhere", []history.Operation{operation(1, history.Put, "a", 0, 10), stale(operation(2, history.Get, "z", 40, 50))},
			"stale get by client 2 returned z, which nobody tried to write"},
		{"from the future", []history.Operation{stale(operation(2, history.Get, "a", 0, 10)), operation(1, history.Put, "a", 20, 30)},
			"stale get by client 2 returned a before client 1 asked for it (put a)"},
		{"refused", []history.Operation{refused, stale(operation(2, history.Get, "a", 20, 30)), operation(2, history.Get, "", 40, 50)},
			"stale get by client 2 returned a, but the put a by client 1 that it came from had no effect (refused)"},
	} {
		result := linearizability.Check(context.Background(), &history.History{Operations: c.ops}, linearizability.Options{})
		if c.sentence == "" {
			require.Equal(t, verdict.Linearizable, result.Verdict, c.name)
			require.Equal(t, 1, sum(result.Unchecked), c.name)
			continue
		}
		require.Equal(t, verdict.Violation, result.Verdict, c.name)
		require.Equal(t, verdict.StaleReadImpossible, result.Keys[0].Contradiction.Kind, c.name)
		require.Equal(t, c.sentence, result.Keys[0].Contradiction.Sentence, c.name)
	}
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

func TestContractOverSeveralKeys(t *testing.T) {
	first := operation(1, history.Put, "a", 0, 10)
	first.Revision = 5
	second := operation(2, history.Put, "b", 20, 30)
	second.Key, second.Revision = "other", 5
	h := &history.History{Operations: []history.Operation{first, second}, Origin: history.Origin{Revisions: history.Contract}}
	result := linearizability.Check(context.Background(), h, linearizability.Options{})
	require.Equal(t, verdict.Violation, result.Verdict)
	require.Len(t, result.Contradictions, 1)
	for _, key := range result.Keys {
		require.Equal(t, verdict.Linearizable, key.Verdict)
	}
	h.Operations[1].Key = "k"
	result = linearizability.Check(context.Background(), h, linearizability.Options{})
	require.Equal(t, verdict.Violation, result.Verdict)
	require.Empty(t, result.Contradictions)
	require.Equal(t, verdict.Witness, result.Keys[0].Tier)
	require.NotNil(t, result.Keys[0].Contradiction)
}

// transaction returns a transaction that puts or reads one key of a store.
func transaction(client int32, step history.Step, result history.StepResult, revision uint64, invoke, back int64) history.Operation {
	return history.Operation{
		Client: client, Kind: history.Transact, Outcome: history.Done, Key: "keys", Revision: revision, Invoke: invoke, Return: back,
		Transaction: &history.Transaction{
			Kind: history.Steps, Then: []history.Step{step}, Answered: true, Succeeded: true, Results: []history.StepResult{result},
		},
	}
}

func TestTransactionsMakeOnePartition(t *testing.T) {
	put := transaction(1, history.Step{Kind: history.Put, Key: "a", Value: "1"}, history.StepResult{}, 2, 0, 10)
	read := func(value string, revision uint64) history.Operation {
		result := history.StepResult{Count: 1, Pairs: []history.Pair{{Key: "a", Value: value}}}
		return transaction(2, history.Step{Kind: history.Get, Key: "a"}, result, revision, 20, 30)
	}
	for _, c := range []struct {
		name  string
		ops   []history.Operation
		tiers []verdict.Tier
		want  verdict.Verdict
		by    verdict.Tier
	}{
		{"witness", []history.Operation{put, read("1", 2)}, nil, verdict.Linearizable, verdict.Witness},
		{"search", []history.Operation{put, read("1", 2)}, []verdict.Tier{verdict.Search}, verdict.Linearizable, verdict.Search},
		{"another value", []history.Operation{put, read("2", 2)}, nil, verdict.Violation, verdict.Search},
		{"another revision", []history.Operation{put, read("1", 3)}, nil, verdict.Violation, verdict.Search},
		{"mixed with plain operations", []history.Operation{put, operation(1, history.Put, "a", 40, 50)}, nil, verdict.Undecided, verdict.NoTier},
		{"no tier", []history.Operation{put, read("2", 2)}, []verdict.Tier{verdict.Zones}, verdict.Undecided, verdict.NoTier},
	} {
		h := &history.History{Operations: c.ops, Origin: history.Origin{Revisions: history.Hints}}
		result := linearizability.Check(context.Background(), h, linearizability.Options{Tiers: c.tiers, Certificates: true})
		require.Equal(t, c.want, result.Verdict, "%s: %+v", c.name, result)
		require.Len(t, result.Keys, 1)
		require.Equal(t, c.want == verdict.Violation, result.Keys[0].Contradiction != nil, c.name)
		require.Equal(t, c.by, result.Keys[0].Tier, c.name)
		if c.want == verdict.Violation {
			require.Contains(t, result.Keys[0].Contradiction.Sentence, "no order explains that get a by client 2", c.name)
			require.Equal(t, []int32{0, 1}, result.Keys[0].Contradiction.Operations)
		}
	}
}
