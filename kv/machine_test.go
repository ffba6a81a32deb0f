package kv

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func newMachine(tb testing.TB, o Options) *Machine {
	tb.Helper()
	m, err := New(o)
	require.NoError(tb, err)
	return m
}

// applyAll applies the commands as the next entry.
func applyAll(tb testing.TB, m *Machine, commands ...*Command) []Result {
	tb.Helper()
	id := BatchID{Node: 1, Epoch: 2, Sequence: m.Applied() + 1}
	got, results, err := m.Apply(m.Applied()+1, AppendBatch(nil, id, commands), nil)
	require.NoError(tb, err)
	require.Equal(tb, id, got)
	require.Len(tb, results, len(commands))
	return results
}

func put(key, value string) *Command {
	return &Command{Kind: Put, Key: []byte(key), Value: []byte(value)}
}

func remove(key string) *Command { return &Command{Kind: Delete, Key: []byte(key)} }

func (c *Command) when(condition Condition, revision ...uint64) *Command {
	c.Condition = condition
	if len(revision) > 0 {
		c.ConditionRevision = revision[0]
	}
	return c
}

func (c *Command) in(session, sequence, acknowledged uint64) *Command {
	c.Session, c.Sequence, c.Acknowledged = session, sequence, acknowledged
	return c
}

func open(nonce byte) *Command {
	return &Command{Kind: OpenSession, Nonce: [NonceBytes]byte{nonce}}
}

func closing(session uint64) *Command { return &Command{Kind: CloseSession, Session: session} }

// step is one command and what it must come to.
type step struct {
	command *Command
	want    Result
}

func runSteps(t *testing.T, m *Machine, steps []step) {
	t.Helper()
	for i, s := range steps {
		require.Equal(t, s.want, applyAll(t, m, s.command)[0], "step %d: %+v", i, *s.command)
	}
}

func TestWrites(t *testing.T) {
	runSteps(t, newMachine(t, Options{}), []step{
		{remove("a"), Result{}},
		{put("a", "1"), Result{Revision: 1, CreateRevision: 1, ModRevision: 1, Version: 1}},
		{put("b", ""), Result{Revision: 2, CreateRevision: 2, ModRevision: 2, Version: 1}},
		{put("a", "2"), Result{Existed: true, Revision: 3, CreateRevision: 1, ModRevision: 3, Version: 2}},
		{remove("absent"), Result{Revision: 3}},
		{remove("a"), Result{Existed: true, Revision: 4, CreateRevision: 1, ModRevision: 3, Version: 2}},
		{remove("a"), Result{Revision: 4}},
		{put("a", "3"), Result{Revision: 5, CreateRevision: 5, ModRevision: 5, Version: 1}},
	})
}

func TestConditions(t *testing.T) {
	failed := Result{Status: ConditionFailed, Existed: true, Revision: 1, CreateRevision: 1, ModRevision: 1, Version: 1}
	runSteps(t, newMachine(t, Options{}), []step{
		{put("a", "x").when(MustExist), Result{Status: ConditionFailed}},
		{put("a", "x").when(RevisionEquals, 1), Result{Status: ConditionFailed}},
		{remove("a").when(MustExist), Result{Status: ConditionFailed}},
		{remove("a").when(MustNotExist), Result{}},
		{put("a", "1").when(MustNotExist), Result{Revision: 1, CreateRevision: 1, ModRevision: 1, Version: 1}},
		{put("a", "2").when(MustNotExist), failed},
		{remove("a").when(MustNotExist), failed},
		{put("a", "2").when(RevisionEquals, 2), failed},
		{remove("a").when(RevisionEquals, 2), failed},
		{put("a", "2").when(RevisionEquals, 1), Result{Existed: true, Revision: 2, CreateRevision: 1, ModRevision: 2, Version: 2}},
		{put("a", "3").when(MustExist), Result{Existed: true, Revision: 3, CreateRevision: 1, ModRevision: 3, Version: 3}},
		{remove("a").when(RevisionEquals, 3), Result{Existed: true, Revision: 4, CreateRevision: 1, ModRevision: 3, Version: 3}},
		{put("a", "4").when(RevisionEquals, 3), Result{Status: ConditionFailed, Revision: 4}},
	})
}

func TestGet(t *testing.T) {
	m := newMachine(t, Options{})
	_, revision, found := m.Get([]byte("a"))
	require.False(t, found)
	require.Zero(t, revision)
	applyAll(t, m, put("a", "one"), put("b", ""), put("a", "two"))
	item, revision, found := m.Get([]byte("a"))
	require.True(t, found)
	require.EqualValues(t, 3, revision)
	require.Equal(t, Item{[]byte("two"), 1, 3, 2}, item)
	require.Equal(t, len(item.Value), cap(item.Value), "appending to a value would write into the store")
	empty, _, found := m.Get([]byte("b"))
	require.True(t, found)
	require.NotNil(t, empty.Value)
	require.Empty(t, empty.Value)
	applyAll(t, m, put("a", "3"), remove("a"))
	require.Equal(t, "two", string(item.Value), "a value that was read never changes")
	_, revision, found = m.Get([]byte("a"))
	require.False(t, found)
	require.EqualValues(t, 5, revision, "an absent key has a revision, too")
}

func TestApplyKeepsNothingOfItsInput(t *testing.T) {
	m := newMachine(t, Options{})
	data := AppendBatch(nil, BatchID{}, []*Command{put("key", "value")})
	_, _, err := m.Apply(1, data, nil)
	require.NoError(t, err)
	clear(data)
	item, _, found := m.Get([]byte("key"))
	require.True(t, found)
	require.Equal(t, "value", string(item.Value))
}

func TestDataBytes(t *testing.T) {
	m := newMachine(t, Options{})
	applyAll(t, m, put("abc", "12345"), put("d", ""))
	require.EqualValues(t, 3+5+1+2*ItemOverheadBytes, m.DataBytes())
	applyAll(t, m, put("abc", "1"), put("d", "123"), remove("absent"))
	require.EqualValues(t, 3+1+1+3+2*ItemOverheadBytes, m.DataBytes())
	applyAll(t, m, remove("abc"), remove("d"))
	require.Zero(t, m.DataBytes())
	require.Zero(t, m.Stats().Keys)
}

func TestApplyIndex(t *testing.T) {
	m := newMachine(t, Options{})
	id, results, err := m.Apply(7, nil, []Result{{Revision: 99}})
	require.NoError(t, err)
	require.Zero(t, id)
	require.Equal(t, []Result{{Revision: 99}}, results, "an empty entry has no results")
	require.EqualValues(t, 7, m.Applied())
	require.PanicsWithValue(t, "kv: apply of index 7, but 7 is applied", func() { _, _, _ = m.Apply(7, nil, nil) })
	require.Panics(t, func() { _, _, _ = m.Apply(6, nil, nil) })
}

func TestApplyOfDamageAppliesNothing(t *testing.T) {
	m := newMachine(t, Options{})
	applyAll(t, m, put("a", "1"), open(1))
	before := m.StateHash()
	data := AppendBatch(nil, BatchID{Node: 1}, []*Command{put("a", "2"), open(2), put("b", "3")})
	for cut := 1; cut < len(data); cut++ {
		if _, err := DecodeBatch(data[:cut]); err == nil {
			continue // cut between two commands
		}
		_, results, err := m.Apply(9, data[:cut], nil)
		var malformed *DecodeError
		require.ErrorAs(t, err, &malformed, "cut at %d", cut)
		require.Empty(t, results)
		require.Equal(t, before, m.StateHash())
	}
}

func TestInvalidCommandsHaveAResult(t *testing.T) {
	m := newMachine(t, Options{KeyBytesMax: 4, ValueBytesMax: 4, SessionWindow: 8})
	applyAll(t, m, open(1))
	before := m.StateHash()
	index := m.Applied()
	for name, c := range map[string]*Command{
		"no kind":                   {},
		"no key":                    put("", "v"),
		"long key":                  put("12345", "v"),
		"long value":                put("k", "12345"),
		"delete with value":         {Kind: Delete, Key: []byte("k"), Value: []byte("v")},
		"revision alone":            put("k", "v").when(Always, 1),
		"revision 0":                put("k", "v").when(RevisionEquals),
		"nonce on put":              {Kind: Put, Key: []byte("k"), Nonce: [16]byte{1}},
		"sequence alone":            put("k", "v").in(0, 1, 0),
		"acknowledged alone":        put("k", "v").in(0, 0, 1),
		"session alone":             put("k", "v").in(1, 0, 0),
		"acknowledged above itself": put("k", "v").in(1, 2, 3),
		"open with key":             {Kind: OpenSession, Key: []byte("k")},
		"open with value":           {Kind: OpenSession, Value: []byte("k")},
		"open with condition":       {Kind: OpenSession, Condition: MustExist},
		"open with revision":        {Kind: OpenSession, ConditionRevision: 1},
		"open in session":           {Kind: OpenSession, Session: 1, Sequence: 1},
		"close without session":     {Kind: CloseSession},
		"close with nonce":          {Kind: CloseSession, Session: 1, Nonce: [16]byte{1}},
	} {
		var invalid *InvalidError
		require.ErrorAs(t, c.Validate(&m.options), &invalid, name)
		index++
		_, results, err := m.Apply(index, AppendBatch(nil, BatchID{}, []*Command{c}), nil)
		require.NoError(t, err, name)
		require.Equal(t, []Result{{Status: Invalid}}, results, name)
	}
	m.applied = 1
	require.Equal(t, before, m.StateHash(), "invalid commands change nothing")
}

func TestValidateAccepts(t *testing.T) {
	o := &Options{} // zero fields are the defaults
	for _, c := range []*Command{
		put(strings.Repeat("k", 1024), strings.Repeat("v", 1<<20)), put("k", ""), remove("k").when(MustNotExist),
		put("k", "").when(RevisionEquals, 1).in(1, 3, 3), open(0), closing(1),
		{Kind: CloseSession, Session: 1, Sequence: 1},
	} {
		require.NoError(t, c.Validate(o))
	}
}

func TestUnknownKindsAreInvalidAndNotEncoded(t *testing.T) {
	for _, c := range []*Command{{Kind: CloseSession + 1}, {Kind: Put, Key: []byte("k"), Condition: RevisionEquals + 1}} {
		require.Error(t, c.Validate(&Options{}))
		require.Panics(t, func() { AppendBatch(nil, BatchID{}, []*Command{c}) })
	}
}

func TestOptions(t *testing.T) {
	require.NoError(t, Options{}.Validate())
	require.Equal(t, Options{128, 1024, 1 << 20, 4096, 256, 0.5, 512, 256}, Options{}.WithDefaults())
	require.Equal(t, Options{}.WithDefaults(), newMachine(t, Options{}).Options())
	for option, o := range map[string]Options{
		"Shards":               {Shards: 3},
		"KeyBytesMax":          {KeyBytesMax: KeyBytesLimit + 1},
		"ValueBytesMax":        {ValueBytesMax: -1},
		"SessionsMax":          {SessionsMax: SessionsLimit + 1},
		"SessionWindow":        {SessionWindow: SessionWindowLimit + 1},
		"RebuildSparseRatio":   {RebuildSparseRatio: 1},
		"RebuildOperationsMin": {RebuildOperationsMin: -1},
		"RebuildDeletesMin":    {RebuildDeletesMin: -1},
	} {
		_, err := New(o)
		var refused *OptionError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, option, refused.Option)
		require.Contains(t, err.Error(), option)
		_, err = NewRestorer(o)
		require.ErrorAs(t, err, &refused)
	}
	for _, shards := range []int{1, ShardsLimit} {
		m := newMachine(t, Options{Shards: shards})
		applyAll(t, m, put("a", "1"))
		require.Equal(t, 1, m.Stats().Keys)
	}
}

// The sizes that comments and bounds speak of.
func TestSizes(t *testing.T) {
	require.EqualValues(t, 128, unsafe.Sizeof(shard{}))
	require.EqualValues(t, 56, unsafe.Sizeof(slot{}))
	require.EqualValues(t, outcomeBytes, unsafe.Sizeof(outcome{}))
	require.EqualValues(t, sessionBytes-2*mapEntryBytes, unsafe.Sizeof(session{}))
	require.Equal(t, 4096*(184+256*56), Options{}.SessionBytesMax())
}

func TestStats(t *testing.T) {
	m := newMachine(t, Options{Shards: 2, SessionsMax: 1})
	applyAll(t, m, put("a", "1"), put("b", "2"), remove("a"), open(1), open(2))
	applyAll(t, m, put("c", "3").in(2, 1, 0), put("c", "3").in(2, 1, 0))
	want := Stats{Keys: 2, Sessions: 1, DataBytes: 4 + 2*ItemOverheadBytes, Revision: 4, SessionsEvicted: 1, Replayed: 1}
	require.Equal(t, want, m.Stats())
	s := m.Freeze(Meta{Index: m.Applied()})
	require.NotNil(t, s)
	applyAll(t, m, put("b", "4"), remove("c"), put("d", "5"), remove("d"))
	want.Keys, want.DataBytes, want.Revision, want.Frozen, want.OverlayKeys = 1, 2+ItemOverheadBytes, 8, true, 2
	require.Equal(t, want, m.Stats())
	m.Thaw()
	require.True(t, m.Stats().Frozen)
	for m.Maintain(1) {
	}
	want.Frozen, want.OverlayKeys = false, 0
	require.Equal(t, want, m.Stats())
}

func TestRebuild(t *testing.T) {
	o := Options{Shards: 2, RebuildOperationsMin: 10, RebuildDeletesMin: 10}
	m, undisturbed := newMachine(t, o), newMachine(t, o)
	for i := range 3000 {
		c := put(fmt.Sprint("key", i), strings.Repeat("v", i%300*20))
		applyAll(t, m, c)
		applyAll(t, undisturbed, c)
	}
	require.False(t, m.Maintain(100), "nothing is sparse yet")
	for i := range 2990 {
		applyAll(t, m, remove(fmt.Sprint("key", i)))
		applyAll(t, undisturbed, remove(fmt.Sprint("key", i)))
		if i%3 == 0 {
			m.Maintain(5)
		}
		if i%100 == 0 {
			require.Equal(t, undisturbed.StateHash(), m.StateHash())
		}
	}
	for m.Maintain(5) {
	}
	require.Equal(t, undisturbed.StateHash(), m.StateHash())
	require.GreaterOrEqual(t, m.Stats().Rebuilds, uint64(4))
	slots, entries := 0, 0
	for i := range m.shards {
		entries += len(m.shards[i].table.index)
		for _, page := range m.shards[i].table.pages {
			slots += len(page)
		}
	}
	require.LessOrEqual(t, slots, 64, "10 keys are left")
	require.LessOrEqual(t, entries, 128)
}
