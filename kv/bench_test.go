package kv

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The sizes that the targets are stated for.
const (
	benchKeys       = 1_000_000
	benchKeyBytes   = 32
	benchValueBytes = 256
	benchBatch      = 64
)

// benchKey writes the i-th key into key.
func benchKey(key []byte, i uint64) []byte {
	clear(key)
	binary.BigEndian.PutUint64(key, i*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(key[24:], i)
	return key
}

// benchWriter applies batches of puts and deletes and remembers the longest call.
type benchWriter struct {
	m        *Machine
	index    uint64
	commands []*Command
	data     []byte
	results  []Result
	// The longest call, by the clock and by the thread's CPU time.
	longest, longestCPU time.Duration
}

func newBenchWriter(tb testing.TB, o Options) *benchWriter {
	runtime.LockOSThread() // for threadTime; the benchmark's goroutine ends with it
	m, err := New(o)
	require.NoError(tb, err)
	w := &benchWriter{m: m}
	for range benchBatch {
		w.commands = append(w.commands, &Command{Key: make([]byte, benchKeyBytes), Value: make([]byte, benchValueBytes)})
	}
	return w
}

// encode makes a batch of up to benchBatch commands out of next, which says false when there are no more.
func (w *benchWriter) encode(kind CommandKind, next func() (uint64, bool)) int {
	n := 0
	for ; n < benchBatch; n++ {
		key, ok := next()
		if !ok {
			break
		}
		c := w.commands[n]
		c.Kind, c.Value = kind, c.Value[:0]
		if kind == Put {
			c.Value = c.Value[:benchValueBytes]
		}
		benchKey(c.Key, key)
	}
	w.data = AppendBatch(w.data[:0], BatchID{Node: 1, Epoch: 1, Sequence: w.index + 1}, w.commands[:n])
	return n
}

func (w *benchWriter) apply() {
	w.observe(func() {
		w.index++
		_, results, err := w.m.Apply(w.index, w.data, w.results[:0])
		if err != nil {
			panic(err)
		}
		w.results = results
	})
}

// observe times a call. The goroutine should be locked to its thread.
func (w *benchWriter) observe(call func()) {
	start, cpu := time.Now(), threadTime()
	call()
	w.longestCPU = max(w.longestCPU, threadTime()-cpu)
	w.longest = max(w.longest, time.Since(start))
}

func (w *benchWriter) reportStall(b *testing.B) {
	b.ReportMetric(float64(w.longest.Nanoseconds()), "max-stall-ns")
	b.ReportMetric(float64(w.longestCPU.Nanoseconds()), "max-stall-cpu-ns")
}

func (w *benchWriter) fill(keys int) {
	next := upTo(keys)
	for w.encode(Put, next) > 0 {
		w.apply()
	}
}

func upTo(keys int) func() (uint64, bool) {
	i := -1
	return func() (uint64, bool) { i++; return uint64(i), i < keys }
}

func (w *benchWriter) forget() { w.longest, w.longestCPU = 0, 0 }

func heapAfterCollection() (live, inUse uint64) {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc, s.HeapInuse
}

// BenchmarkApply counts one command as one operation: target 1 µs on one core. Encoding is not part of it.
func BenchmarkApply(b *testing.B) {
	for _, keys := range []int{benchKeys / 10, benchKeys} {
		b.Run(fmt.Sprintf("overwrite/keys=%d", keys), func(b *testing.B) {
			w := newBenchWriter(b, Options{})
			w.fill(keys)
			state := uint64(1)
			w.benchmark(b, Put, func() uint64 {
				state = state*6364136223846793005 + 1442695040888963407
				return (state >> 33) % uint64(keys)
			})
		})
	}
	b.Run("insert", func(b *testing.B) {
		w := newBenchWriter(b, Options{})
		i := uint64(0)
		w.benchmark(b, Put, func() uint64 { i++; return i })
	})
	b.Run("delete/keys=1000000", func(b *testing.B) {
		w := newBenchWriter(b, Options{})
		w.fill(benchKeys)
		i := uint64(0)
		w.benchmark(b, Delete, func() uint64 { i++; return i % benchKeys })
	})
	b.Run("session-overwrite", func(b *testing.B) { benchmarkSession(b) })
}

// benchmark applies b.N commands in batches that were encoded outside the timer.
func (w *benchWriter) benchmark(b *testing.B, kind CommandKind, key func() uint64) {
	const ahead = 64
	batches := make([][]byte, ahead) // reused, so that the collector works for the store alone
	var cpu time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		b.StopTimer()
		encoded := 0
		for ; encoded < ahead && done < b.N; encoded++ {
			done += w.encode(kind, func() (uint64, bool) { return key(), true })
			batches[encoded] = append(batches[encoded][:0], w.data...)
		}
		b.StartTimer()
		start := processTime()
		for _, data := range batches[:encoded] {
			w.index++
			_, results, err := w.m.Apply(w.index, data, w.results[:0])
			if err != nil {
				b.Fatal(err)
			}
			w.results = results
		}
		cpu += processTime() - start
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func benchmarkSession(b *testing.B) {
	w := newBenchWriter(b, Options{})
	w.fill(100_000)
	open := AppendBatch(nil, BatchID{}, []*Command{{Kind: OpenSession, Nonce: [16]byte{1}}})
	w.index++
	_, results, err := w.m.Apply(w.index, open, nil)
	require.NoError(b, err)
	sequence := uint64(0)
	for _, c := range w.commands {
		c.Session = results[0].Session
	}
	i := uint64(0)
	w.benchmark(b, Put, func() uint64 {
		c := w.commands[sequence%benchBatch]
		sequence++
		c.Sequence, c.Acknowledged = sequence, sequence-min(sequence-1, benchBatch)
		i++
		return i * 7919 % 100_000
	})
}

func BenchmarkGet(b *testing.B) {
	w := newBenchWriter(b, Options{})
	w.fill(benchKeys)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		key := make([]byte, benchKeyBytes)
		for i := uint64(0); pb.Next(); i++ {
			if _, _, found := w.m.Get(benchKey(key, i*7919%benchKeys)); !found {
				b.Error("key is missing")
			}
		}
	})
}

// BenchmarkMemory reports the live heap for each key beyond its key and value, and the longest batch of 64 inserts.
func BenchmarkMemory(b *testing.B) {
	for _, keys := range []int{benchKeys, 10 * benchKeys} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			if keys > benchKeys && testing.Short() {
				b.Skip("10,000,000 keys take 4 GB: not with -short")
			}
			for range b.N {
				before, _ := heapAfterCollection()
				w := newBenchWriter(b, Options{})
				w.fill(keys)
				after, _ := heapAfterCollection()
				b.ReportMetric(float64(after-before)/float64(keys)-benchKeyBytes-benchValueBytes, "overhead-B/key")
				w.reportStall(b)
				runtime.KeepAlive(w)
			}
		})
	}
}

// BenchmarkDeleteMost deletes 90% of 1,000,000 keys with maintenance in between and compares the live heap with a
// fresh machine's that holds the rest: targets 1.5 and 5 ms.
func BenchmarkDeleteMost(b *testing.B) {
	for range b.N {
		before, inUseBefore := heapAfterCollection()
		fresh := newBenchWriter(b, Options{})
		fresh.fill(benchKeys / 10)
		freshHeap, freshInUse := heapAfterCollection()
		runtime.KeepAlive(fresh)
		fresh = nil

		w := newBenchWriter(b, Options{})
		w.fill(benchKeys)
		w.forget()
		w.deleteMost()
		heap, inUse := heapAfterCollection()
		require.Equal(b, benchKeys/10, w.m.Stats().Keys)
		b.ReportMetric(float64(heap-before)/float64(freshHeap-before), "live-heap-ratio")
		b.ReportMetric(float64(inUse-inUseBefore)/float64(freshInUse-inUseBefore), "heap-in-use-ratio")
		w.reportStall(b)
		b.ReportMetric(float64(w.m.Stats().Rebuilds), "rebuilds")
		runtime.KeepAlive(w)
	}
}

func (w *benchWriter) deleteMost() {
	i := benchKeys/10 - 1
	next := func() (uint64, bool) { i++; return uint64(i), i < benchKeys }
	for w.encode(Delete, next) > 0 {
		w.apply()
		w.maintain(256)
	}
	for w.maintain(256) {
	}
}

func (w *benchWriter) maintain(steps int) bool {
	more := false
	w.observe(func() { more = w.m.Maintain(steps) })
	return more
}

// BenchmarkSnapshotStall measures every writer call while 1,000,000 keys and 4,096 sessions with full windows are
// snapshotted on another goroutine: target 5 ms for the longest.
func BenchmarkSnapshotStall(b *testing.B) {
	w := newBenchWriter(b, Options{})
	w.fill(benchKeys)
	w.openSessions(b, 4096, 256)
	b.ResetTimer()
	for range b.N {
		w.forget()
		var s *Snapshot
		w.observe(func() { s = w.m.Freeze(Meta{Index: w.index}) })
		freeze := w.longest
		bytes, overlay := w.writeBeside(s)
		w.observe(w.m.Thaw)
		for w.maintain(256) {
		}
		w.reportStall(b)
		b.ReportMetric(float64(freeze.Nanoseconds()), "freeze-ns")
		b.ReportMetric(float64(overlay), "overlay-keys")
		b.ReportMetric(float64(bytes)/1e6, "snapshot-MB")
	}
}

// writeBeside overwrites, inserts and uses sessions until the snapshot is encoded.
func (w *benchWriter) writeBeside(s *Snapshot) (bytes, overlay int) {
	done := make(chan int)
	go func() {
		total := 0
		var chunk []byte
		for last := false; !last; total += len(chunk) {
			chunk, last = s.Next(chunk[:0])
		}
		done <- total
	}()
	i := uint64(0)
	for {
		select {
		case bytes = <-done:
			return bytes, w.m.Stats().OverlayKeys
		default:
		}
		w.encode(Put, func() (uint64, bool) { i++; return i * 7919 % (2 * benchKeys), true })
		w.apply()
		w.maintain(256)
	}
}

// openSessions opens sessions and fills their windows.
func (w *benchWriter) openSessions(b *testing.B, sessions, window int) {
	for i := range sessions {
		c := &Command{Kind: OpenSession}
		binary.LittleEndian.PutUint64(c.Nonce[:], uint64(i+1))
		w.index++
		_, results, err := w.m.Apply(w.index, AppendBatch(nil, BatchID{}, []*Command{c}), nil)
		require.NoError(b, err)
		var commands []*Command
		for sequence := range window {
			commands = append(commands, &Command{Kind: Delete, Key: []byte("absent"), Session: results[0].Session, Sequence: uint64(sequence + 1)})
		}
		w.index++
		_, _, err = w.m.Apply(w.index, AppendBatch(nil, BatchID{}, commands), nil)
		require.NoError(b, err)
	}
}

func BenchmarkSnapshotEncode(b *testing.B) {
	w := newBenchWriter(b, Options{})
	w.fill(benchKeys)
	var chunk []byte
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		s := w.m.Freeze(Meta{Index: w.index})
		total := int64(0)
		for done := false; !done; total += int64(len(chunk)) {
			chunk, done = s.Next(chunk[:0])
		}
		w.m.Thaw()
		b.SetBytes(total)
	}
}

func BenchmarkRestore(b *testing.B) {
	w := newBenchWriter(b, Options{})
	w.fill(benchKeys)
	var chunks [][]byte
	total := int64(0)
	s := w.m.Freeze(Meta{Index: w.index})
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next(nil)
		chunks, total = append(chunks, chunk), total+int64(len(chunk))
	}
	b.SetBytes(total)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		r, err := NewRestorer(Options{})
		require.NoError(b, err)
		for _, chunk := range chunks {
			require.NoError(b, r.Add(chunk))
		}
		_, _, err = r.Finish()
		require.NoError(b, err)
	}
}

// BenchmarkDecode counts one command as one operation.
func BenchmarkDecode(b *testing.B) {
	w := newBenchWriter(b, Options{})
	w.encode(Put, upTo(benchBatch))
	var scratch []Command
	b.ReportAllocs()
	start := processTime()
	for done := 0; done < b.N; done += benchBatch {
		batch, err := decodeBatch(w.data, scratch[:0])
		if err != nil {
			b.Fatal(err)
		}
		scratch = batch.Commands
	}
	b.ReportMetric(float64((processTime()-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// BenchmarkGrow is the one step of a table that is not bounded by a constant: doubling the index of one of 128 shards.
func BenchmarkGrow(b *testing.B) {
	for _, keys := range []int{benchKeys, 10 * benchKeys} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			length := ringLength(keys/128) / 2 // the last doubling before so many keys
			t := table{index: make([]uint64, length)}
			for i := range length * 3 / 4 {
				tag := uint32(i+1) * 0x9e3779b1
				t.index[vacant(t.index, tag&uint32(length-1), uint32(length-1))] = uint64(tag)<<32 | uint64(i+1)
			}
			t.count = length * 3 / 4
			start := processTime()
			for range b.N {
				t.grownIndex(t.count + 1)
			}
			b.ReportMetric(float64((processTime()-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
