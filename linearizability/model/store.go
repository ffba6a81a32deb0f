package model

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// Store is the specification of a whole store with transactions, ranges, leases and one revision over all keys: that of
// etcd, from what its API promises. It judges a partition of Transact operations, which Key can't.
//
// The store starts empty at revision 1. Whatever changes keys makes the next revision, without gaps, and every result tells
// the revision at which it was evaluated; that is part of the result, as it is for etcd's own checker. Leases live until
// they are revoked: a lease that expires during the run deletes keys without an operation that says so, and then the history
// does not fit. Compact makes older revisions unreadable; Defragment does nothing.
//
// To search, use StoreFor(ops) with Start, Step, StoreState.Hash and StoreState.Equal as the model's functions over states
// of type StoreState and inputs of type Op, in one partition. As with Key, an operation of unknown outcome always fits, and
// one that never took effect fits after all others. Try Witness first: it decides nearly every real history.
type Store struct {
	// asked holds the old revisions that some operation reads, ascending. States remember these and no others.
	asked []int64
}

// StoreState is what a store holds between two operations. It is immutable. The zero StoreState is none: see Store.Start.
type StoreState struct {
	revision  int64
	compacted int64 // the oldest revision that can be read; -1 before the first compaction, as revision 0 can be compacted to
	keys      *keyspace
	leases    *keyspace // keyed by leaseKey
	past      *past
}

// past holds the keys at an old revision that somebody asks for.
type past struct {
	revision int64
	keys     *keyspace
	older    *past
	digest   uint64
}

// revisionFirst is the revision of an empty store.
const revisionFirst = 1

// StoreFor returns the specification for the operations of a history. All of them must be Transact.
func StoreFor(ops []Op) Store {
	var asked []int64
	for _, o := range ops {
		for _, steps := range [][]history.Step{o.Transaction.Then, o.Transaction.Else} {
			for i := range steps {
				if steps[i].Revision > 0 {
					asked = append(asked, steps[i].Revision)
				}
			}
		}
	}
	slices.Sort(asked)
	return Store{asked: slices.Compact(asked)}
}

// PrepareStore selects the operations of a partition that constrain: not the refused, nor reads of unknown outcome. It fails
// if one of them is no Transact.
func PrepareStore(h *history.History, indices []int32) (Prepared, error) {
	p := Prepared{Ops: make([]Op, 0, len(indices)), Index: make([]int32, 0, len(indices))}
	for _, i := range indices {
		o := &h.Operations[i]
		if o.Kind != history.Transact || o.Transaction == nil {
			return Prepared{}, fmt.Errorf("operation %d (%s) is no transaction, but others on %s are", i, o.Call(), history.Text(o.Key))
		}
		if !o.Constrains() || o.Outcome == history.Unknown && !o.Transaction.MayWrite() {
			continue
		}
		p.Ops = append(p.Ops, Op{Operation: o})
		p.Index = append(p.Index, i)
	}
	return p, nil
}

// Start returns the state before the first operation.
func (m Store) Start() StoreState { return StoreState{revision: revisionFirst, compacted: -1} }

// Revision returns the newest revision.
func (s StoreState) Revision() int64 { return s.revision }

// Hash returns a hash of the state.
func (s StoreState) Hash() uint64 {
	h := hashWord(uint64(s.revision), uint64(s.compacted))
	h = hashWord(h, s.keys.sum())
	h = hashWord(h, s.leases.sum())
	return hashWord(h, s.past.sum())
}

// Equal says that two states hold the same.
func (s StoreState) Equal(other StoreState) bool {
	return s.revision == other.revision && s.compacted == other.compacted &&
		s.keys.equal(other.keys) && s.leases.equal(other.leases) && s.past.equal(other.past)
}

// sum returns a hash of the old revisions.
func (p *past) sum() uint64 {
	if p == nil {
		return 0
	}
	return p.digest
}

// equal compares two lists of old revisions.
func (p *past) equal(other *past) bool {
	for p != other {
		if p == nil || other == nil || p.digest != other.digest || p.revision != other.revision || !p.keys.equal(other.keys) {
			return false
		}
		p, other = p.older, other.older
	}
	return true
}

// leaseKey returns the key of a lease among leases.
func leaseKey(lease int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(lease)))
}

// hasLease says that a lease lives.
func (s *StoreState) hasLease(lease int64) bool {
	_, ok := s.leases.get(leaseKey(lease))
	return ok
}

// Step applies a transaction and says whether its result fits the state. The operation must constrain. One of unknown
// outcome always fits: where it would have been refused it has no effect.
func (m Store) Step(s StoreState, o Op) (StoreState, bool) {
	t := o.Transaction
	if o.Outcome == history.Unknown {
		next, _ := m.carryOut(s, t, false)
		return next, true
	}
	next, ok := m.carryOut(s, t, t.Answered)
	if !ok {
		return s, false
	}
	return next, o.Revision == 0 || t.Kind == history.Compact || t.Kind == history.Defragment || o.Revision == uint64(next.revision)
}

// carryOut returns the state after a transaction. With check it fails where the answer is another than the store would
// give; without, the transaction has the effect that it has, and where it would have been refused none.
func (m Store) carryOut(s StoreState, t *history.Transaction, check bool) (StoreState, bool) {
	switch t.Kind {
	case history.Steps:
		return m.steps(s, t, check)
	case history.GrantLease:
		return s.grant(t, check)
	case history.RevokeLease:
		return m.revoke(s, t, check)
	case history.Compact:
		return s.compact(t, check)
	}
	return s, true
}

// grant adds a lease. A client without the lease's id can't have used it.
func (s StoreState) grant(t *history.Transaction, check bool) (StoreState, bool) {
	if t.Lease == 0 {
		return s, true
	}
	if s.hasLease(t.Lease) {
		return s, !check
	}
	s.leases = s.leases.put(entry{key: leaseKey(t.Lease)})
	return s, true
}

// revoke removes a lease and its keys, under one revision.
func (m Store) revoke(s StoreState, t *history.Transaction, check bool) (StoreState, bool) {
	if !s.hasLease(t.Lease) {
		return s, !check
	}
	keys := s.keys
	keys.visit("", "", func(e *entry) bool {
		if e.lease == t.Lease {
			s.keys = s.keys.remove(e.key)
		}
		return true
	})
	s.leases = s.leases.remove(leaseKey(t.Lease))
	if s.keys == keys {
		return s, true
	}
	return m.written(s, keys), true
}

// written returns a state whose keys have just changed with the revision that this makes. before are the keys until then.
func (m Store) written(s StoreState, before *keyspace) StoreState {
	if _, ok := slices.BinarySearch(m.asked, s.revision); ok {
		digest := hashWord(hashWord(s.past.sum(), uint64(s.revision)), before.sum())
		s.past = &past{revision: s.revision, keys: before, older: s.past, digest: digest}
	}
	s.revision++
	return s
}

// compact makes revisions unreadable.
func (s StoreState) compact(t *history.Transaction, check bool) (StoreState, bool) {
	failure := history.NoFailure
	switch {
	case t.Revision <= s.compacted:
		failure = history.Compacted
	case t.Revision > s.revision:
		failure = history.FutureRevision
	}
	if check && failure != t.Failure {
		return s, false
	}
	if failure == history.NoFailure {
		s.compacted = t.Revision
	}
	return s, true
}

// steps compares and runs.
func (m Store) steps(s StoreState, t *history.Transaction, check bool) (StoreState, bool) {
	ran := t.Else
	succeeded := s.compare(t.Compares)
	if succeeded {
		ran = t.Then
	}
	if check && t.Failure != history.NoFailure {
		return s, s.failure(ran) == t.Failure
	}
	if check && (succeeded != t.Succeeded || len(ran) != len(t.Results)) {
		return s, false
	}
	r := running{StoreState: s, before: s.keys, check: check}
	for i := range ran {
		var result *history.StepResult
		if check {
			result = &t.Results[i]
		}
		if !r.step(&ran[i], result) {
			return s, !check
		}
	}
	if !r.changed {
		return s, true
	}
	return m.written(r.StoreState, s.keys), true
}

// compare says whether all comparisons hold.
func (s *StoreState) compare(compares []history.Compare) bool {
	for i := range compares {
		e, present := s.keys.get(compares[i].Key)
		if !compareHolds(&compares[i], &e, present) {
			return false
		}
	}
	return true
}

// compareHolds says whether one comparison holds of a key; e is the zero entry of an absent one.
func compareHolds(c *history.Compare, e *entry, present bool) bool {
	switch c.Target {
	case history.KeyValue:
		return present && related(c.Relation, e.value, c.Value)
	case history.ModRevision:
		return related(c.Relation, e.mod, c.Number)
	case history.CreateRevision:
		return related(c.Relation, e.create, c.Number)
	case history.Version:
		return related(c.Relation, e.version, c.Number)
	case history.KeyLease:
		return related(c.Relation, e.lease, c.Number)
	}
	panic(fmt.Sprintf("comparison with %s", c.Target))
}

// related says whether two operands stand in a relation.
func related[T int64 | string](r history.Relation, a, b T) bool {
	switch r {
	case history.Equal:
		return a == b
	case history.NotEqual:
		return a != b
	case history.Less:
		return a < b
	case history.Greater:
		return a > b
	}
	panic(fmt.Sprintf("comparison by %s", r))
}

// failure returns why the store would refuse to run steps.
func (s *StoreState) failure(steps []history.Step) history.Failure {
	for i := range steps {
		switch revision := steps[i].Revision; {
		case steps[i].Kind != history.Get || revision <= 0:
		case revision > s.revision:
			return history.FutureRevision
		case revision < s.compacted:
			return history.Compacted
		}
	}
	return history.NoFailure
}

// running is a transaction that is being run. Its steps see what those before them wrote.
type running struct {
	StoreState
	before  *keyspace // the keys when it began
	check   bool
	changed bool
}

// step runs a step and says whether the store accepts it and, if result is not nil, answers so.
func (r *running) step(s *history.Step, result *history.StepResult) bool {
	switch s.Kind {
	case history.Put:
		return r.put(s) && (result == nil || result.Deleted == 0 && readNothing(result))
	case history.Delete:
		deleted := r.delete(s)
		return result == nil || result.Deleted == deleted && readNothing(result)
	}
	keys, ok := r.at(s.Revision)
	if !ok || result == nil {
		return ok
	}
	return result.Deleted == 0 && answers(keys, s, result)
}

// readNothing says that a result shows no keys.
func readNothing(r *history.StepResult) bool { return len(r.Pairs) == 0 && r.Count == 0 }

// put writes a key. It fails if the lease does not live.
func (r *running) put(s *history.Step) bool {
	if s.Lease != 0 && !r.hasLease(s.Lease) {
		return false
	}
	revision := r.revision + 1
	e, present := r.keys.get(s.Key)
	if !present {
		e = entry{key: s.Key, create: revision}
	}
	e.value, e.mod, e.lease = s.Value, revision, s.Lease
	e.version++
	r.keys = r.keys.put(e)
	r.changed = true
	return true
}

// delete removes keys and returns how many there were.
func (r *running) delete(s *history.Step) int64 {
	n := int64(0)
	r.keys.visit(s.Key, rangeEnd(s), func(e *entry) bool {
		r.keys = r.keys.remove(e.key)
		n++
		return true
	})
	r.changed = r.changed || n > 0
	return n
}

// rangeEnd returns where a step's keys end as keyspace means it.
func rangeEnd(s *history.Step) string {
	switch s.End {
	case "":
		return s.Key + "\x00"
	case history.AllKeys:
		return ""
	}
	return s.End
}

// at returns the keys at a revision; 0 or less asks for the current one. It fails if they can't be read.
func (r *running) at(revision int64) (*keyspace, bool) {
	switch {
	case revision <= 0:
		return r.keys, true
	case revision > r.revision || revision < r.compacted:
		return nil, false
	case revision == r.revision:
		return r.before, true
	case revision < revisionFirst:
		return nil, true
	}
	for p := r.past; p != nil; p = p.older {
		if p.revision == revision {
			return p.keys, true
		}
	}
	panic(fmt.Sprintf("revision %d is not among those that the store was made for: %v", revision, r.revisions()))
}

// revisions returns the old revisions that a state remembers.
func (s *StoreState) revisions() []int64 {
	var all []int64
	for p := s.past; p != nil; p = p.older {
		all = append(all, p.revision)
	}
	return all
}

// answers says whether a read of keys returns a result.
func answers(keys *keyspace, s *history.Step, result *history.StepResult) bool {
	end := rangeEnd(s)
	count := int64(keys.count(s.Key, end))
	expected := count
	if s.Limit > 0 {
		expected = min(expected, s.Limit)
	}
	if s.CountOnly {
		expected = 0
	}
	if result.Count != count || int64(len(result.Pairs)) != expected {
		return false
	}
	ok, i := true, 0
	keys.visit(s.Key, end, func(e *entry) bool {
		if i == len(result.Pairs) {
			return false
		}
		ok = e.is(&result.Pairs[i])
		i++
		return ok
	})
	return ok
}

// is says whether a pair shows the entry.
func (e *entry) is(p *history.Pair) bool {
	return e.key == p.Key && e.value == p.Value && (p.Revision == 0 || p.Revision == e.mod) && (p.Version == 0 || p.Version == e.version)
}

// Replay verifies that an order is a linearization, as Key.Replay does.
func (m Store) Replay(ops []Op, order []int32) error {
	return replay(m.Start(), m.Step, func(s StoreState) string { return fmt.Sprintf("the store at revision %d", s.revision) }, ops, order)
}
