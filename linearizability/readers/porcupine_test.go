package readers

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// porcupineDir returns where porcupine's module lies, which has histories and the verdicts on them.
func porcupineDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine").Output()
	dir := strings.TrimSpace(string(out))
	if _, missing := os.Stat(filepath.Join(dir, "test_data", "jepsen")); err != nil || dir == "" || missing != nil {
		t.Skipf("porcupine's module with its test data is not at hand: %v", err)
	}
	return dir
}

// stated returns the verdicts that porcupine's tests state: the arguments of the calls of a function, by the first one.
func stated(t *testing.T, dir, form string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "porcupine_test.go"))
	require.NoError(t, err)
	verdicts := map[string]bool{}
	for _, m := range regexp.MustCompile(form).FindAllStringSubmatch(string(text), -1) {
		verdicts[m[1]], err = strconv.ParseBool(m[2])
		require.NoError(t, err)
	}
	return verdicts
}

func TestPorcupineLogs(t *testing.T) {
	dir := porcupineDir(t)
	verdicts := stated(t, dir, `checkJepsen\(t, (\d+), (true|false)\)`)
	require.Len(t, verdicts, 102)
	names, err := filepath.Glob(filepath.Join(dir, "test_data", "jepsen", "*.log"))
	require.NoError(t, err)
	checked, operations := 0, 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		number := strings.TrimLeft(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "etcd_"), ".log"), "0")
		if number == "" {
			number = "0"
		}
		want, known := verdicts[number]
		if !known {
			require.Empty(t, data, "%s has no verdict", name) // etcd_095.log is an empty file
			continue
		}
		h, err := Read(bytes.NewReader(data), Options{Format: "auto", Model: "cas-register", File: name})
		require.NoError(t, err)
		require.Equal(t, "jepsen-log", h.Origin.Format)
		countOutcomes(t, data, h)
		require.Equal(t, want, judge(t, h), name)
		checked++
		operations += len(h.Operations)
	}
	require.Equal(t, 102, checked)
	require.Equal(t, 8523, operations)
}

// countOutcomes compares a history with its file by the words of the lines.
func countOutcomes(t *testing.T, data []byte, h *history.History) {
	t.Helper()
	words, outcomes := map[string]int{}, map[history.Outcome]int{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		words[f[4]]++
		if f[4] == ":fail" {
			words[f[4]+f[5]]++
		}
	}
	for i := range h.Operations {
		outcomes[h.Operations[i].Outcome]++
	}
	require.Equal(t, words[":invoke"], len(h.Operations))
	require.Equal(t, words[":ok"], outcomes[history.Done])
	require.Equal(t, words[":fail:cas"], outcomes[history.ConditionFailed])
	require.Equal(t, words[":invoke"]-words[":ok"]-words[":fail:cas"], outcomes[history.Unknown])
	require.Zero(t, outcomes[history.Refused])
}

func TestPorcupineKV(t *testing.T) {
	dir := porcupineDir(t)
	verdicts := stated(t, dir, `checkKv\(t, "([^"]+)", (true|false), true\)`)
	for _, name := range []string{"c01-ok", "c01-bad", "c10-ok", "c10-bad", "c50-ok", "c50-bad"} {
		data, err := os.ReadFile(filepath.Join(dir, "test_data", "kv", name+".txt"))
		require.NoError(t, err)
		h, err := Read(bytes.NewReader(data), Options{Format: "auto", File: name})
		require.NoError(t, err)
		require.Equal(t, "porcupine-kv", h.Origin.Format)
		require.Equal(t, bytes.Count(data, []byte(":invoke")), len(h.Operations))
		for i := range h.Operations {
			require.Equal(t, history.Done, h.Operations[i].Outcome)
		}
		_, known := verdicts[name]
		require.True(t, known, name)
		if testing.Short() && strings.HasPrefix(name, "c50") {
			continue // seconds under the race detector
		}
		require.Equal(t, strings.HasSuffix(name, "-ok"), judge(t, h), name)
	}
}
