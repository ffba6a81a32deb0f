package sim

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

// hashesVariable has the test binary print the hashes of so many lives, and end.
const hashesVariable = "LOCKSTEP_SIM_HASHES"

func TestMain(m *testing.M) {
	if text := os.Getenv(hashesVariable); text != "" {
		printHashes(text)
		return
	}
	os.Exit(m.Run())
}

func printHashes(text string) {
	var profile string
	var to uint64
	if _, err := fmt.Sscanf(text, "%s %d", &profile, &to); err != nil {
		panic(err)
	}
	for seed := uint64(1); seed <= to; seed++ {
		p, err := plan.Draw(seed, profile)
		if err != nil {
			panic(err)
		}
		r := Run(p, Options{})
		fmt.Printf("%s %d %016x %d %v\n", profile, seed, r.TraceHash, r.Events, r.Failure)
	}
}

// hashesOf has another process live seeds.
func hashesOf(t *testing.T, what, procs string) string {
	exe, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(exe)
	c.Env = append(os.Environ(), hashesVariable+"="+what, "GOMAXPROCS="+procs)
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// Two processes, which have other addresses, other maps and another number of threads, live the same lives.
func TestTwoProcessesLiveTheSame(t *testing.T) {
	for _, profile := range []string{"standard", "production"} {
		count := lives(8)
		what := fmt.Sprintf("%s %d", profile, count)
		one, four := hashesOf(t, what, "1"), hashesOf(t, what, "4")
		require.Equal(t, int(count), strings.Count(one, "\n"))
		require.Equal(t, one, four)
	}
}
