// Package lockstep_test keeps the rules of the house that no compiler knows: which package may import which, that the
// deterministic core has no clock, no goroutine and no randomness, and that the docs keep up with the code.
package lockstep_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/lockstepdb/lockstep"

// pkg is a package's production code, or that of its tests, as far as the rules need it.
type pkg struct {
	dir     string // relative to the root, with slashes
	imports []place
	files   map[string]*ast.File
}

// place is something and where it was found.
type place struct {
	name string
	pos  string
}

// source is every package of the module by its folder, without its tests.
func source(t *testing.T) map[string]*pkg {
	t.Helper()
	all := map[string]*pkg{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isNestedModule(name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		addFile(all, fset, filepath.ToSlash(name), f)
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

func isNestedModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func addFile(all map[string]*pkg, fset *token.FileSet, name string, f *ast.File) {
	dir := path.Dir(name)
	p := all[dir]
	if p == nil {
		p = &pkg{dir: dir, files: map[string]*ast.File{}}
		all[dir] = p
	}
	p.files[name] = f
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		p.imports = append(p.imports, place{imported, fset.Position(spec.Pos()).String()})
	}
}

// own returns the folder of a package of this module.
func own(imported string) (dir string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// within says that dir is the folder or below it.
func within(dir, folder string) bool {
	return dir == folder || strings.HasPrefix(dir, folder+"/")
}

// arrow says which packages of this module a folder may import, its own subfolders included only if they are named.
type arrow struct {
	folder string
	tree   bool     // the rule holds for everything below the folder, too
	may    []string // folders; a name that ends in /... includes what is below
}

// arrows is the design's list. A folder without an entry fails the test, so that a new one gets a rule.
var arrows = []arrow{
	{"kv", false, []string{"kv/kvpb"}},
	{"kv/kvpb", true, nil},
	{"cluster", false, []string{"kv", "kv/kvpb"}},
	{"cluster/storage/vfs", true, nil},
	{"cluster/storage", true, []string{"cluster", "cluster/storage/vfs", "kv"}},
	{"cluster/transport", true, []string{"cluster", "cluster/transport/...", "kv", "kv/kvpb"}},
	{"cluster/server", true, []string{"cluster", "cluster/server/...", "kv", "kv/kvpb"}},
	{"cluster/client/policy", true, nil},
	{"cluster/client", true, []string{"kv/kvpb", "cluster/client/..."}},
	{"cluster/host", true, []string{"cluster", "cluster/host/...", "cluster/storage/...", "cluster/transport/...", "cluster/server/...", "kv", "kv/kvpb"}},
	{"linearizability", true, []string{"linearizability/..."}},
	{"sim/plan", true, []string{"sim/plan/..."}},
	{"sim", true, []string{"cluster", "cluster/storage/...", "kv", "kv/kvpb", "cluster/client/policy", "sim/...", "linearizability/..."}},
	{"chaos", true, []string{"cluster/client/...", "sim/plan/...", "linearizability/...", "chaos/...", "kv/kvpb"}},
	{"bench", true, []string{"cluster/client/...", "linearizability/...", "bench/...", "kv/kvpb"}},
	{"cmd", true, []string{"cluster/...", "kv", "kv/kvpb", "sim/...", "linearizability/...", "chaos/...", "bench/...", "cmd/...", "deploy"}},
	{"scripts", true, []string{"cluster/client/...", "scripts/...", "kv/kvpb"}},
	{"deploy", true, []string{"deploy/..."}},
	{".", false, nil},
}

// ruleFor returns the most specific rule for a folder.
func ruleFor(dir string) (arrow, bool) {
	best, found := arrow{}, false
	for _, a := range arrows {
		if a.folder == dir || a.tree && within(dir, a.folder) {
			if !found || len(a.folder) > len(best.folder) {
				best, found = a, true
			}
		}
	}
	return best, found
}

func (a arrow) allows(dir string) bool {
	for _, may := range a.may {
		if tree, ok := strings.CutSuffix(may, "/..."); ok && within(dir, tree) || may == dir {
			return true
		}
	}
	return false
}

func TestArrows(t *testing.T) {
	for _, p := range sorted(source(t)) {
		rule, ok := ruleFor(p.dir)
		if !ok {
			t.Errorf("%s has no rule in arrows: add one that follows the design", p.dir)
			continue
		}
		for _, i := range p.imports {
			if dir, ok := own(i.name); ok && !rule.allows(dir) {
				t.Errorf("%s: %s may not import %s", i.pos, p.dir, dir)
			}
		}
	}
}

// The named rules below follow from arrows as it stands. They stay, so that a careless edit of the table fails.

func TestOnlyCmdImportsSimChaosAndBench(t *testing.T) {
	for _, p := range sorted(source(t)) {
		for _, i := range p.imports {
			dir, ok := own(i.name)
			if !ok || within(p.dir, "cmd") {
				continue
			}
			for _, top := range []string{"sim", "chaos", "bench"} {
				leaf := within(dir, "sim/plan") && within(p.dir, "chaos")
				if within(dir, top) && !within(p.dir, top) && !leaf {
					t.Errorf("%s: only cmd may import %s", i.pos, dir)
				}
			}
			if within(dir, "cmd") {
				t.Errorf("%s: nothing may import %s", i.pos, dir)
			}
		}
	}
}

func TestSimNeverImportsTheRealDriver(t *testing.T) {
	for _, p := range sorted(source(t)) {
		for _, i := range p.imports {
			dir, _ := own(i.name)
			if within(p.dir, "sim") && (within(dir, "cluster/host") || within(dir, "cluster/transport") || within(dir, "cluster/server")) {
				t.Errorf("%s: the simulator is its own driver and may not import %s", i.pos, dir)
			}
		}
	}
}

// pure are the packages whose results depend on their inputs alone.
var pure = []string{"kv", "cluster", "cluster/client/policy", "cluster/storage", "sim/plan"}

// forbidden are imports that bring a clock, the outside world, cancellation, randomness or a log into a pure package.
var forbidden = []string{"os", "net", "time", "context", "math/rand", "math/rand/v2", "crypto/rand", "log", "log/slog", "testing", "hash/maphash"}

// allowed are the imports of other modules' packages that the core may have.
var allowed = map[string][]string{
	"cluster": {"go.etcd.io/raft/v3"},
}

func TestTheCoreIsPure(t *testing.T) {
	packages := source(t)
	for _, dir := range pure {
		p := packages[dir]
		if p == nil { // later issues bring sim/plan
			continue
		}
		for _, i := range p.imports {
			root, _, _ := strings.Cut(i.name, "/")
			if slices.Contains(forbidden, i.name) || root == "net" || root == "os" {
				t.Errorf("%s: %s is pure and may not import %s", i.pos, dir, i.name)
			}
		}
	}
}

func TestTheCoreDependsOnFewModules(t *testing.T) {
	packages := source(t)
	for dir, modules := range allowed {
		for _, i := range packages[dir].imports {
			if _, isOwn := own(i.name); isOwn || !strings.Contains(strings.SplitN(i.name, "/", 2)[0], ".") {
				continue
			}
			if !slices.ContainsFunc(modules, func(m string) bool { return within(i.name, m) }) && !within(i.name, "google.golang.org/protobuf") {
				t.Errorf("%s: %s may not import %s", i.pos, dir, i.name)
			}
		}
	}
}

// A goroutine's schedule cannot be reproduced, nor can a select's choice.
func TestTheCoreStartsNoGoroutine(t *testing.T) {
	packages := source(t)
	for _, dir := range pure {
		p := packages[dir]
		if p == nil {
			continue
		}
		for name, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: %s is pure and may not start a goroutine", name, dir)
				case *ast.SelectStmt:
					t.Errorf("%s: %s is pure and may not select", name, dir)
				}
				return true
			})
		}
	}
}

// raft draws its election jitter from crypto/rand.Reader, which the simulator replaces. Nothing that serves may: TLS and
// instance ids need real randomness.
func TestOnlyTheSimulatorReplacesRandomness(t *testing.T) {
	for _, p := range sorted(source(t)) {
		if within(p.dir, "sim") {
			continue
		}
		for name, f := range p.files {
			alias := importedAs(f, "crypto/rand")
			if alias == "" {
				continue
			}
			if alias == "." {
				t.Errorf("%s: crypto/rand must not be imported by dot", name)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if touchesReader(n, alias) {
					t.Errorf("%s: only sim may replace crypto/rand.Reader", name)
				}
				return true
			})
		}
	}
}

// touchesReader finds rand.Reader on the left of an assignment, and its address being taken.
func touchesReader(n ast.Node, alias string) bool {
	isReader := func(e ast.Expr) bool {
		s, ok := e.(*ast.SelectorExpr)
		if !ok || s.Sel.Name != "Reader" {
			return false
		}
		x, ok := s.X.(*ast.Ident)
		return ok && x.Name == alias
	}
	switch n := n.(type) {
	case *ast.AssignStmt:
		return slices.ContainsFunc(n.Lhs, isReader)
	case *ast.UnaryExpr:
		return n.Op == token.AND && isReader(n.X)
	}
	return false
}

// importedAs is the name that a file gives an import, empty when it has none.
func importedAs(f *ast.File, imported string) string {
	for _, spec := range f.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p == imported {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(imported)
		}
	}
	return ""
}

// The rules must be able to fail: a planted violation is found.
func TestTheRulesFindWhatTheyForbid(t *testing.T) {
	rule, ok := ruleFor("kv")
	require.True(t, ok)
	require.False(t, rule.allows("cluster"))
	rule, ok = ruleFor("cluster/storage")
	require.True(t, ok)
	require.False(t, rule.allows("cluster/host"))
	require.True(t, rule.allows("cluster"))
	_, ok = ruleFor("newfolder")
	require.False(t, ok)

	f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport r \"crypto/rand\"\nfunc f() { r.Reader = nil; g(&r.Reader); _ = r.Reader }", 0)
	require.NoError(t, err)
	require.Equal(t, "r", importedAs(f, "crypto/rand"))
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if touchesReader(n, "r") {
			found++
		}
		return true
	})
	require.Equal(t, 2, found)
}

func sorted(packages map[string]*pkg) []*pkg {
	all := make([]*pkg, 0, len(packages))
	for _, p := range packages {
		all = append(all, p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].dir < all[j].dir })
	return all
}
