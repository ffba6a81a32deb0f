package sim

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/lockstepdb/lockstep/kv"
)

// replay is the state that the committed log comes to, by the rules of docs/format/command.md written once more: Go maps, and of
// package kv only the decoder. Every index that a node has applied is compared with it, and every answer to a write.
type replay struct {
	options  kv.Options
	states   []stateMark // by index
	keys     map[string]*keyHistory
	names    []string // of keys, in the order of their first writes
	sessions []*replaySession
	opened   uint64 // sessions so far
	evicted  int
	replayed int
	// wrote tells at which index each value took effect: it may do so once.
	wrote   map[string]uint64
	changes []change // by revision-1
	// commands counts what each start of each node was asked to propose, and keeps what came of it.
	commands map[commandName]*commandFate
}

// stateMark is what a state can be told by without looking at its keys.
type stateMark struct {
	revision       uint64
	keys, sessions int
}

// keyHistory is every state that a key was in.
type keyHistory struct{ states []keyState }

type keyState struct {
	index  uint64 // since when
	exists bool
	item   kv.Item
}

// change is what a revision did.
type change struct {
	key, value string
	deleted    bool
}

type replaySession struct {
	id, floor uint64
	nonce     [kv.NonceBytes]byte
	results   map[uint64]replayResult
}

type replayResult struct {
	command commandName
	result  kv.Result
}

// commandName tells commands apart, within the start of the node that proposed it.
type commandName struct {
	node, epoch       uint64
	kind              kv.CommandKind
	condition         kv.Condition
	conditionRevision uint64
	session, sequence uint64
	nonce             [kv.NonceBytes]byte
	key, value        string
}

// commandFate is what became of a command: it was given to a node, refused, and applied so many times.
type commandFate struct {
	given, refused int
	results        []kv.Result
}

func (r *replay) init(o kv.Options) {
	*r = replay{options: o.WithDefaults(), keys: map[string]*keyHistory{}, wrote: map[string]uint64{}, commands: map[commandName]*commandFate{}}
	r.states = make([]stateMark, 2, 512) // nothing happens before the founding index, nor at it
}

// applied is the last index.
func (r *replay) applied() uint64 { return uint64(len(r.states) - 1) }

func (r *replay) state() stateMark { return r.states[len(r.states)-1] }

func nameOf(node, epoch uint64, c *kv.Command) commandName {
	return commandName{
		node: node, epoch: epoch, kind: c.Kind, condition: c.Condition, conditionRevision: c.ConditionRevision,
		session: c.Session, sequence: c.Sequence, nonce: c.Nonce, key: string(c.Key), value: string(c.Value),
	}
}

func (r *replay) fate(name commandName) *commandFate {
	f := r.commands[name]
	if f == nil {
		f = &commandFate{}
		r.commands[name] = f
	}
	return f
}

// apply takes the next entry. It says what must not be, "" if all is well.
func (r *replay) apply(b *kv.Batch) (wrong string) {
	r.states = append(r.states, r.state())
	for i := range b.Commands {
		c := &b.Commands[i]
		name := nameOf(b.ID.Node, b.ID.Epoch, c)
		result, broken := r.command(name, c)
		f := r.fate(name)
		f.results = append(f.results, result)
		switch {
		case broken != "":
			wrong = broken
		case len(f.results)+f.refused > f.given:
			wrong = fmt.Sprintf("n%d was given %s %s %d times, refused it %d times, and it is in the log %d times", name.node, verb(c.Kind), c.Key, f.given, f.refused, len(f.results))
		}
	}
	r.states[len(r.states)-1].sessions = len(r.sessions)
	return wrong
}

func verb(k kv.CommandKind) string {
	return [...]string{kv.Put: "a put of", kv.Delete: "a delete of", kv.OpenSession: "the opening of a session", kv.CloseSession: "the closing of a session"}[k]
}

func (r *replay) refusal(s kv.Status) kv.Result {
	return kv.Result{Status: s, Revision: r.state().revision}
}

func (r *replay) command(name commandName, c *kv.Command) (kv.Result, string) {
	switch {
	case c.Validate(&r.options) != nil:
		return r.refusal(kv.Invalid), ""
	case c.Kind == kv.OpenSession:
		return r.open(c), ""
	case c.Kind == kv.CloseSession:
		return r.close(c), ""
	case c.Session != 0:
		return r.inSession(name, c)
	}
	return r.write(c)
}

// use moves a session to the end of the order of use; nil if it is not there.
func (r *replay) use(match func(*replaySession) bool) *replaySession {
	i := slices.IndexFunc(r.sessions, match)
	if i < 0 {
		return nil
	}
	s := r.sessions[i]
	r.sessions = append(slices.Delete(r.sessions, i, i+1), s)
	return s
}

func (r *replay) open(c *kv.Command) kv.Result {
	result := r.refusal(kv.OK)
	if s := r.use(func(s *replaySession) bool { return s.nonce == c.Nonce }); s != nil {
		result.Session, result.Replayed = s.id, true
		return result
	}
	if len(r.sessions) == r.options.SessionsMax {
		r.sessions = r.sessions[1:]
		r.evicted++
	}
	r.opened++
	r.sessions = append(r.sessions, &replaySession{id: r.opened, floor: 1, nonce: c.Nonce, results: map[uint64]replayResult{}})
	result.Session = r.opened
	return result
}

func (r *replay) close(c *kv.Command) kv.Result {
	if r.use(func(s *replaySession) bool { return s.id == c.Session }) == nil {
		return r.refusal(kv.SessionExpired)
	}
	r.sessions = r.sessions[:len(r.sessions)-1]
	return r.refusal(kv.OK)
}

// inSession does a write once, however often it is in the log.
func (r *replay) inSession(name commandName, c *kv.Command) (kv.Result, string) {
	window := uint64(r.options.SessionWindow)
	s := r.use(func(s *replaySession) bool { return s.id == c.Session })
	switch {
	case s == nil:
		return r.refusal(kv.SessionExpired), ""
	}
	s.floor = max(s.floor, c.Acknowledged)
	switch {
	case c.Sequence < s.floor:
		return r.refusal(kv.SequenceAcknowledged), ""
	case c.Sequence >= s.floor+window:
		return r.refusal(kv.SequenceOutOfWindow), ""
	}
	name.node, name.epoch = 0, 0 // a retry may come by another node
	if known, ok := s.results[c.Sequence]; ok {
		if known.command != name {
			return r.refusal(kv.SequenceReused), ""
		}
		r.replayed++
		known.result.Replayed = true
		return known.result, ""
	}
	result, wrong := r.write(c)
	s.results[c.Sequence] = replayResult{name, result}
	return result, wrong
}

func (r *replay) write(c *kv.Command) (result kv.Result, wrong string) {
	h := r.key(string(c.Key))
	old := h.last()
	result = r.refusal(kv.OK)
	result.Existed = old.exists
	result.CreateRevision, result.ModRevision, result.Version = old.item.CreateRevision, old.item.ModRevision, old.item.Version
	switch {
	case c.Condition == kv.MustExist && !old.exists, c.Condition == kv.MustNotExist && old.exists,
		c.Condition == kv.RevisionEquals && (!old.exists || old.item.ModRevision != c.ConditionRevision):
		result.Status = kv.ConditionFailed
		return result, ""
	case c.Kind == kv.Delete && !old.exists:
		return result, ""
	case c.Kind == kv.Delete:
		result.Revision = r.turn(h, keyState{}, change{key: string(c.Key), deleted: true})
		return result, ""
	}
	item := kv.Item{Value: slices.Clone(c.Value), CreateRevision: old.item.CreateRevision, ModRevision: r.state().revision + 1, Version: old.item.Version + 1}
	if !old.exists {
		item.CreateRevision = item.ModRevision
	}
	result.Revision = r.turn(h, keyState{exists: true, item: item}, change{key: string(c.Key), value: string(c.Value)})
	result.CreateRevision, result.ModRevision, result.Version = item.CreateRevision, item.ModRevision, item.Version
	if before, ok := r.wrote[string(c.Value)]; ok {
		wrong = fmt.Sprintf("%s was written to %s at index %d and again at index %d", c.Value, c.Key, before, r.applied())
	}
	r.wrote[string(c.Value)] = r.applied()
	return result, wrong
}

func (r *replay) key(name string) *keyHistory {
	h := r.keys[name]
	if h == nil {
		h = &keyHistory{}
		r.keys[name] = h
		r.names = append(r.names, name)
	}
	return h
}

// turn gives a key its next state, and returns the revision.
func (r *replay) turn(h *keyHistory, next keyState, c change) uint64 {
	state := &r.states[len(r.states)-1]
	switch was := h.last().exists; {
	case next.exists && !was:
		state.keys++
	case was && !next.exists:
		state.keys--
	}
	next.index = r.applied()
	h.states = append(h.states, next)
	r.changes = append(r.changes, c)
	state.revision++
	return state.revision
}

func (h *keyHistory) last() (s keyState) {
	if len(h.states) > 0 {
		s = h.states[len(h.states)-1]
	}
	return s
}

// at returns the state after an index was applied.
func (h *keyHistory) at(index uint64) (s keyState) {
	for i := len(h.states) - 1; i >= 0; i-- {
		if h.states[i].index <= index {
			return h.states[i]
		}
	}
	return s
}

// differs says in which way a machine at an index holds another state; "" if it holds this one.
func (r *replay) differs(m *kv.Machine, index uint64) string {
	if index > r.applied() {
		return fmt.Sprintf("index %d is applied, and nobody has committed it", index)
	}
	want, stats := r.states[index], m.Stats()
	if got := (stateMark{stats.Revision, stats.Keys, stats.Sessions}); got != want {
		return fmt.Sprintf("revision %d, %d keys, %d sessions; by the log it is %d, %d, %d", got.revision, got.keys, got.sessions, want.revision, want.keys, want.sessions)
	}
	for _, name := range r.names {
		want := r.keys[name].at(index)
		got, _, found := m.Get([]byte(name))
		if found != want.exists || !bytes.Equal(got.Value, want.item.Value) || got.CreateRevision != want.item.CreateRevision ||
			got.ModRevision != want.item.ModRevision || got.Version != want.item.Version {
			return fmt.Sprintf("%s is %s; by the log it is %s", name, itemText(found, got), itemText(want.exists, want.item))
		}
	}
	return ""
}

func itemText(exists bool, i kv.Item) string {
	if !exists {
		return "absent"
	}
	return fmt.Sprintf("%s (revision %d, created at %d, version %d)", i.Value, i.ModRevision, i.CreateRevision, i.Version)
}

// given notes that a node was asked to propose a command.
func (r *replay) given(name commandName) { r.fate(name).given++ }

// refused notes that a node says that a command has no effect and never will. It says what must not be.
func (r *replay) refused(name commandName) (wrong string) {
	f := r.fate(name)
	f.refused++
	if len(f.results)+f.refused > f.given {
		return fmt.Sprintf("n%d refuses a command on %q, which is in the log", name.node, name.key)
	}
	return ""
}

// answered judges the result of a write. It says what must not be.
func (r *replay) answered(name commandName, result kv.Result) (wrong string) {
	f := r.fate(name)
	if slices.Contains(f.results, result) {
		return ""
	}
	if len(f.results) == 0 {
		return fmt.Sprintf("n%d tells a result for a command on %q that is not in the log", name.node, name.key)
	}
	return fmt.Sprintf("n%d answers a command on %q with %+v; by the log it is %+v", name.node, name.key, result, f.results[len(f.results)-1])
}
