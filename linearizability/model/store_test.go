package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// simulation makes histories: each operation takes effect in the oracle at a hidden moment within its interval.
type simulation struct {
	*rand.Rand
	keys    int
	clients int
	unknown int  // of 100 operations that write, so many have an unknown outcome
	unique  bool // no value is written twice
	leases  bool // leases, compaction and old revisions are used
	fresh   bool // as in a real run, no lease is granted twice, nor used before its grant has returned

	store   *naiveStore
	value   int
	invoke  int64   // of the operation that is being made
	granted []int64 // by lease, when its grant returned
}

// history returns n operations by invocation.
func (s *simulation) history(n int) []Op {
	s.store, s.granted = newNaiveStore(), make([]int64, 1)
	ops := make([]Op, n)
	free := make([]int64, s.clients)
	for i := range ops {
		client := s.IntN(s.clients)
		at := int64(i+1) * 100
		s.invoke = max(free[client], at-s.Int64N(int64(s.clients)*100))
		o := &history.Operation{Client: int32(client), Kind: history.Transact, Key: "all keys", Transaction: s.transaction()}
		o.Invoke, o.Return = s.invoke, at+s.Int64N(100)
		free[client] = o.Return + 1
		s.carryOut(o)
		ops[i] = Op{Operation: o}
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return int(a.Invoke - b.Invoke) })
	return ops
}

// carryOut takes an operation through the oracle.
func (s *simulation) carryOut(o *history.Operation) {
	t := o.Transaction
	if t.Kind == history.GrantLease && s.fresh {
		s.granted[t.Lease] = o.Return
	}
	before := s.store.clone()
	a := s.store.do(t)
	lost := t.MayWrite() && s.IntN(100) < s.unknown
	if lost && s.IntN(2) == 0 {
		s.store = before
	}
	if lost && s.fresh && t.Kind == history.GrantLease {
		s.granted[t.Lease] = history.Forever
		t.Lease = 0
	}
	if lost || a.refused {
		o.Outcome, o.Return = history.Unknown, history.Forever
		return
	}
	o.Outcome, o.Revision = history.Done, uint64(a.revision)
	if t.MayWrite() && s.IntN(40) == 0 && s.unknown > 0 {
		// Known to have been carried out, and perhaps at which revision.
		o.Revision *= uint64(s.IntN(2))
		return
	}
	t.Answered, t.Failure, t.Succeeded, t.Results = true, a.failure, a.succeeded && t.Kind == history.Steps && a.failure == history.NoFailure, a.results
	for i := range t.Results {
		t.Results[i].Pairs = slices.Clone(t.Results[i].Pairs)
	}
}

// anyLease returns one that may have been granted, or 0.
func (s *simulation) anyLease() int64 {
	if !s.fresh {
		return 1 + s.Int64N(4)
	}
	for lease := len(s.granted) - 1 - s.IntN(3); lease > 0; lease-- {
		if s.granted[lease] < s.invoke {
			return int64(lease)
		}
	}
	return 0
}

func (s *simulation) key() string { return "/" + string(rune('a'+s.IntN(s.keys))) }

// transaction returns any transaction.
func (s *simulation) transaction() *history.Transaction {
	t := &history.Transaction{Kind: history.Steps}
	if s.leases {
		switch s.IntN(24) {
		case 0, 1:
			lease := s.anyLease()
			if s.fresh {
				lease = int64(len(s.granted))
				s.granted = append(s.granted, history.Forever)
			}
			return &history.Transaction{Kind: history.GrantLease, Lease: lease}
		case 2:
			if lease := s.anyLease(); lease != 0 {
				return &history.Transaction{Kind: history.RevokeLease, Lease: lease}
			}
		case 3:
			return &history.Transaction{Kind: history.Compact, Revision: s.store.revision - s.Int64N(6)}
		case 4:
			return &history.Transaction{Kind: history.Defragment}
		}
	}
	switch s.IntN(6) {
	case 0, 1:
		t.Then = []history.Step{s.get()}
	case 2:
		t.Then = []history.Step{s.put()}
	case 3:
		t.Then = []history.Step{s.delete()}
	default:
		for range 1 + s.IntN(2) {
			t.Compares = append(t.Compares, s.compare())
		}
		t.Then, t.Else = s.steps(), s.steps()
	}
	return t
}

func (s *simulation) steps() (steps []history.Step) {
	for range s.IntN(4) {
		steps = append(steps, []func() history.Step{s.get, s.put, s.put, s.delete}[s.IntN(4)]())
	}
	return steps
}

func (s *simulation) get() history.Step {
	step := history.Step{Kind: history.Get, Key: s.key()}
	switch s.IntN(4) {
	case 0:
		step.Key, step.End = "/", history.PrefixEnd("/")
	case 1:
		step.End = []string{s.key(), history.AllKeys}[s.IntN(2)]
		step.Limit = s.Int64N(3)
		step.CountOnly = s.IntN(4) == 0
	}
	if s.leases && s.IntN(4) == 0 {
		step.Revision = max(0, s.store.revision-s.Int64N(5))
	}
	return step
}

func (s *simulation) put() history.Step {
	s.value++
	step := history.Step{Kind: history.Put, Key: s.key(), Value: fmt.Sprint(s.value)}
	if !s.unique {
		step.Value = fmt.Sprint(s.IntN(2))
	}
	if s.leases && s.IntN(3) == 0 {
		step.Lease = s.anyLease()
	}
	return step
}

func (s *simulation) delete() history.Step {
	step := history.Step{Kind: history.Delete, Key: s.key()}
	if s.IntN(4) == 0 {
		step.End = s.key()
	}
	return step
}

func (s *simulation) compare() history.Compare {
	c := history.Compare{Key: s.key(), Target: history.Target(1 + s.IntN(5)), Relation: history.Relation(1 + s.IntN(4))}
	c.Number, c.Value = s.Int64N(3), fmt.Sprint(s.IntN(2))
	if k, there := s.store.versions[s.store.revision][c.Key]; there && s.IntN(2) == 0 {
		c.Number, c.Value = k.mod, k.value
	}
	return c
}

// mutate changes one answer, or moves one operation in time, and returns whether it found something to change.
func (s *simulation) mutate(ops []Op) bool {
	o := ops[s.IntN(len(ops))].Operation
	t := o.Transaction
	if o.Outcome != history.Done {
		return false
	}
	if len(t.Results) > 0 && s.IntN(2) == 0 {
		r := &t.Results[s.IntN(len(t.Results))]
		switch s.IntN(5) {
		case 0:
			r.Count++
		case 1:
			r.Deleted++
		default:
			if len(r.Pairs) == 0 {
				return false
			}
			s.mutatePair(&r.Pairs[s.IntN(len(r.Pairs))])
		}
		return true
	}
	switch s.IntN(4) {
	case 0:
		o.Revision++
	case 1:
		o.Revision = max(1, o.Revision) - 1
	case 2:
		if t.Kind != history.Steps || !t.Answered || len(t.Then) != len(t.Else) {
			return false
		}
		t.Succeeded = !t.Succeeded
	case 3:
		o.Invoke, o.Return = o.Invoke+500, max(o.Return, o.Return+500)
	}
	return true
}

func (s *simulation) mutatePair(p *history.Pair) {
	switch s.IntN(4) {
	case 0:
		p.Value += "x"
	case 1:
		p.Revision++
	case 2:
		p.Version++
	case 3:
		p.Key += "x"
	}
}

// search asks porcupine.
func search(ops []Op) bool {
	store := StoreFor(ops)
	input := make([]porcupine.Operation, len(ops))
	for i, o := range ops {
		input[i] = porcupine.Operation{ClientId: i, Input: o, Call: o.Invoke, Return: o.Return}
	}
	return porcupine.CheckOperations(porcupine.Model{
		Init: func() any { return store.Start() },
		Step: func(state, in, _ any) (bool, any) {
			next, ok := store.Step(state.(StoreState), in.(Op))
			return ok, next
		},
		Equal: func(a, b any) bool { return a.(StoreState).Equal(b.(StoreState)) },
		Hash:  func(state any) uint64 { return state.(StoreState).Hash() },
	}, input)
}

// TestStoreAgreesWithBruteForce checks small histories, true and mutated, against the oracle over all orders.
func TestStoreAgreesWithBruteForce(t *testing.T) {
	rounds := 4000
	if testing.Short() {
		rounds = 1500
	}
	accepted, rejected, witnessed := 0, 0, 0
	for seed := range rounds {
		s := &simulation{Rand: rand.New(rand.NewPCG(uint64(seed), 7)), keys: 2, clients: 3, unknown: 25, unique: seed%2 == 0, leases: seed%3 > 0}
		ops := s.history(3 + s.IntN(4))
		mutated := seed%4 != 0 && s.mutate(ops)
		want := bruteForce(ops)
		require.True(t, want || mutated, "seed %d: the simulation made a history that its own oracle rejects\n%s", seed, describe(ops))
		require.Equal(t, want, search(ops), "seed %d: search\n%s", seed, describe(ops))
		order, ok := StoreFor(ops).Witness(ops)
		require.False(t, ok && !want, "seed %d: the witness %v of a history that is none\n%s", seed, order, describe(ops))
		if ok {
			require.NoError(t, StoreFor(ops).Replay(ops, order))
			witnessed++
		}
		if want {
			accepted++
		} else {
			rejected++
		}
	}
	t.Logf("%d accepted, %d of them by a witness; %d rejected", accepted, witnessed, rejected)
	require.Greater(t, accepted, rounds/3)
	require.Greater(t, rejected, rounds/5)
	require.Greater(t, witnessed*100, accepted*95, "the witness decides too little")
}

// TestWitnessDecidesRuns checks histories of a real run's size. What is left undecided goes to the search, which is no error.
func TestWitnessDecidesRuns(t *testing.T) {
	for _, c := range []struct {
		name    string
		decided int // of 10, at least
		s       simulation
	}{
		{"transactions", 10, simulation{keys: 10, clients: 12, unique: true}},
		{"transactions with unknown outcomes", 7, simulation{keys: 10, clients: 12, unique: true, unknown: 4}},
		{"leases, compaction and old revisions", 8, simulation{keys: 10, clients: 12, unique: true, leases: true, fresh: true}},
		{"leases and unknown outcomes", 7, simulation{keys: 10, clients: 12, unique: true, leases: true, fresh: true, unknown: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			decided := 0
			const runs = 10
			for seed := range runs {
				s := c.s
				s.Rand = rand.New(rand.NewPCG(uint64(seed), 11))
				ops := s.history(1500)
				store := StoreFor(ops)
				if order, ok := store.Witness(ops); ok {
					require.NoError(t, store.Replay(ops, order))
					decided++
				}
			}
			t.Logf("%d of %d decided", decided, runs)
			require.GreaterOrEqual(t, decided, c.decided)
		})
	}
}

// TestWitnessRejects checks that a long history with one wrong answer has no witness, wherever that stands.
func TestWitnessRejects(t *testing.T) {
	rejected := 0
	for seed := range 60 {
		s := &simulation{Rand: rand.New(rand.NewPCG(uint64(seed), 13)), keys: 6, clients: 8, unique: true}
		ops := s.history(200)
		o := ops[s.IntN(len(ops))].Operation
		for len(o.Transaction.Results) == 0 || len(o.Transaction.Results[0].Pairs) == 0 {
			o = ops[s.IntN(len(ops))].Operation
		}
		s.mutatePair(&o.Transaction.Results[0].Pairs[0])
		if _, ok := StoreFor(ops).Witness(ops); !ok {
			rejected++
		}
	}
	require.Equal(t, 60, rejected)
}

// TestStoreOfTheAPI pins single answers of the store to what etcd's API promises.
func TestStoreOfTheAPI(t *testing.T) {
	put := func(key, value string) *history.Transaction {
		return &history.Transaction{Kind: history.Steps, Then: []history.Step{{Kind: history.Put, Key: key, Value: value}}, Answered: true, Succeeded: true, Results: []history.StepResult{{}}}
	}
	done := func(t *history.Transaction, revision uint64) Op {
		return Op{Operation: &history.Operation{Kind: history.Transact, Outcome: history.Done, Revision: revision, Transaction: t}}
	}
	get := func(step history.Step, result history.StepResult) *history.Transaction {
		step.Kind = history.Get
		return &history.Transaction{Kind: history.Steps, Then: []history.Step{step}, Answered: true, Succeeded: true, Results: []history.StepResult{result}}
	}
	a := func(value string, revision, version int64) history.StepResult {
		return history.StepResult{Pairs: []history.Pair{{Key: "a", Value: value, Revision: revision, Version: version}}, Count: 1}
	}
	refused := func(kind history.TransactionKind, revision int64, failure history.Failure) *history.Transaction {
		return &history.Transaction{Kind: kind, Revision: revision, Answered: true, Failure: failure}
	}
	both := &history.Transaction{
		Kind: history.Steps, Answered: true, Succeeded: true,
		Compares: []history.Compare{{Key: "a", Target: history.Version, Relation: history.Equal, Number: 2}},
		Then: []history.Step{
			{Kind: history.Put, Key: "b", Value: "x"},
			{Kind: history.Get, Key: "b"},
			{Kind: history.Delete, Key: "a", End: history.AllKeys},
		},
		Results: []history.StepResult{{}, {Pairs: []history.Pair{{Key: "b", Value: "x", Revision: 4, Version: 1}}, Count: 1}, {Deleted: 2}},
	}
	ops := []Op{
		done(get(history.Step{Key: "a"}, history.StepResult{}), 1),
		done(put("a", "1"), 2),
		done(get(history.Step{Key: "a"}, a("1", 2, 1)), 2),
		done(put("a", "2"), 3),
		done(get(history.Step{Key: "a", Revision: 2}, a("1", 2, 1)), 3),
		done(get(history.Step{Key: "a", End: "b", Limit: 1}, a("2", 3, 2)), 3),
		done(get(history.Step{Key: "a", CountOnly: true}, history.StepResult{Count: 1}), 3),
		done(both, 4),
		done(refused(history.Compact, 5, history.FutureRevision), 0),
		done(refused(history.Compact, 3, history.NoFailure), 0),
		done(refused(history.Compact, 3, history.Compacted), 0),
		done(get(history.Step{Key: "a", Revision: 3}, a("2", 3, 2)), 4),
	}
	tooOld := get(history.Step{Key: "a", Revision: 2}, history.StepResult{})
	tooOld.Failure, tooOld.Results = history.Compacted, nil
	ops = append(ops, done(tooOld, 0))
	store, state := StoreFor(ops), StoreFor(ops).Start()
	for i, o := range ops {
		for _, wrong := range []uint64{o.Revision + 1, max(1, o.Revision) - 1} {
			if o.Revision > 1 || wrong > o.Revision && o.Revision > 0 {
				_, ok := store.Step(state, done(o.Transaction, wrong))
				require.False(t, ok, "%d: %s at revision %d", i, o, wrong)
			}
		}
		next, ok := store.Step(state, o)
		require.True(t, ok, "%d: %s at revision %d", i, o, state.Revision())
		state = next
	}
}

// TestReplayOfStore checks that the certificate is checked for more than values.
func TestReplayOfStore(t *testing.T) {
	s := &simulation{Rand: rand.New(rand.NewPCG(3, 5)), keys: 3, clients: 3, unique: true}
	ops := s.history(60)
	store := StoreFor(ops)
	order, ok := store.Witness(ops)
	require.True(t, ok)
	require.NoError(t, store.Replay(ops, order))
	require.ErrorContains(t, store.Replay(ops, order[:59]), "is missing")
	require.ErrorContains(t, store.Replay(ops, append(slices.Clone(order), order[0])), "twice")
	late := slices.Clone(ops)
	moved := *late[order[0]].Operation
	moved.Invoke, moved.Return = 100_000, 100_001
	late[order[0]] = Op{Operation: &moved}
	require.ErrorContains(t, store.Replay(late, order), "returned before")
}

// TestPrepareStore checks which operations are left out.
func TestPrepareStore(t *testing.T) {
	get := &history.Transaction{Kind: history.Steps, Then: []history.Step{{Kind: history.Get, Key: "a"}}}
	put := &history.Transaction{Kind: history.Steps, Then: []history.Step{{Kind: history.Put, Key: "a"}}}
	h := &history.History{Operations: []history.Operation{
		{Kind: history.Transact, Transaction: get},
		{Kind: history.Transact, Transaction: put},
		{Kind: history.Transact, Transaction: put, Outcome: history.Refused},
		{Kind: history.Transact, Transaction: get, Outcome: history.Done},
		{Kind: history.Get},
	}}
	p, err := PrepareStore(h, []int32{0, 1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, []int32{1, 3}, p.Index)
	require.Len(t, p.Ops, 2)
	_, err = PrepareStore(h, []int32{3, 4})
	require.ErrorContains(t, err, "operation 4 (get) is no transaction")
}

func BenchmarkStoreWitness(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		for _, unknown := range []int{0, 1} {
			b.Run(fmt.Sprintf("operations=%d/unknown=%d%%", n, unknown), func(b *testing.B) {
				s := &simulation{Rand: rand.New(rand.NewPCG(1, 1)), keys: 20, clients: 20, unique: true, unknown: unknown}
				ops := s.history(n)
				for b.Loop() {
					if _, ok := StoreFor(ops).Witness(ops); !ok {
						b.Fatal("undecided")
					}
				}
			})
		}
	}
}

// TestStoreStatesDiffer checks that states which later answers could tell apart are not equal.
func TestStoreStatesDiffer(t *testing.T) {
	var keys, other *keyspace
	keys, other = keys.put(entry{key: "a", mod: 2}), other.put(entry{key: "a", mod: 3})
	state := StoreState{revision: 3, compacted: -1, keys: keys, leases: other, past: &past{revision: 2, keys: keys}}
	require.True(t, state.Equal(state))
	for name, change := range map[string]func(*StoreState){
		"revision":   func(s *StoreState) { s.revision++ },
		"compaction": func(s *StoreState) { s.compacted++ },
		"keys":       func(s *StoreState) { s.keys = other },
		"leases":     func(s *StoreState) { s.leases = nil },
		"no past":    func(s *StoreState) { s.past = nil },
		"other past": func(s *StoreState) { s.past = &past{revision: 2, keys: other} },
		"older past": func(s *StoreState) { s.past = &past{revision: 1, keys: keys} },
	} {
		changed := state
		change(&changed)
		require.False(t, state.Equal(changed), name)
		require.False(t, changed.Equal(state), name)
	}
}

// TestRefusedTransactionHasNoEffect checks an unknown outcome whose second step the store must have refused.
func TestRefusedTransactionHasNoEffect(t *testing.T) {
	o := Op{Operation: &history.Operation{Kind: history.Transact, Transaction: &history.Transaction{
		Kind: history.Steps, Then: []history.Step{{Kind: history.Put, Key: "a", Value: "1"}, {Kind: history.Put, Key: "b", Value: "1", Lease: 9}},
	}}}
	store := StoreFor([]Op{o})
	next, ok := store.Step(store.Start(), o)
	require.True(t, ok)
	require.True(t, next.Equal(store.Start()))
}

// TestWitnessOrdersCompactions checks concurrent compactions, of which the one to the older revision must come first, and
// before the read that the newer one made impossible.
func TestWitnessOrdersCompactions(t *testing.T) {
	var ops []Op
	add := func(invoke, back int64, revision uint64, x history.Transaction) {
		x.Answered = true
		ops = append(ops, Op{Operation: &history.Operation{Kind: history.Transact, Outcome: history.Done, Invoke: invoke, Return: back, Revision: revision, Transaction: &x}})
	}
	put := history.Transaction{Kind: history.Steps, Then: []history.Step{{Kind: history.Put, Key: "a"}}, Succeeded: true, Results: []history.StepResult{{}}}
	for i := range int64(4) {
		add(10*i, 10*i+5, uint64(i+2), put)
	}
	add(100, 900, 0, history.Transaction{Kind: history.Compact, Revision: 3})
	add(100, 800, 0, history.Transaction{Kind: history.Compact, Revision: 4})
	add(120, 300, 0, history.Transaction{Kind: history.Steps, Then: []history.Step{{Kind: history.Get, Key: "a", Revision: 3}}, Failure: history.Compacted})
	add(400, 500, 6, put)
	order, ok := StoreFor(ops).Witness(ops)
	require.True(t, ok)
	require.Equal(t, []int32{0, 1, 2, 3, 4, 5, 6, 7}, order)
}
