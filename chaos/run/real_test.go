package run

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver/native"
	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

// binary builds lockstep, once.
var binary = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", err
	}
	name := filepath.Join(buildDir, "lockstep")
	c := exec.Command("go", "build", "-buildvcs=false", "-o", name, "./cmd/lockstep")
	c.Dir = strings.TrimSpace(string(root))
	out, err := c.CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return name, nil
})

func real(t *testing.T) Options {
	if testing.Short() {
		t.Skip("it runs a cluster of real processes: left out by -short")
	}
	b, err := binary()
	require.NoError(t, err)
	flags := []string{"--storage-segment-bytes", "1048576", "--raft-snapshot-entries", "500", "--raft-tail-entries", "50", "--storage-disk-reserve", "1048576"}
	return Options{Driver: native.New(b, "test", flags), Dir: filepath.Join(t.TempDir(), "run"), Command: "test",
		Clients: 24, Rate: 400, Hot: 10, Spread: 200, FullAt: 1<<20 - 1, Reserve: 1 << 20}
}

// list makes a plan of faults that follow each other.
func list(length time.Duration, all ...faults.Fault) *faults.Plan {
	p := &faults.Plan{Version: plan.Version, Seed: 1, Profile: faults.Profile, Nodes: 3, Safety: plan.Duration(length)}
	for i := range all {
		all[i].At = plan.Duration(i+1) * plan.Duration(2*time.Second)
		if all[i].For == 0 {
			all[i].For = plan.Duration(time.Second)
		}
	}
	p.Faults = all
	return p
}

// A healthy store passes, and everything that a run leaves is there, and nothing else.
func TestARealRun(t *testing.T) {
	o := real(t)
	o.Plan = list(12*time.Second, faults.Fault{Fault: plan.Fault{Do: plan.Crash, Node: plan.Leader}}, faults.Fault{Fault: plan.Fault{Do: plan.Isolate, Node: plan.Leader}},
		faults.Fault{Fault: plan.Fault{Do: plan.Pause, Node: plan.Follower}}, faults.Fault{Fault: plan.Fault{Do: plan.Lose, PPM: 1}}, faults.Fault{Fault: plan.Fault{Do: faults.Wipe, Node: plan.Follower}})
	var phases []string
	o.Progress = func(p Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
	}
	r, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, Passed, r.Verdict(), "%v %v", r.Failures, r.Unchecked)
	require.Equal(t, verdict.Linearizable, r.Check.Verdict)
	require.Equal(t, []string{"starting", "faults", "healing", "verifying", "stopping", "checking"}, phases)
	byKind := map[string]Kind{}
	for _, k := range r.Kinds() {
		byKind[k.Kind] = k
	}
	for _, k := range []string{"crash", "isolate", "pause", "wipe"} {
		require.Equal(t, 1, byKind[k].Injected, k)
	}
	require.Equal(t, 1, byKind["lose"].NotRun)
	for _, way := range o.Driver.Ways() {
		require.Positive(t, r.Load.ByWay[way].Done, way)
	}
	require.Positive(t, r.Contended)
	require.Positive(t, r.KeysRead)
	require.GreaterOrEqual(t, len(r.Leaders), 2, "the first leader was killed")
	require.NoDirExists(t, filepath.Join(o.Dir, "data"))
	for _, name := range []string{HistoryName, samplesName, "node-1.log"} {
		require.FileExists(t, filepath.Join(o.Dir, name))
	}
	require.NoFileExists(t, filepath.Join(o.Dir, "running.json"))
	require.Len(t, r.History.Marks, len(r.Leaders)+4)
}

// A run that is interrupted stops all that it started, and shows nothing.
func TestARunThatIsCutShort(t *testing.T) {
	o := real(t)
	o.Plan = list(time.Minute, faults.Fault{Fault: plan.Fault{Do: plan.Pause, Node: plan.Any, For: plan.Duration(time.Minute)}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(p Progress) {
		if len(p.Active) > 0 {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	require.NoError(t, err)
	require.Equal(t, NotChecked, r.Verdict(), "%v", r.Failures)
	require.Contains(t, r.Unchecked, "the run was cut short")
	require.NoDirExists(t, filepath.Join(o.Dir, "data"))
	out, _ := exec.Command("pgrep", "-f", o.Dir).Output() // it ends with 1 when there is none
	require.Empty(t, string(out))
}

// A cluster that can't start is the harness's trouble, and leaves nothing either.
func TestABinaryThatDoesNotServe(t *testing.T) {
	o := real(t)
	o.Driver = native.New("/bin/false", "test", nil)
	o.Plan = list(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	r, err := Run(ctx, o)
	require.NoError(t, err)
	require.NotEqual(t, Passed, r.Verdict())
	_, err = Run(t.Context(), Options{Driver: native.New("/no/such/binary", "test", nil), Plan: o.Plan, Dir: filepath.Join(t.TempDir(), "x"), Clients: 1, Rate: 1, Hot: 1, Spread: 1})
	require.ErrorContains(t, err, "/no/such/binary")
}
