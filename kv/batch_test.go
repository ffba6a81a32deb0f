package kv

import (
	"bytes"
	"testing"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func TestNumbersAreThoseOfTheProtocol(t *testing.T) {
	require.EqualValues(t, kvpb.CommandKind_COMMAND_KIND_PUT, Put)
	require.EqualValues(t, kvpb.CommandKind_COMMAND_KIND_DELETE, Delete)
	require.EqualValues(t, kvpb.CommandKind_COMMAND_KIND_OPEN_SESSION, OpenSession)
	require.EqualValues(t, kvpb.CommandKind_COMMAND_KIND_CLOSE_SESSION, CloseSession)
	require.Len(t, kvpb.CommandKind_name, int(CloseSession)+1)
	require.EqualValues(t, kvpb.Condition_CONDITION_NONE, Always)
	require.EqualValues(t, kvpb.Condition_CONDITION_MUST_NOT_EXIST, MustNotExist)
	require.EqualValues(t, kvpb.Condition_CONDITION_MUST_EXIST, MustExist)
	require.EqualValues(t, kvpb.Condition_CONDITION_REVISION_EQUALS, RevisionEquals)
	require.Len(t, kvpb.Condition_name, int(RevisionEquals)+1)
	require.Equal(t, batchFields, (&kvpb.Batch{}).ProtoReflect().Descriptor().Fields().Len())
	require.Equal(t, commandFields, (&kvpb.Command{}).ProtoReflect().Descriptor().Fields().Len())
}

func message(b Batch) *kvpb.Batch {
	m := &kvpb.Batch{Version: b.Version, Node: b.ID.Node, Epoch: b.ID.Epoch, Sequence: b.ID.Sequence}
	for i := range b.Commands {
		c := &b.Commands[i]
		pc := &kvpb.Command{
			Kind: kvpb.CommandKind(c.Kind), Key: c.Key, Value: c.Value, Condition: kvpb.Condition(c.Condition),
			ConditionRevision: c.ConditionRevision, Session: c.Session, Sequence: c.Sequence, Acknowledged: c.Acknowledged,
		}
		if c.hasNonce() {
			pc.Nonce = c.Nonce[:]
		}
		m.Commands = append(m.Commands, pc)
	}
	return m
}

func marshal(t require.TestingT, m *kvpb.Batch) []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	require.NoError(t, err)
	return data
}

func pointers(commands []Command) []*Command {
	list := make([]*Command, len(commands))
	for i := range commands {
		list[i] = &commands[i]
	}
	return list
}

// number draws numbers of all lengths, zero often.
func number(label string) *rapid.Generator[uint64] {
	return rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 300), rapid.Uint64())
}

func drawBatch(t *rapid.T) Batch {
	b := Batch{Version: 1, ID: BatchID{number("node").Draw(t, "node"), number("epoch").Draw(t, "epoch"), number("first").Draw(t, "first")}}
	for range rapid.IntRange(0, 5).Draw(t, "commands") {
		c := Command{
			Kind:              CommandKind(rapid.IntRange(0, int(CloseSession)).Draw(t, "kind")),
			Key:               rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "key"),
			Value:             rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value"),
			Condition:         Condition(rapid.IntRange(0, int(RevisionEquals)).Draw(t, "condition")),
			ConditionRevision: number("revision").Draw(t, "revision"),
			Session:           number("session").Draw(t, "session"),
			Sequence:          number("sequence").Draw(t, "sequence"),
			Acknowledged:      number("acknowledged").Draw(t, "acknowledged"),
		}
		c.Nonce[15] = rapid.Byte().Draw(t, "nonce")
		b.Commands = append(b.Commands, c)
	}
	return b
}

// Both ways: what this package writes is what protobuf writes, byte for byte, and each reads the other's.
func TestEncodingIsProtobuf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawBatch(t)
		prefix := []byte("prefix")
		data := AppendBatch(prefix, want.ID, pointers(want.Commands))
		require.Equal(t, prefix, data[:len(prefix)])
		data = data[len(prefix):]
		require.Equal(t, marshal(t, message(want)), data)

		var read kvpb.Batch
		require.NoError(t, proto.Unmarshal(data, &read))
		require.True(t, proto.Equal(message(want), &read))

		got, err := DecodeBatch(data)
		require.NoError(t, err)
		require.Equal(t, data, AppendBatch(nil, got.ID, pointers(got.Commands)))
		require.True(t, proto.Equal(message(want), message(got)))

		bytes := 0
		for i := range want.Commands {
			bytes += want.Commands[i].Size()
		}
		require.LessOrEqual(t, len(data), BatchHeaderBytesMax+bytes)
		require.Equal(t, len(AppendBatch(nil, want.ID, nil))+bytes, len(data), "Size is exact")
	})
}

// The example of docs/format/command.md.
func TestEncodingExample(t *testing.T) {
	want := []byte{
		0x08, 0x01, 0x10, 0x01, 0x18, 0x02, 0x20, 0xac, 0x02,
		0x2a, 0x0a, 0x08, 0x01, 0x12, 0x01, 0x6b, 0x1a, 0x01, 0x76, 0x20, 0x01,
	}
	require.Equal(t, want, AppendBatch(nil, BatchID{1, 2, 300}, []*Command{put("k", "v").when(MustNotExist)}))
}

func TestNewerBatchIsAVersionError(t *testing.T) {
	unknown := func(number protowire.Number) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1)
	}
	withCommand := func(c *kvpb.Command) *kvpb.Batch { return &kvpb.Batch{Version: 1, Commands: []*kvpb.Command{c}} }
	newField := &kvpb.Command{Kind: kvpb.CommandKind_COMMAND_KIND_PUT, Key: []byte("k")}
	newField.ProtoReflect().SetUnknown(unknown(commandFields + 1))
	newBatchField := &kvpb.Batch{Version: 1}
	newBatchField.ProtoReflect().SetUnknown(unknown(batchFields + 1))
	for _, c := range []struct {
		what  string
		got   uint64
		batch *kvpb.Batch
	}{
		{"batch version", 2, &kvpb.Batch{Version: 2}},
		{"batch field", 6, newBatchField},
		{"command kind", 5, withCommand(&kvpb.Command{Kind: 5})},
		{"condition", 4, withCommand(&kvpb.Command{Kind: 1, Key: []byte("k"), Condition: 4})},
		{"command field", 10, withCommand(newField)},
	} {
		m := newMachine(t, Options{})
		applyAll(t, m, put("a", "1"))
		before := m.StateHash()
		data := marshal(t, c.batch)
		_, _, err := m.Apply(2, data, nil)
		var newer *VersionError
		require.ErrorAs(t, err, &newer, c.what)
		require.Equal(t, c.what, newer.What)
		require.Equal(t, c.got, newer.Got)
		require.Equal(t, before, m.StateHash(), "nothing was applied")
		require.EqualValues(t, 1, m.Applied())
	}
}

func TestMalformedBatches(t *testing.T) {
	command := func(body ...byte) []byte { return append([]byte{8, 1, 42, byte(len(body))}, body...) }
	for name, data := range map[string][]byte{
		"no version":                  {16, 1},
		"version 0":                   {8, 0},
		"field number 0":              {8, 1, 0},
		"wire type 7":                 {8, 1, 7<<3 | 7},
		"version as bytes":            {10, 1, 1},
		"fields out of order":         {16, 1, 8, 1},
		"version twice":               {8, 1, 8, 1},
		"zero written out":            {8, 1, 16, 0},
		"long varint":                 {8, 0x81, 0},
		"varint cut off":              {8, 1, 16, 0x80},
		"varint of 11 bytes":          {8, 1, 16, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
		"command cut off":             {8, 1, 42, 2, 8},
		"huge command":                {8, 1, 42, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
		"key cut off":                 command(18, 2, 'k'),
		"key reaches out of command":  append(command(8, 1, 18, 2, 'k'), 'k'),
		"empty key written out":       command(18, 0),
		"key twice":                   command(18, 1, 'k', 18, 1, 'k'),
		"short nonce":                 command(8, 3, 74, 1, 1),
		"open without nonce":          command(8, 3),
		"zero nonce on another kind":  command(append([]byte{8, 1, 74, 16}, make([]byte, 16)...)...),
		"command field as other type": command(10, 1, 1),
	} {
		_, err := DecodeBatch(data)
		var malformed *DecodeError
		require.ErrorAs(t, err, &malformed, name)
		require.LessOrEqual(t, malformed.Offset, len(data), name)
	}
	b, err := DecodeBatch(command(append([]byte{8, 3, 74, 16}, make([]byte, 16)...)...))
	require.NoError(t, err, "an OpenSession may have a nonce of zeros")
	require.Equal(t, OpenSession, b.Commands[0].Kind)
}

// FuzzDecodeBatch: what decodes encodes to the same bytes, protobuf agrees with what it says, and applying it neither
// panics nor depends on the shards.
func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte{8, 1})
	f.Add(AppendBatch(nil, BatchID{1, 2, 3}, []*Command{put("k", "v").when(RevisionEquals, 7), remove("k"), open(9)}))
	f.Add(AppendBatch(nil, BatchID{1, 2, 300}, []*Command{open(0), put("k", "v").in(1, 2, 1), closing(1)}))
	f.Add(AppendBatch(nil, BatchID{}, []*Command{{}, {Kind: Put}}))
	f.Add([]byte{8, 2, 16, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := DecodeBatch(data)
		if err != nil {
			m := newMachine(t, Options{Shards: 1})
			_, _, applyErr := m.Apply(1, data, nil)
			require.Equal(t, err != nil && len(data) > 0, applyErr != nil)
			return
		}
		require.True(t, bytes.Equal(data, AppendBatch(nil, b.ID, pointers(b.Commands))), "what decodes is canonical")
		require.True(t, bytes.Equal(data, marshal(t, message(b))), "and is protobuf's deterministic form")
		one, many := newMachine(t, Options{Shards: 1, KeyBytesMax: 8}), newMachine(t, Options{Shards: 16, KeyBytesMax: 8})
		for index := uint64(1); index < 3; index++ {
			id, results, err := one.Apply(index, data, nil)
			require.NoError(t, err)
			require.Equal(t, b.ID, id)
			_, others, err := many.Apply(index, data, nil)
			require.NoError(t, err)
			require.Equal(t, results, others)
		}
		require.Equal(t, one.StateHash(), many.StateHash())
	})
}
