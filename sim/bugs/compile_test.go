package bugs

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listed is a package as the go command tells of it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// checker type-checks edited packages against the compiled rest: a build of each would take minutes.
type checker struct {
	fset     *token.FileSet
	packages map[string]listed // by import path
	compiled types.Importer
}

func newChecker(t testing.TB, dir string) *checker {
	out, err := run(t.Context(), dir, "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./cmd/lockstep")
	require.NoError(t, err)
	c := &checker{fset: token.NewFileSet(), packages: map[string]listed{}}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		c.packages[p.ImportPath] = p
	}
	c.compiled = importer.ForCompiler(c.fset, "gc", func(name string) (io.ReadCloser, error) {
		return os.Open(c.packages[name].Export)
	})
	return c
}

// check type-checks the packages that hold the edited files, whose texts are given by import path and name.
func (c *checker) check(edited map[string]map[string]string) error {
	done := &edition{checker: c, edited: edited, checked: map[string]*types.Package{}}
	for name := range edited {
		if _, err := done.Import(name); err != nil {
			return err
		}
	}
	return nil
}

// edition imports edited packages from their sources, and others as they were compiled.
type edition struct {
	*checker
	edited  map[string]map[string]string
	checked map[string]*types.Package
}

func (e *edition) Import(name string) (*types.Package, error) {
	if p := e.checked[name]; p != nil {
		return p, nil
	}
	texts, ok := e.edited[name]
	if !ok {
		return e.compiled.Import(name)
	}
	listed := e.packages[name]
	var files []*ast.File
	for _, file := range listed.GoFiles {
		full := filepath.Join(listed.Dir, file)
		var source any // nil: from the disk
		if text, ok := texts[file]; ok {
			source = text
		}
		f, err := parser.ParseFile(e.fset, full, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	config := types.Config{Importer: e, GoVersion: "go1.26"}
	p, err := config.Check(name, e.fset, files, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e.checked[name] = p
	return p, nil
}

// put notes the text of an edited file; name is the path of its module and file.
func put(edited map[string]map[string]string, module, file, text string) {
	name := path.Join(module, path.Dir(file))
	if edited[name] == nil {
		edited[name] = map[string]string{}
	}
	edited[name][path.Base(file)] = text
}

const ownModule = "github.com/lockstepdb/lockstep"

// The edits are of sources that go on changing: this test says when one does not fit them any more.
func TestEveryEditFits(t *testing.T) {
	dir := root(t)
	c := newChecker(t, dir)
	raft := filepath.Join(t.TempDir(), "raft")
	for _, b := range Bank() {
		texts, err := b.edited(dir)
		require.NoError(t, err, b.Name)
		edited := map[string]map[string]string{}
		for file, text := range texts {
			put(edited, ownModule, file, text)
		}
		if len(b.Raft) > 0 {
			require.NoError(t, copyRaft(c.packages[raftModule].Dir, raft))
			require.NoError(t, editRaft(raft, b.Raft), b.Name)
		}
		for _, e := range b.Raft {
			text, err := os.ReadFile(filepath.Join(raft, filepath.FromSlash(e.File)))
			require.NoError(t, err)
			put(edited, raftModule, e.File, string(text))
		}
		require.NoError(t, c.check(edited), b.Name)
	}
}

// The check itself must be able to fail.
func TestAnEditThatDoesNotCompileIsFound(t *testing.T) {
	dir := root(t)
	c := newChecker(t, dir)
	const file = "kv/machine.go"
	source, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
	require.NoError(t, err)
	for addition, want := range map[string]string{
		"func unused() { x := 1 }\n":             "declared and not used",
		"func wrong() int { return \"text\" }\n": "cannot use",
		"func right() int { return 1 }\n":        "",
	} {
		edited := map[string]map[string]string{}
		put(edited, ownModule, file, string(source)+addition)
		if err := c.check(edited); want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}
