//go:build !linux

package cluster

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/lockstepdb/lockstep/chaos/driver"
)

// dieWithParent has nothing to ask of this kernel: the child watches the pipe.
func dieWithParent(*syscall.SysProcAttr) {}

// startTime tells two processes with one number apart; empty if there is no such process.
func startTime(pid int) string {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func limitFiles(int, uint64) error { return driver.ErrUnsupported }

func mountMemory(string, int64) error { return driver.ErrUnsupported }

func unmount(string) error { return driver.ErrUnsupported }

func fill(string, int64) error { return driver.ErrUnsupported }
