package up

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/config"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
)

// nodesMax bounds a cluster on one machine; each port range holds as many.
const nodesMax = 9

// Ports are those of node 1; node i uses each plus i - 1.
type Ports struct {
	HTTP  int `json:"http"`
	GRPC  int `json:"grpc"`
	Peer  int `json:"peer"`
	Admin int `json:"admin"`
}

// DefaultPorts are used unless the user or cluster.json says otherwise.
var DefaultPorts = Ports{HTTP: 8081, GRPC: 9081, Peer: 16801, Admin: 16901}

// DefaultNodes is the size of a cluster that nobody chose.
const DefaultNodes = 3

// Plan says which nodes run where.
type Plan struct {
	Cluster string
	Dir     string
	Nodes   []Node
	// DataBytesMax of each node; 0 leaves it to the node.
	DataBytesMax int64
}

// Node is one planned process. Addresses are host:port.
type Node struct {
	ID    uint64 `json:"id"`
	PID   int    `json:"pid"`  // 0: it does not run
	Role  string `json:"role"` // by its own account
	HTTP  string `json:"http"`
	GRPC  string `json:"grpc"`
	Peer  string `json:"peer"`
	Admin string `json:"admin"`
	Dir   string `json:"dir"`
}

func newPlan(m memory, dir string) (Plan, error) {
	if m.Nodes < 1 || m.Nodes > nodesMax {
		return Plan{}, exit.New(exit.Usage, fmt.Sprintf("choose 1 to %d with --nodes", nodesMax), "%d nodes are not possible", m.Nodes)
	}
	p := Plan{Cluster: m.Cluster, Dir: dir}
	for i := range m.Nodes {
		p.Nodes = append(p.Nodes, Node{
			ID:    uint64(i + 1),
			HTTP:  loopback(m.Ports.HTTP + i),
			GRPC:  loopback(m.Ports.GRPC + i),
			Peer:  loopback(m.Ports.Peer + i),
			Admin: loopback(m.Ports.Admin + i),
			Dir:   filepath.Join(dir, fmt.Sprintf("node-%d", i+1)),
		})
	}
	return p, p.distinct()
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// listener is an address that a node is going to listen on.
type listener struct {
	address, what, flag string
}

func (n Node) listeners() []listener {
	return []listener{
		{n.HTTP, fmt.Sprintf("HTTP of node %d", n.ID), "--http-port"},
		{n.GRPC, fmt.Sprintf("gRPC of node %d", n.ID), "--grpc-port"},
		{n.Peer, fmt.Sprintf("peers of node %d", n.ID), "--peer-port"},
		{n.Admin, fmt.Sprintf("admin of node %d", n.ID), "--admin-port"},
	}
}

// distinct refuses ports that overlap or do not exist.
func (p Plan) distinct() error {
	seen := map[string]listener{}
	for _, n := range p.Nodes {
		for _, l := range n.listeners() {
			_, port, _ := net.SplitHostPort(l.address)
			if number, _ := strconv.Atoi(port); number < 1 || number > 65535 {
				return exit.New(exit.Usage, "choose 1..65535 with "+l.flag, "port %s (%s) does not exist", port, l.what)
			}
			if other, taken := seen[l.address]; taken {
				return exit.New(exit.Usage, "choose ranges that do not overlap with "+other.flag+" and "+l.flag,
					"port %s would serve both %s and %s", port, other.what, l.what)
			}
			seen[l.address] = l
		}
	}
	return nil
}

// checkPorts binds and releases every address, so that a port in use is told before anything is written.
func (p Plan) checkPorts() error {
	for _, n := range p.Nodes {
		for _, l := range n.listeners() {
			s, err := net.Listen("tcp", l.address)
			if err != nil {
				return portError(l, err)
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func portError(l listener, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return exit.New(exit.Unavailable, "stop what uses it, or choose other ports with "+l.flag,
			"%s (%s) is in use", l.address, l.what)
	}
	return exit.New(exit.Unavailable, "choose other ports with "+l.flag, "cannot listen on %s (%s): %w", l.address, l.what, err)
}

// serveArgs is the command line of a node. Flags and not a file: they override whatever LOCKSTEP_* settings the nodes
// inherit, and `ps` shows them.
func (p Plan) serveArgs(n Node) []string {
	args := []string{"serve",
		"--cluster", p.Cluster, "--node", strconv.FormatUint(n.ID, 10), "--data-dir", n.Dir, "--join=false",
		"--http-address", n.HTTP, "--grpc-address", n.GRPC, "--peer-address", n.Peer, "--admin-address", n.Admin}
	for _, other := range p.Nodes {
		args = append(args, "--peer", config.FormatPeer(host.Peer{Node: other.ID, Peer: other.Peer, HTTP: other.HTTP, GRPC: other.GRPC}))
	}
	if p.DataBytesMax > 0 {
		args = append(args, "--kv-data-bytes-max", strconv.FormatInt(p.DataBytesMax, 10))
	}
	return args
}

// dataLimitName is the setting that a user may give to all nodes.
const dataLimitName = "LOCKSTEP_KV_DATA_BYTES_MAX"

// running is the plan without the nodes that do not run.
func (p Plan) running() Plan {
	p.Nodes = slices.DeleteFunc(slices.Clone(p.Nodes), func(n Node) bool { return n.PID == 0 })
	return p
}

// share divides what one node would take for itself among the nodes of this machine, unless the user has said how much each may take.
func (p Plan) share() Plan {
	if _, chosen := os.LookupEnv(dataLimitName); chosen {
		return p
	}
	if limit, err := host.MemoryLimit(); err == nil {
		p.DataBytesMax = limit / 2 / int64(len(p.Nodes))
	}
	return p
}
