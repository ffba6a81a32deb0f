package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const (
	// fuzzTimeMin is the least time for one target: below it the workers have hardly started.
	fuzzTimeMin = 2 * time.Second
	// fuzzWorkers is how many run at once; more would make a small machine's other tests time out.
	fuzzWorkers = 2
)

// target is a fuzz function.
type target struct {
	dir, name string
}

// fuzzAll gives every target of the module an equal share of the budget. A find is a failed test; the input that shows
// it lies in the package's testdata/fuzz.
func fuzzAll(r *record, budget time.Duration) error {
	targets, err := fuzzTargets(".")
	if err != nil || len(targets) == 0 {
		return err
	}
	share := max(budget/time.Duration(len(targets)), fuzzTimeMin).Round(time.Second)
	fmt.Fprintf(r.out, "fuzzing %d targets for %v each\n", len(targets), share)
	for _, t := range targets {
		r.fuzz(t, share)
	}
	return nil
}

func (r *record) fuzz(t target, share time.Duration) {
	c := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", share.String(),
		"-parallel", fmt.Sprint(fuzzWorkers), "./"+filepath.ToSlash(t.dir))
	out, err := c.CombinedOutput()
	if err != nil && endedByItsOwnClock(string(out)) {
		fmt.Fprintf(r.out, "%s ran its whole time; that go calls this a failure is https://go.dev/issue/75804\n", t.name)
		err = nil
	}
	if err != nil {
		r.failed++
		r.failures = append(r.failures, key{filepath.ToSlash(t.dir), t.name + " (fuzzing)"})
		fmt.Fprintf(r.out, "%s\n", out)
		return
	}
	r.passed++
	fmt.Fprintf(r.out, "ok  \tfuzz %s %s%s\n", filepath.ToSlash(t.dir), t.name, executions(string(out)))
}

// endedByItsOwnClock recognizes https://go.dev/issue/75804 (mended in Go 1.27): at the end of -fuzztime the coordinator may
// take its own deadline for a failure. It then says nothing but the context's error, and no input was found; whatever else
// is said is a find.
func endedByItsOwnClock(out string) bool {
	_, failure, ok := strings.Cut(out, "--- FAIL: ")
	if !ok || strings.Contains(out, "Failing input written") {
		return false
	}
	lines := strings.Split(failure, "\n")
	return len(lines) > 2 && strings.TrimSpace(lines[1]) == "context deadline exceeded" && lines[2] == "FAIL"
}

// executions finds the last count that the fuzzer printed.
func executions(out string) string {
	last := ""
	for line := range strings.Lines(out) {
		if _, after, ok := strings.Cut(line, "execs: "); ok {
			last, _, _ = strings.Cut(after, " ")
		}
	}
	if last == "" {
		return ""
	}
	return "\t" + last + " executions"
}

// fuzzTargets finds all func FuzzX(*testing.F) of the module below root, without nested modules.
func fuzzTargets(root string) ([]target, error) {
	var targets []target
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "tools") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		names, err := fuzzFunctions(name)
		for _, n := range names {
			targets = append(targets, target{filepath.Dir(name), n})
		}
		return err
	})
	sort.Slice(targets, func(i, j int) bool {
		a, b := targets[i], targets[j]
		return a.dir < b.dir || a.dir == b.dir && a.name < b.name
	})
	return targets, err
}

func fuzzFunctions(name string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") && takesF(fn) {
			names = append(names, fn.Name.Name)
		}
	}
	return names, nil
}

func takesF(fn *ast.FuncDecl) bool {
	if len(fn.Type.Params.List) != 1 {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	s, ok := star.X.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "F"
}
