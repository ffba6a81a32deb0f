package sim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProbesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Probes() {
		require.NotEmpty(t, p.Name)
		require.NotEmpty(t, p.Title, p.Name)
		require.False(t, seen[p.Name], p.Name)
		seen[p.Name] = true
	}
}

// probeSeeds is how many standard seeds it takes, with room: at the time of writing the first 48 reached all.
const probeSeeds = 120

// A probe that the standard plans never reach says that something is not put to the test any more. Fewer lives reach most.
func TestEveryProbeIsReached(t *testing.T) {
	most := lives(probeSeeds)
	reached := liveSeeds(t, "standard", 1, most, Options{})
	missing := []string{}
	for _, p := range Probes() {
		if reached[p.Name] == 0 && !p.Seldom {
			missing = append(missing, p.Name)
		}
	}
	if most < probeSeeds {
		require.LessOrEqual(t, len(missing), len(Probes())/2, "%d lives did not reach %q", most, missing)
		return
	}
	require.Empty(t, missing)
}
