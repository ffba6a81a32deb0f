package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// event is a line of `go test -json`, as `go doc cmd/test2json` describes it.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Elapsed    float64
	Output     string
	Key, Value string // of an attribute, see testing.T.Attr
}

// key is a test, or a package when the name is empty.
type key struct{ pkg, test string }

// outputLinesMax bounds what is kept of one test's output; the newest lines stay.
const outputLinesMax = 2000

// record counts results and prints what `go test` would.
type record struct {
	out                     io.Writer
	output                  map[key][]string
	passed, failed, skipped int
	failures                []key
	skips                   []skip
	broken                  bool // something failed that is not a test
}

type skip struct {
	key
	reason string
}

func newRecord(out io.Writer) *record {
	return &record{out: out, output: map[key][]string{}}
}

// test runs `go test -json` and follows it.
func (r *record) test(args []string) error {
	c := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	c.Stderr = os.Stderr
	pipe, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	fmt.Fprintln(r.out, "go test", strings.Join(args, " "))
	if err := c.Start(); err != nil {
		return err
	}
	r.follow(pipe)
	if err := c.Wait(); err != nil && r.failed == 0 {
		return fmt.Errorf("go test: %w", err)
	}
	return nil
}

func (r *record) follow(in io.Reader) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if len(line) > 0 {
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				fmt.Fprint(r.out, string(line)) // not of test2json: show it as it is
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *record) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.keep(k, e.Output)
	case "attr":
		fmt.Fprintf(r.out, "  %s %s %s: %s\n", short(e.Package), e.Test, e.Key, e.Value)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.broken = true
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(k, e)
		} else {
			r.endTest(k, e)
		}
		delete(r.output, k)
	}
}

func (r *record) keep(k key, line string) {
	if lines := r.output[k]; len(lines) >= outputLinesMax {
		r.output[k] = append(lines[:0:0], lines[len(lines)/2:]...)
	}
	r.output[k] = append(r.output[k], line)
}

func (r *record) endTest(k key, e event) {
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		r.skips = append(r.skips, skip{k, reasonOf(r.output[k])})
	case "fail":
		r.failed++
		r.failures = append(r.failures, k)
		fmt.Fprint(r.out, strings.Join(r.output[k], ""))
	}
}

// endPackage prints the package's own line: ok, FAIL or no test files.
func (r *record) endPackage(k key, e event) {
	switch e.Action {
	case "fail":
		fmt.Fprint(r.out, strings.Join(r.output[k], ""))
		r.broken = true
	case "skip":
		fmt.Fprintf(r.out, "?   \t%s\t[no test files]\n", k.pkg)
	default:
		fmt.Fprintf(r.out, "ok  \t%s\t%v\n", k.pkg, time.Duration(e.Elapsed*float64(time.Second)).Round(time.Millisecond))
	}
}

var (
	framing  = regexp.MustCompile(`^\s*(=== |--- )`)
	position = regexp.MustCompile(`^\s*\S+\.go:\d+:\s*`)
)

// reasonOf is what t.Skip was given.
func reasonOf(output []string) string {
	var words []string
	for _, line := range output {
		if framing.MatchString(line) {
			continue
		}
		if text := strings.TrimSpace(position.ReplaceAllString(line, "")); text != "" {
			words = append(words, text)
		}
	}
	if len(words) == 0 {
		return "it gives no reason"
	}
	return strings.Join(words, " ")
}

// close prints the summary and returns the exit code.
func (r *record) close() int {
	if len(r.skips) > 0 {
		fmt.Fprintln(r.out, "\nSkipped, and what would enable it:")
		for _, s := range r.skips {
			fmt.Fprintf(r.out, "  %s %s: %s\n", short(s.pkg), s.test, s.reason)
		}
	}
	if len(r.failures) > 0 {
		fmt.Fprintln(r.out, "\nFailed:")
		for _, k := range r.failures {
			fmt.Fprintf(r.out, "  %s %s\n", short(k.pkg), k.test)
		}
	}
	if r.broken && r.failed == 0 {
		r.failed++ // a package that does not build has no test to count
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	if r.failed > 0 {
		return 1
	}
	return 0
}

func short(pkg string) string {
	return strings.TrimPrefix(strings.TrimPrefix(pkg, "github.com/lockstepdb/lockstep"), "/")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
