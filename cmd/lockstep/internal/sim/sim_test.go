package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/sim"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/shrink"
	"github.com/stretchr/testify/require"
)

// failed is the summary of a run in which two of many seeds failed.
func failed() *fleet.Summary {
	return &fleet.Summary{
		Counts: fleet.Counts{Seeds: 1234, Simulated: 20 * time.Hour, Events: 5_000_000, Operations: 500_000, Injected: 70_000, Failures: 2, Twice: 77, Slowest: 8, SlowestTime: time.Second},
		From:   1, Profile: "standard", Workers: 2, Wall: time.Minute, CPU: 2 * time.Minute,
		Outcomes: map[string]int{"done": 499_000, "unknown": 1000}, Faults: map[string]int{"crash": 70_000}, Probes: map[string]int{"snapshot saved": 3},
		Failures: []fleet.Found{
			{Seed: 17, Failure: fleet.Failure{Kind: "state", Message: "n2 holds another state", At: 12_345_678_900}, Replay: "lockstep sim --seed 17", Dir: "reports/sim/17"},
			{Seed: 19, Failure: fleet.Failure{Kind: "panic", Message: "index out of range"}, Replay: "lockstep sim --seed 19"},
		},
	}
}

const wanted = `seed 17 failed: state
  n2 holds another state, at 12.345679 s
  replay: lockstep sim --seed 17
  see reports/sim/17

seed 19 failed: panic
  index out of range
  replay: lockstep sim --seed 19

seeds       1,234, from 1 on, profile standard, 2 workers
time        60.0 s, 20.6 seeds/s
CPU         120.0 s, 10.3 seeds/s per core
simulated   20h0m0s, 1,200 times real time
events      5,000,000, 83,333/s
operations  500,000: done 499,000, unknown 1,000
twice       77 seeds lived in two processes each, to compare
slowest     seed 8, 1.00 s

faults injected: 70,000
`

func TestTheSummaryOfARunThatFailed(t *testing.T) {
	var out bytes.Buffer
	s := Settings{Out: &out, Dir: "reports/sim"}
	sum := failed()
	for _, f := range sum.Failures {
		s.printFailure(f)
	}
	s.printSummary(sum)
	require.Regexp(t, `^`+regexp.QuoteMeta(wanted)+`(  .*\n)*  .*\bcrash +70,000.*\n(  .*\n)*
probes reached: 1
  snapshot saved  3

probes not reached: \d+
(  .*\n)*  torn tail cut on recovery +a write .*
(  .*\n)*
FAILED: 2 of 1,234 seeds
$`, out.String())
	require.NotRegexp(t, `(?m) $`, out.String())
	err := ending(sum)
	require.Equal(t, exit.Failure, exit.CodeOf(err))
	require.EqualError(t, err, "2 of 1,234 seeds failed; replay with `lockstep sim --seed 17`")
}

func TestAnInterruptedRunIsUndecided(t *testing.T) {
	sum := failed()
	sum.Interrupted = true
	require.Equal(t, exit.Failure, exit.CodeOf(ending(sum)))
	sum.Counts.Failures, sum.Failures = 0, nil
	require.Equal(t, exit.Undecided, exit.CodeOf(ending(sum)))
	sum.Interrupted = false
	require.NoError(t, ending(sum))
}

func TestProbesThatAreRequired(t *testing.T) {
	require.NoError(t, missing([]sim.Probe{{Name: "history undecided", Seldom: true}}))
	err := missing([]sim.Probe{{Name: "history undecided", Seldom: true}, {Name: "snapshot saved"}})
	require.Equal(t, exit.Failure, exit.CodeOf(err))
	require.ErrorContains(t, err, "1 probe not reached: snapshot saved")
}

// What a replay says of the life that was kept before.
func TestTheCodeHasChanged(t *testing.T) {
	for _, c := range []struct{ version, hash, want string }{
		{version(), "0000000000000007", ""},
		{version(), "0000000000000008", "the life is not the one that was kept: trace hash 0000000000000008"},
		{"v0.1", "0000000000000007", "the code has changed (v0.1, now " + version() + "); the life is still the same"},
		{"v0.1", "0000000000000008", "and so has the life: trace hash 0000000000000008 was kept"},
	} {
		var out bytes.Buffer
		(&Settings{Out: &out}).printBefore(&fleet.Kept{Version: c.version, TraceHash: c.hash}, 7)
		if c.want == "" {
			require.Empty(t, out.String())
		}
		require.Contains(t, out.String(), c.want)
	}
}

func TestProgressOfShrinking(t *testing.T) {
	p, err := plan.Draw(1, "quiet")
	require.NoError(t, err)
	p.Nodes, p.Spares, p.Clients.Count, p.Operations, p.Faults = 3, 1, 1, p.Operations[:2], nil
	require.Equal(t, "[####............] 30s 1,234 tries: 0 faults, 2 operations, 1 client, 4 nodes; trying faults",
		shrinkLine(shrink.Progress{Plan: p, Tries: 1234, Step: "faults"}, 30*time.Second, 2*time.Minute))
	p.Faults = []plan.Fault{{Do: plan.Crash, Node: "1"}}
	require.Equal(t, []string{"faults:", `  - {at: 0s, do: crash, node: "1"}`}, faultLines(p))
}

func TestFailuresInJSON(t *testing.T) {
	s := Settings{JSON: filepath.Join(t.TempDir(), "out.json")}
	require.NoError(t, s.writeJSON(failed()))
	text, err := os.ReadFile(s.JSON)
	require.NoError(t, err)
	var j map[string]any
	require.NoError(t, json.Unmarshal(text, &j))
	for _, name := range []string{"seeds", "failures", "workers", "wall_seconds", "simulated_seconds", "cpu_seconds", "events", "operations", "faults", "probes"} {
		require.Contains(t, j, name)
	}
	require.Equal(t, map[string]any{
		"seed": 17.0, "kind": "state", "message": "n2 holds another state", "at_seconds": 12.3456789, "replay": "lockstep sim --seed 17", "dir": "reports/sim/17",
	}, j["failures"].([]any)[0])
}

func TestTheReplayNamesTheProfile(t *testing.T) {
	s := Settings{Command: "bin/lockstep sim", Profile: "standard"}
	require.Equal(t, "bin/lockstep sim --seed 7", s.replay(7))
	s.Profile = "quiet"
	require.Equal(t, "bin/lockstep sim --seed 7 --profile quiet", s.replay(7))
}

func TestProgress(t *testing.T) {
	c := failed().Counts
	require.Equal(t, "[########........] 30s 1,234 seeds, 20h0m0s simulated, 500,000 operations, 70,000 faults, slowest 8 (1.00 s), FAILED: 2",
		(&progress{length: time.Minute}).line(c, 30*time.Second))
	c.Failures = 0
	require.Equal(t, "[################] 30s 1,234 seeds, 20h0m0s simulated, 500,000 operations, 70,000 faults, slowest 8 (1.00 s)",
		(&progress{length: time.Minute, seeds: 1234}).line(c, 30*time.Second))

	// Where there is no terminal, a short run shows nothing.
	var out bytes.Buffer
	p := newProgress(&out, 3, 0)
	p.show(c)
	require.Empty(t, out.String())
	p.shown = p.shown.Add(-plainEvery)
	p.show(c)
	p.show(c)
	require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")))
}

// What can't be written is said before anything is lived, and leaves nothing behind.
func TestWhatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	for _, s := range []Settings{
		{Dir: file}, {Dir: filepath.Join(file, "below")}, {Dir: dir, JSON: dir}, {Dir: dir, JSON: filepath.Join(dir, "missing", "out.json")}, {Dir: dir, JSON: filepath.Join(file, "out.json")},
	} {
		require.Equal(t, exit.Usage, exit.CodeOf(s.writable()), "%+v", s)
		require.Error(t, Run(t.Context(), s))
	}
	for _, s := range []Settings{
		{Dir: filepath.Join(dir, "deep", "down")}, {Dir: dir, JSON: file}, {Dir: dir, JSON: filepath.Join(dir, "new.json")}, {Dir: dir, JSON: Standard},
		{Dir: filepath.Join(file, "below"), Until: 1}, {Dir: filepath.Join(dir, "a"), JSON: filepath.Join(dir, "a", "out.json")},
	} {
		require.NoError(t, s.writable(), "%+v", s)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, names, 3)
}

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestATraceThatCannotBeWritten(t *testing.T) {
	s := Settings{One: true, Seed: 4, Profile: "quiet", Trace: true, Until: 2e8, Out: failing{syscall.ENOSPC}, Errs: io.Discard}
	require.ErrorIs(t, Run(t.Context(), s), syscall.ENOSPC)
	s.Out = failing{syscall.EPIPE} // the reader has seen enough
	require.NoError(t, Run(t.Context(), s))
}

func TestAnInterruptedLifeIsUndecided(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	s := Settings{One: true, Seed: 4, Profile: "quiet", Dir: t.TempDir(), JSON: Standard, JSONOut: &out, Out: &out, Errs: io.Discard}
	err := Run(ctx, s)
	require.Equal(t, exit.Undecided, exit.CodeOf(err))
	require.Contains(t, out.String(), "seed 4: interrupted, nothing failed until 0s, ")
	require.Contains(t, out.String(), `"interrupted": true`)
	require.NotContains(t, out.String(), "seed 4: passed")
}

func TestNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, grouped(n))
	}
	require.Equal(t, "1 seed", count(1, "seed"))
	require.Equal(t, "'a b'", quoted("a b"))
}
