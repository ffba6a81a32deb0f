//go:build linux || darwin

package linearizability

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// processTime is the processor time used so far. The wall clock also counts what other processes take.
func processTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}

// BenchmarkRecorder records operations, each an invocation and its return, by so many callers at once that do nothing else.
func BenchmarkRecorder(b *testing.B) {
	for _, callers := range []int{1, 2, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			r, err := NewRecorder(io.Discard, RecorderOptions{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			start := processTime(b)
			var left atomic.Int64
			left.Store(int64(b.N))
			var running sync.WaitGroup
			for client := range callers {
				running.Go(func() {
					for left.Add(-1) >= 0 {
						c := r.Invoke(history.Operation{Client: int32(client), Kind: history.Put, Key: "key-17", Value: history.Of("value-12345")})
						_ = r.Return(c, history.Operation{Outcome: history.Done, Revision: 12345})
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(processTime(b)-start)/float64(b.N), "cpu-ns/op")
			b.StopTimer()
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
