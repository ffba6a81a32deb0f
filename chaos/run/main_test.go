package run

import (
	"fmt"
	"os"
	"testing"
)

// buildDir is for the binary that the tests of real processes run.
var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lockstep-chaos")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // a temporary directory
	os.Exit(code)
}
