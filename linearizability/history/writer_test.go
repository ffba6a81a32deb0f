package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// texts draws keys and values: what JSON finds easy, what it must escape, and what it can't hold.
var texts = rapid.OneOf(
	rapid.StringMatching(`[a-c]{1,2}`),
	rapid.String(),
	rapid.StringOf(rapid.SampledFrom([]rune("\x00\x1f\t\n\r\"\\/\u007f\u2028\ufffd😀<"))),
	rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 400), func(b []byte) string { return string(b) }),
)

func values(t *rapid.T, name string) Value {
	if rapid.Bool().Draw(t, name+" present") {
		return Of(texts.Draw(t, name))
	}
	return Absent
}

// operations draws any operation that the format holds.
func operations(t *rapid.T, invoke int64) Operation {
	o := Operation{
		Client: rapid.Int32().Draw(t, "client"), Kind: Kind(rapid.IntRange(int(Get), int(Append)).Draw(t, "kind")),
		Outcome: Outcome(rapid.IntRange(0, int(Refused)).Draw(t, "outcome")), Key: texts.Draw(t, "key"), Invoke: invoke, Return: Forever,
	}
	if o.Kind == Put || o.Kind == Append {
		o.Value = Of(texts.Draw(t, "value"))
	}
	if o.Kind == Get {
		o.Stale = rapid.Bool().Draw(t, "stale")
	} else {
		o.Condition = conditions(t)
	}
	if o.Outcome == ConditionFailed && o.Condition.Kind == Always {
		o.Outcome = Done
	}
	if o.Outcome != Unknown {
		o.Return = rapid.Int64Range(invoke, Forever-1).Draw(t, "return")
	}
	results(t, &o)
	return o
}

func conditions(t *rapid.T) Condition {
	c := Condition{Kind: ConditionKind(rapid.IntRange(0, int(RevisionEquals)).Draw(t, "condition"))}
	switch c.Kind {
	case ValueEquals:
		c.Value = values(t, "condition value")
	case RevisionEquals:
		c.Revision = rapid.Uint64().Draw(t, "condition revision")
	}
	return c
}

func results(t *rapid.T, o *Operation) {
	if o.Outcome != Done && o.Outcome != ConditionFailed {
		return
	}
	o.Revision = rapid.Uint64().Draw(t, "revision")
	met := o.Kind == Get || o.Outcome == ConditionFailed
	if met {
		o.KeyRevision = rapid.Uint64().Draw(t, "key revision")
	} else {
		o.Existed = Existed(rapid.IntRange(0, int(Yes)).Draw(t, "existed"))
	}
	o.HasObserved = o.Outcome == ConditionFailed && rapid.Bool().Draw(t, "observed")
	if o.HasObserved || o.Kind == Get {
		o.Observed = values(t, "observed")
	}
}

// histories draws any history that the format holds.
func histories(t *rapid.T) *History {
	h := &History{Origin: Origin{
		Format: "lockstep", Store: texts.Draw(t, "store"), Command: texts.Draw(t, "command"),
		Revisions: Revisions(rapid.IntRange(0, int(Contract)).Draw(t, "revisions")), Initial: values(t, "initial"),
		Started: rapid.SampledFrom([]string{"", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.123+01:00"}).Draw(t, "started"),
	}}
	if h.Origin.HasSeed = rapid.Bool().Draw(t, "seeded"); h.Origin.HasSeed {
		h.Origin.Seed = rapid.Uint64().Draw(t, "seed")
	}
	at := rapid.SampledFrom([]int64{-1 << 63, -5, 0, 1 << 60}).Draw(t, "from")
	for range rapid.IntRange(0, 12).Draw(t, "operations") {
		at += rapid.Int64Range(0, 3).Draw(t, "pause")
		h.Operations = append(h.Operations, operations(t, at))
	}
	at = -3
	for range rapid.IntRange(0, 4).Draw(t, "marks") {
		at += rapid.Int64Range(0, 3).Draw(t, "pause")
		h.Marks = append(h.Marks, Mark{
			Kind: MarkKind(rapid.IntRange(int(Fault), int(Note)).Draw(t, "kind")), Node: texts.Draw(t, "node"), Text: texts.Draw(t, "text"),
			From: at, To: rapid.OneOf(rapid.Just(Forever), rapid.Int64Range(at, at+5)).Draw(t, "to"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "names") {
		if h.Clients == nil {
			h.Clients = map[int32]string{}
		}
		h.Clients[rapid.Int32Range(-2, 2).Draw(t, "named")] = texts.Draw(t, "name")
	}
	return h
}

// withoutLines returns the history without what a file's layout gave it.
func withoutLines(h *History) *History {
	for i := range h.Operations {
		h.Operations[i].Line = 0
	}
	h.Origin.Torn = false
	return h
}

func written(t require.TestingT, h *History) []byte {
	var file bytes.Buffer
	require.NoError(t, Write(&file, h))
	return file.Bytes()
}

// What is written reads back the same, and that writes the same bytes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := histories(t)
		file := written(t, h)
		read, err := Read(bytes.NewReader(file))
		require.NoError(t, err, "%s", file)
		again := written(t, read)
		require.Equal(t, string(file), string(again))
		require.Equal(t, h, withoutLines(read))
	})
}

// Every line is JSON that others read the same way.
func TestLinesAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		line, err := AppendName([]byte("before\n"), 7, text)
		require.NoError(t, err)
		var fields struct {
			Event  string
			Client int
			Name   string
			Name64 []byte
		}
		require.NoError(t, json.Unmarshal(line[len("before\n"):], &fields))
		require.Equal(t, "client", fields.Event)
		require.Equal(t, 7, fields.Client)
		if fields.Name64 != nil {
			fields.Name = string(fields.Name64)
		}
		require.Equal(t, text, fields.Name)
	})
}

func TestWriteOrdersEventsByTime(t *testing.T) {
	file := written(t, &History{
		Operations: []Operation{
			{Client: 1, Kind: Put, Key: "a", Value: Of("1"), Outcome: Done, Invoke: 10, Return: 40},
			{Client: 2, Kind: Put, Key: "a", Value: Of("2"), Outcome: Refused, Invoke: 10, Return: 20},
			{Client: 3, Kind: Get, Key: "a", Outcome: Unknown, Invoke: 20, Return: Forever},
			{Client: 2, Kind: Delete, Key: "a", Outcome: Done, Invoke: 21, Return: 21},
		},
		Marks:   []Mark{{Kind: Fault, From: 15, To: 99}, {Kind: Leader, Node: "n1", From: 30, To: Forever}, {Kind: Note, From: 50, To: 50}},
		Clients: map[int32]string{2: "b", 1: "a"},
	})
	require.Equal(t, `{"format":"lockstep-history","version":1,"unit":"ns","revisions":"none"}
{"event":"client","client":1,"name":"a"}
{"event":"client","client":2,"name":"b"}
{"event":"invoke","id":1,"at":10,"client":1,"kind":"put","key":"a","value":"1"}
{"event":"invoke","id":2,"at":10,"client":2,"kind":"put","key":"a","value":"2"}
{"event":"fault","at":15,"to":99}
{"event":"invoke","id":3,"at":20,"client":3,"kind":"get","key":"a"}
{"event":"return","id":2,"at":20,"outcome":"refused"}
{"event":"invoke","id":4,"at":21,"client":2,"kind":"delete","key":"a"}
{"event":"return","id":4,"at":21,"outcome":"done"}
{"event":"leader","at":30,"node":"n1"}
{"event":"return","id":1,"at":40,"outcome":"done"}
{"event":"note","at":50,"to":50}
`, string(file))
}

func TestWriteRefusesWhatTheFormatCanNotHold(t *testing.T) {
	put := Operation{Kind: Put, Key: "a", Value: Of("x"), Outcome: Done, Return: 1}
	read := Operation{Kind: Get, Key: "a", Outcome: Done, Return: 1}
	change := func(o Operation, f func(*Operation)) Operation { f(&o); return o }
	for reason, o := range map[string]Operation{
		"operations on one key only":           change(put, func(o *Operation) { o.Kind, o.Transaction = Transact, &Transaction{} }),
		"a put with a transaction":             change(put, func(o *Operation) { o.Transaction = &Transaction{} }),
		"an operation of kind 0":               change(put, func(o *Operation) { o.Kind = 0 }),
		"an operation of kind 9":               change(put, func(o *Operation) { o.Kind = 9 }),
		"an outcome of kind 9":                 change(put, func(o *Operation) { o.Outcome = 9 }),
		"a condition of kind 9":                change(put, func(o *Operation) { o.Condition.Kind = 9 }),
		"existed of kind 9":                    change(put, func(o *Operation) { o.Existed = 9 }),
		"a value that it does not use":         change(put, func(o *Operation) { o.Condition.Value = Of("x") }),
		"a revision that it does not use":      change(put, func(o *Operation) { o.Condition.Revision = 1 }),
		"the condition's value is absent and":  change(put, func(o *Operation) { o.Condition = Condition{Kind: ValueEquals, Value: Value{Data: "x"}} }),
		"the value is absent and has data":     change(read, func(o *Operation) { o.Value.Data = "x" }),
		"the observed value is absent and has": change(read, func(o *Operation) { o.Observed.Data = "x" }),
		"does not count": change(put, func(o *Operation) {
			o.Condition.Kind, o.Outcome, o.Observed = MustExist, ConditionFailed, Of("x")
		}),
		"an unknown outcome with a return at 1": change(put, func(o *Operation) { o.Outcome = Unknown }),
		"the outcome unknown with a result":     change(put, func(o *Operation) { o.Outcome, o.Return, o.Revision = Unknown, Forever, 3 }),
		"an outcome without a return":           change(put, func(o *Operation) { o.Return = Forever }),
		"a return at -1":                        change(put, func(o *Operation) { o.Return = -1 }),
		"stands for never":                      change(put, func(o *Operation) { o.Outcome, o.Invoke, o.Return = Unknown, Forever, Forever }),
	} {
		err := Write(io.Discard, &History{Operations: []Operation{put, o}})
		var wrong *RecordError
		require.ErrorAs(t, err, &wrong, reason)
		require.ErrorContains(t, err, reason)
		require.ErrorContains(t, err, "operation 1: ")
	}
	for reason, h := range map[string]*History{
		"origin: revisions of kind 9":            {Origin: Origin{Revisions: 9}},
		"origin: started \"now\"":                {Origin: Origin{Started: "now"}},
		"origin: initial is absent and has data": {Origin: Origin{Initial: Value{Data: "x"}}},
		"mark 0: a mark of kind 0":               {Marks: []Mark{{}}},
		"mark 0: a mark of kind 9":               {Marks: []Mark{{Kind: 9}}},
		"mark 0: a fault that ends at 1":         {Marks: []Mark{{Kind: Fault, From: 2, To: 1}}},
		"mark 0: the time":                       {Marks: []Mark{{Kind: Fault, From: Forever, To: Forever}}},
	} {
		err := Write(io.Discard, h)
		var wrong *RecordError
		require.ErrorAs(t, err, &wrong, reason)
		require.ErrorContains(t, err, reason)
	}
}

// What an Append function refuses leaves the buffer as it was.
func TestRefusedLinesLeaveNothingBehind(t *testing.T) {
	before := []byte("before\n")
	for name, f := range map[string]func() ([]byte, error){
		"header":  func() ([]byte, error) { return AppendHeader(before, &Origin{Revisions: 9}) },
		"invoke":  func() ([]byte, error) { return AppendInvoke(before, 1, &Operation{}, 0) },
		"at":      func() ([]byte, error) { return AppendInvoke(before, 1, &Operation{Kind: Get}, Forever) },
		"return":  func() ([]byte, error) { return AppendReturn(before, 1, &Operation{}, 0) },
		"result":  func() ([]byte, error) { return AppendReturn(before, 1, &Operation{Kind: Get, Outcome: 9}, 0) },
		"back at": func() ([]byte, error) { return AppendReturn(before, 1, &Operation{Kind: Get}, Forever) },
		"mark":    func() ([]byte, error) { return AppendMark(before, 1, &Mark{}) },
		"end":     func() ([]byte, error) { return AppendEnd(before, 0, 1) },
		"end at":  func() ([]byte, error) { return AppendEnd(before, 1, Forever) },
		"long": func() ([]byte, error) {
			return AppendName(before, 1, strings.Repeat("x", LineBytesMax))
		},
	} {
		after, err := f()
		var wrong *RecordError
		require.ErrorAs(t, err, &wrong, name)
		require.Equal(t, "before\n", string(after), name)
	}
}

// A Writer, a Builder and Read agree on a stream of events.
func TestWriterAndBuilderAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := histories(t)
		var file bytes.Buffer
		w, err := NewWriter(&file, h.Origin)
		require.NoError(t, err)
		b := NewBuilder(h.Origin)
		first := rapid.SampledFrom([]uint64{0, 1, 1 << 63, 1<<64 - 2}).Draw(t, "first id")
		stride := rapid.SampledFrom([]uint64{1, 1, 3}).Draw(t, "stride")
		for i := range h.Operations {
			o, id := h.Operations[i], first+uint64(i)*stride
			require.NoError(t, w.Invoke(id, &o, o.Invoke))
			require.NoError(t, b.Invoke(id, &o, o.Invoke))
			at := o.Return
			if o.Outcome == Unknown {
				if rapid.Bool().Draw(t, "no return") {
					continue
				}
				at = o.Invoke
			}
			require.NoError(t, w.Return(id, &o, at))
			require.NoError(t, b.Return(id, &o, at))
		}
		for i, m := range h.Marks {
			id := uint64(0)
			if m.To != Forever && rapid.Bool().Draw(t, "ends later") {
				id, m.To = uint64(i+1), Forever
			}
			require.NoError(t, w.Mark(id, m))
			require.NoError(t, b.Mark(id, m))
			if id != 0 {
				require.NoError(t, w.End(id, h.Marks[i].To))
				require.NoError(t, b.End(id, h.Marks[i].To))
			}
		}
		for client, name := range h.Clients {
			require.NoError(t, w.Name(client, name))
			require.NoError(t, b.Name(client, name))
		}
		require.NoError(t, w.Flush())
		read, err := Read(&file)
		require.NoError(t, err)
		require.Equal(t, h, withoutLines(read))
		require.Equal(t, h, b.History())
	})
}

// A builder goes on after History, and what it gave stays as it was. More than a chunk of operations keep their order.
func TestBuilderOfManyOperations(t *testing.T) {
	const n = 2*builderChunk + 100
	b := NewBuilder(Origin{})
	for id := uint64(1); id <= n; id++ {
		require.NoError(t, b.Invoke(id, &Operation{Kind: Get, Key: fmt.Sprint(id)}, int64(id)))
	}
	before := b.History()
	for id := uint64(n); id > 0; id-- {
		o := &Operation{Outcome: Done, Observed: Of(fmt.Sprint(id))}
		require.NoError(t, b.Return(id, o, int64(id)+n))
		require.Error(t, b.Return(id, o, int64(id)+n), "twice")
	}
	after := b.History()
	require.Len(t, after.Operations, n)
	for i := range n {
		key := fmt.Sprint(i + 1)
		require.Equal(t, Operation{Kind: Get, Key: key, Invoke: int64(i) + 1, Return: Forever}, before.Operations[i])
		require.Equal(t, Operation{
			Kind: Get, Key: key, Outcome: Done, Observed: Of(key), Invoke: int64(i) + 1, Return: int64(i) + 1 + n,
		}, after.Operations[i])
	}
}

// Numbers may be any, in any order; each finds its own operation.
func TestBuilderFindsOperationsByAnyNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 12), 1, 12, rapid.ID).Draw(t, "ids")
		b := NewBuilder(Origin{})
		for at, id := range ids {
			require.NoError(t, b.Invoke(id, &Operation{Kind: Get}, int64(at)))
			require.Error(t, b.Invoke(id, &Operation{Kind: Get}, int64(at)), "twice")
		}
		for id := range uint64(14) {
			err := b.Return(id, &Operation{Outcome: Done, Revision: id}, 100)
			require.Equal(t, slices.Contains(ids, id), err == nil, "%d: %v", id, err)
		}
		for i, o := range b.History().Operations {
			require.Equal(t, ids[i], o.Revision)
		}
	})
}

// Bytes of any length pass through base64, and a line leaves nothing behind in the next one.
func TestBytesOfAnyLength(t *testing.T) {
	h := &History{}
	for n := range 700 {
		o := Operation{Kind: Get, Key: strings.Repeat("\xff", n), Outcome: Done, Invoke: int64(n), Return: int64(n)}
		if n%2 == 1 {
			o.Observed, o.Stale, o.Revision = Of(strings.Repeat("\xfe\x00", n)), true, 7
		}
		h.Operations = append(h.Operations, o)
	}
	read, err := Read(bytes.NewReader(written(t, h)))
	require.NoError(t, err)
	require.Equal(t, h.Operations, withoutLines(read).Operations)
}

type failingWriter struct{ after int }

var errDisk = errors.New("the disk is full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestTheFirstErrorOfAWriterStays(t *testing.T) {
	disk := &failingWriter{after: 200_000}
	w, err := NewWriter(disk, Origin{})
	require.NoError(t, err)
	o := Operation{Kind: Put, Key: "a", Value: Of(strings.Repeat("x", 1000))}
	for id := uint64(1); err == nil; id++ {
		require.Less(t, id, uint64(1000))
		err = w.Invoke(id, &o, 1)
	}
	require.ErrorIs(t, err, errDisk)
	left := disk.after
	require.ErrorIs(t, w.Return(1, &o, 2), errDisk)
	require.ErrorIs(t, w.Mark(0, Mark{Kind: Note, To: 1}), errDisk)
	require.ErrorIs(t, w.End(1, 2), errDisk)
	require.ErrorIs(t, w.Name(1, "a"), errDisk)
	require.ErrorIs(t, w.Flush(), errDisk)
	require.Equal(t, left, disk.after, "nothing is written behind a failure")

	require.ErrorIs(t, Write(&failingWriter{}, &History{}), errDisk)

	w, err = NewWriter(io.Discard, Origin{})
	require.NoError(t, err)
	var wrong *RecordError
	require.ErrorAs(t, w.Invoke(1, &Operation{}, 1), &wrong)
	require.ErrorAs(t, w.Flush(), &wrong)
	_, err = NewWriter(io.Discard, Origin{Revisions: 9})
	require.ErrorAs(t, err, &wrong)
}

func TestTheWriterAllocatesNothing(t *testing.T) {
	w, err := NewWriter(io.Discard, Origin{})
	require.NoError(t, err)
	o := Operation{
		Client: 3, Kind: Put, Outcome: ConditionFailed, Key: "key \"17\"", Value: Of("\xff\xfe" + strings.Repeat("x", 300)),
		Condition: Condition{Kind: ValueEquals, Value: Of("v")}, HasObserved: true, Observed: Of("é"), Revision: 1 << 40, KeyRevision: 7,
	}
	id := uint64(0)
	require.Zero(t, testing.AllocsPerRun(2000, func() {
		id++
		_ = w.Invoke(id, &o, int64(id))
		_ = w.Return(id, &o, int64(id))
	}))
	require.NoError(t, w.Flush())
}
