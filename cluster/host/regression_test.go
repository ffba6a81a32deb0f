package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
)

// crowd is many clients at once, each with one write under way.
type crowd struct {
	clients, writes int // writes of each
	value           []byte

	mu     sync.Mutex
	done   int
	wanton []cluster.Reply // neither done nor refused as overload
}

// run lets every client make its writes on its node and returns when all are answered.
func (c *crowd) run(members []*member) {
	var all sync.WaitGroup
	for i := range c.clients {
		all.Go(func() { c.client(members[i%len(members)], i) })
	}
	all.Wait()
}

func (c *crowd) client(m *member, number int) {
	for i := range c.writes {
		key := fmt.Appendf(nil, "crowd-%04d-%04d", number, i)
		r := m.submitWithin(&server.Request{Kind: server.Write, Command: kv.Command{Kind: kv.Put, Key: key, Value: c.value}}, patience)
		c.mu.Lock()
		switch {
		case r.Outcome == cluster.Done:
			c.done++
		case r.Outcome != cluster.Refused || r.Reason != cluster.ReasonOverloaded:
			c.wanton = append(c.wanton, r)
		}
		c.mu.Unlock()
	}
}

// A thousand clients at once, while snapshots of a large map are written, do not keep heartbeats from being sent: the leader stays.
func TestACrowdAndSnapshotsDoNotChangeTheLeader(t *testing.T) {
	noLeaks(t)
	keys, writes := 50_000, 24
	if testing.Short() {
		keys, writes = 10_000, 8
	}
	g := newGroup(t, 3, func(c *Config) {
		c.Raft.Tick = Default().Raft.Tick
		c.Raft.SnapshotBytes, c.Raft.TailBytes, c.Raft.TailEntries = 1<<20, 8<<20, 1000
	}).start()
	lead := g.leader()
	lead.fill("large", keys, 500)
	for _, m := range g.members {
		m.get("large000000")
	}
	before := lead.host.Status().Role
	snapshots := strings.Count(lead.logs.String(), "snapshot written")
	c := crowd{clients: 1024, writes: writes, value: bytes.Repeat([]byte("x"), 256)}
	c.run(g.members)
	require.Empty(t, c.wanton, "neither done nor refused as overload")
	require.Positive(t, c.done)
	require.Greater(t, strings.Count(lead.logs.String(), "snapshot written"), snapshots, "no snapshot was written meanwhile")
	for _, m := range g.members {
		after := m.host.Status().Role
		require.Equal(t, before.Term, after.Term, "node %d saw an election", m.id)
		require.Equal(t, before.Leader, after.Leader)
	}
	value, found := lead.get("large000000")
	require.True(t, found)
	require.Len(t, value, 500)
}

// pipes is a listener within the process. What waits for it waits for nothing outside, as virtual time wants.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
	once        sync.Once
}

func newPipes() *pipes { return &pipes{connections: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.connections <- there:
		return here, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, io.ErrClosedPipe
}

// A write of a client that is alone waits for no timer between its request and its answer: the clock here is virtual and goes on
// only while everything waits, so that it would show the shortest of delays, and shows no work however slow the machine.
func TestAWriteWaitsForNoTimer(t *testing.T) {
	dir := t.TempDir() + "/data"
	synctest.Test(t, func(t *testing.T) {
		grpcPipes := newPipes()
		c := Default()
		c.Node, c.DataDir = 1, dir
		c.KV.DataBytesMax, c.Storage.SegmentBytes, c.Storage.DiskReserve = 1<<30, 4<<20, 1<<20
		h, err := Open(c, Dependencies{Listeners: Listeners{HTTP: newPipes(), GRPC: grpcPipes, Peer: newPipes(), Admin: newPipes()}})
		require.NoError(t, err)
		ran := make(chan error, 1)
		go func() { ran <- h.Run(context.Background()) }()
		defer func() { h.Abort(); <-ran }()
		m := &member{t: t, id: 1, host: h}
		m.awaitReady()
		conn, err := grpc.NewClient("passthrough:///node", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(grpcPipes.dial))
		require.NoError(t, err)
		defer conn.Close()
		client := kvpb.NewKVClient(conn)
		write := map[string]func(key string){
			"at the host": func(key string) { require.Equal(t, cluster.Done, m.put(key, "v").Outcome) },
			"by gRPC": func(key string) {
				_, err := client.Put(t.Context(), &kvpb.PutRequest{Key: []byte(key), Value: []byte("v")})
				require.NoError(t, err)
			},
			"by a pipeline": pipelined(t, client),
		}
		for name, one := range write {
			one("first") // connects
			for i := range 100 {
				began := time.Now()
				one(fmt.Sprint("k", i))
				require.Equal(t, began, time.Now(), "a write %s waited for a timer", name)
				<-time.After(time.Duration(i) * 1700 * time.Microsecond) // so that writes begin anywhere between two ticks
			}
		}
	})
}

// pipelined is a write by a stream that stays open.
func pipelined(t *testing.T, client kvpb.KVClient) func(key string) {
	stream, err := client.Pipeline(t.Context())
	require.NoError(t, err)
	return func(key string) {
		require.NoError(t, stream.Send(&kvpb.PipelineRequest{Operations: []*kvpb.Operation{
			{Id: 1, Kind: kvpb.OperationKind_OPERATION_KIND_PUT, Key: []byte(key), Value: []byte("v")},
		}}))
		answer, err := stream.Recv()
		require.NoError(t, err)
		require.Len(t, answer.Results, 1)
		require.Zero(t, answer.Results[0].Code)
	}
}
