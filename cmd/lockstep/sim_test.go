package main

import (
	"strings"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/sim"
	"github.com/stretchr/testify/require"
)

// A number of seeds replaces the minute, and both bound a run if both are given.
func TestWhatBoundsASimulation(t *testing.T) {
	for line, want := range map[string]sim.Settings{
		"":                     {For: simFor},
		"--for=5s":             {For: 5 * time.Second},
		"--seeds=3":            {Seeds: 3},
		"--seeds=3 --for=5s":   {Seeds: 3, For: 5 * time.Second},
		"--seeds=3 --for=1m0s": {Seeds: 3, For: simFor},
	} {
		c := newSim()
		require.NoError(t, c.ParseFlags(strings.Fields(line)))
		s := sim.Settings{Seeds: want.Seeds, For: simFor, From: 1, Profile: "standard", Dir: "d"}
		if c.Flags().Changed("for") {
			s.For = want.For
		}
		require.NoError(t, simSettings(c, &s), line)
		require.Equal(t, want.For, s.For, line)
		require.Equal(t, want.Seeds, s.Seeds, line)
		require.Positive(t, s.Workers)
	}
}
