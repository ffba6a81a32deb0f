package sim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	return hashesBy(t, exec.Command(exe), what, procs)
}

func hashesBy(t *testing.T, c *exec.Cmd, what, procs string) string {
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

// Another architecture orders its memory, sizes its registers and fuses its arithmetic in other ways. The lives are the same.
func TestAnotherArchitectureLivesTheSame(t *testing.T) {
	emulator, err := exec.LookPath("qemu-aarch64")
	if err != nil || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("needs linux on amd64 with qemu-aarch64 to run arm64 code; install qemu-user")
	}
	if testing.Short() {
		t.Skip("builds the simulator for arm64; run without -short")
	}
	binary := filepath.Join(t.TempDir(), "sim.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	const what = "standard 2"
	require.Equal(t, hashesOf(t, what, "1"), hashesBy(t, exec.Command(emulator, binary), what, "1"))
}
