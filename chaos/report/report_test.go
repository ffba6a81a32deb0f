package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/chaos/run"
	"github.com/lockstepdb/lockstep/chaos/workload"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

func result(buckets int) *run.Result {
	r := &run.Result{Options: run.Options{Plan: &faults.Plan{Seed: 17, Nodes: 3}, Clients: 4, Command: "lockstep chaos --plan <p>"},
		Length: time.Duration(buckets) * workload.Step, Leaders: []run.Span{{Node: 2, To: time.Second}},
		Usage: []run.Usage{{Slot: 1, Before: map[string]float64{"go_goroutines": 97}, Last: map[string]float64{"go_goroutines": 1234}}}}
	r.Load.ByKind, r.Load.ByWay = map[string]workload.Counts{"put": {Done: 1000}}, map[string]workload.Counts{"grpc": {Unknown: 7}}
	for i := range buckets {
		b := workload.Bucket{Counts: workload.Counts{Done: i % 50, Unknown: i % 3}}
		b.Latencies[i%60]++
		r.Load.Buckets = append(r.Load.Buckets, b)
	}
	r.Load.Gaps = []workload.Gap{{From: time.Second, To: 3 * time.Second}}
	r.Faults = []*faults.Injected{
		{Fault: faults.Fault{Fault: plan.Fault{Do: plan.Crash, Node: plan.Leader}}, Slots: []int{2}, From: time.Second, To: 2 * time.Second, Judged: true, Recovery: 321 * time.Millisecond},
		{Fault: faults.Fault{Fault: plan.Fault{Do: faults.Wipe}}, Err: errors.New("<script>alert(1)</script>")},
		{Fault: faults.Fault{Fault: plan.Fault{Do: plan.DiskLow}}, NotRun: "no disk"},
	}
	return r
}

func written(t *testing.T, r *run.Result) string {
	var b bytes.Buffer
	require.NoError(t, HTML(&b, r))
	return b.String()
}

func TestThePageTellsWhatHappened(t *testing.T) {
	r := result(40)
	r.Failures = []string{"key <k> was lost"}
	text := written(t, r)
	for _, want := range []string{"Failed", "key &lt;k&gt; was lost", "crash leader", "321ms", "not run: no disk", "n2 leads", "2s without an acknowledged write",
		"1,234", "seed 17", "&lt;script&gt;alert(1)", "lockstep chaos --plan &lt;p&gt;"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "<script")
	require.Contains(t, text, "default-src &#39;none&#39;")
}

func TestEachVerdictHasItsLook(t *testing.T) {
	require.Contains(t, written(t, result(4)), `class="verdict passed"`)
	r := result(4)
	r.Unchecked = []string{"the history is empty"}
	require.Contains(t, written(t, r), `class="verdict not-checked"`)
}

// The drawing is well formed, bounded, and is there for a run without anything, too.
func TestTheChart(t *testing.T) {
	for _, buckets := range []int{0, 1, 40, 7200} {
		text := string(chart(result(buckets)))
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
		require.Less(t, len(text), 100_000)
		require.NotContains(t, text, "NaN")
		require.NotContains(t, text, "Inf")
	}
	require.NotPanics(t, func() { written(t, &run.Result{Options: run.Options{Plan: &faults.Plan{}}}) })
}

func TestRounding(t *testing.T) {
	for v, want := range map[float64]float64{1: 1, 1.5: 2, 3: 5, 7: 10, 1342: 2000, 5000: 5000} {
		require.InDelta(t, want, round(v), 1e-9)
	}
}
