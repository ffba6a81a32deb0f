package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/config"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// progressLines are what long commands add to stderr where it is no terminal.
var progressLines = regexp.MustCompile(`(?m)^\[[#.]+\] .*\n`)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lockstep": main})
}

// Stories of the command line; those of a running cluster are in scripts/e2e.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

// exits runs `lockstep ARGS...` and checks the exit code that it is given first, and that an error is one line.
func exits(ts *testscript.TestScript, negated bool, given []string) {
	if negated || len(given) < 2 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	err := ts.Exec("lockstep", given[1:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != given[0] {
		ts.Fatalf("exit code %s, want %s", code, given[0])
	}
	errs := progressLines.ReplaceAllString(ts.ReadFile("stderr"), "") // a slow machine sees how far it is
	if code != "0" && (strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "lockstep: ")) {
		ts.Fatalf("stderr is not one line: %q", errs)
	}
}

// Every command explains itself.
func TestEveryCommandHasHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		require.NotEmpty(t, c.Short, c.CommandPath())
		if c.Runnable() && !c.HasSubCommands() && c.Name() != "exit-codes" {
			require.NotEmpty(t, c.Example, c.CommandPath())
			require.NotNil(t, c.Args, c.CommandPath())
		}
		for _, line := range strings.Split(c.Long+"\n"+c.Example, "\n") {
			require.LessOrEqual(t, len(line), 140, "%s: %s", c.CommandPath(), line)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}

// Every setting is a flag of serve, with a usage.
func TestServeFlagsAreDocumented(t *testing.T) {
	var out bytes.Buffer
	require.Zero(t, run([]string{"serve", "--help"}, strings.NewReader(""), &out, os.Stderr))
	for _, name := range []string{"--raft-tick", "--peer ", "--storage-disk-reserve", "--server-writes", "--insecure"} {
		require.Contains(t, out.String(), name)
	}
	require.NotContains(t, out.String(), parentFlag)
}

// Every command and each of its own flags is in the docs of the command line; every setting is in the example that those point to.
func TestTheCommandLineIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	require.NoError(t, err)
	documented := func(what string) {
		require.True(t, strings.Contains(string(text), what), "docs/cli.md has no %s", what)
	}
	known := map[string]bool{"help": true, parentFlag: true}
	for _, s := range config.Settings() {
		known[s.Flag] = true
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		switch {
		case c.Name() == "completion" || c.Name() == "help": // cobra's own
			return
		case c.Runnable() && !c.HasSubCommands():
			documented(c.CommandPath())
		case !c.HasParent() || c.HasSubCommands():
		default:
			documented("lockstep help " + c.Name())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !known[f.Name] {
				documented("--" + f.Name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	documented("lockstep completion bash")
	documented("deploy/lockstep.example.yaml")

	example, err := os.ReadFile("../../deploy/lockstep.example.yaml")
	require.NoError(t, err)
	for _, s := range config.Settings() {
		name := s.Key[strings.LastIndex(s.Key, ".")+1:]
		require.Regexp(t, `(?m)^ *`+regexp.QuoteMeta(name)+`:`, string(example), s.Key)
		require.Contains(t, string(example), s.Usage[1:], s.Key)
	}
}

func TestAPanicIsAnInternalError(t *testing.T) {
	var errs bytes.Buffer
	code := run([]string{"version"}, nil, panicWriter{}, &errs)
	require.Equal(t, 70, code)
	require.Contains(t, errs.String(), "internal error: no paper")
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("no paper") }
