package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
)

const patience = 20 * time.Second

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// endpoint is a transport with a handler that remembers.
type endpoint struct {
	t        *testing.T
	id       uint64
	instance cluster.Instance
	cluster  string
	address  string
	*Transport

	mu          sync.Mutex
	known       map[uint64]cluster.Instance
	verify      func(Hello) error
	received    []*raftpb.Message
	hold        chan struct{} // Receive waits for it, if set
	unreachable map[uint64]int
	refused     []*Refusal
	forwarded   func([]Call, *Answers)
	answered    []cluster.Reply
	snapshot    func(*SnapshotReceiver) error
}

func instanceOf(id uint64) (i cluster.Instance) {
	i[0], i[15] = byte(id), 1
	return i
}

// newEndpoint serves on a free port until the test ends.
func newEndpoint(t *testing.T, id uint64) *endpoint {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return newEndpointAt(t, id, l)
}

func newEndpointAt(t *testing.T, id uint64, l net.Listener) *endpoint {
	e := &endpoint{t: t, id: id, instance: instanceOf(id), cluster: "c", address: l.Addr().String(),
		known: map[uint64]cluster.Instance{}, unreachable: map[uint64]int{}}
	e.Transport = New(Options{Node: id, Handler: e, Logger: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- e.Serve(l) }()
	t.Cleanup(func() {
		e.release()
		e.Close()
		require.NoError(t, <-served)
	})
	return e
}

func (e *endpoint) Hello(target uint64) Hello {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Hello{Cluster: e.cluster, Instance: e.instance, Address: e.address, TargetInstance: e.known[target],
		Met: []Met{{Node: e.id, Instance: e.instance}}, Founding: 7}
}

func (e *endpoint) Verify(h Hello) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.verify != nil {
		return e.verify(h)
	}
	if known, ok := e.known[h.Node]; ok && known != h.Instance {
		return OtherInstance(h.Node, e.id)
	}
	return nil
}

func (e *endpoint) Refused(_ uint64, r *Refusal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, r)
}

func (e *endpoint) Receive(_ uint64, messages []*raftpb.Message) {
	e.mu.Lock()
	hold := e.hold
	e.mu.Unlock()
	if hold != nil && messages[0].GetType() == raftpb.MsgApp {
		<-hold
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.received = append(e.received, messages...)
}

// stall makes the endpoint stop reading its bulk streams; release lets it go on.
func (e *endpoint) stall() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hold = make(chan struct{})
}

func (e *endpoint) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hold != nil {
		close(e.hold)
		e.hold = nil
	}
}

func (e *endpoint) Unreachable(peer uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unreachable[peer]++
}

func (e *endpoint) Forwarded(_ uint64, calls []Call, answers *Answers) { e.forwarded(calls, answers) }

func (e *endpoint) Answered(replies []cluster.Reply) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answered = append(e.answered, replies...)
}

func (e *endpoint) Snapshot(in *SnapshotReceiver) error { return e.snapshot(in) }

func (e *endpoint) count(k raftpb.MessageType) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.received {
		if m.GetType() == k {
			n++
		}
	}
	return n
}

func (e *endpoint) drops(peer uint64) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unreachable[peer]
}

func (e *endpoint) replies() []cluster.Reply {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]cluster.Reply(nil), e.answered...)
}

// connect makes each endpoint dial all others.
func connect(endpoints ...*endpoint) {
	for _, e := range endpoints {
		addresses := map[uint64]string{}
		for _, o := range endpoints {
			if o != e {
				addresses[o.id] = o.address
			}
		}
		e.SetPeers(addresses)
	}
}

func (e *endpoint) connected(peer uint64, k LinkKind) bool {
	for _, s := range e.Stats() {
		if s.Peer == peer && s.Kind == k {
			return s.Connected
		}
	}
	return false
}

func (e *endpoint) stats(peer uint64, k LinkKind) PeerStats {
	for _, s := range e.Stats() {
		if s.Peer == peer && s.Kind == k {
			return s
		}
	}
	return PeerStats{}
}

func awaitLinks(t *testing.T, endpoints ...*endpoint) {
	for _, e := range endpoints {
		for _, o := range endpoints {
			for _, k := range []LinkKind{Control, Bulk, Forward} {
				if o != e {
					eventually(t, "links are up", func() bool { return e.connected(o.id, k) })
				}
			}
		}
	}
}

func message(k raftpb.MessageType, from, to uint64, payload int) *raftpb.Message {
	m := &raftpb.Message{Type: &k, From: &from, To: &to, Term: new(uint64(3)), Index: new(uint64(9)), LogTerm: new(uint64(2))}
	if payload > 0 {
		m.Entries = []*raftpb.Entry{{Index: new(uint64(10)), Term: new(uint64(3)), Data: make([]byte, payload)}}
	}
	return m
}

// noLeaks fails when goroutines of this package outlive the test.
func noLeaks(t *testing.T) {
	t.Cleanup(func() {
		var stacks string
		deadline := time.Now().Add(patience)
		for {
			buffer := make([]byte, 1<<20)
			stacks = string(buffer[:runtime.Stack(buffer, true)])
			left := 0
			for _, g := range strings.Split(stacks, "\n\n")[1:] {
				if strings.Contains(g, "lockstep/cluster/transport.") && !strings.Contains(g, "testing.tRunner") {
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

// proxy passes bytes on until it is cut.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns []net.Conn
	cut   bool
}

func newProxy(t *testing.T, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, target: target}
	t.Cleanup(func() { l.Close(); p.sever() })
	go p.run()
	return p
}

func (p *proxy) run() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		o, err := net.Dial("tcp", p.target)
		if err != nil {
			c.Close()
			continue
		}
		p.mu.Lock()
		if p.cut {
			c.Close()
			o.Close()
		}
		p.conns = append(p.conns, c, o)
		p.mu.Unlock()
		go pipe(c, o)
		go pipe(o, c)
	}
}

func pipe(a, b net.Conn) {
	_, _ = io.Copy(a, b)
	a.Close()
	b.Close()
}

// sever breaks all connections and lets none through until mend.
func (p *proxy) sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

func refusalOf(t *testing.T, err error) *Refusal {
	t.Helper()
	var r *Refusal
	require.True(t, errors.As(err, &r), "%v", err)
	return r
}

func background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
