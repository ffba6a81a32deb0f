package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// FuzzRead: no input makes Read panic; an error names a line; what parses writes, and reads back as the same history.
func FuzzRead(f *testing.F) {
	f.Add([]byte(example(f)))
	for _, w := range wrong {
		f.Add([]byte(w.file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := Read(bytes.NewReader(file))
		if err != nil {
			var bad *FormatError
			require.ErrorAs(t, err, &bad)
			require.Positive(t, bad.Line)
			return
		}
		first := written(t, h)
		again, err := Read(bytes.NewReader(first))
		require.NoError(t, err, "%s", first)
		require.Equal(t, string(first), string(written(t, again)))
		require.Equal(t, withoutLines(h), withoutLines(again))
	})
}

// FuzzScan: what the scanner accepts is JSON, and encoding/json finds the same fields in it.
func FuzzScan(f *testing.F) {
	for _, line := range strings.Split(example(f), "\n") {
		f.Add([]byte(line))
	}
	for _, w := range wrong {
		for _, line := range strings.Split(w.file, "\n") {
			f.Add([]byte(line))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var s scanner
		if s.scan(line) != nil {
			return
		}
		var theirs map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(line, &theirs), "%q", line)
		require.NotEmpty(t, theirs)
		for name, raw := range theirs {
			n, ok := names.find([]byte(name))
			require.True(t, ok, name)
			require.True(t, s.there.has(n.field), name)
			s.there &^= setOf(n.field)
			equalField(t, n, raw, s.values[n.field])
		}
		require.Zero(t, s.there, "fields that encoding/json does not find")
	})
}

func equalField(t *testing.T, n *named, raw json.RawMessage, got scanned) {
	switch fields[n.field].shape {
	case unsignedShape:
		var want uint64
		require.NoError(t, json.Unmarshal(raw, &want))
		require.Equal(t, want, got.number)
	case signedShape:
		var want int64
		require.NoError(t, json.Unmarshal(raw, &want))
		require.Equal(t, want, int64(got.number))
	case truthShape:
		var want *bool
		require.NoError(t, json.Unmarshal(raw, &want))
		require.Equal(t, *want, got.truth)
	default:
		var want *string
		var bytes []byte
		require.NoError(t, json.Unmarshal(raw, &want))
		require.Equal(t, want == nil, got.null)
		switch {
		case want == nil:
		case n.base64:
			require.NoError(t, json.Unmarshal(raw, &bytes))
			require.Equal(t, string(bytes), string(got.text))
		default:
			require.Equal(t, *want, string(got.text))
		}
	}
}

// However the bytes arrive, the history is the same.
func TestReadDoesNotDependOnHowMuchComesAtOnce(t *testing.T) {
	h := manyOperations(2000)
	h.Operations[7].Key = strings.Repeat("long ", readBufferBytes)
	h.Operations[7].Kind, h.Operations[7].Value, h.Operations[7].Observed, h.Operations[7].KeyRevision = Put, Of("x"), Absent, 0
	file := written(t, h)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(file), "bytes": iotest.OneByteReader(bytes.NewReader(file)),
		"halves": iotest.HalfReader(bytes.NewReader(file)), "with the error": iotest.DataErrReader(bytes.NewReader(file)),
	} {
		read, err := Read(r)
		require.NoError(t, err, name)
		require.False(t, read.Origin.Torn, name)
		require.Equal(t, h.Operations, withoutLines(read).Operations, name)
	}
}

func TestErrorsOfTheReaderComeThrough(t *testing.T) {
	broken := errors.New("the cable is out")
	for _, text := range []string{"", head, head + invoke, head + invoke[:20]} {
		_, err := Read(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
	}
}

// Values that are the same, and keys, are in memory once.
func TestEqualTextsShareTheirBytes(t *testing.T) {
	h := manyOperations(1000)
	h.Operations[0] = Operation{Kind: Put, Key: "k", Value: Of("v"), Outcome: Done}
	for i := range h.Operations[1:] {
		h.Operations[i+1].Key = "k"
	}
	h.Operations[999] = Operation{Kind: Get, Key: "k", Observed: Of("v"), Outcome: Done, Invoke: 2_000_000, Return: 2_000_000}
	read, err := Read(bytes.NewReader(written(t, h)))
	require.NoError(t, err)
	first, last := read.Operations[0], read.Operations[999]
	require.Equal(t, first.Value, last.Observed)
	require.Same(t, unsafe.StringData(first.Value.Data), unsafe.StringData(last.Observed.Data))
	require.Same(t, unsafe.StringData(first.Key), unsafe.StringData(last.Key))
}

func TestAnInternerForgets(t *testing.T) {
	var n interner
	for i := range 3 * internedMax {
		text := []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		require.Equal(t, string(text), n.intern(text))
		require.LessOrEqual(t, len(n.known), internedMax)
	}
}
