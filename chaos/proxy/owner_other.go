//go:build !linux

package proxy

import (
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Owner tells which of some processes holds the connection with these addresses, as its side sees them; 0: none of them.
func Owner(local, remote net.Addr, pids []int) int {
	_, port, err := net.SplitHostPort(local.String())
	if err != nil {
		return 0
	}
	// Lines of a p and a process's id, and others.
	out, _ := exec.Command("lsof", "-nP", "-iTCP:"+port, "-Fp").Output() // no lines: nobody
	for _, line := range strings.Split(string(out), "\n") {
		if text, ok := strings.CutPrefix(line, "p"); ok {
			if pid, err := strconv.Atoi(text); err == nil && slices.Contains(pids, pid) {
				return pid
			}
		}
	}
	return 0
}
