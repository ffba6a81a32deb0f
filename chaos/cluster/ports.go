package cluster

import (
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

// portsLowest and portsHighest lie below what systems hand out to outgoing connections, so that a node finds its port free
// when it starts again.
const (
	portsLowest  = 12000
	portsHighest = 32000
	portsTries   = 2000
)

// portsNext makes ports of one process distinct; different processes begin at different places.
var (
	portsNext  atomic.Int64
	portsStart = sync.OnceFunc(func() { portsNext.Store(int64(os.Getpid()) * 64) })
)

// freeAddress finds an address on loopback that nobody listens on.
func freeAddress() (string, error) {
	portsStart()
	for range portsTries {
		port := portsLowest + int(portsNext.Add(1))%(portsHighest-portsLowest)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		return address, l.Close()
	}
	return "", errors.New("no free ports found")
}
