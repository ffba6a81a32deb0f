package run

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstepdb/lockstep/chaos/driver/native"
	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

// judged is what is said of a history in a folder of a run with one node.
func judged(t *testing.T, p *faults.Plan, injected []*faults.Injected, record func(*linearizability.Recorder)) *Result {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, HistoryName))
	require.NoError(t, err)
	defer f.Close()
	rec, err := linearizability.NewRecorder(f, linearizability.RecorderOptions{})
	require.NoError(t, err)
	record(rec)
	require.NoError(t, rec.Close())
	r := &run{o: Options{Driver: native.New("", "", nil), Plan: p, Dir: dir}, result: &Result{Faults: injected}}
	require.NoError(t, r.check())
	return r.result
}

func put(client int32, key, value string) history.Operation {
	return history.Operation{Client: client, Kind: history.Put, Key: key, Value: history.Of(value)}
}

// contend records two writes at once, and a read of what the second one wrote.
func contend(rec *linearizability.Recorder) {
	a, b := rec.Invoke(put(1, "k", "a")), rec.Invoke(put(2, "k", "b"))
	_ = rec.Return(a, history.Operation{Outcome: history.Done})
	_ = rec.Return(b, history.Operation{Outcome: history.Done})
	c := rec.Invoke(history.Operation{Client: 1, Kind: history.Get, Key: "k"})
	_ = rec.Return(c, history.Operation{Outcome: history.Done, Observed: history.Of("b")})
}

func TestAHistoryThatShowsSomethingPasses(t *testing.T) {
	r := judged(t, &faults.Plan{}, nil, contend)
	require.Equal(t, Passed, r.Verdict(), "%v %v", r.Failures, r.Unchecked)
	require.Equal(t, 1, r.Contended)
}

func TestWhatShowsNothingIsNotChecked(t *testing.T) {
	one := &faults.Plan{Faults: []faults.Fault{{Fault: plan.Fault{Do: plan.Lose}}}}
	for want, c := range map[string]struct {
		p        *faults.Plan
		injected []*faults.Injected
		record   func(*linearizability.Recorder)
	}{
		"the history is empty": {&faults.Plan{}, nil, func(*linearizability.Recorder) {}},
		"no write was acknowledged": {&faults.Plan{}, nil, func(rec *linearizability.Recorder) {
			a := rec.Invoke(put(1, "k", "a"))
			_ = rec.Return(a, history.Operation{Outcome: history.Unknown})
			b := rec.Invoke(history.Operation{Client: 1, Kind: history.Get, Key: "k"})
			_ = rec.Return(b, history.Operation{Outcome: history.Done})
		}},
		"no two operations on one key overlapped": {&faults.Plan{}, nil, func(rec *linearizability.Recorder) {
			for _, key := range []string{"a", "b"} {
				a := rec.Invoke(put(1, key, "a"))
				_ = rec.Return(a, history.Operation{Outcome: history.Done})
			}
		}},
		"none of the 1 faults was carried out": {one, []*faults.Injected{{Fault: one.Faults[0], NotRun: "real processes can't suffer it"}}, contend},
	} {
		r := judged(t, c.p, c.injected, c.record)
		require.Equal(t, NotChecked, r.Verdict(), want)
		require.Contains(t, r.Unchecked, want)
	}
}

func TestAViolationFails(t *testing.T) {
	r := judged(t, &faults.Plan{}, nil, func(rec *linearizability.Recorder) {
		contend(rec)
		c := rec.Invoke(history.Operation{Client: 1, Kind: history.Get, Key: "k"})
		_ = rec.Return(c, history.Operation{Outcome: history.Done, Observed: history.Of("nobody wrote this")})
	})
	require.Equal(t, Failed, r.Verdict())
	require.Contains(t, r.Failures[0], "on key k")
}

// A failure counts before what was not checked.
func TestAFailureCountsFirst(t *testing.T) {
	require.Equal(t, Failed, (&Result{Failures: []string{"x"}, Unchecked: []string{"y"}}).Verdict())
	require.Equal(t, NotChecked, (&Result{Unchecked: []string{"y"}}).Verdict())
}

func TestWhatIsContended(t *testing.T) {
	operation := func(client int32, kind history.Kind, invoke, back int64) history.Operation {
		return history.Operation{Client: client, Kind: kind, Outcome: history.Done, Key: "k", Invoke: invoke, Return: back}
	}
	for want, operations := range map[int][]history.Operation{
		0: {operation(1, history.Put, 0, 5), operation(2, history.Put, 5, 9), operation(2, history.Get, 9, 12), operation(3, history.Get, 10, 13)},
		1: {operation(1, history.Put, 0, 5), operation(2, history.Get, 4, 9)},
		2: {operation(1, history.Get, 0, 9), operation(2, history.Put, 1, 8), operation(3, history.Get, 2, 3)},
	} {
		require.Equal(t, want, contended(&history.History{Operations: operations}))
	}
	unknown := operation(1, history.Put, 0, history.Forever)
	unknown.Outcome = history.Unknown
	require.Zero(t, contended(&history.History{Operations: []history.Operation{unknown, operation(2, history.Put, 5, 9)}}), "a write without an answer is no load")
}
