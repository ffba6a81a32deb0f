package policy

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// modelSession is a session as the store keeps it: a floor, and the results above it.
type modelSession struct {
	floor   uint64
	results map[uint64]int // sequence number to result
}

// modelStore is a store with exactly-once sessions, as dumb as can be. Each write appends its name to a log; a result is
// the place in that log.
type modelStore struct {
	window   uint64
	log      []string
	opened   map[[NonceBytes]byte]uint64
	sessions map[uint64]*modelSession
	last     uint64
}

// envelope is a message on its way to the store, or the answer on its way back.
type envelope struct {
	run      *run
	attempt  uint32
	decision Decision
	answer   Answer
	result   int
}

// run is one operation and what became of it.
type run struct {
	name    string
	op      Operation
	told    bool
	outcome Outcome
	result  int
}

func (s *modelStore) evaluate(e *envelope) (Answer, int) {
	d := e.decision
	switch {
	case d.Action == Open:
		return s.open(d.Nonce), 0
	case e.run.op.Kind == Read:
		return Answer{Outcome: Done}, len(s.log)
	case d.Sequence == 0:
		s.log = append(s.log, e.run.name)
		return Answer{Outcome: Done}, len(s.log)
	}
	return s.write(d, e.run.name)
}

func (s *modelStore) open(nonce [NonceBytes]byte) Answer {
	id, ok := s.opened[nonce]
	if !ok || s.sessions[id] == nil {
		s.last++
		id = s.last
		s.opened[nonce] = id
		s.sessions[id] = &modelSession{floor: 1, results: map[uint64]int{}}
	}
	return Answer{Outcome: Done, Session: id, Window: s.window}
}

func (s *modelStore) write(d Decision, name string) (Answer, int) {
	session := s.sessions[d.Session]
	if session == nil {
		return Answer{Outcome: Refused, Reason: ReasonSessionExpired}, 0
	}
	session.floor = max(session.floor, d.Acknowledged)
	maps.DeleteFunc(session.results, func(n uint64, _ int) bool { return n < session.floor })
	if result, ok := session.results[d.Sequence]; ok {
		if s.log[result-1] != name {
			return Answer{Outcome: Refused, Reason: ReasonSequenceReused}, 0
		}
		return Answer{Outcome: Done}, result
	}
	if d.Sequence < session.floor {
		return Answer{Outcome: Refused, Reason: ReasonSequenceAcknowledged}, 0
	}
	if d.Sequence >= session.floor+s.window {
		return Answer{Outcome: Refused, Reason: ReasonSequenceOutOfWindow}, 0
	}
	s.log = append(s.log, name)
	session.results[d.Sequence] = len(s.log)
	return Answer{Outcome: Done}, len(s.log)
}

// world is a client, a store, and a network between them that loses, delays and reorders, but never duplicates.
type world struct {
	t        *rapid.T
	client   *Client
	store    modelStore
	now      int64
	runs     []*run
	requests []*envelope
	answers  []*envelope
	// impossible are answers that a right client never gets.
	impossible []string
}

func newWorld(t *rapid.T) *world {
	client, err := New(Config{
		Nodes: 3, Sessions: rapid.Bool().Draw(t, "sessions"), Identity: 1, BackoffMin: 10, BackoffMax: 40, AttemptTime: 100,
		AttemptsMax: rapid.IntRange(0, 6).Draw(t, "attemptsMax"),
		InFlightMax: rapid.IntRange(1, 6).Draw(t, "inFlightMax"), WaitingMax: 3,
	})
	require.NoError(t, err)
	return &world{t: t, client: client, store: modelStore{
		window: uint64(rapid.IntRange(0, 4).Draw(t, "window")),
		opened: map[[NonceBytes]byte]uint64{}, sessions: map[uint64]*modelSession{},
	}}
}

// random grows, so that every nonce is another one.
func (w *world) random() uint64 { w.now++; return uint64(w.now) }

// follow does what a decision says, and then what it made possible for others.
func (w *world) follow(r *run, d Decision, result int) {
	w.obey(r, d, result)
	for op := w.client.Ready(); op != nil; op = w.client.Ready() {
		w.obey(op.Owner.(*run), w.client.Wake(w.now, w.random(), op), 0)
	}
}

func (w *world) obey(r *run, d Decision, result int) {
	switch d.Action {
	case Send, Open:
		w.requests = append(w.requests, &envelope{run: r, attempt: d.Attempt, decision: d})
	case Finish:
		require.False(w.t, r.told, "%s is told twice", r.name)
		r.told, r.outcome, r.result = true, d.Outcome, result
	}
}

func (w *world) start(t *rapid.T) {
	r := &run{name: fmt.Sprintf("w%d", len(w.runs)), op: Operation{Kind: Write}}
	if rapid.IntRange(0, 4).Draw(t, "read") == 0 {
		r.op.Kind = Read
	}
	r.op.Sessionless = rapid.IntRange(0, 4).Draw(t, "sessionless") == 0
	r.op.Pinned = rapid.IntRange(0, 6).Draw(t, "pinned") == 0
	r.op.Owner = r
	if rapid.Bool().Draw(t, "hurried") {
		r.op.Deadline = w.now + 60
	}
	w.runs = append(w.runs, r)
	w.follow(r, w.client.Start(w.now, w.random(), &r.op), 0)
}

func take(t *rapid.T, from *[]*envelope) *envelope {
	if len(*from) == 0 {
		t.Skip("nothing is on its way")
	}
	i := rapid.IntRange(0, len(*from)-1).Draw(t, "envelope")
	e := (*from)[i]
	*from = slices.Delete(*from, i, i+1)
	return e
}

func (w *world) evaluate(e *envelope) {
	e.answer, e.result = w.store.evaluate(e)
	switch e.answer.Reason {
	case ReasonSequenceAcknowledged:
		if !e.run.told {
			w.impossible = append(w.impossible, e.run.name+" was acknowledged while it was under way")
		}
	case ReasonSequenceReused, ReasonSequenceOutOfWindow:
		if w.store.window > 0 {
			w.impossible = append(w.impossible, fmt.Sprintf("%s: %v", e.run.name, e.answer.Reason))
		}
	}
	w.answers = append(w.answers, e)
}

func (w *world) arrive(t *rapid.T) { w.evaluate(take(t, &w.requests)) }

// refuse answers a message that then never reaches the store.
func (w *world) refuse(t *rapid.T) {
	e := take(t, &w.requests)
	e.answer = Answer{Outcome: Refused, Reason: rapid.SampledFrom([]Reason{ReasonNotLeader, ReasonNoLeader, ReasonOverloaded,
		ReasonDataFull, ReasonStopping, ReasonSuperseded, ReasonUnreachable, ReasonDeadline, ReasonInvalid}).Draw(t, "reason")}
	e.answer.Hinted = rapid.Bool().Draw(t, "hinted")
	e.answer.Leader = rapid.IntRange(0, 3).Draw(t, "leader")
	w.answers = append(w.answers, e)
}

// forget answers unknown, and leaves the message on its way.
func (w *world) forget(t *rapid.T) {
	e := take(t, &w.requests)
	w.requests = append(w.requests, e)
	told := *e
	told.answer = Answer{Outcome: Unknown, Reason: ReasonOutcomeUnknown}
	w.answers = append(w.answers, &told)
}

func (w *world) answered(t *rapid.T) {
	e := take(t, &w.answers)
	w.now++
	w.follow(e.run, w.client.Answered(w.now, w.random(), &e.run.op, e.attempt, e.answer), e.result)
	if rapid.Bool().Draw(t, "twice") {
		w.follow(e.run, w.client.Answered(w.now, w.random(), &e.run.op, e.attempt, e.answer), e.result)
	}
}

// lose tells the client that an attempt has no answer. Its message may still arrive, and so may its answer.
func (w *world) lose(t *rapid.T) {
	r := w.choose(t)
	w.follow(r, w.client.Answered(w.now, w.random(), &r.op, r.op.attempt, LostAnswer()), 0)
}

func (w *world) expire(t *rapid.T) {
	r := w.choose(t)
	w.follow(r, w.client.Expired(w.now, &r.op, w.withdraw(t, r)), 0)
}

// withdraw takes back the last attempt's message, if that is still on its way, and says whether it did.
func (w *world) withdraw(t *rapid.T, r *run) bool {
	if rapid.Bool().Draw(t, "withdraw") {
		for i, e := range w.requests {
			if e.run == r && e.attempt == r.op.attempt {
				w.requests = slices.Delete(w.requests, i, i+1)
				return true
			}
		}
	}
	return false
}

func (w *world) pass(t *rapid.T) {
	w.now += int64(rapid.IntRange(1, 50).Draw(t, "time"))
	for _, r := range w.runs {
		if r.op.state == stateWaiting {
			w.follow(r, w.client.Wake(w.now, w.random(), &r.op), 0)
		}
	}
}

func (w *world) choose(t *rapid.T) *run {
	if len(w.runs) == 0 {
		t.Skip("no operation yet")
	}
	return w.runs[rapid.IntRange(0, len(w.runs)-1).Draw(t, "operation")]
}

// crash applies a message, loses its answer, and often the sessions, too.
func (w *world) crash(t *rapid.T) {
	e := take(t, &w.requests)
	w.store.evaluate(e)
	w.follow(e.run, w.client.Answered(w.now, w.random(), &e.run.op, e.attempt, LostAnswer()), 0)
	if rapid.Bool().Draw(t, "evict") {
		w.evict(t)
	}
}

// run delivers all that is on its way.
func (w *world) run(*rapid.T) { w.deliver() }

// evict removes every session from the store.
func (w *world) evict(*rapid.T) { clear(w.store.sessions) }

func (w *world) settle() {
	for _, r := range w.runs {
		w.follow(r, w.client.Expired(w.now, &r.op, false), 0)
	}
	for len(w.requests) > 0 { // late arrivals, in any order: the order of a queue is one
		e := w.requests[0]
		w.requests = w.requests[1:]
		w.evaluate(e)
	}
}

func (w *world) check(t *rapid.T) {
	require.Empty(t, w.impossible)
	for _, r := range w.runs {
		applied := 0
		for _, name := range w.store.log {
			if name == r.name {
				applied++
			}
		}
		require.LessOrEqual(t, applied, 1, "%s took effect more than once", r.name)
		if !r.told || r.op.Kind == Read {
			require.NotEqual(t, Unknown, r.outcome, "a read is unknown")
			continue
		}
		switch r.outcome {
		case Done:
			require.Equal(t, 1, applied, "%s is done", r.name)
			require.Equal(t, r.name, w.store.log[r.result-1], "result of %s", r.name)
		case Refused:
			require.Zero(t, applied, "%s is refused and took effect", r.name)
		}
	}
	require.LessOrEqual(t, w.client.running, w.client.config.InFlightMax)
}

// TestOutcomesAreTrue: done is exactly once, refused is never, not even later, unknown is at most once.
func TestOutcomesAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"start": w.start, "start too": w.start, "arrive": w.arrive, "arrive too": w.arrive, "answered": w.answered,
			"answered too": w.answered, "refuse": w.refuse, "forget": w.forget, "lose": w.lose, "expire": w.expire,
			"pass": w.pass, "evict": w.evict, "crash": w.crash, "run": w.run, "run too": w.run, "": w.check,
		})
		w.settle()
		w.check(t)
		require.Zero(t, w.client.running, "places are given back")
		require.Zero(t, w.client.waiting.length+w.client.numbers.length, "nobody is left parked")
		require.Nil(t, w.client.opener)
		require.Equal(t, w.client.session.next, w.client.session.floor, "numbers are given back")
	})
}

// TestEverythingEndsWhenTheNetworkIsWell: with faults over, every operation that goes on becomes done.
func TestEverythingEndsWhenTheNetworkIsWell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.client.config.AttemptsMax = 0
		t.Repeat(map[string]func(*rapid.T){
			"start": w.start, "arrive": w.arrive, "answered": w.answered, "refuse": w.refuse, "lose": w.lose,
			"pass": w.pass, "evict": w.evict, "": w.check,
		})
		w.heal()
		for _, r := range w.runs {
			require.True(t, r.told, "%s is not told: state %d", r.name, r.op.state)
		}
		w.check(t)
	})
}

// heal delivers everything until nothing moves. Attempts whose messages were lost are told so.
func (w *world) heal() {
	for range 20 * (len(w.runs) + 1) {
		for len(w.requests)+len(w.answers) > 0 {
			w.deliver()
		}
		w.now += 200
		for _, r := range w.runs {
			switch r.op.state {
			case stateSent:
				w.follow(r, w.client.Answered(w.now, w.random(), &r.op, r.op.attempt, LostAnswer()), 0)
			case stateWaiting:
				w.follow(r, w.client.Wake(w.now, w.random(), &r.op), 0)
			}
		}
	}
}

func (w *world) deliver() {
	for _, e := range w.requests {
		w.evaluate(e)
	}
	w.requests = nil
	answers := w.answers
	w.answers = nil
	for _, e := range answers {
		w.follow(e.run, w.client.Answered(w.now, w.random(), &e.run.op, e.attempt, e.answer), e.result)
	}
}

// TestSameCallsSameDecisions: nothing but what is passed in decides.
func TestSameCallsSameDecisions(t *testing.T) {
	decide := func() (all []Decision) {
		c, err := New(Config{Nodes: 2, Sessions: true, BackoffMin: 1, BackoffMax: 8, AttemptTime: 9, InFlightMax: 9})
		require.NoError(t, err)
		op := Operation{Kind: Write}
		all = append(all, c.Start(1, 11, &op))
		for i := range uint64(40) {
			all = append(all, c.Answered(int64(i), i*i, &op, op.attempt, UnsentAnswer()), c.Wake(int64(i), i, &op))
		}
		return all
	}
	require.Equal(t, decide(), decide())
}

func TestReasonsHaveNames(t *testing.T) {
	for r := range Reason(255) {
		if r <= ReasonLearnerBehind || r >= ReasonUnreachable && r <= ReasonUnsupported {
			require.NotEqual(t, "undefined", r.String(), "reason %d", r)
			continue
		}
		require.Equal(t, "undefined", r.String())
	}
	require.Equal(t, "unknown", Unknown.String())
	require.Equal(t, "undefined", Outcome(9).String())
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Nodes: 1, BackoffMin: 1, BackoffMax: 1, AttemptTime: 1, InFlightMax: 1}
	_, err := New(good)
	require.NoError(t, err)
	for name, spoil := range map[string]func(*Config){
		"nodes": func(c *Config) { c.Nodes = 0 }, "backoff": func(c *Config) { c.BackoffMax = 0 },
		"attempt time": func(c *Config) { c.AttemptTime = 0 }, "in flight": func(c *Config) { c.InFlightMax = 0 },
		"waiting": func(c *Config) { c.WaitingMax = -1 },
	} {
		bad := good
		spoil(&bad)
		_, err := New(bad)
		require.ErrorContains(t, err, name)
	}
}

func BenchmarkWrite(b *testing.B) {
	c, err := New(Config{Nodes: 3, Sessions: true, BackoffMin: 1, BackoffMax: 8, AttemptTime: 9, InFlightMax: 9})
	require.NoError(b, err)
	op := Operation{Kind: Write}
	c.Start(0, 0, &op)
	c.Answered(0, 0, &op, 1, Answer{Outcome: Done, Session: 1, Window: 256})
	c.Answered(0, 0, &op, 2, Answer{Outcome: Done})
	b.ReportAllocs()
	for b.Loop() {
		d := c.Start(0, 0, &op)
		c.Answered(0, 0, &op, d.Attempt, Answer{Outcome: Done})
	}
}
