package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/lockstepdb/lockstep/chaos/network"
)

// Identify returns the number of the node that a connection comes from, by its two addresses as the connecting side sees
// them, and false if it is none.
type Identify func(local, remote net.Addr) (int, bool)

// Network is all proxies of a cluster.
type Network struct {
	identify Identify

	mu      sync.Mutex
	weather network.Weather
	gates   map[network.Link]*gate
	proxies []*proxy
	closed  bool
	unknown int
}

var _ network.Network = (*Network)(nil)

// New returns a network without addresses. identify is asked for connections between nodes; it may be slow and must be safe
// for concurrent use.
func New(identify Identify) *Network {
	return &Network{identify: identify, gates: map[network.Link]*gate{}}
}

// Add puts a proxy in front of target, an address of node, and returns the proxy's own. peers says that other nodes connect
// there, and not clients.
func (n *Network) Add(node int, target string, peers bool) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("proxy: %w", err)
	}
	p := newProxy(n, node, target, peers, l)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		l.Close()
		return "", errors.New("proxy: the network is closed")
	}
	n.proxies = append(n.proxies, p)
	p.running.Add(1)
	go p.accept()
	return l.Addr().String(), nil
}

// gate returns that of a direction.
func (n *Network) gate(l network.Link) *gate {
	n.mu.Lock()
	defer n.mu.Unlock()
	g := n.gates[l]
	if g == nil {
		g = newGate(n.weather[l])
		n.gates[l] = g
	}
	return g
}

// Set replaces the weather.
func (n *Network) Set(w network.Weather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.weather = network.Over(w) // a copy: the caller may go on with its own
	for l, g := range n.gates {
		g.set(n.weather[l])
	}
}

// Reset breaks the connections of a node.
func (n *Network) Reset(node int) {
	for _, p := range n.all() {
		p.each(func(c *connection) {
			if c.link.From == node || c.link.To == node {
				c.reset()
			}
		})
	}
}

// Connections counts those that are open.
func (n *Network) Connections() int {
	count := 0
	for _, p := range n.all() {
		p.each(func(*connection) { count++ })
	}
	return count
}

// Unidentified counts the connections between nodes of which it could not be told who made them. They were reset.
func (n *Network) Unidentified() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.unknown
}

func (n *Network) all() []*proxy {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proxies
}

// Close ends all proxies and waits for them.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	var errs []error
	for _, p := range n.all() {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}
