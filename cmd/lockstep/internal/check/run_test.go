package check

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/stretchr/testify/require"
)

const (
	good  = "../../../../linearizability/testdata/ok/stale-read-mended.jsonl"
	stale = "../../../../linearizability/testdata/bad/stale-read.jsonl"
)

func settings(t *testing.T, files ...string) (Settings, *bytes.Buffer) {
	var out bytes.Buffer
	return Settings{Files: files, Format: "auto", Command: "lockstep check", Out: &out, Errs: io.Discard, In: strings.NewReader("")}, &out
}

// What was not reached is undecided, and never passes.
func TestAnInterruptedCheckIsUndecided(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, out := settings(t, good, stale)
	s.JUnit = filepath.Join(t.TempDir(), "junit.xml")
	err := Run(ctx, s)
	require.Equal(t, exit.Undecided, exit.CodeOf(err), err)
	require.Contains(t, out.String(), "2 histories: 2 undecided")
	junit, err := os.ReadFile(s.JUnit)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(junit), "<error"))
}

// The first file is decided when the interrupt comes, the second is not reached.
func TestAnInterruptBetweenFiles(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, _ := settings(t, "-", stale)
	b, err := os.ReadFile(good)
	require.NoError(t, err)
	s.In = io.MultiReader(bytes.NewReader(b), over{cancel})
	err = Run(ctx, s)
	require.Equal(t, exit.Undecided, exit.CodeOf(err), err)
}

// over interrupts when the input is over.
type over struct{ cancel func() }

func (e over) Read([]byte) (int, error) {
	e.cancel()
	return 0, io.EOF
}

// A file that can't be read is in every report, and none of them passes.
func TestUnreadableFilesAreReported(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.jsonl")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	s, out := settings(t, empty, good)
	s.JSON, s.JUnit = true, filepath.Join(dir, "junit.xml")
	err := Run(context.Background(), s)
	require.Equal(t, exit.BadData, exit.CodeOf(err), err)
	var document struct {
		Verdict   string
		Histories []struct{ File, Verdict, Reason string }
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &document))
	require.Equal(t, "undecided", document.Verdict)
	require.Len(t, document.Histories, 2)
	require.Equal(t, empty, document.Histories[0].File)
	require.NotEmpty(t, document.Histories[0].Reason)
	require.Equal(t, "linearizable", document.Histories[1].Verdict)
	junit, err := os.ReadFile(s.JUnit)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(junit), "<error"))
}

// A report that can't be written is told before a long check, not as a violation.
func TestReportsThatCannotBeWritten(t *testing.T) {
	for _, change := range []func(*Settings){
		func(s *Settings) { s.HTML = "/dev/null/x.html" },
		func(s *Settings) { s.JUnit = t.TempDir() },
		func(s *Settings) { s.HTML, s.Files = filepath.Join(t.TempDir(), "x.html"), []string{good, stale} },
	} {
		s, out := settings(t, good)
		change(&s)
		require.Equal(t, exit.Usage, exit.CodeOf(Run(context.Background(), s)))
		require.Empty(t, out.String())
	}
}

// The index has the gravest first, and a page for each, also if a file is named twice.
func TestTheIndex(t *testing.T) {
	s, _ := settings(t, good, stale, good)
	s.HTML = filepath.Join(t.TempDir(), "pages")
	require.Equal(t, exit.Failure, exit.CodeOf(Run(context.Background(), s)))
	b, err := os.ReadFile(filepath.Join(s.HTML, "index.html"))
	require.NoError(t, err)
	require.Contains(t, string(b), "1 violation, 2 linearizable")
	require.Less(t, strings.Index(string(b), "bad/stale-read"), strings.Index(string(b), "ok/stale-read"))
	pages, err := filepath.Glob(filepath.Join(s.HTML, "*.html"))
	require.NoError(t, err)
	require.Len(t, pages, 4)
	for _, page := range pages {
		if base := filepath.Base(page); base != "index.html" {
			require.Contains(t, string(b), base)
		}
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, terminal: true, files: 2, ended: make(chan struct{}), hidden: true}
	p.begin(1, "b.edn")
	p.bytes(3 << 20)
	now := p.began.Add(time.Minute)
	p.show(now)
	require.Contains(t, out.String(), "[############............] file 2 of 2, b.edn: 3 MiB read, 1m0s")
	p.keys(1, 2)
	p.show(now)
	require.Contains(t, out.String(), "[##################......] file 2 of 2, b.edn: 1 of 2 keys decided")
	p.hide()
	require.True(t, strings.HasSuffix(out.String(), "\r\x1b[K"))
	out.Reset()
	p.show(now)
	require.Empty(t, out.String(), "hidden while results are printed")

	p.terminal, p.hidden, p.plain = false, false, now.Add(-plainEvery)
	p.show(now)
	p.show(now.Add(time.Second))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}

func TestBudget(t *testing.T) {
	for text, want := range map[string]Budget{"30s": {Time: 30 * time.Second}, "5000": {Steps: 5000}, "1m, 7": {Steps: 7, Time: time.Minute}, "7,1m": {Steps: 7, Time: time.Minute}} {
		var b Budget
		require.NoError(t, b.Set(text))
		require.Equal(t, want, b)
	}
	for _, bad := range []string{"", "0", "-1", "-1s", "5,6", "1s,2s", "soon", "5,"} {
		require.Error(t, new(Budget).Set(bad), bad)
	}
	require.ErrorContains(t, new(Tiers).Set("luck"), "unknown tier")
}
