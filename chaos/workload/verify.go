package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/linearizability/history"
)

// verifierFirst is the number of the first client that reads at the end.
const verifierFirst = 10_001

// Verify reads every key that a write was tried on: linearizably, and then on every node as far as that has applied. All of it
// is recorded. It returns once each key was read, or the error of the first that could not be until ctx ended.
func (l *Load) Verify(ctx context.Context) (read int, err error) {
	keys := l.Keys()
	clients := make([]driver.Client, 0, len(l.o.Driver.Ways()))
	for _, way := range l.o.Driver.Ways() {
		c, err := l.o.Driver.Open(way, l.o.Addresses)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		clients = append(clients, c)
	}
	reads := len(keys)
	if l.o.Driver.Claims().Stale {
		reads += len(keys) * len(l.o.Addresses)
	}
	var mu sync.Mutex
	var reading sync.WaitGroup
	next := 0
	for i := range verifyWorkers {
		reading.Go(func() {
			for {
				mu.Lock()
				at := next
				next++
				failed := err != nil
				mu.Unlock()
				if at >= reads || failed {
					return
				}
				e := l.read(ctx, clients[i%len(clients)], int32(verifierFirst+i), keys[at%len(keys)], at/len(keys))
				mu.Lock()
				if e == nil {
					read++
				} else if err == nil {
					err = e
				}
				mu.Unlock()
			}
		})
	}
	reading.Wait()
	return read, err
}

// read reads a key until it has an answer: linearizably from any node if slot is 0, and otherwise what that one has.
func (l *Load) read(ctx context.Context, c driver.Client, client int32, key string, slot int) error {
	o := history.Operation{Client: client, Kind: history.Get, Key: key, Stale: slot > 0}
	for {
		attempt, cancel := context.WithTimeout(ctx, verifyTimeout)
		call := l.o.Recorder.Invoke(o)
		r, err := c.Do(attempt, o, slot)
		cancel()
		if e := l.o.Recorder.Return(call, r); e != nil {
			return e
		}
		if r.Outcome == history.Done {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("final read of %s: %w", key, errors.Join(ctx.Err(), err))
		}
	}
}
