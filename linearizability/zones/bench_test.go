package zones

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/model"
)

// workload is prepared keys to check.
type workload struct {
	specs []model.Key
	keys  [][]model.Op
}

func newWorkload(b *testing.B, m mix, operations, keys int) workload {
	random := rand.New(rand.NewPCG(1, 1))
	var w workload
	for range keys {
		spec, ops, _, err := prepare(generate(random, m, operations/keys))
		if err != nil {
			b.Fatal(err)
		}
		w.specs, w.keys = append(w.specs, spec), append(w.keys, ops)
	}
	return w
}

func (w workload) check(b *testing.B, certify bool) {
	for i, ops := range w.keys {
		if r := Check(w.specs[i], ops, certify); !r.Linearizable {
			b.Fatalf("key %d: %+v", i, r)
		}
	}
}

// BenchmarkCheck decides a million operations on one processor. What a run needs beside the operations is bytes/op.
func BenchmarkCheck(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	writes := mix{get: 1, put: 1, spread: 8}
	swaps := mix{get: 2, put: 1, cas: 1, spread: 8}
	const operations = 1_000_000
	for _, c := range []struct {
		name    string
		mix     mix
		keys    int
		unknown int
		certify bool
	}{
		{"writes", writes, 1000, 0, false},
		{"writes", writes, 1000, 1, false},
		{"writes", writes, 1000, 1, true},
		{"writes", writes, 1, 1, true},
		{"writes", writes, 1000, 20, false},
		{"swaps", swaps, 1000, 1, false},
		{"swaps", swaps, 1, 1, true},
	} {
		b.Run(fmt.Sprintf("mix=%s/operations=%d/keys=%d/unknown=%d%%/certify=%v", c.name, operations, c.keys, c.unknown, c.certify), func(b *testing.B) {
			c.mix.unknown = c.unknown
			w := newWorkload(b, c.mix, operations, c.keys)
			b.ReportAllocs()
			for b.Loop() {
				w.check(b, c.certify)
			}
		})
	}
}
