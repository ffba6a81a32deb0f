package witness

import (
	"fmt"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// benchmarkLoad is like a run of Lockstep.
func benchmarkLoad(operations, keys, unknown int) load {
	return load{
		seed: 1, clients: 64, keys: keys, operations: operations, ticks: 1000, lateTicks: 5000, unknown: unknown, refused: 1,
		stale: 5, conditional: 30, blindFailures: true,
	}
}

var sizes = []struct{ operations, keys, unknown int }{
	{1_000_000, 1000, 1},
	{1_000_000, 1, 1},
	{100_000, 1000, 1},
	{100_000, 100, 30},
}

func each(b *testing.B, do func(b *testing.B, h *history.History)) {
	for _, s := range sizes {
		b.Run(fmt.Sprintf("operations=%d/keys=%d/unknown=%d%%", s.operations, s.keys, s.unknown), func(b *testing.B) {
			h := benchmarkLoad(s.operations, s.keys, s.unknown).run()
			b.ReportAllocs()
			b.ResetTimer()
			do(b, h)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.operations), "ns/operation")
		})
	}
}

// BenchmarkKey measures the first tier whole: partitioning, Prepare and Key.
func BenchmarkKey(b *testing.B) {
	each(b, func(b *testing.B, h *history.History) {
		accepted, keys := 0, 0
		for b.Loop() {
			accepted, keys = 0, 0
			for _, part := range h.Partitions() {
				p, err := model.Prepare(h, part.Operations)
				if err != nil {
					b.Fatal(err)
				}
				keys++
				if _, ok := Key(model.Key{Contract: true}, p.Ops); ok {
					accepted++
				}
			}
		}
		b.ReportMetric(100*float64(accepted)/float64(keys), "%accepted")
	})
}

// BenchmarkContract measures the judgement of the contract, partitioning included.
func BenchmarkContract(b *testing.B) {
	each(b, func(b *testing.B, h *history.History) {
		for b.Loop() {
			if got := Contract(h); len(got) > 0 {
				b.Fatal(got[0].Sentence)
			}
		}
	})
}
