package linearizability

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/stretchr/testify/require"
)

// Histories on which revisions once misled the check, each with its right verdict at the beginning of its name. What is undecided there
// has an order and must not be accused: which write had the revision that a condition asks for is not told.
func TestRevisionsThatMisled(t *testing.T) {
	files, err := filepath.Glob("testdata/revisions/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		f, err := os.Open(name)
		require.NoError(t, err)
		h, err := history.Read(f)
		require.NoError(t, err, name)
		require.NoError(t, f.Close())
		want, _, _ := strings.Cut(filepath.Base(name), "-")
		require.Equal(t, want, Check(context.Background(), h, Options{}).Verdict.String(), name)
	}
}
