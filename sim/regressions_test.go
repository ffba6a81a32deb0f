package sim

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

// TestRegressions lives the plans that once showed something: each says in its first lines what it was.
func TestRegressions(t *testing.T) {
	files, err := filepath.Glob("testdata/regressions/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, "# ", string(b[:2]), "a plan says what it showed")
			p, err := plan.Decode(b)
			require.NoError(t, err)
			r := Run(p, Options{})
			require.Nil(t, r.Failure, "replay: bin/lockstep sim --plan sim/%s", file)
		})
	}
}
