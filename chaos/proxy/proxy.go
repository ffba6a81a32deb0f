package proxy

import (
	"net"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/chaos/network"
)

const (
	// dialTimeout bounds the connection to the node behind a proxy, which is on this machine.
	dialTimeout = 2 * time.Second
	// acceptPause is how long a proxy waits after a failed accept, which is mostly a want of descriptors.
	acceptPause = 20 * time.Millisecond
)

// proxy listens in place of one address of one node.
type proxy struct {
	network  *Network
	node     int
	target   string
	peers    bool
	listener net.Listener
	running  sync.WaitGroup
	done     chan struct{} // closed by close

	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
}

func newProxy(n *Network, node int, target string, peers bool, l net.Listener) *proxy {
	return &proxy{network: n, node: node, target: target, peers: peers, listener: l, done: make(chan struct{}), open: map[*connection]struct{}{}}
}

func (p *proxy) accept() {
	defer p.running.Done()
	for {
		c, err := p.listener.Accept()
		if err == nil {
			p.running.Add(1)
			go p.serve(c.(*net.TCPConn))
			continue
		}
		select {
		case <-p.done:
			return
		case <-time.After(acceptPause):
		}
	}
}

// serve carries one connection until it has ended.
func (p *proxy) serve(near *net.TCPConn) {
	defer p.running.Done()
	from, ok := p.from(near)
	if !ok {
		abort(near)
		return
	}
	link := network.Link{From: from, To: p.node}
	c := &connection{link: link, up: p.network.gate(link), down: p.network.gate(link.Back()), near: near, done: make(chan struct{})}
	if !p.enter(c) {
		abort(near)
		return
	}
	defer p.leave(c)
	c.run(p.target)
}

// from tells who connected.
func (p *proxy) from(c net.Conn) (int, bool) {
	if !p.peers {
		return network.Clients, true
	}
	node, ok := p.network.identify(c.RemoteAddr(), c.LocalAddr())
	if !ok {
		p.network.mu.Lock()
		p.network.unknown++
		p.network.mu.Unlock()
	}
	return node, ok
}

func (p *proxy) enter(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.open) >= connectionsMax {
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *proxy) leave(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *proxy) each(do func(*connection)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		do(c)
	}
}

func (p *proxy) close() error {
	p.mu.Lock()
	already := p.closed
	p.closed = true
	p.mu.Unlock()
	if already {
		return nil
	}
	close(p.done)
	err := p.listener.Close()
	p.each((*connection).reset)
	p.running.Wait()
	return err
}

// abort closes a connection so that its other end gets a reset.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on a connection that is gone
	c.Close()
}
