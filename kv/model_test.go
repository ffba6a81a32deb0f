package kv

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// oracle is the state machine again, written to be read: Go maps, no sharing of code with the real one.
type oracle struct {
	options  Options
	revision uint64
	keys     map[string]Item
	sessions []*oracleSession // the one used longest ago first
	last     uint64
}

type oracleSession struct {
	id, floor uint64
	nonce     [NonceBytes]byte
	results   map[uint64]oracleResult
}

type oracleResult struct {
	command string
	result  Result
}

func newOracle(o Options) *oracle {
	return &oracle{options: o.WithDefaults(), keys: map[string]Item{}}
}

func (o *oracle) clone() *oracle {
	c := *o
	c.keys = maps.Clone(o.keys)
	c.sessions = nil
	for _, s := range o.sessions {
		copied := *s
		copied.results = maps.Clone(s.results)
		c.sessions = append(c.sessions, &copied)
	}
	return &c
}

func (o *oracle) use(match func(*oracleSession) bool) *oracleSession {
	i := slices.IndexFunc(o.sessions, match)
	if i < 0 {
		return nil
	}
	s := o.sessions[i]
	o.sessions = append(slices.Delete(o.sessions, i, i+1), s)
	return s
}

func (o *oracle) apply(c *Command) Result {
	if c.Validate(&o.options) != nil {
		return Result{Status: Invalid, Revision: o.revision}
	}
	switch c.Kind {
	case OpenSession:
		return o.open(c)
	case CloseSession:
		if o.use(func(s *oracleSession) bool { return s.id == c.Session }) == nil {
			return Result{Status: SessionExpired, Revision: o.revision}
		}
		o.sessions = o.sessions[:len(o.sessions)-1]
		return Result{Revision: o.revision}
	}
	if c.Session == 0 {
		return o.write(c)
	}
	return o.inSession(c)
}

func (o *oracle) open(c *Command) Result {
	if s := o.use(func(s *oracleSession) bool { return s.nonce == c.Nonce }); s != nil {
		return Result{Session: s.id, Replayed: true, Revision: o.revision}
	}
	if len(o.sessions) == o.options.SessionsMax {
		o.sessions = o.sessions[1:]
	}
	o.last++
	o.sessions = append(o.sessions, &oracleSession{id: o.last, floor: 1, nonce: c.Nonce, results: map[uint64]oracleResult{}})
	return Result{Session: o.last, Revision: o.revision}
}

func (o *oracle) inSession(c *Command) Result {
	refused := func(status Status) Result { return Result{Status: status, Revision: o.revision} }
	s := o.use(func(s *oracleSession) bool { return s.id == c.Session })
	window := uint64(o.options.SessionWindow)
	if s == nil {
		return refused(SessionExpired)
	}
	s.floor = max(s.floor, c.Acknowledged)
	maps.DeleteFunc(s.results, func(sequence uint64, _ oracleResult) bool { return sequence < s.floor })
	command := fmt.Sprintf("%d %d %d %q %q", c.Kind, c.Condition, c.ConditionRevision, c.Key, c.Value)
	known, ok := s.results[c.Sequence]
	switch {
	case c.Sequence < s.floor:
		return refused(SequenceAcknowledged)
	case c.Sequence >= s.floor+window:
		return refused(SequenceOutOfWindow)
	case ok && known.command != command:
		return refused(SequenceReused)
	case ok:
		known.result.Replayed = true
		return known.result
	}
	r := o.write(c)
	s.results[c.Sequence] = oracleResult{command, r}
	return r
}

func (o *oracle) write(c *Command) Result {
	old, existed := o.keys[string(c.Key)]
	r := Result{
		Existed: existed, Revision: o.revision,
		CreateRevision: old.CreateRevision, ModRevision: old.ModRevision, Version: old.Version,
	}
	switch {
	case c.Condition == MustExist && !existed,
		c.Condition == MustNotExist && existed,
		c.Condition == RevisionEquals && (!existed || old.ModRevision != c.ConditionRevision):
		r.Status = ConditionFailed
		return r
	case c.Kind == Delete && !existed:
		return r
	}
	o.revision++
	r.Revision = o.revision
	if c.Kind == Delete {
		delete(o.keys, string(c.Key))
		return r
	}
	item := Item{slices.Clone(c.Value), old.CreateRevision, o.revision, old.Version + 1}
	if !existed {
		item.CreateRevision = o.revision
	}
	o.keys[string(c.Key)] = item
	r.CreateRevision, r.ModRevision, r.Version = item.CreateRevision, item.ModRevision, item.Version
	return r
}

// checkAgainst holds a machine's whole state against the oracle's.
func (o *oracle) checkAgainst(t require.TestingT, m *Machine) {
	require.Equal(t, o.revision, m.Revision())
	require.Equal(t, len(o.keys), m.Stats().Keys)
	dataBytes := int64(0)
	for key, want := range o.keys {
		item, revision, found := m.Get([]byte(key))
		if !found || revision != o.revision || !equalItems(item, want) { // require.Equal is slow for so many
			require.Fail(t, "item differs", "%q at %d: got %v %+v at %d, want %+v", key, o.revision, found, item, revision, want)
		}
		dataBytes += int64(len(key)+len(o.keys[key].Value)) + ItemOverheadBytes
	}
	require.Equal(t, dataBytes, m.DataBytes())
	visited := 0
	for i := range m.shards {
		m.shards[i].each(func(*slot) { visited++ })
	}
	require.Equal(t, len(o.keys), visited)
	o.checkSessions(t, m)
}

func equalItems(a, b Item) bool {
	return bytes.Equal(a.Value, b.Value) &&
		a.CreateRevision == b.CreateRevision && a.ModRevision == b.ModRevision && a.Version == b.Version
}

func (o *oracle) checkSessions(t require.TestingT, m *Machine) {
	require.Equal(t, o.last, m.sessions.last)
	require.Equal(t, len(o.sessions), m.Stats().Sessions)
	i := 0
	m.sessions.byUse(func(s *session) {
		want := o.sessions[i]
		i++
		require.Equal(t, []any{want.id, want.floor, want.nonce}, []any{s.id, s.floor, s.nonce})
		got := map[uint64]Result{}
		s.outcomes(func(known *outcome) {
			r := known.result()
			r.Replayed = false
			got[known.sequence] = r
		})
		require.Len(t, got, len(want.results))
		for sequence, r := range want.results {
			require.Equal(t, r.result, got[sequence])
		}
	})
	require.Equal(t, len(o.sessions), i)
}

// Options under which everything that is rare happens often.
func tightOptions(shards int) Options {
	return Options{
		Shards: shards, KeyBytesMax: 4, ValueBytesMax: 40, SessionsMax: 4, SessionWindow: 6,
		RebuildOperationsMin: 4, RebuildDeletesMin: 2, RebuildSparseRatio: 0.9,
	}
}

func drawCommand(t *rapid.T, o *oracle) *Command {
	c := &Command{Kind: CommandKind(rapid.SampledFrom([]int{1, 1, 1, 2, 2, 3, 4}).Draw(t, "kind"))}
	switch c.Kind {
	case OpenSession:
		c.Nonce[0] = rapid.ByteRange(0, 6).Draw(t, "nonce")
		return c
	case CloseSession:
		c.Session = o.last - rapid.Uint64Range(0, min(o.last, 5)).Draw(t, "session")
		return c
	}
	c.Key = fmt.Appendf(nil, "k%d", rapid.IntRange(0, 24).Draw(t, "key"))
	if rapid.IntRange(0, 40).Draw(t, "invalid") == 0 {
		c.Key = []byte("too long")
	}
	if c.Kind == Put {
		c.Value = fmt.Appendf(nil, "v%d", rapid.IntRange(0, 3).Draw(t, "value"))
	}
	c.Condition = Condition(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "condition"))
	if c.Condition == RevisionEquals {
		c.ConditionRevision = o.keys[string(c.Key)].ModRevision + rapid.Uint64Range(0, 1).Draw(t, "revision")
	}
	if len(o.sessions) > 0 && rapid.Bool().Draw(t, "in session") {
		s := rapid.SampledFrom(o.sessions).Draw(t, "session")
		c.Session = s.id
		c.Sequence = s.floor - 1 + rapid.Uint64Range(0, 8).Draw(t, "sequence")
		c.Acknowledged = rapid.SampledFrom([]uint64{0, 0, s.floor, s.floor + 1, c.Sequence, s.floor + 7}).Draw(t, "acknowledged")
	}
	return c
}

// pair is two machines that get the same commands under other shards, batches, snapshots and maintenance.
type pair struct {
	oracle *oracle
	a, b   *Machine
	index  uint64

	frozen   *Snapshot // of a
	at       *oracle   // when a was frozen
	chunks   [][]byte
	complete bool
}

func (p *pair) apply(t *rapid.T) {
	var commands []*Command
	var want []Result
	for range rapid.IntRange(0, 6).Draw(t, "commands") {
		c := drawCommand(t, p.oracle)
		commands = append(commands, c)
		want = append(want, p.oracle.apply(c))
	}
	p.index += 10
	_, got, err := p.a.Apply(p.index, AppendBatch(nil, BatchID{}, commands), nil)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got = got[:0]
	for i, c := range commands { // one entry each, the last at the same index
		_, got, err = p.b.Apply(p.index-uint64(len(commands)-1-i), AppendBatch(nil, BatchID{}, []*Command{c}), got)
		require.NoError(t, err)
	}
	if len(commands) == 0 {
		_, _, err = p.b.Apply(p.index, nil, nil)
		require.NoError(t, err)
	}
	require.Equal(t, want, slices.Concat(got))
}

func (p *pair) freeze(t *rapid.T) {
	if p.a.Frozen() {
		t.Skip("frozen already")
	}
	p.frozen = p.a.Freeze(Meta{Index: p.a.Applied(), Term: p.index, Cluster: []byte("c")})
	p.at, p.chunks, p.complete = p.oracle.clone(), nil, false
}

func (p *pair) next(t *rapid.T) {
	if p.frozen == nil || p.complete {
		t.Skip("nothing to read")
	}
	var chunk []byte
	chunk, p.complete = p.frozen.Next(nil)
	p.chunks = append(p.chunks, chunk)
}

func (p *pair) thaw(t *rapid.T) {
	if p.frozen == nil {
		t.Skip("nothing is frozen")
	}
	p.a.Thaw()
	p.frozen = nil
	if !p.complete {
		return
	}
	restored, meta, err := restoreAll(tightOptions(rapid.SampledFrom([]int{1, 4, 16}).Draw(t, "shards")), p.chunks)
	require.NoError(t, err)
	require.Equal(t, meta.Index, restored.Applied())
	p.at.checkAgainst(t, restored)
	if restored.Applied() == p.a.Applied() && rapid.Bool().Draw(t, "go on with it") {
		require.Equal(t, p.b.StateHash(), restored.StateHash())
		p.a = restored
	}
}

func (p *pair) check(t *rapid.T) {
	p.oracle.checkAgainst(t, p.a)
	p.oracle.checkAgainst(t, p.b)
	require.Equal(t, p.a.StateHash(), p.b.StateHash())
}

// The state machine against the oracle, and against itself: the results and the state depend on the commands alone,
// not on shards, batches, snapshots, restores or maintenance.
func TestMachineAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pair{oracle: newOracle(tightOptions(1))}
		var err error
		p.a, err = New(tightOptions(rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "shards")))
		require.NoError(t, err)
		p.b, err = New(tightOptions(4))
		require.NoError(t, err)
		t.Repeat(map[string]func(*rapid.T){
			"apply":    p.apply,
			"apply 2":  p.apply,
			"apply 3":  p.apply,
			"freeze":   p.freeze,
			"next":     p.next,
			"thaw":     p.thaw,
			"maintain": func(t *rapid.T) { p.a.Maintain(rapid.IntRange(1, 20).Draw(t, "steps")) },
			"":         p.check,
		})
	})
}

// The same with more keys, so that tables grow, shrink and are rebuilt under overlays, and with a seed instead of
// shrinking, which would be slow here.
func TestMachineAgainstOracleAtSize(t *testing.T) {
	for seed := range int64(4) {
		random := rand.New(rand.NewSource(seed))
		o := Options{Shards: 2, RebuildOperationsMin: 50, RebuildDeletesMin: 20, RebuildSparseRatio: 0.8}
		oracle, m := newOracle(o), newMachine(t, o)
		var s *Snapshot
		for round := range 300 {
			deletes := round/50%2 == 1
			var commands []*Command
			for range random.Intn(64) {
				c := put(fmt.Sprint("key", random.Intn(4000)), fmt.Sprint(random.Intn(1000)))
				if random.Intn(10) < 2 || deletes && random.Intn(10) < 7 {
					c = remove(string(c.Key))
				}
				commands = append(commands, c)
			}
			var want []Result
			for _, c := range commands {
				want = append(want, oracle.apply(c))
			}
			require.Equal(t, want, append([]Result(nil), applyAll(t, m, commands...)...), "seed %d, round %d", seed, round)
			switch random.Intn(12) {
			case 0:
				if s == nil && !m.Frozen() {
					s = m.Freeze(Meta{Index: m.Applied()})
				}
			case 1:
				if s != nil {
					m.Thaw()
					s = nil
				}
			default:
				m.Maintain(random.Intn(100))
			}
			if round%10 == 0 {
				oracle.checkAgainst(t, m)
			}
		}
		oracle.checkAgainst(t, m)
	}
}
