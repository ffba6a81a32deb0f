package linearizability_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/readers"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// jepsenLinearizable are the logs that porcupine's tests accept, of etcd_000 to etcd_102. They reject all others but etcd_095,
// in which etcd did not start.
var jepsenLinearizable = []int{2, 5, 7, 18, 25, 31, 38, 45, 48, 49, 51, 53, 56, 67, 75, 76, 80, 87, 92, 98, 100, 101, 102}

// porcupineData returns the folder of porcupine's test data, which its module brings along.
func porcupineData(t *testing.T) string {
	t.Helper()
	const module = "github.com/anishathalye/porcupine"
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "test_data")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "jepsen"))
	}
	if err != nil {
		t.Skipf("the test data of %s is not there: %v", module, err)
	}
	return dir
}

// checkFile reads a file and judges it.
func checkFile(t *testing.T, path, format string) (*history.History, verdict.Result) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	h, err := readers.Read(f, readers.Options{Format: format, File: path})
	require.NoError(t, err)
	return h, linearizability.Check(context.Background(), h, linearizability.Options{Certificates: true})
}

func TestPorcupineJepsenLogs(t *testing.T) {
	dir := porcupineData(t)
	var steps, most int64
	tiers := map[verdict.Tier]int{}
	checked := 0
	for n := range 103 {
		if n == 95 || testing.Short() && n%4 != 0 {
			continue
		}
		t.Run(fmt.Sprintf("etcd_%03d", n), func(t *testing.T) {
			want := verdict.Violation
			if slices.Contains(jepsenLinearizable, n) {
				want = verdict.Linearizable
			}
			h, result := checkFile(t, filepath.Join(dir, "jepsen", fmt.Sprintf("etcd_%03d.log", n)), "jepsen-log")
			requireVerdict(t, want, h, result)
			for _, key := range result.Keys {
				steps, most = steps+key.Steps, max(most, key.Steps)
				tiers[key.Tier]++
			}
			checked++
		})
	}
	t.Logf("%d logs, decided by %v, %d steps of the search, at most %d for one log", checked, tiers, steps, most)
}

func TestPorcupineKeyValueLogs(t *testing.T) {
	dir := porcupineData(t)
	for name, want := range map[string]verdict.Verdict{
		"c01-ok": verdict.Linearizable, "c10-ok": verdict.Linearizable, "c50-ok": verdict.Linearizable,
		"c01-bad": verdict.Violation, "c10-bad": verdict.Violation, "c50-bad": verdict.Violation,
	} {
		t.Run(name, func(t *testing.T) {
			h, result := checkFile(t, filepath.Join(dir, "kv", name+".txt"), "porcupine-kv")
			requireVerdict(t, want, h, result)
		})
	}
}

// requireVerdict asks for a verdict, and for what belongs to it.
func requireVerdict(t *testing.T, want verdict.Verdict, h *history.History, result verdict.Result) {
	t.Helper()
	require.Equal(t, want, result.Verdict, "%+v", result.Keys)
	for _, key := range result.Keys {
		switch key.Verdict {
		case verdict.Violation:
			require.NotNil(t, key.Contradiction)
			require.NotEmpty(t, key.Contradiction.Sentence)
			require.NotEmpty(t, key.Contradiction.Operations)
			require.NotEmpty(t, key.Contradiction.Kind)
		case verdict.Linearizable:
			require.LessOrEqual(t, len(key.Order), key.Operations)
			for _, i := range key.Order {
				require.Equal(t, key.Key, h.Operations[i].Key)
			}
		}
	}
}
