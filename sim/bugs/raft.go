package bugs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// raftModule is the path of the raft engine's module.
const raftModule = "go.etcd.io/raft/v3"

// copyRaft copies what is needed of raft's module from one folder to another.
func copyRaft(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "rafttest"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, inside), 0o755)
		case d.Name() != "go.mod" && (!strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go")):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, inside), text, 0o644)
	})
}

// editRaft makes the edits in a copy of raft's module.
func editRaft(dir string, edits []RaftEdit) error {
	for _, e := range edits {
		name := filepath.Join(dir, filepath.FromSlash(e.File))
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if text, err = e.apply(text); err != nil {
			return err
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// apply makes the edit. The error says why it does not fit.
func (e *RaftEdit) apply(source []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, e.File, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || nameOf(f) != e.Func {
			continue
		}
		node := e.Place(f)
		if node == nil {
			return nil, fmt.Errorf("%s: %s has not what is to be replaced", e.File, e.Func)
		}
		from, to := fset.Position(node.Pos()).Offset, fset.Position(node.End()).Offset
		return slices.Concat(source[:from], []byte(e.New), source[to:]), nil
	}
	return nil, fmt.Errorf("%s has no function %s", e.File, e.Func)
}

// nameOf is a function's name with its receiver's type.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if id, ok := kind.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// The places in a function. Each returns nil if there is none such.

// nth is the nth node that match takes, from 1, in the order of the source.
func nth(f *ast.FuncDecl, n int, match func(ast.Node) bool) (found ast.Node) {
	ast.Inspect(f.Body, func(node ast.Node) bool {
		if node == nil || n == 0 {
			return false
		}
		if match(node) {
			if n--; n == 0 {
				found = node
			}
		}
		return n > 0
	})
	return found
}

// call is the nth call of a function or method of that name.
func call(name string, n int) func(*ast.FuncDecl) ast.Node {
	return func(f *ast.FuncDecl) ast.Node {
		return nth(f, n, func(node ast.Node) bool {
			c, ok := node.(*ast.CallExpr)
			return ok && nameOfCall(c) == name
		})
	}
}

func nameOfCall(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// valueOf is what the variable of that name is first set to.
func valueOf(name string) func(*ast.FuncDecl) ast.Node {
	return func(f *ast.FuncDecl) ast.Node {
		node := nth(f, 1, func(node ast.Node) bool {
			a, ok := node.(*ast.AssignStmt)
			return ok && len(a.Lhs) == 1 && isNamed(a.Lhs[0], name)
		})
		if node == nil {
			return nil
		}
		return node.(*ast.AssignStmt).Rhs[0]
	}
}

func isNamed(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
