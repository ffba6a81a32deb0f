package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func chunksOf(s *Snapshot) [][]byte {
	var chunks [][]byte
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next(nil)
		chunks = append(chunks, chunk)
	}
	return chunks
}

func restoreAll(o Options, chunks [][]byte) (*Machine, Meta, error) {
	r, err := NewRestorer(o)
	if err != nil {
		return nil, Meta{}, err
	}
	for _, chunk := range chunks {
		if err := r.Add(chunk); err != nil {
			m, _, again := r.Finish()
			if m != nil || !errors.Is(again, err) {
				return nil, Meta{}, fmt.Errorf("finished after %w", err)
			}
			return nil, Meta{}, err
		}
	}
	return r.Finish()
}

func restore(tb testing.TB, chunks [][]byte, o Options) (*Machine, Meta) {
	tb.Helper()
	m, meta, err := restoreAll(o, chunks)
	require.NoError(tb, err)
	return m, meta
}

// thaw ends the snapshot and merges it.
func thaw(m *Machine) {
	m.Thaw()
	for m.Maintain(1000) {
	}
}

func snapshotOf(m *Machine, cluster string) [][]byte {
	chunks := chunksOf(m.Freeze(Meta{Index: m.Applied(), Term: 9, Cluster: []byte(cluster)}))
	thaw(m)
	return chunks
}

// sample is a machine with everything in it that a snapshot can hold.
func sample(tb testing.TB, o Options) *Machine {
	m := newMachine(tb, o)
	applyAll(tb, m, open(1), open(2), open(3), closing(2))
	for i := range 50 {
		applyAll(tb, m, put(fmt.Sprint("key", i%20), fmt.Sprint("value", i)), remove(fmt.Sprint("key", i%7)))
	}
	applyAll(tb, m, put("s", "1").in(1, 2, 2), put("s", "2").when(MustNotExist).in(1, 5, 0), remove("s").in(1, 3, 0), put("e", ""))
	return m
}

func TestSnapshotRoundTrip(t *testing.T) {
	m := sample(t, Options{Shards: 8})
	want := m.StateHash()
	chunks := snapshotOf(m, "members")
	require.Equal(t, want, m.StateHash())
	for _, shards := range []int{1, 8, 64} {
		restored, meta := restore(t, chunks, Options{Shards: shards})
		require.Equal(t, Meta{m.Applied(), 9, []byte("members")}, meta)
		require.Equal(t, want, restored.StateHash())
		require.Equal(t, m.Stats().Keys, restored.Stats().Keys)
		require.Equal(t, m.DataBytes(), restored.DataBytes())
		require.Equal(t, applyAll(t, m, put("s", "1").in(1, 2, 0), open(3), open(8)),
			applyAll(t, restored, put("s", "1").in(1, 2, 0), open(3), open(8)))
		require.Equal(t, m.StateHash(), restored.StateHash())
		want = m.StateHash()
		chunks = snapshotOf(m, "members")
	}
}

func TestSnapshotOfAnEmptyMachine(t *testing.T) {
	m := newMachine(t, Options{})
	chunks := snapshotOf(m, "")
	require.Len(t, chunks, 2)
	restored, meta := restore(t, chunks, Options{})
	require.Equal(t, Meta{Term: 9}, meta)
	require.Equal(t, m.StateHash(), restored.StateHash())
}

func TestSnapshotBytesAreThoseOfTheHistory(t *testing.T) {
	one := snapshotOf(sample(t, Options{Shards: 4}), "x")
	require.Equal(t, one, snapshotOf(sample(t, Options{Shards: 4}), "x"))
	restored, _ := restore(t, one, Options{Shards: 4})
	require.Equal(t, one, snapshotOf(restored, "x"), "restoring keeps the order of the keys")
}

// Values larger than a chunk are cut; every chunk is within its bound, and appended behind what is in dst.
func TestSnapshotOfLargeValues(t *testing.T) {
	m := newMachine(t, Options{Shards: 1, ValueBytesMax: 3 << 20, KeyBytesMax: KeyBytesLimit})
	for i, size := range []int{3 << 20, 0, ChunkBytes - itemHeadSize - 2, ChunkBytes - itemHeadSize - 1, 1, ChunkBytes, 700_000} {
		applyAll(t, m, put(fmt.Sprint("k", i), strings.Repeat(string(rune('a'+i)), size)))
	}
	applyAll(t, m, put(strings.Repeat("long", KeyBytesLimit/4), "v"))
	s := m.Freeze(Meta{Index: m.Applied()})
	var chunks [][]byte
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next([]byte("before"))
		require.Equal(t, "before", string(chunk[:6]))
		require.LessOrEqual(t, len(chunk)-6, ChunkBytesMax)
		chunks = append(chunks, chunk[6:])
	}
	require.Panics(t, func() { s.Next(nil) })
	restored, _ := restore(t, chunks, Options{})
	require.Equal(t, m.StateHash(), restored.StateHash())
	cut := append([][]byte{}, chunks[:3]...)
	_, _, err := restoreAll(Options{}, append(cut, chunks[4:]...))
	require.Error(t, err)
}

func TestSnapshotIsOfTheMomentOfFreeze(t *testing.T) {
	m := sample(t, Options{Shards: 2, RebuildOperationsMin: 1, RebuildDeletesMin: 1, RebuildSparseRatio: 0.9})
	m.Maintain(2)
	want := m.StateHash()
	s := m.Freeze(Meta{Index: m.Applied()})
	var chunks [][]byte
	for i, done := 0, false; !done; i++ {
		applyAll(t, m, put(fmt.Sprint("key", i), "later"), remove(fmt.Sprint("key", i+10)), put(fmt.Sprint("new", i), "x"), open(byte(100+i)))
		require.False(t, m.Maintain(100), "nothing moves while it is frozen")
		var chunk []byte
		chunk, done = s.Next(nil)
		chunks = append(chunks, chunk)
	}
	restored, _ := restore(t, chunks, Options{})
	require.Equal(t, want, restored.StateHash())
	require.NotEqual(t, want, m.StateHash())
	after := m.StateHash()
	m.Thaw()
	require.Panics(t, func() { s.Next(nil) })
	require.True(t, m.Frozen())
	for m.Maintain(1) {
		require.Equal(t, after, m.StateHash())
	}
	require.False(t, m.Frozen())
}

func TestFreezePanics(t *testing.T) {
	m := sample(t, Options{})
	require.Panics(t, m.Thaw)
	require.Panics(t, func() { m.Freeze(Meta{Index: m.Applied() + 1}) })
	require.Panics(t, func() { m.Freeze(Meta{Index: m.Applied(), Cluster: make([]byte, ClusterBytesMax+1)}) })
	m.Freeze(Meta{Index: m.Applied()})
	require.Panics(t, func() { m.Freeze(Meta{Index: m.Applied()}) })
	applyAll(t, m, put("x", "y"))
	m.Thaw()
	require.Panics(t, func() { m.Freeze(Meta{Index: m.Applied()}) }, "not merged yet")
}

// manyChunks is a snapshot of several chunks of each kind that can repeat.
func manyChunks(t *testing.T) [][]byte {
	m := newMachine(t, Options{Shards: 2})
	for i := range 10 {
		nonce := &Command{Kind: OpenSession, Nonce: [16]byte{byte(i), byte(i >> 8), 1}}
		id := applyAll(t, m, nonce)[0].Session
		var commands []*Command
		for sequence := range uint64(256) {
			commands = append(commands, remove("x").in(id, sequence+1, 0))
		}
		applyAll(t, m, commands...)
	}
	for i := range 40 {
		applyAll(t, m, put(fmt.Sprint("key", i), strings.Repeat("v", 20_000)))
	}
	for i := range 15 {
		id := applyAll(t, m, &Command{Kind: OpenSession, Nonce: [16]byte{byte(i), 99}})[0].Session
		var commands []*Command
		for sequence := range uint64(256) {
			commands = append(commands, remove("x").in(id, sequence+1, 0))
		}
		applyAll(t, m, commands...)
	}
	chunks := snapshotOf(m, "members")
	require.GreaterOrEqual(t, len(chunks), 8)
	return chunks
}

func requireRefused(t *testing.T, chunks [][]byte, message string, arguments ...any) *SnapshotError {
	t.Helper()
	m, _, err := restoreAll(Options{}, chunks)
	var refused *SnapshotError
	require.ErrorAs(t, err, &refused, append([]any{message}, arguments...)...)
	require.Nil(t, m)
	return refused
}

func TestRestorerRefusesOtherOrders(t *testing.T) {
	chunks := manyChunks(t)
	for i := range chunks {
		requireRefused(t, append(append([][]byte{}, chunks[:i]...), chunks[i+1:]...), "without chunk %d", i)
		requireRefused(t, append(append([][]byte{}, chunks[:i+1]...), chunks[i:]...), "chunk %d twice", i)
		if i > 0 {
			swapped := append([][]byte{}, chunks...)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			requireRefused(t, swapped, "chunks %d and %d swapped", i-1, i)
		}
		requireRefused(t, chunks[:i], "only %d chunks", i)
		requireRefused(t, renumber(append(append([][]byte{}, chunks[:i]...), chunks[i+1:]...)), "without chunk %d, renumbered", i)
		requireRefused(t, renumber(append(append([][]byte{}, chunks[:i+1]...), chunks[i:]...)), "chunk %d twice, renumbered", i)
	}
	requireRefused(t, append(append([][]byte{}, chunks...), []byte{}), "an empty chunk behind the end")
	refused := requireRefused(t, append(append([][]byte{}, chunks...), chunks[len(chunks)-1]), "the trailer twice")
	require.EqualValues(t, len(chunks), refused.Chunk)
	require.EqualValues(t, len(bytes.Join(chunks, nil)), refused.Offset)
}

// renumber gives chunks numbers and checksums in order, as a writer with a fault could.
func renumber(chunks [][]byte) [][]byte {
	var out [][]byte
	for i, chunk := range chunks {
		out = append(out, reseal(bytes.Clone(chunk), i))
	}
	return out
}

func reseal(chunk []byte, number int) []byte {
	frame := chunk
	if bytes.HasPrefix(chunk, []byte(snapshotMagic)) {
		frame = chunk[preambleBytes:]
	}
	if len(frame) >= frameBytes {
		seal(frame, uint64(number), chunkKind(binary.LittleEndian.Uint32(frame[16:])))
	}
	return chunk
}

func TestRestorerRefusesEveryDamagedByte(t *testing.T) {
	chunks := snapshotOf(sample(t, Options{}), "members")
	offset := int64(0)
	for i := range chunks {
		for at := range chunks[i] {
			for _, damage := range []byte{1, 0x80, 0xff} {
				damaged := append([][]byte{}, chunks...)
				damaged[i] = bytes.Clone(chunks[i])
				damaged[i][at] ^= damage
				refused := requireRefused(t, damaged, "chunk %d, byte %d", i, at)
				require.EqualValues(t, i, refused.Chunk)
				require.GreaterOrEqual(t, refused.Offset, offset)
				require.LessOrEqual(t, refused.Offset, offset+int64(len(chunks[i])))
			}
			cut := append([][]byte{}, chunks...)
			cut[i] = chunks[i][:at]
			requireRefused(t, cut, "chunk %d cut at %d", i, at)
		}
		longer := append([][]byte{}, chunks...)
		longer[i] = append(bytes.Clone(chunks[i]), 0)
		requireRefused(t, longer, "a byte behind chunk %d", i)
		offset += int64(len(chunks[i]))
	}
}

func TestRestorerNamesANewerVersion(t *testing.T) {
	chunks := snapshotOf(sample(t, Options{}), "")
	newer := bytes.Clone(chunks[0])
	binary.LittleEndian.PutUint32(newer[8:], SnapshotVersion+1)
	binary.LittleEndian.PutUint32(newer[12:], crc32.Checksum(newer[:12], castagnoli))
	_, _, err := restoreAll(Options{}, append([][]byte{newer}, chunks[1:]...))
	var version *VersionError
	require.ErrorAs(t, err, &version)
	require.EqualValues(t, SnapshotVersion+1, version.Got)
}

// impossible is a field that no writer makes.
type impossible struct {
	chunk, at int
	bytes     []byte
}

// impossibleFields are for the snapshot of TestRestorerRefusesImpossibleFields.
func impossibleFields() map[string]impossible {
	header, sessions, items, trailer := preambleBytes+frameBytes, frameBytes, frameBytes, frameBytes
	second := sessions + sessionHeadSize // the session used last is the second, and the first has no results
	u64 := func(value uint64) []byte { return binary.LittleEndian.AppendUint64(nil, value) }
	u32 := func(value uint32) []byte { return binary.LittleEndian.AppendUint32(nil, value) }
	return map[string]impossible{
		"fewer writes than keys":  {0, header + 16, u64(1)},
		"other number of keys":    {0, header + 24, u64(3)},
		"fewer keys":              {0, header + 24, u64(1)},
		"other data bytes":        {0, header + 32, u64(1)},
		"negative data bytes":     {0, header + 32, u64(1 << 63)},
		"last session too low":    {0, header + 40, u64(1)},
		"more sessions":           {0, header + 48, u64(3)},
		"fewer sessions":          {0, header + 48, u64(1)},
		"huge sessions":           {0, header + 40, append(u64(1<<40), u64(1<<40)...)},
		"huge cluster":            {0, header + 56, u32(1 << 31)},
		"cluster too long":        {0, header + 56, u32(8)},
		"cluster too short":       {0, header + 56, u32(6)},
		"session 0":               {1, sessions, u64(0)},
		"session above the last":  {1, sessions, u64(3)},
		"session twice":           {1, second, u64(2)},
		"nonce twice":             {1, second + 8, []byte{2}},
		"floor 0":                 {1, second + 24, u64(0)},
		"floor at the end":        {1, second + 24, u64(1<<64 - 1)},
		"floor above the results": {1, second + 24, u64(3)},
		"huge results":            {1, second + 32, u32(1 << 31)},
		"more results":            {1, second + 32, u32(3)},
		"fewer results":           {1, second + 32, u32(1)},
		"result out of order":     {1, second + sessionHeadSize, u64(3)},
		"result out of window":    {1, second + sessionHeadSize + outcomeSize, u64(1 << 20)},
		"result of the future":    {1, second + sessionHeadSize + 16, u64(99)},
		"status expired":          {1, second + sessionHeadSize + 48, []byte{byte(SessionExpired)}},
		"existed 2":               {1, second + sessionHeadSize + 49, []byte{2}},
		"empty key":               {2, items, u32(0)},
		"long key":                {2, items, u32(KeyBytesLimit + 1)},
		"huge key":                {2, items, u32(1<<32 - 1)},
		"huge value":              {2, items + 4, u32(1<<32 - 1)},
		"value goes on":           {2, items + 4, u32(1 << 20)},
		"create 0":                {2, items + 8, u64(0)},
		"create above mod":        {2, items + 8, u64(3)},
		"mod above the store's":   {2, items + 16, u64(6)},
		"version 0":               {2, items + 24, u64(0)},
		"version too high":        {2, items + 24, u64(3)},
		"key twice":               {2, items + itemHeadSize, []byte("b")},
		"trailer of other keys":   {3, trailer, u64(3)},
		"trailer of other bytes":  {3, trailer + 8, u64(3)},
		"trailer of other chunks": {3, trailer + 16, u64(3)},
		"trailer of other length": {3, trailer + 24, u64(3)},
		"trailer of other sum":    {3, trailer + 32, u64(3)},
		"unknown kind":            {2, 16, u32(5)},
		"kind 0":                  {2, 16, u32(0)},
		"second header":           {2, 16, u32(1)},
		"items as sessions":       {2, 16, u32(2)},
		"sessions as items":       {1, 16, u32(3)},
		"early trailer":           {1, 16, u32(4)},
		"header as items":         {0, preambleBytes + 16, u32(3)},
	}
}

// Fields that no writer makes, under right checksums.
func TestRestorerRefusesImpossibleFields(t *testing.T) {
	m := newMachine(t, Options{Shards: 1})
	applyAll(t, m, put("a", "0"), put("a", "1"), put("b", "22"), open(1), open(2), put("c", "").in(1, 2, 2), remove("c").in(1, 3, 0))
	chunks := snapshotOf(m, "members")
	require.Len(t, chunks, 4)
	for name, c := range impossibleFields() {
		changed := make([][]byte, len(chunks))
		for i := range chunks {
			changed[i] = bytes.Clone(chunks[i])
		}
		require.NotEqual(t, c.bytes, changed[c.chunk][c.at:c.at+len(c.bytes)], name)
		copy(changed[c.chunk][c.at:], c.bytes)
		reseal(changed[c.chunk], c.chunk)
		refused := requireRefused(t, changed, name)
		require.GreaterOrEqual(t, refused.Chunk, uint64(c.chunk), name)
		require.NotContains(t, refused.Reason, "checksum is wrong", name)
	}
}

func TestRestorerAllocatesForWhatArrived(t *testing.T) {
	m := newMachine(t, Options{Shards: 1})
	applyAll(t, m, put("a", strings.Repeat("v", ChunkBytes*2)))
	chunks := snapshotOf(m, "")
	binary.LittleEndian.PutUint32(chunks[1][frameBytes+4:], ValueBytesLimit)
	reseal(chunks[1], 1)
	r, err := NewRestorer(Options{})
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, r.Add(chunks[0]))
	require.NoError(t, r.Add(chunks[1]))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*ChunkBytes))
}

func TestChunkLength(t *testing.T) {
	chunks := manyChunks(t)
	all := bytes.Join(chunks, nil)
	for i, chunk := range chunks {
		length, err := ChunkLength(uint64(i), all[:min(len(all), ChunkPrefixBytes)])
		require.NoError(t, err)
		require.Equal(t, len(chunk), length)
		all = all[length:]
	}
	_, err := ChunkLength(1, []byte{1, 2, 3})
	require.Error(t, err)
	_, err = ChunkLength(1, bytes.Repeat([]byte{0xff}, 40))
	require.Error(t, err)
}

// FuzzRestorer: the chunks are given right numbers and checksums, so that the fuzzer gets behind them. Whatever is
// accepted is a machine whose own snapshot holds the same state.
func FuzzRestorer(f *testing.F) {
	f.Add(bytes.Join(snapshotOf(newMachine(f, Options{}), ""), nil), true)
	f.Add(bytes.Join(snapshotOf(sample(f, Options{Shards: 2}), "members"), nil), true)
	f.Add(bytes.Join(snapshotOf(sample(f, Options{Shards: 2}), "members"), nil), false)
	f.Fuzz(func(t *testing.T, data []byte, right bool) {
		var chunks [][]byte
		for number := uint64(0); len(data) > 0; number++ {
			length, err := ChunkLength(number, data[:min(len(data), ChunkPrefixBytes)])
			if err != nil || length > len(data) {
				break
			}
			chunks, data = append(chunks, bytes.Clone(data[:length])), data[length:]
		}
		if right {
			makeRight(chunks)
		}
		m, meta, err := restoreAll(Options{Shards: 2}, chunks)
		if err != nil {
			require.Nil(t, m)
			return
		}
		s := m.Freeze(meta)
		again := chunksOf(s)
		m.Thaw()
		second, _ := restore(t, again, Options{Shards: 2})
		require.Equal(t, m.StateHash(), second.StateHash())
		require.Equal(t, again, chunksOf(second.Freeze(meta)), "its own form is canonical")
	})
}

// makeRight gives the chunks right numbers and checksums, and the trailer the right totals of bytes.
func makeRight(chunks [][]byte) {
	var all []byte
	for i, chunk := range chunks {
		if i == len(chunks)-1 && len(chunk) == frameBytes+trailerBytes {
			binary.LittleEndian.PutUint64(chunk[frameBytes+16:], uint64(len(chunks)))
			binary.LittleEndian.PutUint64(chunk[frameBytes+24:], uint64(len(all)))
			binary.LittleEndian.PutUint64(chunk[frameBytes+32:], xxhash.Sum64(all))
		}
		all = append(all, reseal(chunk, i)...)
	}
}
