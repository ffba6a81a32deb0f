package witness

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// load is a run of a correct store: one copy with revisions over all keys, used by clients whose operations take effect at
// hidden moments. Rates are in percent of the operations.
type load struct {
	seed               uint64
	clients, keys      int
	operations         int
	ticks              int64 // the longest operation
	lateTicks          int64 // how long after its call an operation of unknown outcome may still take effect
	unknown, refused   int
	stale, conditional int
	rich               bool // also appends and compare-and-set by value, which Lockstep lacks
	repeated           bool // values repeat
	mute               int  // results that lose some of what they tell
	blindFailures      bool // failed conditions do not tell the value, as in Lockstep
	initial            history.Value
	base               uint64 // the revision before the first operation
}

// store is the copy.
type store struct {
	load
	random   *rand.Rand
	revision uint64
	keys     []record
	clients  []map[int]uint64 // what each knows of the keys' revisions
	events   events
	ops      []history.Operation
	number   int
}

// record is a key: its versions, oldest first.
type record struct{ versions []version }

type version struct {
	value    history.Value
	revision uint64 // at which it came
	mod      uint64 // 0 if absent
}

func (r *record) now() version { return r.versions[len(r.versions)-1] }

func (r *record) at(revision uint64) version {
	for _, v := range slices.Backward(r.versions) {
		if v.revision <= revision {
			return v
		}
	}
	panic("no version")
}

// event is a call by a client, or the moment at which an operation takes effect.
type event struct {
	at     int64
	tie    uint32
	client int // of a call
	op     int // -1: a call
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].tie < e[j].tie
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// run makes the history.
func (l load) run() *history.History {
	s := &store{load: l, random: rand.New(rand.NewPCG(l.seed, 1)), revision: l.base}
	s.keys = make([]record, l.keys)
	for k := range s.keys {
		s.keys[k].versions = []version{{value: l.initial}}
	}
	for c := range l.clients {
		s.clients = append(s.clients, map[int]uint64{})
		s.push(event{at: s.random.Int64N(l.ticks + 1), client: c, op: -1})
	}
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(event)
		if e.op >= 0 {
			s.effect(e.op)
		} else if len(s.ops) < l.operations {
			s.call(e)
		}
	}
	h := &history.History{Operations: s.ops}
	h.Origin.Revisions = history.Contract
	h.Origin.Initial = l.initial
	h.Sort()
	return h
}

func (s *store) push(e event) {
	e.tie = s.random.Uint32()
	heap.Push(&s.events, e)
}

func (s *store) chance(percent int) bool { return s.random.IntN(100) < percent }

// call starts an operation and schedules its effect and the client's next call.
func (s *store) call(e event) {
	key := s.random.IntN(len(s.keys))
	o := s.request(e.client, key)
	o.Client, o.Key, o.Invoke = int32(e.client), "k"+strconv.Itoa(key), e.at
	took := s.random.Int64N(s.ticks + 1)
	o.Return = e.at + took
	effect := e.at + s.random.Int64N(took+1)
	o.Outcome = history.Done
	switch {
	case s.chance(s.unknown):
		o.Outcome, o.Return = history.Unknown, history.Forever
		effect = e.at + s.random.Int64N(s.lateTicks+1)
		if s.chance(40) {
			effect = -1
		}
	case s.chance(s.refused):
		o.Outcome, effect = history.Refused, -1
	}
	s.ops = append(s.ops, o)
	if effect >= 0 {
		s.push(event{at: effect, op: len(s.ops) - 1})
	}
	s.push(event{at: e.at + took + s.random.Int64N(3), client: e.client, op: -1})
}

// request chooses what to ask.
func (s *store) request(client, key int) history.Operation {
	o := history.Operation{Kind: history.Get}
	switch n := s.random.IntN(10); {
	case n < 5:
		o.Stale = s.chance(s.stale)
		return o
	case n < 8:
		o.Kind, o.Value = history.Put, s.value()
		if s.rich && s.chance(15) {
			o.Kind = history.Append
		}
	default:
		o.Kind = history.Delete
	}
	if s.chance(s.conditional) {
		o.Condition = s.condition(client, key)
	}
	return o
}

func (s *store) value() history.Value {
	s.number++
	if s.repeated {
		return history.Of("v" + strconv.Itoa(s.random.IntN(3)))
	}
	return history.Of("v" + strconv.Itoa(s.number))
}

func (s *store) condition(client, key int) history.Condition {
	choices := 4
	if s.rich {
		choices = 5
	}
	switch s.random.IntN(choices) {
	case 0:
		return history.Condition{Kind: history.MustNotExist}
	case 1:
		return history.Condition{Kind: history.MustExist}
	case 4:
		return history.Condition{Kind: history.ValueEquals, Value: s.keys[key].at(uint64(s.random.Int64N(int64(s.revision) + 1))).value}
	}
	return history.Condition{Kind: history.RevisionEquals, Revision: s.clients[client][key]}
}

// effect lets an operation take effect, and notes its result.
func (s *store) effect(i int) {
	o := &s.ops[i]
	key, _ := strconv.Atoi(o.Key[1:])
	r := &s.keys[key]
	was := r.now()
	if o.Stale {
		lag := min(s.revision-s.base, uint64(s.random.IntN(6)))
		s.read(o, r.at(s.revision-lag), s.revision-lag)
	} else if o.Kind == history.Get {
		s.read(o, was, s.revision)
	} else if !meets(o.Condition, was) {
		s.fail(o, was)
	} else {
		s.write(o, r, was)
	}
	if o.Outcome == history.Unknown {
		o.Observed, o.HasObserved, o.Revision, o.KeyRevision, o.Existed = history.Value{}, false, 0, 0, history.NotSaid
		return
	}
	if o.Stale {
		s.clients[o.Client][key] = o.KeyRevision
	} else {
		s.clients[o.Client][key] = r.now().mod
	}
	if s.chance(s.mute) {
		s.forget(o)
	}
}

func meets(c history.Condition, was version) bool {
	switch c.Kind {
	case history.MustNotExist:
		return !was.value.Present
	case history.MustExist:
		return was.value.Present
	case history.ValueEquals:
		return was.value == c.Value
	case history.RevisionEquals:
		return was.mod == c.Revision && was.value.Present == (c.Revision != 0)
	}
	return true
}

func (s *store) read(o *history.Operation, v version, revision uint64) {
	o.Observed, o.HasObserved, o.Revision, o.KeyRevision = v.value, true, revision, v.mod
}

func (s *store) fail(o *history.Operation, was version) {
	if o.Outcome == history.Unknown {
		return
	}
	o.Outcome = history.ConditionFailed
	s.read(o, was, s.revision)
	if s.blindFailures && was.value.Present {
		o.Observed, o.HasObserved = history.Value{}, false
	}
}

func (s *store) write(o *history.Operation, r *record, was version) {
	o.Existed = history.No
	if was.value.Present {
		o.Existed = history.Yes
	}
	now := version{}
	switch o.Kind {
	case history.Put:
		now.value = o.Value
	case history.Append:
		now.value = history.Of(was.value.Data + o.Value.Data)
		o.Existed = history.NotSaid
	case history.Delete:
		if !was.value.Present {
			o.Revision = s.revision
			return
		}
	}
	s.revision++
	o.Revision, now.revision = s.revision, s.revision
	if now.value.Present {
		now.mod = s.revision
	}
	r.versions = append(r.versions, now)
}

// forget takes something from a result.
func (s *store) forget(o *history.Operation) {
	switch s.random.IntN(5) {
	case 0:
		o.Existed = history.NotSaid
	case 1:
		o.KeyRevision = 0
	case 2:
		o.Revision = 0
	case 3:
		o.Revision, o.KeyRevision = 0, 0
	case 4:
		if o.Outcome == history.ConditionFailed {
			o.HasObserved, o.Observed = false, history.Value{}
		}
	}
}
