package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstepdb/lockstep/scripts/internal/real"
)

const (
	// storyTimeoutMax bounds the whole story.
	storyTimeoutMax = 5 * time.Minute
	// writeTimeout is a client's patience with one write.
	writeTimeout = 4 * time.Second
	// attemptsMax bounds the attempts for one key.
	attemptsMax = 200
	// retryDelay is what a client waits after an attempt that did not succeed.
	retryDelay = 20 * time.Millisecond
	// readers is how many keys are read at the same time through one node.
	readers = 16
)

// story is one run.
type story struct {
	nodes, keys, clients int
	binary, dir          string
	out                  io.Writer

	acknowledged atomic.Int64
	unknown      atomic.Int64
	refused      atomic.Int64
	writes       []writes      // by key
	leaderBack   chan struct{} // closed when the killed leader serves again: the second half is written only then
}

// writes is what happened to one key. Only its client touches it while clients run.
type writes struct {
	acknowledged string   // the newest acknowledged value; empty for none
	possible     []string // values of unknown outcome: each may be there instead, also late
}

func (s *story) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storyTimeoutMax)
	defer cancel()
	s.writes, s.leaderBack = make([]writes, s.keys), make(chan struct{})
	o := real.Options{Binary: s.binary, Dir: filepath.Join(s.dir, "data"), Nodes: s.nodes}
	c, err := real.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { c.Close() }()
	begun := time.Now()
	if err := s.writeAndKill(ctx, c); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d nodes: %d keys acknowledged in %v, with %d attempts refused and %d of unknown outcome\n",
		s.nodes, s.acknowledged.Load(), time.Since(begun).Round(time.Millisecond), s.refused.Load(), s.unknown.Load())
	if err := s.readThroughAll(ctx, c); err != nil {
		return err
	}
	if code, err := c.Stop(ctx); err != nil || code != 0 {
		return errors.Join(fmt.Errorf("the stop ended with code %d: %s", code, c.Errors()), err)
	}
	if c, err = real.Start(ctx, o); err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	return s.readThroughAll(ctx, c)
}

// writeAndKill runs the clients to their end, and kills the leader after a quarter of the keys and all nodes after three.
func (s *story) writeAndKill(ctx context.Context, c *real.Cluster) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var clients sync.WaitGroup
	for i := range s.clients {
		clients.Go(func() {
			if err := s.client(ctx, c, i); err != nil {
				cancel(err)
			}
		})
	}
	clients.Go(func() {
		if err := s.kill(ctx, c); err != nil {
			cancel(err)
		}
	})
	clients.Wait()
	return context.Cause(ctx)
}

func (s *story) kill(ctx context.Context, c *real.Cluster) error {
	if err := s.await(ctx, int64(s.keys)/4); err != nil {
		return err
	}
	mark, leader := c.Mark(), c.Leader()
	if err := c.Kill(leader); err != nil {
		return fmt.Errorf("kill the leader: %w", err)
	}
	fmt.Fprintf(s.out, "killed the leader, node %d, after %d writes\n", leader, s.acknowledged.Load())
	if _, err := c.Await(ctx, mark, func(e real.Event) bool { return e.Event == "back" && e.Node == leader }); err != nil {
		return err
	}
	close(s.leaderBack)
	if err := s.await(ctx, int64(s.keys)*3/4); err != nil {
		return err
	}
	mark = c.Mark()
	for _, n := range c.Nodes() {
		if err := c.Kill(n.ID); err != nil {
			return fmt.Errorf("kill node %d: %w", n.ID, err)
		}
	}
	fmt.Fprintf(s.out, "killed all nodes after %d writes\n", s.acknowledged.Load())
	for _, n := range c.Nodes() {
		if _, err := c.Await(ctx, mark, func(e real.Event) bool { return e.Event == "back" && e.Node == n.ID }); err != nil {
			return err
		}
	}
	return nil
}

// await returns once so many writes are acknowledged.
func (s *story) await(ctx context.Context, count int64) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for s.acknowledged.Load() < count {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// client writes its share of the keys through all nodes in turn, by HTTP if its number is even and by gRPC if it is odd.
func (s *story) client(ctx context.Context, c *real.Cluster, number int) error {
	stores, err := s.open(c, number)
	if err != nil {
		return err
	}
	defer closeAll(stores)
	for k := number; k < s.keys; k += s.clients {
		if k >= s.keys/2 {
			select {
			case <-s.leaderBack:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := s.write(ctx, stores, k); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) open(c *real.Cluster, number int) ([]real.Store, error) {
	var stores []real.Store
	for _, n := range c.Nodes() {
		if number%2 == 0 {
			stores = append(stores, real.HTTP(n.HTTP))
			continue
		}
		store, err := real.GRPC(n.GRPC)
		if err != nil {
			closeAll(stores)
			return nil, err
		}
		stores = append(stores, store)
	}
	return stores, nil
}

func closeAll(stores []real.Store) {
	for _, store := range stores {
		store.Close()
	}
}

func key(k int) string { return fmt.Sprintf("story/%06d", k) }

// write tries until an attempt is acknowledged. Each attempt writes a value of its own and goes to the next node.
func (s *story) write(ctx context.Context, stores []real.Store, k int) error {
	w := &s.writes[k]
	for attempt := range attemptsMax {
		value := fmt.Sprintf("value %d of key %d", attempt, k)
		outcome, err := put(ctx, stores[(k+attempt)%len(stores)], key(k), value)
		switch outcome {
		case real.Done:
			w.acknowledged = value
			s.acknowledged.Add(1)
			return nil
		case real.Refused:
			s.refused.Add(1)
		default:
			s.unknown.Add(1)
			w.possible = append(w.possible, value)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("key %d is not written yet, the last attempt said %w: %w", k, err, context.Cause(ctx))
		case <-time.After(retryDelay):
		}
	}
	return fmt.Errorf("key %d was not acknowledged in %d attempts", k, attemptsMax)
}

func put(ctx context.Context, store real.Store, key, value string) (real.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return store.Put(ctx, key, value)
}

// readThroughAll compares every key, read through every node, with what happened to it.
func (s *story) readThroughAll(ctx context.Context, c *real.Cluster) error {
	begun := time.Now()
	var group sync.WaitGroup
	failures := make(chan error, 2*len(c.Nodes()))
	for i, n := range c.Nodes() {
		store := real.HTTP(n.HTTP)
		if i%2 == 1 {
			var err error
			if store, err = real.GRPC(n.GRPC); err != nil {
				return err
			}
		}
		group.Go(func() {
			defer store.Close()
			if err := s.readAll(ctx, store); err != nil {
				failures <- fmt.Errorf("through node %d: %w", n.ID, err)
			}
		})
	}
	group.Wait()
	close(failures)
	var all []error
	for err := range failures {
		all = append(all, err)
	}
	if len(all) == 0 {
		fmt.Fprintf(s.out, "read %d keys through each of %d nodes in %v: all there\n", s.keys, s.nodes, time.Since(begun).Round(time.Millisecond))
	}
	return errors.Join(all...)
}

func (s *story) readAll(ctx context.Context, store real.Store) error {
	var (
		group sync.WaitGroup
		once  sync.Once
		first error
	)
	for r := range readers {
		group.Go(func() {
			for k := r; k < s.keys && ctx.Err() == nil; k += readers {
				if err := s.readOne(ctx, store, k); err != nil {
					once.Do(func() { first = err })
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(first, ctx.Err())
}

// readOne tries again after an error, since a node may just be looking for its leader; never after an answer.
func (s *story) readOne(ctx context.Context, store real.Store, k int) error {
	var last error
	for range attemptsMax {
		value, found, err := store.Get(ctx, key(k))
		if err == nil {
			return s.writes[k].judge(k, value, found)
		}
		last = err
		select {
		case <-ctx.Done():
			return errors.Join(last, ctx.Err())
		case <-time.After(retryDelay):
		}
	}
	return fmt.Errorf("key %d can't be read: %w", k, last)
}

// judge says whether a value that was read can be explained.
func (w writes) judge(k int, value string, found bool) error {
	if !found {
		if w.acknowledged != "" {
			return fmt.Errorf("key %d is lost: %q was acknowledged", k, w.acknowledged)
		}
		return nil
	}
	if w.acknowledged != "" && value == w.acknowledged {
		return nil
	}
	for _, possible := range w.possible {
		if value == possible {
			return nil
		}
	}
	return fmt.Errorf("key %d is %q, which nobody wrote: %q was acknowledged and %q are possible", k, value, w.acknowledged, w.possible)
}
