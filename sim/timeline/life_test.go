package timeline

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/sim"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// lived returns the input of a real life.
func lived(t *testing.T, seed uint64, until int64) *Input {
	t.Helper()
	p, err := plan.Draw(seed, "standard")
	require.NoError(t, err)
	var c Collector
	result := sim.Run(p, sim.Options{Until: until, Events: c.Add})
	in := &Input{
		Title: fmt.Sprintf("seed %d", seed), Plan: p, Events: c.Events(), Missing: c.Missing(), History: result.History,
		Replay: fmt.Sprintf("bin/lockstep sim --seed %d", seed), Version: "test", TraceHash: fmt.Sprintf("%016x", result.TraceHash), Report: "report.html",
	}
	checked := linearizability.Check(context.Background(), result.History, linearizability.Options{Workers: 1})
	in.Verdict = &checked
	if f := result.Failure; f != nil {
		in.Failure = &Failure{f.Kind, f.Message, f.At}
	}
	return in
}

// broken makes a life fail at an event that is there.
func broken(in *Input, place int) *Input {
	e := in.Events[place]
	in.Events = append(in.Events[:place:place], trace.Event{At: e.At, Kind: trace.Fail, Node: 2, What: "state", Text: "n2 holds another state at index 40 than another node held there"})
	in.Failure = &Failure{"state", "n2 holds another state at index 40 than another node held there", e.At}
	return in
}

func pageBytes(t *testing.T, in *Input) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, in))
	return b.Bytes()
}
