// Command gotest runs `go test` for the Makefile. It adds four things to it: the race detector wherever it works, short
// runs of every fuzz target, a list of what was skipped and how to enable it, and one closing line that a script can read:
//
//	N passed, N failed, N skipped
//
// It needs nothing but the Go toolchain. Arguments after the flags go to `go test` as they are.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	race := flag.String("race", "auto", "use the race detector: auto, on or off")
	fuzz := flag.Duration("fuzz", 0, "time to spend on all fuzz targets together; 0: none")
	only := flag.Bool("fuzz-only", false, "run no tests, only the fuzz targets")
	flag.Parse()
	os.Exit(run(*race, *fuzz, *only, flag.Args()))
}

func run(race string, fuzz time.Duration, only bool, args []string) int {
	r := newRecord(os.Stdout)
	var problems []error
	if fuzz > 0 {
		problems = append(problems, fuzzAll(r, fuzz))
	}
	if !only {
		if useRace(race) {
			args = append([]string{"-race"}, args...)
		}
		problems = append(problems, r.test(args))
	}
	for _, err := range problems {
		if err != nil {
			fmt.Println("error:", err)
			r.broken = true
		}
	}
	return r.close()
}
