package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyGosOwnDeadlineIsForgiven(t *testing.T) {
	const head = "fuzz: elapsed: 3s, execs: 527 (0/sec), new interesting: 2 (total: 13)\n--- FAIL: FuzzFile (3.04s)\n"
	require.True(t, endedByItsOwnClock(head+"    context deadline exceeded\nFAIL\nexit status 1\nFAIL\tconfig\t3.062s\n"))

	for name, out := range map[string]string{
		"a find":              head + "    --- FAIL: FuzzFile (0.00s)\n        file_test.go:12: context deadline exceeded\n    \n    Failing input written to testdata/fuzz/FuzzFile/8a\nFAIL\n",
		"an error of its own": head + "    file_test.go:12: context deadline exceeded\nFAIL\n",
		"more is said":        head + "    context deadline exceeded\n    and something else\nFAIL\n",
		"it does not build":   "FAIL\tconfig [build failed]\n",
		"nothing":             "",
	} {
		require.False(t, endedByItsOwnClock(out), name)
	}
}
