package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// useRace says whether to pass -race. It finds out by building something: a compiler may be there and not work.
func useRace(mode string) bool {
	switch mode {
	case "on":
		return true
	case "off":
		fmt.Println("race detector: off, as asked for")
		return false
	}
	if reason := tryRace(); reason != "" {
		fmt.Printf("race detector: off, because it does not build here (%s); install a C compiler to enable it\n", reason)
		return false
	}
	fmt.Println("race detector: on")
	return true
}

// tryRace returns why the race detector does not work, or nothing. cgo is left as it is set: a toolchain that can do
// without says so by building.
func tryRace() string {
	dir, err := os.MkdirTemp("", "lockstep-race")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	out, err := exec.Command("go", "build", "-race", "-o", filepath.Join(dir, "probe"), "./scripts/gotest").CombinedOutput()
	if err != nil {
		return firstLine(string(out) + err.Error())
	}
	return ""
}
