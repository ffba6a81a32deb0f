package host

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/kv"
)

const patience = 60 * time.Second

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// logs is a slog destination that tests can search.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// member is one node of a group, over all its starts.
type member struct {
	t        testing.TB
	id       uint64
	dir      string
	config   Config
	deps     Dependencies
	sockets  Listeners // bound for the first start
	logs     *logs
	registry *prometheus.Registry

	host *Host
	ran  chan error // one element: what Run returned
}

// group is a cluster in this process.
type group struct {
	t       testing.TB
	members []*member
}

// newGroup makes nodes 1..n with ports of their own; none is started.
func newGroup(t testing.TB, n int, change func(*Config)) *group {
	g := &group{t: t}
	var peers []Peer
	for id := uint64(1); id <= uint64(n); id++ {
		m := &member{t: t, id: id, dir: filepath.Join(t.TempDir(), "data"), logs: &logs{}}
		m.sockets = bindAll(t)
		peers = append(peers, Peer{Node: id, Peer: m.sockets.Peer.Addr().String(), HTTP: m.sockets.HTTP.Addr().String(), GRPC: m.sockets.GRPC.Addr().String()})
		g.members = append(g.members, m)
	}
	for _, m := range g.members {
		m.config = testConfig(m, peers)
		if change != nil {
			change(&m.config)
		}
	}
	t.Cleanup(g.kill)
	return g
}

func bindAll(t testing.TB) (l Listeners) {
	for _, at := range []*net.Listener{&l.HTTP, &l.GRPC, &l.Peer, &l.Admin} {
		bound, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		*at = bound
	}
	return l
}

func testConfig(m *member, peers []Peer) Config {
	c := Default()
	c.Cluster, c.Node, c.DataDir, c.Peers = "test", m.id, m.dir, peers
	c.HTTPAddress, c.GRPCAddress = m.sockets.HTTP.Addr().String(), m.sockets.GRPC.Addr().String()
	c.PeerAddress, c.AdminAddress = m.sockets.Peer.Addr().String(), m.sockets.Admin.Addr().String()
	c.Raft.Tick = Duration(20 * time.Millisecond)
	c.Storage.SegmentBytes, c.Storage.DiskReserve = 4<<20, 1<<20
	c.KV.DataBytesMax = 1 << 30
	return c
}

func (g *group) start() *group {
	for _, m := range g.members {
		m.start()
	}
	return g
}

// kill ends all nodes without grace.
func (g *group) kill() {
	for _, m := range g.members {
		m.kill()
		m.sockets.close()
	}
}

// open is Open with this member's configuration.
func (m *member) open() (*Host, error) {
	m.registry = prometheus.NewRegistry()
	deps := m.deps
	deps.Logger, deps.Registry, deps.Version = slog.New(slog.NewTextHandler(m.logs, nil)), m.registry, "test"
	deps.Listeners, m.sockets = m.sockets, Listeners{}
	return Open(m.config, deps)
}

func (m *member) start() {
	m.t.Helper()
	h, err := m.open()
	require.NoError(m.t, err)
	m.host, m.ran = h, make(chan error, 1)
	ran := m.ran
	go func() { ran <- h.Run(context.Background()) }()
}

func (m *member) kill() {
	if m.host == nil {
		return
	}
	m.host.Abort()
	<-m.ran
	m.host = nil
}

// ended waits until Run ends by itself and returns its reason.
func (m *member) ended() error {
	m.t.Helper()
	select {
	case err := <-m.ran:
		m.ran <- nil // for kill
		return err
	case <-time.After(patience):
		m.t.Fatalf("node %d runs on after %v", m.id, patience)
		return nil
	}
}

func (m *member) stop() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(m.t, m.host.Stop(ctx))
	require.NoError(m.t, <-m.ran)
	m.host = nil
}

// leader waits until a running node leads and is ready.
func (g *group) leader() *member {
	g.t.Helper()
	var found *member
	eventually(g.t, "a leader is ready", func() bool {
		for _, m := range g.members {
			if m.host != nil {
				if s := m.host.Status(); s.Role.State == cluster.Leader && s.Ready {
					found = m
					return true
				}
			}
		}
		return false
	})
	return found
}

// follower is a running node that does not lead and is ready.
func (g *group) follower() *member {
	g.t.Helper()
	lead := g.leader()
	for _, m := range g.members {
		if m != lead && m.host != nil {
			m.awaitReady()
			return m
		}
	}
	g.t.Fatal("no follower runs")
	return nil
}

func (m *member) awaitReady() {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("node %d is ready", m.id), func() bool { return m.host.Status().Ready })
}

// submit gives one request and waits for its reply.
func (m *member) submit(r *server.Request) cluster.Reply { return m.submitWithin(r, 10*time.Second) }

func (m *member) submitWithin(r *server.Request, timeout time.Duration) cluster.Reply {
	done := make(chan struct{})
	r.DeadlineNanos = m.host.Now() + int64(timeout)
	r.Done = func(*server.Request) { close(done) }
	m.host.Submit(r)
	<-done
	return r.Reply
}

func (m *member) put(key, value string) cluster.Reply {
	return m.submit(&server.Request{Kind: server.Write, Command: kv.Command{Kind: kv.Put, Key: []byte(key), Value: []byte(value)}})
}

// mustPut writes, again as long as it is refused.
func (m *member) mustPut(key, value string) {
	m.t.Helper()
	eventually(m.t, "a write is done", func() bool {
		r := m.put(key, value)
		if r.Outcome == cluster.Unknown {
			m.t.Fatalf("the outcome of writing %q is unknown (reason %d)", key, r.Reason)
		}
		return r.Outcome == cluster.Done
	})
}

// get reads linearizably.
func (m *member) get(key string) (value string, found bool) {
	m.t.Helper()
	eventually(m.t, "a read is done", func() bool {
		return m.submit(&server.Request{Kind: server.Read}).Outcome == cluster.Done
	})
	item, _, found := m.host.Machine().Get([]byte(key))
	return string(item.Value), found
}

// fill writes n keys of a size through the member, many at a time, and returns when all are done.
func (m *member) fill(prefix string, n, size int) {
	m.t.Helper()
	value := bytes.Repeat([]byte("x"), size)
	var all sync.WaitGroup
	var mu sync.Mutex
	var failures []cluster.Reply
	room := make(chan struct{}, 1000)
	for i := range n {
		room <- struct{}{}
		all.Add(1)
		m.host.Submit(&server.Request{Kind: server.Write, Command: kv.Command{Kind: kv.Put, Key: fmt.Appendf(nil, "%s%06d", prefix, i), Value: value},
			Done: func(r *server.Request) {
				if r.Reply.Outcome != cluster.Done {
					mu.Lock()
					failures = append(failures, r.Reply)
					mu.Unlock()
				}
				<-room
				all.Done()
			}})
	}
	all.Wait()
	require.Empty(m.t, failures)
}

func refusalText(t *testing.T, err error) string {
	t.Helper()
	require.Error(t, err)
	return err.Error()
}

// noLeaks fails when goroutines of the driver outlive the test.
func noLeaks(t *testing.T) {
	t.Cleanup(func() {
		deadline := time.Now().Add(patience)
		for {
			buffer := make([]byte, 4<<20)
			stacks := string(buffer[:runtime.Stack(buffer, true)])
			left := 0
			for _, g := range strings.Split(stacks, "\n\n")[1:] {
				if strings.Contains(g, "lockstep/cluster/") && !strings.Contains(g, "testing.tRunner") {
					left++
				}
			}
			if left == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines are left:\n%s", left, stacks)
			}
			<-time.After(5 * time.Millisecond)
		}
	})
}
