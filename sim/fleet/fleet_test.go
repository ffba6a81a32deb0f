package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runnerVariable names the runner of a worker process of these tests.
const runnerVariable = "LOCKSTEP_FLEET_TEST_RUNNER"

// TestMain lets the test binary be a worker, too.
func TestMain(m *testing.M) {
	if os.Getenv(WorkerVariable) == "" {
		os.Exit(m.Run())
	}
	if err := Serve(os.Stdin, os.Stdout, runners[os.Getenv(runnerVariable)]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ok is a life that passes, whose numbers follow from its seed.
func ok(l Life) (Report, error) {
	return Report{
		Seed: l.Seed, TraceHash: l.Seed * 7, Events: l.Seed, Simulated: int64(l.Seed), Operations: int(l.Seed % 10), Steps: 1, Nanoseconds: int64(l.Seed),
		Faults: map[string]int{"crash": int(l.Seed % 3)}, Probes: map[string]int{"even": int(1 - l.Seed%2)}, Outcomes: map[string]int{"done": 1},
	}, nil
}

// overflow recurses until the stack is full. It ends, as far as a linter can tell.
func overflow(n int) int {
	if n < 0 {
		return 0
	}
	return overflow(n+1) + 1
}

// written leaves a trace if the life is to be kept.
func written(l Life, trace string) error {
	if l.Keep == "" {
		return nil
	}
	if err := os.MkdirAll(l.Keep, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.Keep, TraceName), []byte(trace), 0o600)
}

var runners = map[string]Runner{
	"live": Live,
	"ok":   ok,
	"slow": func(l Life) (Report, error) {
		time.Sleep(20 * time.Millisecond)
		return ok(l)
	},
	// Each way in which a life can fail, at a seed of its own.
	"hostile": func(l Life) (Report, error) {
		switch l.Seed {
		case 3:
			r, _ := ok(l)
			r.Failure = &Failure{Kind: "state", Message: "n1 and n2 differ", At: 5}
			return r, nil
		case 5:
			return Report{Seed: 5, Failure: &Failure{Kind: Panic, Message: "index out of range", Detail: "panic: index out of range\nstack"}}, nil
		case 7:
			return Report{Steps: overflow(0)}, nil
		case 9:
			os.Exit(3)
		case 11:
			fmt.Println("this is no answer")
		case 13:
			go func() { panic("elsewhere") }()
			select {}
		}
		return ok(l)
	},
	"hang": func(l Life) (Report, error) {
		if l.Seed == 2 {
			select {}
		}
		return ok(l)
	},
	// Depends on what only keeping it changes.
	"fickle": func(l Life) (Report, error) {
		r, _ := ok(l)
		if l.Keep == "" {
			return r, nil
		}
		r.TraceHash++
		return r, written(l, "    1.000000  same\n")
	},
	// Depends on the processors that it finds.
	"moody": func(l Life) (Report, error) {
		r, _ := ok(l)
		n := runtime.GOMAXPROCS(0)
		r.TraceHash += uint64(n)
		return r, written(l, fmt.Sprintf("    1.000000  same\n   12.000345  processors %d\n", n))
	},
	// Ends its process where there is another number of processors than this one.
	"picky": func(l Life) (Report, error) {
		if fmt.Sprint(runtime.GOMAXPROCS(0)) == os.Getenv("ENDED_BY") {
			os.Exit(4)
		}
		return ok(l)
	},
	"broken": func(l Life) (Report, error) {
		r, _ := ok(l)
		r.Failure = &Failure{Kind: "state", Message: "all is lost"}
		return r, nil
	},
	"full": func(l Life) (Report, error) { return Report{}, errors.New("no space left") },
	// Leaves its number where a test finds it, and never answers.
	"orphan": func(Life) (Report, error) {
		if err := os.WriteFile(os.Getenv("ORPHAN"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			return Report{}, err
		}
		select {}
	},
}

func jobOf(runner string, seeds uint64, workers int) Job {
	return Job{
		From: 1, Seeds: seeds, Profile: "standard", Workers: workers, Replay: func(s uint64) string { return fmt.Sprint("replay ", s) },
		Worker: func() *exec.Cmd {
			c := Self()
			c.Env = append(c.Env, runnerVariable+"="+runner)
			return c
		},
	}
}

func run(t *testing.T, j Job) *Summary {
	t.Helper()
	s, err := Run(context.Background(), j)
	require.NoError(t, err)
	return s
}

func TestSums(t *testing.T) {
	s := run(t, jobOf("ok", 100, 2))
	require.EqualValues(t, 100, s.Seeds)
	require.EqualValues(t, 5050, s.Events)
	require.Equal(t, 50, s.Probes["even"])
	require.Equal(t, s.Injected, s.Faults["crash"])
	require.Equal(t, 100, s.Outcomes["done"])
	require.EqualValues(t, 100, s.Last())
	require.EqualValues(t, 700, s.TraceHash())
	require.Positive(t, s.CPU)
	require.EqualValues(t, 100, s.Slowest)
	require.False(t, s.Interrupted)
}

// The number of workers changes nothing but the time.
func TestWorkersChangeNothing(t *testing.T) {
	for runner, seeds := range map[string]uint64{"hostile": 16, "live": 3} {
		one, three := run(t, jobOf(runner, seeds, 1)), run(t, jobOf(runner, seeds, 3))
		for _, s := range []*Summary{one, three} {
			s.Workers, s.Wall, s.CPU, s.Slowest, s.SlowestTime, s.last.Nanoseconds = 0, 0, 0, 0, 0, 0
		}
		require.Equal(t, one, three)
		require.EqualValues(t, seeds, one.Seeds)
	}
}

func TestEveryFailureIsToldAndTheRunGoesOn(t *testing.T) {
	j := jobOf("hostile", 16, 2)
	told := 0
	j.Failed = func(Found) { told++ }
	s := run(t, j)
	require.EqualValues(t, 16, s.Seeds)
	require.Equal(t, 6, s.Counts.Failures)
	require.Equal(t, 6, told)
	want := []Found{
		{Seed: 3, Failure: Failure{Kind: "state", Message: "n1 and n2 differ", At: 5}},
		{Seed: 5, Failure: Failure{Kind: Panic, Message: "index out of range"}},
		{Seed: 7, Failure: Failure{Kind: Crash, Message: "the process ended in the middle of the life: fatal error: stack overflow"}},
		{Seed: 9, Failure: Failure{Kind: Crash, Message: "the process ended in the middle of the life: exit status 3"}},
		{Seed: 11, Failure: Failure{Kind: Crash, Message: "the process ended in the middle of the life: it wrote something that is no answer"}},
		{Seed: 13, Failure: Failure{Kind: Crash, Message: "the process ended in the middle of the life: panic: elsewhere"}},
	}
	for i := range want {
		want[i].Replay = fmt.Sprint("replay ", want[i].Seed)
	}
	require.Equal(t, want, s.Failures)
}

func TestAFailureIsKept(t *testing.T) {
	j := jobOf("hostile", 8, 2)
	j.Dir = t.TempDir()
	s := run(t, j)
	require.Len(t, s.Failures, 3)
	for _, f := range s.Failures {
		require.Equal(t, filepath.Join(j.Dir, fmt.Sprint(f.Seed)), f.Dir)
	}
	text, err := os.ReadFile(filepath.Join(j.Dir, "7", StackName))
	require.NoError(t, err)
	require.Contains(t, string(text), "fleet.overflow")
	require.NoDirExists(t, filepath.Join(j.Dir, LastName))
}

func TestNotEveryFailureIsKept(t *testing.T) {
	j := jobOf("broken", keptMax+5, 2)
	j.Dir = t.TempDir()
	kept := 0
	for _, f := range run(t, j).Failures {
		if f.Dir != "" {
			kept++
		}
	}
	require.Equal(t, keptMax, kept)
}

// Lives that were truly lived: the last one of a good run is kept whole.
func TestTheLastLifeIsKept(t *testing.T) {
	j := jobOf("live", 2, 2)
	j.Dir, j.Profile = t.TempDir(), "quiet"
	s := run(t, j)
	require.Empty(t, s.Failures)
	require.Greater(t, s.Simulated, 100*time.Second)
	for _, name := range []string{PlanName, LifeName, TraceName, HistoryName, PageName, LanesName} {
		b, err := os.ReadFile(filepath.Join(j.Dir, LastName, name))
		require.NoError(t, err)
		require.NotEmpty(t, b)
	}
}

func TestTwoCourses(t *testing.T) {
	j := jobOf("fickle", 3, 1)
	j.Dir = t.TempDir()
	s := run(t, j)
	require.Len(t, s.Failures, 1)
	require.Equal(t, 1, s.Counts.Failures)
	require.Equal(t, Determinism, s.Failures[0].Kind)
	require.EqualValues(t, 3, s.Failures[0].Seed)
	require.Contains(t, s.Failures[0].Message, "trace 0000000000000015, passed; then trace 0000000000000016, passed; lived again, their traces read alike")
}

// A share of the seeds is lived under another number of processors, too: what depends on that is found, and shown.
func TestASeedThatTakesAnotherCourseElsewhere(t *testing.T) {
	j := jobOf("moody", 3, 2)
	j.From, j.Dir = 15, t.TempDir()
	s := run(t, j)
	require.Equal(t, 1, s.Twice)
	require.Len(t, s.Failures, 1)
	f := s.Failures[0]
	require.Equal(t, Determinism, f.Kind)
	require.EqualValues(t, 16, f.Seed)
	require.Regexp(t, `they part at line 2: "12.000345 processors \d+", and "12.000345 processors \d+"$`, f.Message)
	require.EqualValues(t, 12_000_345, f.At)
	for _, name := range []string{TraceName, filepath.Join(AgainName, TraceName)} {
		require.FileExists(t, filepath.Join(j.Dir, "16", name))
	}

	j.Dir = ""
	require.Len(t, run(t, j).Failures, 1)
	s = run(t, jobOf("ok", 48, 2))
	require.Equal(t, 3, s.Twice)
	require.Empty(t, s.Failures)
}

// A life that only its second process does not survive has failed.
func TestASecondLifeThatCrashes(t *testing.T) {
	t.Setenv("ENDED_BY", strconv.Itoa(otherThan(processors(1))))
	j := jobOf("picky", 1, 1)
	j.From = 32
	s := run(t, j)
	require.Len(t, s.Failures, 1)
	require.Equal(t, Crash, s.Failures[0].Kind)
}

func TestWhereTracesPart(t *testing.T) {
	for _, c := range []struct {
		a, b, line string
		at         int64
	}{
		{"", "", "", 0},
		{"1.000000 a\n", "1.000000 a\n", "", 0},
		{"1.000000 a\n2.000000  b\n", "1.000000 a\n", `they part at line 2: "2.000000 b", and no more`, 2_000_000},
		{"a", "b", `they part at line 1: "a", and "b"`, 0},
	} {
		line, at, err := parting(strings.NewReader(c.a), strings.NewReader(c.b))
		require.NoError(t, err)
		require.Equal(t, c.line, line)
		require.Equal(t, c.at, at)
	}
}

// How long a life takes decides nothing but that it is given up at all.
func TestALifeThatHangs(t *testing.T) {
	j := jobOf("hang", 4, 1)
	j.LifeTimeMax = time.Second
	s := run(t, j)
	require.EqualValues(t, 4, s.Seeds)
	require.Len(t, s.Failures, 1)
	require.Equal(t, Hang, s.Failures[0].Kind)
	require.EqualValues(t, 2, s.Failures[0].Seed)
}

func TestAFullDiskEndsTheRun(t *testing.T) {
	_, err := Run(context.Background(), jobOf("full", 5, 2))
	require.ErrorContains(t, err, "no space left")
}

func TestAWorkerThatCannotStart(t *testing.T) {
	j := jobOf("ok", 5, 2)
	j.Worker = func() *exec.Cmd { return exec.Command("/bin/sh", "-c", "echo no paper >&2") }
	_, err := Run(context.Background(), j)
	require.EqualError(t, err, "a worker can't start: no paper")
	j.Worker = func() *exec.Cmd { return exec.Command("/nowhere/lockstep") }
	_, err = Run(context.Background(), j)
	require.ErrorContains(t, err, "a worker can't start")
}

func TestARunEndsWithItsTime(t *testing.T) {
	j := jobOf("slow", 0, 2)
	j.For = 1 // over before it began: one seed is run nevertheless
	s := run(t, j)
	require.NotZero(t, s.Seeds)
	require.False(t, s.Interrupted)
}

// A run that is cancelled sums up what was finished, and a life that hangs does not keep it.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	j := jobOf("hang", 0, 1)
	j.Progress = func(c Counts) {
		if c.Seeds == 1 {
			cancel()
		}
	}
	s, err := Run(ctx, j)
	require.NoError(t, err)
	require.True(t, s.Interrupted)
	require.EqualValues(t, 1, s.Seeds)
	require.Empty(t, s.Failures)
}

// A worker whose parent is gone ends, even in the middle of a life.
func TestWorkersEndWithTheirParent(t *testing.T) {
	c := Self()
	c.Env = append(c.Env, runnerVariable+"=orphan", "ORPHAN="+filepath.Join(t.TempDir(), "pid"))
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line := make([]byte, 64)
	n, err := out.Read(line)
	require.NoError(t, err)
	require.Equal(t, `{"ready":true}`, strings.TrimSpace(string(line[:n])))
	_, err = fmt.Fprintln(in, `{"seed":1}`)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, c.Wait())
}

func TestTheHeapIsWatched(t *testing.T) {
	var seen atomic.Uint64
	watchHeap(1, func(bytes uint64) { seen.Store(bytes) })
	require.NotZero(t, seen.Load())
}
