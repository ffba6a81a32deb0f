// Command lockstep is the whole product in one binary: a node (serve), a local cluster (up), and the commands that talk to
// either. `lockstep help` lists them; `lockstep help exit-codes` says how they end.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments.
func run(args []string, in io.Reader, out, errs io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(errs, "lockstep: internal error: %v; please report it with the lines below\n%s", p, debug.Stack())
			code = int(exit.Internal)
		}
	}()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.Execute()
	if err != nil {
		fmt.Fprintf(errs, "lockstep: %s\n", exit.OneLine(err.Error()))
	}
	return int(exit.CodeOf(err))
}
