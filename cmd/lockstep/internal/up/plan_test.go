package up

import (
	"net"
	"strconv"
	"testing"

	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/stretchr/testify/require"
)

// Three nodes that each took half of the machine's memory for data would take more than it has.
func TestTheNodesShareTheMemory(t *testing.T) {
	p, err := newPlan(found(Wish{}), "/data")
	require.NoError(t, err)
	require.NotContains(t, p.serveArgs(p.Nodes[0]), "--kv-data-bytes-max")
	limit, err := host.MemoryLimit()
	require.NoError(t, err)
	shared := p.share()
	require.Equal(t, limit/2/3, shared.DataBytesMax)
	require.Contains(t, shared.serveArgs(p.Nodes[0]), "--kv-data-bytes-max")

	t.Setenv(dataLimitName, "1GiB")
	require.Zero(t, p.share().DataBytesMax, "the user has chosen")
}

func TestPlanGivesEachNodeItsPorts(t *testing.T) {
	p, err := newPlan(found(Wish{}), "/data")
	require.NoError(t, err)
	require.Len(t, p.Nodes, 3)
	require.Equal(t, Node{ID: 1, HTTP: "127.0.0.1:8081", GRPC: "127.0.0.1:9081", Peer: "127.0.0.1:16801", Admin: "127.0.0.1:16901", Dir: "/data/node-1"}, p.Nodes[0])
	require.Equal(t, "127.0.0.1:16903", p.Nodes[2].Admin)
}

func TestPlanRefusesPortsThatOverlap(t *testing.T) {
	_, err := newPlan(found(Wish{Ports: Ports{HTTP: 9080}}), "/data")
	require.Equal(t, exit.Usage, exit.CodeOf(err))
	require.ErrorContains(t, err, "port 9081 would serve both gRPC of node 1 and HTTP of node 2")
	_, err = newPlan(found(Wish{Ports: Ports{Admin: 65535}}), "/data")
	require.ErrorContains(t, err, "port 65536 (admin of node 2) does not exist")
	for _, nodes := range []int{-1, 10} {
		_, err = newPlan(found(Wish{Nodes: nodes}), "/data")
		require.Equal(t, exit.Usage, exit.CodeOf(err))
	}
}

func TestPlanTellsAPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	taken, err := strconv.Atoi(port)
	require.NoError(t, err)
	p, err := newPlan(found(Wish{Nodes: 1, Ports: Ports{HTTP: taken}}), "/data")
	require.NoError(t, err)
	err = p.checkPorts()
	require.Equal(t, exit.Unavailable, exit.CodeOf(err))
	require.ErrorContains(t, err, "(HTTP of node 1) is in use; stop what uses it, or choose other ports with --http-port")
}

func TestServeArgsNameEveryPeer(t *testing.T) {
	p, err := newPlan(found(Wish{Nodes: 2}), "/data")
	require.NoError(t, err)
	args := p.serveArgs(p.Nodes[1])
	require.Equal(t, "serve", args[0])
	require.Contains(t, args, "--join=false", "an inherited LOCKSTEP_JOIN would leave nobody to found the cluster")
	require.Contains(t, args, "1=127.0.0.1:16801,http=127.0.0.1:8081,grpc=127.0.0.1:9081")
	require.Contains(t, args, "2=127.0.0.1:16802,http=127.0.0.1:8082,grpc=127.0.0.1:9082")
}
