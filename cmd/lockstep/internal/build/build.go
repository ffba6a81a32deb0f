// Package build says which build of lockstep this is.
package build

import (
	"runtime"
	"runtime/debug"
)

// Set by the linker (see the Makefile); a plain `go build` leaves them empty.
var (
	version string
	commit  string
)

// Version describes the running binary.
type Version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Current is the running binary's version: what the linker stamped, else what the Go toolchain recorded, else "devel".
func Current() Version {
	v := Version{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if v.Version == "" {
		v.Version = moduleVersion()
	}
	return v
}

func moduleVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "devel"
}
