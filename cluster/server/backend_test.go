package server

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// oneNode is a Backend that is its own quorum: one goroutine applies what was submitted to a real machine.
type oneNode struct {
	start    time.Time
	stopping chan struct{}
	wake     chan struct{}
	quit     chan struct{}
	ended    chan struct{}

	mu       sync.Mutex
	machine  *kv.Machine
	status   cluster.Status
	queue    []*Request
	held     bool // requests stay in the queue
	forced   func(*Request) (cluster.Reply, bool)
	submits  []int // requests of each Submit
	transfer func(context.Context, uint64) error
	change   func(context.Context, cluster.MemberChange) error
	index    uint64
}

func newOneNode(t testing.TB) *oneNode {
	machine, err := kv.New(kv.Options{SessionsMax: 16, SessionWindow: 4})
	require.NoError(t, err)
	n := &oneNode{start: time.Now(), stopping: make(chan struct{}), wake: make(chan struct{}, 1), quit: make(chan struct{}),
		ended: make(chan struct{}), machine: machine}
	n.status = cluster.Status{Cluster: "c", ID: 1, Epoch: 3, Ready: true, DataBytesMax: 1 << 30,
		Role: cluster.Role{State: cluster.Leader, Term: 7, Leader: 1},
		Membership: cluster.Membership{Members: []cluster.Member{
			{ID: 1, Peer: "127.0.0.1:1", HTTP: "127.0.0.1:2", GRPC: "127.0.0.1:3"},
			{ID: 2, Peer: "127.0.0.1:4", HTTP: "127.0.0.1:5", GRPC: "127.0.0.1:6"}}},
		Peers: []cluster.PeerStatus{{ID: 2, State: "replicate", Match: 5, Next: 6, RecentActive: true}}}
	go n.run()
	t.Cleanup(func() {
		n.hold(false)
		close(n.quit)
		<-n.ended
	})
	return n
}

func (n *oneNode) Submit(requests ...*Request) {
	n.mu.Lock()
	n.submits = append(n.submits, len(requests))
	n.queue = append(n.queue, requests...)
	n.mu.Unlock()
	signal(n.wake)
}

func (n *oneNode) run() {
	defer close(n.ended)
	for {
		select {
		case <-n.wake:
		case <-n.quit:
			return
		}
		n.mu.Lock()
		queue := n.queue
		if n.held {
			queue = nil
		} else {
			n.queue = nil
		}
		n.mu.Unlock()
		for _, r := range queue {
			r.Reply = n.answer(r)
			r.Done(r)
		}
	}
}

func (n *oneNode) answer(r *Request) cluster.Reply {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.forced != nil {
		if reply, ok := n.forced(r); ok {
			return reply
		}
	}
	if r.Kind == Read {
		return cluster.Reply{Outcome: cluster.Done}
	}
	if r.NoForward && n.status.Role.State != cluster.Leader {
		return cluster.Reply{Outcome: cluster.Refused, Reason: cluster.ReasonNotLeader, Leader: n.status.Role.Leader}
	}
	n.index++
	data := kv.AppendBatch(nil, kv.BatchID{Node: 1, Epoch: 1, Sequence: n.index}, []*kv.Command{&r.Command})
	_, results, err := n.machine.Apply(n.index, data, nil)
	if err != nil {
		panic(err)
	}
	return cluster.Reply{Outcome: cluster.Done, Result: results[0]}
}

func (n *oneNode) Now() int64                { return int64(time.Since(n.start)) }
func (n *oneNode) Machine() *kv.Machine      { return n.machine }
func (n *oneNode) Stopping() <-chan struct{} { return n.stopping }
func (n *oneNode) Status() cluster.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

func (n *oneNode) Transfer(ctx context.Context, to uint64) error { return n.transfer(ctx, to) }
func (n *oneNode) ChangeMember(ctx context.Context, c cluster.MemberChange) error {
	return n.change(ctx, c)
}

// hold keeps requests from being answered, or lets them go.
func (n *oneNode) hold(held bool) {
	n.mu.Lock()
	n.held = held
	n.mu.Unlock()
	signal(n.wake)
}

func (n *oneNode) queued() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.queue)
}

// force answers every request alike.
func (n *oneNode) force(reply cluster.Reply) {
	n.answerBy(func(*Request) (cluster.Reply, bool) { return reply, true })
}

func (n *oneNode) answerBy(f func(*Request) (cluster.Reply, bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forced = f
}

func (n *oneNode) refuse(why cluster.Reason) {
	n.force(cluster.Reply{Outcome: cluster.Refused, Reason: why})
}

// follow makes the node a follower of node 2, whose public HTTP address is given.
func (n *oneNode) follow(leaderHTTP string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status.Role = cluster.Role{State: cluster.Follower, Term: 7, Leader: 2}
	n.status.Membership.Members[1].HTTP = leaderHTTP
}

func (n *oneNode) set(f func(*cluster.Status)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(&n.status)
}

// lines collects a logger's output.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is a started server with its node.
type rig struct {
	*Server
	t        testing.TB
	node     *oneNode
	registry *prometheus.Registry
	level    *slog.LevelVar
	logged   *lines
	http     string // addresses
	grpcAddr string
	adminURL string
}

// running counts started servers; tests do not run in parallel.
var running int

// start runs a server over loopback. The test fails if goroutines of it are left behind.
func start(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	g := &rig{t: t, node: newOneNode(t), registry: prometheus.NewPedanticRegistry(), level: new(slog.LevelVar), logged: &lines{}}
	g.level.Set(slog.LevelInfo)
	o := Options{Backend: g.node, Registerer: g.registry, Cluster: "demo", Version: "v0", FollowerReads: true, SessionWindow: 4,
		Logger: slog.New(slog.NewTextHandler(g.logged, &slog.HandlerOptions{Level: g.level})), LogLevel: g.level}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	require.NoError(t, err)
	g.Server = s
	l := Listeners{HTTP: listen(t), GRPC: listen(t), Admin: listen(t)}
	g.http, g.grpcAddr, g.adminURL = l.HTTP.Addr().String(), l.GRPC.Addr().String(), "http://"+l.Admin.Addr().String()
	require.NoError(t, s.Start(l))
	running++
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		s.Stop(ctx)
		if running--; running == 0 {
			requireNoneLeft(t)
		}
	})
	return g
}

func listen(t testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

func (g *rig) dial(options ...grpc.DialOption) *grpc.ClientConn {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(g.grpcAddr, options...)
	require.NoError(g.t, err)
	g.t.Cleanup(func() { conn.Close() })
	return conn
}

// eventually polls, since nothing here may depend on how fast the machine is.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			require.Fail(t, "never: "+what)
		}
		<-time.After(time.Millisecond)
	}
}

// requireNoneLeft waits until no goroutine runs the server's code or serves a connection.
func requireNoneLeft(t testing.TB) {
	left := func() string {
		buf := make([]byte, 1<<20)
		var out []string
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			for _, ours := range []string{"server.(*Server)", "server.(*pipeline)", "server.kvService", "server.healthService",
				"http.(*conn).serve", "grpc.(*Server)", "transport.(*http2Server)", "netutil."} {
				if strings.Contains(stack, ours) && !strings.Contains(stack, "requireNoneLeft") {
					out = append(out, stack)
					break
				}
			}
		}
		return strings.Join(out, "\n\n")
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		stacks := left()
		if stacks == "" {
			return
		}
		if time.Now().After(deadline) {
			require.Fail(t, "goroutines left after Stop", stacks)
		}
		<-time.After(5 * time.Millisecond)
	}
}
