package bugs

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// Bug is one planted mistake.
type Bug struct {
	// Name is unique, of lower-case words with hyphens: a file's name, and how the bug is asked for.
	Name string
	// Title says in one sentence what is wrong.
	Title string
	// Edits are of the project's own source, Raft of the raft engine. There is at least one of either.
	Edits []Edit
	Raft  []RaftEdit
	// Twice: no single life shows it, only two lives of one seed that differ.
	Twice bool
}

// Edit replaces a piece of a source file.
type Edit struct {
	// File is relative to the module's root, with slashes.
	File string
	// Old must occur exactly once.
	Old, New string
}

// RaftEdit changes a function of the raft engine.
type RaftEdit struct {
	// File is relative to the root of raft's module, with slashes.
	File string
	// Func is the function's name, with the receiver's type before it: raftLog.maybeCommit.
	Func string
	// Place finds in the function's syntax tree what is to be replaced, New by what; nil: it is not there.
	Place func(*ast.FuncDecl) ast.Node
	New   string
}

// Bank returns all bugs, in the order in which they are told.
func Bank() []Bug {
	return slices.Concat(persistenceBugs(), logBugs(), snapshotBugs(), readBugs(), proposalBugs(), sessionBugs(), raftBugs(), driverBugs())
}

// Find returns the bugs of the given names, in the order of the bank; all of them if there is no name.
func Find(names []string) ([]Bug, error) {
	bank := Bank()
	if len(names) == 0 {
		return bank, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(bank, func(b Bug) bool { return b.Name == name }) {
			return nil, fmt.Errorf("no bug is called %q", name)
		}
	}
	return slices.DeleteFunc(bank, func(b Bug) bool { return !slices.Contains(names, b.Name) }), nil
}

// apply makes the edit. The error says why it does not fit.
func (e *Edit) apply(source string) (string, error) {
	if n := strings.Count(source, e.Old); n != 1 {
		return "", fmt.Errorf("%s: the text to be replaced occurs %d times, not once: %q", e.File, n, e.Old)
	}
	return strings.Replace(source, e.Old, e.New, 1), nil
}
