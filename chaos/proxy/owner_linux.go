package proxy

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// ownerTries and ownerPause bound how long an owner is looked for: a socket shows up in /proc at once, but reading a table
	// that changes may miss an entry.
	ownerTries = 5
	ownerPause = 2 * time.Millisecond
)

// Owner tells which of some processes holds the connection with these addresses, as its side sees them; 0: none of them.
func Owner(local, remote net.Addr, pids []int) int {
	for range ownerTries {
		if inode, ok := inodeOf(local, remote); ok {
			for _, pid := range pids {
				if holds(pid, "socket:["+inode+"]") {
					return pid
				}
			}
		}
		time.Sleep(ownerPause)
	}
	return 0
}

// inodeOf finds a connection in the kernel's table.
func inodeOf(local, remote net.Addr) (string, bool) {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", false
	}
	defer f.Close()
	want := tableAddress(local) + " " + tableAddress(remote) + " "
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// sl: local remote state queues timer retransmits uid timeout inode
		_, rest, ok := strings.Cut(lines.Text(), ": ")
		if !ok || !strings.HasPrefix(rest, want) {
			continue
		}
		if fields := strings.Fields(rest); len(fields) > 8 && fields[8] != "0" {
			return fields[8], true
		}
	}
	return "", false
}

// tableAddress writes an address as the table does: the bytes of the IPv4 address in the machine's order, which is little
// endian on all that Go and this program run on, and the port.
func tableAddress(a net.Addr) string {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return "?"
	}
	ip := p.Addr().Unmap().As4()
	ip[0], ip[1], ip[2], ip[3] = ip[3], ip[2], ip[1], ip[0]
	return fmt.Sprintf("%s:%04X", strings.ToUpper(hex.EncodeToString(ip[:])), p.Port())
}

// holds says whether a process has a descriptor for it.
func holds(pid int, what string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && link == what {
			return true
		}
	}
	return false
}
