// Package status asks every node of a cluster what it knows of itself.
//
// Ask is all of it: it asks the nodes that the user named and the members that those tell, each for itself and all at the
// same time, so that a node that hangs hides no other. The Go client is no use here, since it looks for one node that works.
package status

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"sync"
	"text/tabwriter"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// NodeStatus is a node's view of itself, or why it has none.
type NodeStatus struct {
	Node     uint64 `json:"node,omitempty"`
	Endpoint string `json:"endpoint"`
	Error    string `json:"error,omitempty"`
	Cluster  string `json:"cluster,omitempty"`
	Role     string `json:"role,omitempty"`
	Ready    bool   `json:"ready"`
	Term     uint64 `json:"term"`
	Leader   uint64 `json:"leader"`
	Commit   uint64 `json:"commit_index"`
	Applied  uint64 `json:"applied_index"`
	Revision uint64 `json:"revision"`
	Keys     uint64 `json:"keys"`
	Bytes    uint64 `json:"data_bytes"`
	BytesMax uint64 `json:"data_bytes_max"`
	Sessions uint64 `json:"sessions"`
	// Lag is how many committed entries the node has not applied, by the highest commit index of those that answered.
	Lag     uint64 `json:"lag_entries"`
	Version string `json:"version,omitempty"`
}

// Status is what all nodes that were asked say.
type Status struct {
	// Leader is the one of the highest term that somebody knows; 0 for none.
	Leader uint64       `json:"leader"`
	Term   uint64       `json:"term"`
	Nodes  []NodeStatus `json:"nodes"`
}

// Ask asks the nodes at the addresses, and the members that they know of. The error is exit.Unavailable when none answers, and
// exit.Failure when no leader is known; the Status is whole then, too.
func Ask(ctx context.Context, endpoints []string) (Status, error) {
	if len(endpoints) == 0 {
		return Status{}, exit.New(exit.Usage, "name a node with --endpoint", "no node to ask")
	}
	round := &round{asked: map[string]bool{}}
	round.ask(ctx, endpoints)
	round.group.Wait()
	s := Status{Nodes: distinct(round.answers)}
	s.summarize()
	return s, s.verdict()
}

// round asks each address once.
type round struct {
	group   sync.WaitGroup
	mu      sync.Mutex
	asked   map[string]bool
	answers []*NodeStatus
}

// ask starts the questions. A node that answers also tells its members, which are asked in turn.
func (r *round) ask(ctx context.Context, addresses []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, address := range addresses {
		if r.asked[address] || address == "" {
			continue
		}
		r.asked[address] = true
		n := &NodeStatus{Endpoint: address}
		r.answers = append(r.answers, n)
		r.group.Go(func() { r.ask(ctx, n.ask(ctx)) })
	}
}

// distinct drops a node's second address, and puts the nodes that answered first, by id.
func distinct(answers []*NodeStatus) []NodeStatus {
	var nodes []NodeStatus
	seen := map[uint64]bool{}
	for _, n := range answers {
		if n.Error == "" && seen[n.Node] {
			continue
		}
		seen[n.Node] = n.Error == ""
		nodes = append(nodes, *n)
	}
	sort.SliceStable(nodes, func(i, j int) bool {
		a, b := nodes[i], nodes[j]
		if (a.Error == "") != (b.Error == "") {
			return a.Error == ""
		}
		return a.Node < b.Node || a.Node == b.Node && a.Endpoint < b.Endpoint
	})
	return nodes
}

// ask fills in the node's answer and returns the addresses of all members that it knows.
func (n *NodeStatus) ask(ctx context.Context) (members []string) {
	conn, err := grpc.NewClient(n.Endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		n.Error = err.Error()
		return nil
	}
	defer conn.Close()
	client := kvpb.NewClusterClient(conn)
	s, err := client.Status(ctx, &kvpb.StatusRequest{})
	if err != nil {
		n.Error = "no answer: " + exit.OneLine(status.Convert(err).Message())
		return nil
	}
	n.take(s)
	all, err := client.Members(ctx, &kvpb.MembersRequest{})
	if err != nil {
		return nil // it told the rest
	}
	for _, m := range all.GetMembers() {
		members = append(members, m.GetGrpcAddress())
	}
	return members
}

func (n *NodeStatus) take(s *kvpb.StatusResponse) {
	n.Node, n.Cluster, n.Role, n.Ready = s.GetNode(), s.GetCluster(), s.GetRole(), s.GetReady()
	n.Term, n.Leader = s.GetTerm(), s.GetLeader()
	n.Commit, n.Applied, n.Revision = s.GetCommitIndex(), s.GetAppliedIndex(), s.GetRevision()
	n.Keys, n.Bytes, n.BytesMax, n.Sessions = s.GetKeys(), s.GetDataBytes(), s.GetDataBytesMax(), s.GetSessions()
	n.Version = s.GetVersion()
}

func (s *Status) summarize() {
	commit := uint64(0)
	for _, n := range s.Nodes {
		commit = max(commit, n.Commit)
		if n.Leader != 0 && n.Term >= s.Term {
			s.Leader, s.Term = n.Leader, n.Term
		}
	}
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Error == "" {
			n.Lag = commit - n.Applied
		}
	}
}

func (s *Status) verdict() error {
	answered := 0
	for _, n := range s.Nodes {
		if n.Error == "" {
			answered++
		}
	}
	switch {
	case answered == 0:
		return exit.New(exit.Unavailable, "check that nodes run, or name others with --endpoint", "no node answers")
	case s.Leader == 0:
		return exit.New(exit.Failure, "start more nodes: a majority is needed", "no leader is known")
	}
	return nil
}

// WriteTable prints the nodes for people.
func (s Status) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tENDPOINT\tROLE\tREADY\tTERM\tLEADER\tCOMMIT\tAPPLIED\tLAG\tREVISION\tKEYS\tVERSION")
	for _, n := range s.Nodes {
		if n.Error != "" {
			fmt.Fprintf(t, "?\t%s\t%s\n", n.Endpoint, n.Error)
			continue
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", n.Node, n.Endpoint, n.Role, n.Ready, n.Term, n.Leader,
			n.Commit, n.Applied, n.Lag, n.Revision, n.Keys, n.Version)
	}
	return t.Flush()
}

// WriteJSON prints one line.
func (s Status) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(s) }
