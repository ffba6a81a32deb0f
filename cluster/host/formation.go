package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/cluster/transport"
)

// formation makes a founding node sure that every founding node has recorded every other one. The package comment says why.
type formation struct {
	host *Host
	id   *identity

	mu      sync.Mutex
	sure    map[uint64]bool          // nodes that told that they hold what this one holds, all of it
	errors  map[uint64]string        // why not yet
	heardOf map[uint64]int           // how many instances each node said to hold
	kicks   map[uint64]chan struct{} // the keys never change

	fatal chan error // has room for one
}

// newFormation prepares kicks for every other founding node.
func newFormation(h *Host) *formation {
	f := &formation{host: h, id: h.identity, sure: map[uint64]bool{},
		errors: map[uint64]string{}, heardOf: map[uint64]int{}, kicks: map[uint64]chan struct{}{}, fatal: make(chan error, 1)}
	for _, p := range h.identity.founders {
		if p.Node != h.identity.own.Node {
			f.kicks[p.Node] = make(chan struct{}, 1)
		}
	}
	return f
}

// run returns once the cluster is formed, as far as this node is concerned, durably.
func (f *formation) run(ctx context.Context) error {
	if f.id.formed {
		return nil
	}
	if err := f.id.meetSelf(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var meeting sync.WaitGroup
	defer meeting.Wait()
	defer cancel()
	for _, p := range f.id.founders {
		if p.Node != f.id.own.Node {
			meeting.Go(func() { f.meet(ctx, p) })
		}
	}
	if err := f.wait(ctx); err != nil {
		return err
	}
	return f.id.form()
}

// wait logs whom it waits for until all are sure.
func (f *formation) wait(ctx context.Context) error {
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()
	check := time.NewTicker(drainInterval)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.fatal:
			return err
		case <-progress.C:
			f.host.log.Info("waiting for founding nodes", "for", f.missing())
		case <-check.C:
			if f.complete() {
				return nil
			}
		}
	}
}

func (f *formation) complete() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sure) == len(f.kicks)
}

// missing says whom this node waits for and why.
func (f *formation) missing() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for id := range f.kicks {
		if !f.sure[id] {
			out = append(out, fmt.Sprintf("node %d (%s)", id, f.errors[id]))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// meet shakes hands with one founding node until it is sure of it.
func (f *formation) meet(ctx context.Context, p Peer) {
	for wait := meetIntervalMin; ; wait = min(2*wait, meetIntervalMax) {
		hello, err := f.host.transport.Meet(ctx, p.Node, p.Peer)
		if f.judge(p.Node, hello, err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-f.kicks[p.Node]:
			wait = meetIntervalMin
		case <-time.After(wait):
		}
	}
}

// judge notes how a handshake came out; true ends it.
func (f *formation) judge(node uint64, hello transport.Hello, err error) bool {
	if r := (*transport.Refusal)(nil); errors.As(err, &r) && r.Node == f.id.own.Node && (r.Code == transport.RefusedInstance || r.Code == transport.RefusedRemoved) {
		f.lost(r)
		return true
	}
	agreed := err == nil && f.id.agrees(hello)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case agreed:
		f.sure[node] = true
	case err != nil:
		f.errors[node] = err.Error()
	default:
		f.errors[node] = "it has not met all others yet"
	}
	return agreed
}

// lost ends the formation: this node's directory replaced another one that the others remember, or its id was removed.
func (f *formation) lost(r *transport.Refusal) {
	select {
	case f.fatal <- r:
	default:
	}
}

// heard makes the next handshake with a node happen at once when it has learned something since the last one. Not at every
// handshake: two nodes would kick each other for as long as they wait for a third.
func (f *formation) heard(h transport.Hello) {
	f.mu.Lock()
	news := f.heardOf[h.Node] != len(h.Met)
	f.heardOf[h.Node] = len(h.Met)
	f.mu.Unlock()
	if c, ok := f.kicks[h.Node]; ok && news {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// meetSelf records this node among the founding ones, so that tables can be compared as they are.
func (i *identity) meetSelf() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.registry.Meet(i.own.Node, i.own.Instance); err != nil {
		return err
	}
	i.readMet()
	return nil
}

// agrees says that a peer holds all founding nodes' instances, the same ones as this node.
func (i *identity) agrees(h transport.Hello) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.met) == len(i.founders) && slices.Equal(i.met, h.Met)
}

// form records the founding membership.
func (i *identity) form() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	m := membershipOf(i.founders, i.met)
	if err := i.registry.Form(m); err != nil {
		return err
	}
	i.formed, i.membership = true, m
	return nil
}
