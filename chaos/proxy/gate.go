package proxy

import (
	"sync"

	"github.com/lockstepdb/lockstep/chaos/network"
)

// gate is one direction's present condition.
type gate struct {
	mu      sync.Mutex
	c       network.Condition
	changed chan struct{} // closed when c changes
}

func newGate(c network.Condition) *gate { return &gate{c: c, changed: make(chan struct{})} }

// now returns the condition, and a channel that is closed when it is no longer this one.
func (g *gate) now() (network.Condition, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.c, g.changed
}

func (g *gate) set(c network.Condition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.c == c {
		return
	}
	g.c = c
	close(g.changed)
	g.changed = make(chan struct{})
}
