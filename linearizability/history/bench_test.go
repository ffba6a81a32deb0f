//go:build linux || darwin

package history

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// reportCPU reports the processor time of one of n iterations beside the wall clock's, which also counts what other processes
// take. Call it before the loop, and its result behind it.
func reportCPU(b *testing.B) (report func(n int)) {
	now := func() int64 {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
			b.Fatal(err)
		}
		return t.Nano()
	}
	start := now()
	return func(n int) { b.ReportMetric(float64(now()-start)/float64(n), "cpu-ns/op") }
}

// manyOperations returns a run of n operations by 20 clients on 1,000 keys, half of them reads, 1% of unknown outcome.
func manyOperations(n int) *History {
	rng := rand.New(rand.NewPCG(1, 2))
	h := &History{Origin: Origin{Store: "lockstep", Revisions: Contract, Seed: 1, HasSeed: true}}
	latest := make([]int, 1000)
	for i := range n {
		k := rng.IntN(1000)
		o := Operation{
			Client: int32(i % 20), Key: fmt.Sprintf("key-%d", k), Outcome: Done,
			Invoke: int64(i) * 1000, Return: int64(i)*1000 + rng.Int64N(20_000), Revision: uint64(i + 1),
		}
		if rng.IntN(2) == 0 {
			o.Kind, o.Observed, o.KeyRevision = Get, Of(fmt.Sprintf("value-%d", latest[k])), uint64(latest[k])
		} else {
			o.Kind, o.Value = Put, Of(fmt.Sprintf("value-%d", i))
			latest[k] = i
		}
		if rng.IntN(100) == 0 {
			o.Outcome, o.Return, o.Observed, o.Revision, o.KeyRevision = Unknown, Forever, Absent, 0, 0
		}
		h.Operations = append(h.Operations, o)
	}
	return h
}

// BenchmarkRead reads 1,000,000 operations.
func BenchmarkRead(b *testing.B) {
	var file bytes.Buffer
	if err := Write(&file, manyOperations(1_000_000)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	report := reportCPU(b)
	for b.Loop() {
		if _, err := Read(bytes.NewReader(file.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
	report(b.N)
}

// BenchmarkWrite writes 1,000,000 operations.
func BenchmarkWrite(b *testing.B) {
	h := manyOperations(1_000_000)
	b.ReportAllocs()
	report := reportCPU(b)
	for b.Loop() {
		if err := Write(io.Discard, h); err != nil {
			b.Fatal(err)
		}
	}
	report(b.N)
}

// BenchmarkWriter writes an invocation and its return.
func BenchmarkWriter(b *testing.B) {
	w, err := NewWriter(io.Discard, Origin{})
	if err != nil {
		b.Fatal(err)
	}
	o := Operation{Client: 3, Kind: Put, Outcome: Done, Key: "key-17", Value: Of("value-12345"), Revision: 12345}
	b.ReportAllocs()
	report := reportCPU(b)
	id := uint64(0)
	for b.Loop() {
		id++
		_ = w.Invoke(id, &o, int64(id))
		_ = w.Return(id, &o, int64(id))
	}
	report(b.N)
	if w.Flush() != nil {
		b.Fatal(w.err)
	}
}
