package up

import (
	"context"
	"time"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// probeInterval is the time between two questions to a node; an event is told at most this late.
	probeInterval = 200 * time.Millisecond
	// probeTimeout is how long a node may take to answer; it answers from memory.
	probeTimeout = time.Second
)

// answer is what a probe learned, and of whom.
type answer struct {
	id uint64
	observation
}

// probe asks a node for its status until ctx ends.
func probe(ctx context.Context, n Node, answers chan<- answer) {
	conn, err := grpc.NewClient(n.GRPC,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: probeInterval, Multiplier: 1, MaxDelay: probeInterval}, MinConnectTimeout: probeTimeout}))
	if err != nil {
		panic("up: " + err.Error()) // the address is ours and well formed
	}
	defer conn.Close()
	client := kvpb.NewClusterClient(conn)
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		a := answer{id: n.ID, observation: ask(ctx, client)}
		select {
		case answers <- a:
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func ask(ctx context.Context, client kvpb.ClusterClient) observation {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	s, err := client.Status(ctx, &kvpb.StatusRequest{})
	if err != nil {
		return observation{err: err}
	}
	return observation{ready: s.GetReady(), role: s.GetRole(), leader: s.GetLeader(), term: s.GetTerm()}
}
