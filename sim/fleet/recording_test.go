package fleet

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

func drawn(t *testing.T, seed uint64) *plan.Plan {
	t.Helper()
	p, err := plan.Draw(seed, "quiet")
	require.NoError(t, err)
	return p
}

// Keeping a life does not change it, and what is kept can be read and lived again.
func TestWhatIsKeptIsTheLife(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "down")
	bare, err := Live(Life{Seed: 4, Profile: "quiet"})
	require.NoError(t, err)
	var trace bytes.Buffer
	kept, err := (&Recording{Plan: drawn(t, 4), Dir: dir, Replay: "again 4", Check: "check again 4", Trace: &trace}).Run()
	require.NoError(t, err)
	require.Equal(t, bare.TraceHash, kept.TraceHash)
	require.Nil(t, compare(bare, kept))

	file, err := os.ReadFile(filepath.Join(dir, PlanName))
	require.NoError(t, err)
	p, err := plan.Decode(file)
	require.NoError(t, err)
	again, err := (&Recording{Plan: p}).Run()
	require.NoError(t, err)
	require.Equal(t, bare.TraceHash, again.TraceHash)

	text, err := os.ReadFile(filepath.Join(dir, TraceName))
	require.NoError(t, err)
	require.Equal(t, trace.String(), string(text))
	f, err := os.Open(filepath.Join(dir, HistoryName))
	require.NoError(t, err)
	defer f.Close()
	h, err := history.Read(f)
	require.NoError(t, err)
	require.Len(t, h.Operations, kept.Operations)
	require.Equal(t, "again 4", h.Origin.Command)
	page, err := os.ReadFile(filepath.Join(dir, PageName))
	require.NoError(t, err)
	require.Contains(t, string(page), `data-copy="again 4"`)
	require.Contains(t, string(page), `data-copy="check again 4"`)
}

// The plan of a file stays as its author wrote it.
func TestAGivenPlanIsKeptAsItIs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{StackName, MomentName} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("of an earlier life"), 0o600))
	}
	_, err := (&Recording{Plan: drawn(t, 4), File: []byte("# mine\n"), Dir: dir, Until: 1}).Run()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, PlanName))
	require.NoError(t, err)
	require.Equal(t, "# mine\n", string(text))
	require.NoFileExists(t, filepath.Join(dir, StackName))
	require.NoFileExists(t, filepath.Join(dir, MomentName))
}

func TestUntil(t *testing.T) {
	r, err := (&Recording{Plan: drawn(t, 4), Until: 2e9}).Run()
	require.NoError(t, err)
	require.LessOrEqual(t, r.Simulated, int64(2e9))
}

// What is asked to stop does, and is not taken for a whole life.
func TestStop(t *testing.T) {
	dir, asked := t.TempDir(), 0
	stop := func() bool {
		asked++
		return asked > 3
	}
	r, err := (&Recording{Plan: drawn(t, 4), Dir: dir, Stop: stop}).Run()
	require.NoError(t, err)
	require.True(t, r.Stopped)
	require.Nil(t, r.Failure)
	require.EqualValues(t, 3*1024, r.Events)
	require.FileExists(t, filepath.Join(dir, TraceName))
	require.NoFileExists(t, filepath.Join(dir, LifeName))
	require.NoFileExists(t, filepath.Join(dir, LanesName))

	whole, err := (&Recording{Plan: drawn(t, 4), Stop: func() bool { return false }}).Run()
	require.NoError(t, err)
	require.False(t, whole.Stopped)
	bare, err := Live(Life{Seed: 4, Profile: "quiet"})
	require.NoError(t, err)
	require.Equal(t, bare.TraceHash, whole.TraceHash)
}

// A folder is free unless it holds a failure of another plan or version.
func TestWhatAFolderHoldsIsNotReplaced(t *testing.T) {
	failure, passed := Report{Failure: &Failure{Kind: "state"}}, Report{}
	for name, c := range map[string]struct {
		report        Report
		version, file string
		aside         bool
		another       bool
	}{
		"the same failure":          {failure, "v1", "plan", false, false},
		"of another version":        {failure, "v2", "plan", true, false},
		"of another plan":           {failure, "v1", "other", true, true},
		"a life that passed":        {passed, "v2", "other", false, false},
		"of another version's plan": {failure, "v2", "other", true, true},
	} {
		dir := filepath.Join(t.TempDir(), "7")
		require.NoError(t, os.Mkdir(dir, 0o755))
		r := &Recording{Plan: drawn(t, 4), File: []byte("plan"), Dir: dir, Version: "v1"}
		require.NoError(t, r.prepare())
		require.NoError(t, r.keep(c.report))
		free, another, err := Folder(dir, []byte(c.file), c.version)
		require.NoError(t, err)
		require.Equal(t, c.aside, free == dir+AsideSuffix, name)
		require.Equal(t, c.another, another, name)
	}

	// What ended its process left a stack and a plan; what can't be read is left alone.
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, PlanName), []byte("plan"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, StackName), []byte("stack"), 0o600))
	free, _, err := Folder(dir, []byte("plan"), "v1")
	require.NoError(t, err)
	require.Equal(t, dir, free)
	free, another, err := Folder(dir, []byte("other"), "v1")
	require.NoError(t, err)
	require.Equal(t, dir+AsideSuffix, free)
	require.True(t, another)
	require.NoError(t, os.WriteFile(filepath.Join(dir, LifeName), []byte("{"), 0o600))
	free, _, err = Folder(dir, []byte("plan"), "v1")
	require.NoError(t, err)
	require.Equal(t, dir+AsideSuffix, free)
}

// A panic of what is under test: here, of a plan that nobody validated.
func TestAPanicIsAFailure(t *testing.T) {
	p := drawn(t, 4)
	p.Nodes = -1
	dir := t.TempDir()
	r, err := (&Recording{Plan: p, Dir: dir}).Run()
	require.NoError(t, err)
	require.NotNil(t, r.Failure)
	require.Equal(t, Panic, r.Failure.Kind)
	require.Regexp(t, `, in \S+ \(\w+\.go:\d+\)$`, r.Failure.Message)
	stack, err := os.ReadFile(filepath.Join(dir, StackName))
	require.NoError(t, err)
	require.Contains(t, string(stack), "sim.Run")
	trace, err := os.ReadFile(filepath.Join(dir, TraceName))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(trace), "panic: "+r.Failure.Message+"\n"))
	require.FileExists(t, filepath.Join(dir, PlanName))
	require.NoFileExists(t, filepath.Join(dir, PageName))

	_, err = Live(Life{Seed: 4, Profile: "quiet"})
	require.NoError(t, err)
}

// What a life left behind before it panicked is kept.
func TestAPanicInTheMiddle(t *testing.T) {
	p := drawn(t, 4)
	p.Clients.Count = 64
	p.Operations = append(p.Operations, plan.Operation{At: 3e9, Client: 70, Do: plan.Put, Key: "k1", Number: 9999})
	dir := t.TempDir()
	r, err := (&Recording{Plan: p, Dir: dir, Version: "v7"}).Run()
	require.NoError(t, err)
	require.Equal(t, Panic, r.Failure.Kind)
	require.EqualValues(t, 3e9, r.Failure.At)
	require.NotZero(t, r.TraceHash)
	require.NotZero(t, r.Operations)
	require.NotEmpty(t, r.Outcomes)
	for _, name := range []string{HistoryName, PageName, LanesName, StackName} {
		require.FileExists(t, filepath.Join(dir, name))
	}
	kept, err := ReadKept(dir)
	require.NoError(t, err)
	require.Equal(t, "v7", kept.Version)
	require.Equal(t, Hash(r.TraceHash), kept.TraceHash)
	require.Equal(t, Panic, kept.Report.Failure.Kind)
	require.Empty(t, kept.Report.Failure.Detail)

	kept, err = ReadKept(t.TempDir())
	require.NoError(t, err)
	require.Nil(t, kept)
	require.NoError(t, os.WriteFile(filepath.Join(dir, LifeName), []byte("{"), 0o600))
	_, err = ReadKept(dir)
	require.ErrorContains(t, err, LifeName)
}

func TestAnUnknownProfileIsAFailure(t *testing.T) {
	r, err := Live(Life{Seed: 4, Profile: "wild"})
	require.NoError(t, err)
	require.Equal(t, BadPlan, r.Failure.Kind)
}

func TestATraceIsCutOff(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), TraceName))
	require.NoError(t, err)
	w := newTraceFile(f, 10)
	for _, s := range []string{"12345\n", "678\n", "9\n", "0\n"} {
		n, err := w.Write([]byte(s))
		require.NoError(t, err)
		require.Equal(t, len(s), n)
	}
	require.NoError(t, w.close())
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "12345\n678\n"+cutOff, string(text))
}
