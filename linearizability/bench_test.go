package linearizability_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/internal/generate"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

var table = flag.Bool("table", false, "have TestComparisonTable print the whole table, which takes minutes")

// million is a million operations over a thousand keys by a hundred clients, of which one in a hundred has no outcome. Writes
// are puts of distinct values, some of them conditional, and deletes where revisions tell them apart.
func million(revisions history.Revisions) generate.Shape {
	shape := generate.Shape{
		Operations: 1_000_000, Keys: 1000, Clients: 100, Gets: 5, Puts: 4, Creates: 0.2, CompareValues: 1,
		Unknown: 0.01, Lost: 0.5, Late: 0.2, Refused: 0.01, Distinct: true, Revisions: revisions,
	}
	if revisions != history.NoRevisions {
		shape.Deletes, shape.CompareRevisions = 0.5, 0.5
	}
	return shape
}

// BenchmarkMillion measures the two fast tiers through Check, on one core: s/history by the clock on the wall, cpu-s/history
// by the processor's time, which is the fair one on a busy machine. MiB is the most memory that the process has had, the
// history included.
func BenchmarkMillion(b *testing.B) {
	for _, c := range []struct {
		tier      verdict.Tier
		revisions history.Revisions
	}{
		{verdict.Witness, history.Contract},
		{verdict.Zones, history.NoRevisions},
	} {
		b.Run("tier="+c.tier.String(), func(b *testing.B) {
			debug.FreeOSMemory()
			resetPeak()
			h := generate.History(1, million(c.revisions))
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			o := linearizability.Options{Workers: 1, Tiers: []verdict.Tier{c.tier}}
			before := processorTime()
			for b.Loop() {
				result := linearizability.Check(context.Background(), h, o)
				if result.Verdict != verdict.Linearizable {
					b.Fatalf("%v: %s", result.Verdict, firstReason(result))
				}
			}
			b.ReportMetric((processorTime()-before).Seconds()/float64(b.N), "cpu-s/history")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/history")
			b.ReportMetric(float64(peak())/(1<<20), "MiB")
		})
	}
}

func firstReason(result verdict.Result) string {
	for _, key := range result.Keys {
		if key.Verdict != verdict.Linearizable {
			return fmt.Sprintf("%+v", key)
		}
	}
	return result.Reason
}

// processorTime is what the process has had of all processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resetPeak makes the kernel forget how much memory the process has had.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peak returns the most memory, in bytes, that the process has had. Where the kernel does not tell it is what the Go runtime
// holds now.
func peak() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(status)) {
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
				if kilobytes, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
					return kilobytes << 10
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// BenchmarkCrowd is a hundred operations by twenty clients that all talk at once, on one key.
func BenchmarkCrowd(b *testing.B) {
	for _, c := range []struct {
		name  string
		shape generate.Shape
	}{
		{"values=distinct", crowd(0.05)},
		{"values=repeated", generate.Shape{Operations: 100, Clients: 20, Gets: 1, Puts: 1, Values: 5, Unknown: 0.05, Lost: 0.5}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := generate.History(1, c.shape)
			for b.Loop() {
				if r := linearizability.Check(context.Background(), h, linearizability.Options{Workers: 1}); r.Verdict != verdict.Linearizable {
					b.Fatal(firstReason(r))
				}
			}
		})
	}
}

// The comparison's limits: how much of the processor's time a history may take, and how many histories make a cell.
const (
	comparisonLimit     = 10 * time.Second
	comparisonHistories = 5
)

// TestComparisonTable prints how long Check takes beside porcupine alone, as docs/linearizability-benchmarks.md shows it. Without
// -table only the rows in which both are quick are made, for the agreement of the two.
func TestComparisonTable(t *testing.T) {
	clientCounts, unknowns := []int{2, 4}, []float64{0, 0.01}
	if *table {
		clientCounts, unknowns = []int{2, 4, 8, 16, 32}, []float64{0, 0.01, 0.05, 0.1, 0.2}
	}
	for _, kind := range []struct {
		name  string
		shape generate.Shape
	}{
		{"Distinct values", generate.Shape{Gets: 2, Puts: 1, CompareValues: 0.5, Distinct: true}},
		{"Five values", generate.Shape{Gets: 2, Puts: 1, CompareValues: 0.5, Values: 5}},
	} {
		for _, broken := range []bool{false, true} {
			name := kind.name + ", linearizable"
			if broken {
				name = kind.name + ", with one read changed"
			}
			fmt.Printf("\n### %s\n\n| Clients | Unknown | lockstep | porcupine alone |\n| ---: | ---: | ---: | ---: |\n", name)
			for _, clients := range clientCounts {
				for _, unknown := range unknowns {
					shape := kind.shape
					shape.Operations, shape.Clients, shape.Unknown, shape.Lost = 200, clients, unknown, 0.5
					ours, theirs := compare(t, shape, broken)
					fmt.Printf("| %d | %g %% | %s | %s |\n", clients, unknown*100, ours, theirs)
				}
			}
		}
	}
}

// compare returns the median times of both checkers on the same histories, by the processor's clock, which other work on the
// machine disturbs least, and asks that they agree where both finish.
func compare(t *testing.T, shape generate.Shape, broken bool) (ours, theirs string) {
	t.Helper()
	var a, b []time.Duration
	for seed := range uint64(comparisonHistories) {
		h := generate.History(seed, shape)
		if broken {
			h = changeRead(h)
		}
		runtime.GC()
		start := processorTime()
		result := linearizability.Check(context.Background(), h, linearizability.Options{Workers: 1, Steps: -1, Time: 10 * comparisonLimit})
		a = append(a, processorTime()-start)
		if result.Verdict == verdict.Undecided {
			a[len(a)-1] = comparisonLimit
		}
		if len(b) > 0 && b[len(b)-1] >= comparisonLimit {
			continue // one is enough to say so
		}
		p, err := model.Prepare(h, indices(h))
		require.NoError(t, err)
		runtime.GC()
		start = processorTime()
		alone := plain(model.Key{}, p.Ops, comparisonLimit)
		b = append(b, processorTime()-start)
		if alone != porcupine.Unknown && result.Verdict != verdict.Undecided {
			require.Equal(t, alone == porcupine.Ok, result.Verdict == verdict.Linearizable)
		}
	}
	return cell(a), cell(b)
}

// changeRead makes the last read return another value that somebody wrote.
func changeRead(h *history.History) *history.History {
	changed := *h
	changed.Operations = slices.Clone(h.Operations)
	value := history.Absent
	for i := range changed.Operations {
		if o := &changed.Operations[i]; o.Kind == history.Put && o.Outcome == history.Done {
			value = o.Value
			break
		}
	}
	for i := len(changed.Operations) - 1; i >= 0; i-- {
		if o := &changed.Operations[i]; o.Kind == history.Get && o.Outcome == history.Done && o.Observed != value {
			o.Observed = value
			break
		}
	}
	return &changed
}

// cell shows the median, or that one of the histories was not decided in time.
func cell(times []time.Duration) string {
	slices.Sort(times)
	if times[len(times)-1] >= comparisonLimit {
		return fmt.Sprintf("did not finish in %d s", int(comparisonLimit.Seconds()))
	}
	median := times[len(times)/2]
	switch {
	case median >= time.Second:
		return fmt.Sprintf("%.1f s", median.Seconds())
	case median >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(median.Microseconds())/1000)
	}
	return fmt.Sprintf("%d µs", median.Microseconds())
}
