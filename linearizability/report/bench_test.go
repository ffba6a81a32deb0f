package report

import (
	"io"
	"testing"
)

func BenchmarkHTML(b *testing.B) {
	for _, x := range []struct {
		name string
		run  run
	}{
		{"operations=10000", run{clients: 16, keys: 40, operations: 10_000}},
		{"operations=100000", run{clients: 30, keys: 6_000, operations: 100_000}},
	} {
		b.Run(x.name, func(b *testing.B) {
			c := violated(x.run)
			b.ReportAllocs()
			for b.Loop() {
				if err := HTML(io.Discard, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
