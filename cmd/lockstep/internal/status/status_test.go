package status

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// fake is a node that answers as told.
type fake struct {
	kvpb.UnimplementedClusterServer
	status  *kvpb.StatusResponse
	members []*kvpb.Member
}

func (f *fake) Status(context.Context, *kvpb.StatusRequest) (*kvpb.StatusResponse, error) {
	return f.status, nil
}

func (f *fake) Members(context.Context, *kvpb.MembersRequest) (*kvpb.MembersResponse, error) {
	return &kvpb.MembersResponse{Members: f.members}, nil
}

// startFakes serves nodes that know each other and returns their addresses.
func startFakes(t *testing.T, nodes ...*fake) []string {
	t.Helper()
	var addresses []string
	var members []*kvpb.Member
	for _, n := range nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		s := grpc.NewServer()
		kvpb.RegisterClusterServer(s, n)
		go s.Serve(l)
		t.Cleanup(s.Stop)
		addresses = append(addresses, l.Addr().String())
		members = append(members, &kvpb.Member{Node: n.status.GetNode(), GrpcAddress: l.Addr().String()})
	}
	for _, n := range nodes {
		n.members = members
	}
	return addresses
}

func ask(t *testing.T, endpoints ...string) (Status, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return Ask(ctx, endpoints)
}

func TestAskFindsAllMembersFromOne(t *testing.T) {
	addresses := startFakes(t,
		&fake{status: &kvpb.StatusResponse{Node: 1, Role: "follower", Term: 4, Leader: 2, CommitIndex: 90, AppliedIndex: 80}},
		&fake{status: &kvpb.StatusResponse{Node: 2, Role: "leader", Term: 4, Leader: 2, CommitIndex: 100, AppliedIndex: 99}},
		&fake{status: &kvpb.StatusResponse{Node: 3, Role: "follower", Term: 3, Leader: 1, CommitIndex: 50, AppliedIndex: 50}},
	)
	s, err := ask(t, addresses[2])
	require.NoError(t, err)
	require.EqualValues(t, 2, s.Leader)
	require.EqualValues(t, 4, s.Term)
	require.Len(t, s.Nodes, 3)
	for i, lag := range []uint64{20, 1, 50} {
		require.EqualValues(t, i+1, s.Nodes[i].Node)
		require.Equal(t, lag, s.Nodes[i].Lag)
	}
	var table bytes.Buffer
	require.NoError(t, s.WriteTable(&table))
	require.Equal(t, 4, strings.Count(table.String(), "\n"))
}

func TestADeadNodeIsALineAtTheEnd(t *testing.T) {
	addresses := startFakes(t, &fake{status: &kvpb.StatusResponse{Node: 5, Term: 1, Leader: 5}})
	s, err := ask(t, "127.0.0.1:1", addresses[0], addresses[0])
	require.NoError(t, err)
	require.Len(t, s.Nodes, 2)
	require.Empty(t, s.Nodes[0].Error)
	require.Contains(t, s.Nodes[1].Error, "no answer")
}

func TestVerdicts(t *testing.T) {
	_, err := ask(t, "127.0.0.1:1")
	require.Equal(t, exit.Unavailable, exit.CodeOf(err))
	addresses := startFakes(t, &fake{status: &kvpb.StatusResponse{Node: 1, Term: 1}})
	_, err = ask(t, addresses...)
	require.Equal(t, exit.Failure, exit.CodeOf(err))
	_, err = ask(t)
	require.Equal(t, exit.Usage, exit.CodeOf(err))
}
