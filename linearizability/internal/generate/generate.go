// Package generate makes histories from seeds, for tests and benchmarks.
//
// History simulates a linearizable store: every operation gets a hidden point between its invocation and its return, and the
// operations are applied to one copy in the order of their points. What it returns is therefore linearizable, and under a
// contract its revisions are sound. Mutate plants one fault in a copy, after which the history may be linearizable or not.
//
// The same seed and shape give the same history.
package generate

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// durationMean is how long an operation takes on average, in nanoseconds.
const durationMean = 1000

// lateDurations is how many durations later a late write of unknown outcome takes effect on average.
const lateDurations = 20

// Shape says what a history looks like. Shares are from 0 to 1. Weights count against each other; a weight of 0 leaves that
// kind out, and if all are 0 it is half gets, half puts.
type Shape struct {
	Operations int
	Keys       int // 0: 1
	Clients    int // 0: 1
	// Overlap is the share of its time that a client waits for an answer, so that about Clients*Overlap operations run at
	// any time. 0: 1.
	Overlap float64

	Gets, Puts, Deletes, Appends                      float64 // weights
	Creates, Updates, CompareValues, CompareRevisions float64 // weights: puts if absent, if present, if equal, if at a revision
	CompareDeletes                                    float64 // weight: deletes if equal
	Stale                                             float64 // share of gets
	Unknown, Refused                                  float64 // shares of operations
	Lost                                              float64 // share of unknown operations that never take effect
	Late                                              float64 // share of the other unknown ones that take effect long after
	Blind                                             float64 // share of failed conditions that do not tell what they met
	Existed                                           float64 // share of puts and deletes that tell whether the key was there
	Revisions                                         history.Revisions
	Distinct                                          bool  // no value is attempted twice; otherwise one of Values
	Values                                            int   // 0: 5
	Grain                                             int64 // times are multiples of it, in nanoseconds, so that many are equal; 0: 1
}

// interval is when an operation runs and when it takes effect.
type interval struct {
	invoke, point, back int64
	client              int32
	unknown, lost       bool
}

// key is what the store knows of one key.
type key struct {
	name        string
	value       history.Value
	revision    uint64
	oldValue    history.Value // before the last change
	oldRevision uint64
	oldStore    uint64
	told        uint64 // the newest revision of the key that a result told
	toldBefore  uint64
}

// store is the simulated copy.
type store struct {
	shape    Shape
	random   *rand.Rand
	keys     []key
	revision uint64
	values   int
	kinds    [9]float64 // running sums of the weights
}

// The kinds of operations, as places in store.kinds.
const (
	get = iota
	put
	remove
	add
	create
	update
	compareValue
	compareRevision
	compareDelete
)

// History returns a linearizable history of the shape.
func History(seed uint64, shape Shape) *history.History {
	s := newStore(seed, shape)
	plan := s.plan()
	h := &history.History{
		Origin:     history.Origin{Format: "generated", Store: "generate", Seed: seed, HasSeed: true, Revisions: shape.Revisions},
		Operations: make([]history.Operation, len(plan)),
	}
	for _, i := range byPoint(plan) {
		s.operate(&h.Operations[i], plan[i])
	}
	return h
}

func newStore(seed uint64, shape Shape) *store {
	shape.Keys, shape.Clients, shape.Values = max(shape.Keys, 1), max(shape.Clients, 1), max(shape.Values, 0)
	if shape.Values == 0 {
		shape.Values = 5
	}
	if shape.Overlap <= 0 || shape.Overlap > 1 {
		shape.Overlap = 1
	}
	shape.Grain = max(shape.Grain, 1)
	s := &store{shape: shape, random: rand.New(rand.NewPCG(seed, 0x6c6f636b73746570)), keys: make([]key, shape.Keys)}
	for i := range s.keys {
		s.keys[i].name = "k" + strconv.Itoa(i)
	}
	weights := [...]float64{
		get: shape.Gets, put: shape.Puts, remove: shape.Deletes, add: shape.Appends, create: shape.Creates, update: shape.Updates,
		compareValue: shape.CompareValues, compareRevision: shape.CompareRevisions, compareDelete: shape.CompareDeletes,
	}
	if shape.Revisions == history.NoRevisions {
		weights[compareRevision] = 0
	}
	sum := 0.0
	for i, w := range weights {
		sum += w
		s.kinds[i] = sum
	}
	if sum == 0 {
		s.kinds = [9]float64{0.5, 1, 1, 1, 1, 1, 1, 1, 1}
	}
	return s
}

// plan decides when operations run, ordered by invocation. Each client runs one after the other; one that is left without an
// answer goes on under another number, as a client does that gives up a session.
func (s *store) plan() []interval {
	clients := int32(s.shape.Clients)
	plan := make([]interval, 0, s.shape.Operations)
	pause := durationMean * (1 - s.shape.Overlap) / s.shape.Overlap
	for c := range clients {
		share := s.shape.Operations / int(clients)
		if int(c) < s.shape.Operations%int(clients) {
			share++
		}
		number, now := c, int64(s.random.Float64()*durationMean)
		for range share {
			i := interval{invoke: now, client: number}
			i.back = now + int64(s.random.ExpFloat64()*durationMean)
			i.point = now + int64(s.random.Float64()*float64(i.back-now))
			now = i.back + 1 + int64(s.random.ExpFloat64()*pause)
			if s.random.Float64() < s.shape.Unknown {
				number += clients
				s.forget(&i)
			}
			grain := s.shape.Grain
			i.invoke -= i.invoke % grain
			if i.back != history.Forever {
				i.back -= i.back % grain
			}
			plan = append(plan, i)
		}
	}
	slices.SortFunc(plan, func(a, b interval) int {
		if a.invoke != b.invoke {
			return cmp.Compare(a.invoke, b.invoke)
		}
		return cmp.Compare(a.client, b.client)
	})
	return plan
}

// forget makes the outcome unknown.
func (s *store) forget(i *interval) {
	i.unknown, i.back = true, history.Forever
	i.lost = s.random.Float64() < s.shape.Lost
	if s.random.Float64() < s.shape.Late {
		i.point += int64(s.random.ExpFloat64() * lateDurations * durationMean)
	}
}

// byPoint returns the intervals, as indices, in the order in which they take effect.
func byPoint(plan []interval) []int32 {
	order := make([]int32, len(plan))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if plan[a].point != plan[b].point {
			return cmp.Compare(plan[a].point, plan[b].point)
		}
		return cmp.Compare(a, b)
	})
	return order
}

// operate chooses an operation, applies it and fills in its result.
func (s *store) operate(o *history.Operation, i interval) {
	k := &s.keys[s.random.IntN(len(s.keys))]
	*o = history.Operation{Client: i.client, Key: k.name, Invoke: i.invoke, Return: i.back, Outcome: history.Done}
	s.ask(o, k)
	refused := s.random.Float64() < s.shape.Refused
	switch {
	case i.unknown:
		o.Outcome = history.Unknown
		if !i.lost && holds(k, o.Condition) {
			s.apply(o, k)
		}
	case refused:
		o.Outcome = history.Refused
	case o.Kind == history.Get && s.random.Float64() < s.shape.Stale:
		s.readOld(o, k)
	default:
		s.answer(o, k)
	}
}

// ask chooses what to ask for.
func (s *store) ask(o *history.Operation, k *key) {
	pick := s.random.Float64() * s.kinds[len(s.kinds)-1]
	kind := 0
	for kind < len(s.kinds)-1 && pick >= s.kinds[kind] {
		kind++
	}
	o.Kind = [...]history.Kind{
		get: history.Get, put: history.Put, remove: history.Delete, add: history.Append, create: history.Put,
		update: history.Put, compareValue: history.Put, compareRevision: history.Put, compareDelete: history.Delete,
	}[kind]
	if o.Kind == history.Put || o.Kind == history.Append {
		o.Value = s.newValue()
	}
	switch kind {
	case create:
		o.Condition.Kind = history.MustNotExist
	case update:
		o.Condition.Kind = history.MustExist
	case compareValue, compareDelete:
		o.Condition = history.Condition{Kind: history.ValueEquals, Value: s.guess(k)}
	case compareRevision:
		// Clients know no other revisions than those in results.
		o.Condition = history.Condition{Kind: history.RevisionEquals, Revision: k.told}
		if s.random.Float64() < 0.3 {
			o.Condition.Revision = k.toldBefore
		}
	}
}

func (s *store) newValue() history.Value {
	if s.shape.Distinct {
		s.values++
		return history.Of("v" + strconv.Itoa(s.values))
	}
	return history.Of("v" + strconv.Itoa(s.random.IntN(s.shape.Values)))
}

// guess returns what a compare-and-set expects: mostly what is there.
func (s *store) guess(k *key) history.Value {
	switch pick := s.random.Float64(); {
	case pick < 0.6:
		return k.value
	case pick < 0.8 || s.shape.Distinct:
		return k.oldValue
	}
	return s.newValue()
}

// answer applies an operation and tells its result.
func (s *store) answer(o *history.Operation, k *key) {
	revisions := s.shape.Revisions != history.NoRevisions
	switch {
	case o.Kind == history.Get:
		o.Observed, o.HasObserved = k.value, true
	case !holds(k, o.Condition):
		o.Outcome = history.ConditionFailed
		if s.random.Float64() >= s.shape.Blind {
			o.Observed, o.HasObserved = k.value, true
		}
	default:
		// A store whose deletes have revisions says whether they deleted anything.
		if s.random.Float64() < s.shape.Existed || revisions && o.Kind == history.Delete {
			o.Existed = existed(o, k)
		}
		s.apply(o, k)
	}
	if !revisions {
		return
	}
	o.Revision = s.revision
	if o.HasObserved {
		o.KeyRevision = k.revision
	}
	if (o.HasObserved || o.Writes()) && k.told != k.revision {
		k.told, k.toldBefore = k.revision, k.told
	}
}

func existed(o *history.Operation, k *key) history.Existed {
	switch {
	case o.Kind == history.Append:
		return history.NotSaid
	case k.value.Present:
		return history.Yes
	}
	return history.No
}

// readOld answers a stale read by what the key held before its last change, or holds.
func (s *store) readOld(o *history.Operation, k *key) {
	o.Stale, o.HasObserved = true, true
	now := s.random.Float64() < 0.5
	o.Observed = k.oldValue
	if now {
		o.Observed = k.value
	}
	if s.shape.Revisions == history.NoRevisions {
		return
	}
	o.Revision, o.KeyRevision = k.oldStore, k.oldRevision
	if now {
		o.Revision, o.KeyRevision = s.revision, k.revision
	}
}

// apply changes the key, if the operation does.
func (s *store) apply(o *history.Operation, k *key) {
	if o.Kind == history.Get || o.Kind == history.Delete && !k.value.Present {
		return
	}
	k.oldValue, k.oldRevision, k.oldStore = k.value, k.revision, s.revision
	s.revision++
	k.revision = s.revision
	switch o.Kind {
	case history.Put:
		k.value = o.Value
	case history.Append:
		k.value = history.Of(k.value.Data + o.Value.Data)
	case history.Delete:
		k.value, k.revision = history.Absent, 0
	}
}

func holds(k *key, c history.Condition) bool {
	switch c.Kind {
	case history.MustNotExist:
		return !k.value.Present
	case history.MustExist:
		return k.value.Present
	case history.ValueEquals:
		return k.value == c.Value
	case history.RevisionEquals:
		return k.revision == c.Revision
	}
	return true
}
