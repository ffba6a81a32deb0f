// Package real drives real lockstep processes for the tests and scripts of this folder.
//
// Build the binary once, then Start a cluster in a directory of its own: it runs `lockstep up --json` and follows its
// events. Node processes are killed by the pids that `up` reports, and only those. Everything listens on loopback, on
// ports that were free a moment ago, and ends with Close.
package real

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Build compiles the binary into dir and returns its path.
func Build(dir string) (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	binary := filepath.Join(dir, "lockstep")
	c := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/lockstep")
	c.Dir = strings.TrimSpace(string(root))
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build lockstep: %w\n%s", err, out)
	}
	return binary, nil
}

// portsLowest and portsHighest lie below what systems hand out to outgoing connections.
const (
	portsLowest  = 12000
	portsHighest = 32000
	portsTries   = 200
)

// portsNext makes ranges of one process distinct; different processes begin at different places.
var (
	portsNext  atomic.Int64
	portsStart = sync.OnceFunc(func() { portsNext.Store(int64(os.Getpid()) * 64 % (portsHighest - portsLowest)) })
)

// Ports are the first ports of a cluster, as the flags of `lockstep up` take them.
type Ports struct{ HTTP, GRPC, Peer, Admin int }

// Args are the flags.
func (p Ports) Args() []string {
	return []string{"--http-port", strconv.Itoa(p.HTTP), "--grpc-port", strconv.Itoa(p.GRPC), "--peer-port", strconv.Itoa(p.Peer), "--admin-port", strconv.Itoa(p.Admin)}
}

// FreePorts finds ports for so many nodes.
func FreePorts(nodes int) (Ports, error) {
	portsStart()
	for range portsTries {
		first := portsLowest + int(portsNext.Add(int64(4*nodes)))%(portsHighest-portsLowest)
		if free(first, 4*nodes) {
			return Ports{first, first + nodes, first + 2*nodes, first + 3*nodes}, nil
		}
	}
	return Ports{}, errors.New("no free ports found")
}

func free(first, count int) bool {
	for port := first; port < first+count; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
