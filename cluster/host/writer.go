package host

import (
	"context"
	"fmt"
	"sync"

	"github.com/lockstepdb/lockstep/cluster"
)

// logStore is what the writer needs of the log.
type logStore interface {
	Append(appends []cluster.Append) (low bool, err error)
	Compact(index uint64) error
}

// writer makes appends durable on a goroutine of its own.
type writer struct {
	store logStore
	host  *Host
	wake  chan struct{} // has room for one

	mu      sync.Mutex
	appends []cluster.Append // bounded by cluster.Config.AppendsInflightMax, and small ones beside
	compact uint64
}

func newWriter(h *Host, s logStore) *writer {
	return &writer{store: s, host: h, wake: make(chan struct{}, 1)}
}

// push takes appends in; the slice stays the caller's.
func (w *writer) push(appends []cluster.Append, compact uint64) {
	w.mu.Lock()
	w.appends = append(w.appends, appends...)
	w.compact = max(w.compact, compact)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends or a write fails.
func (w *writer) run(ctx context.Context) {
	var spare []cluster.Append
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		w.mu.Lock()
		appends, compact := w.appends, w.compact
		w.appends, w.compact = spare[:0], 0
		w.mu.Unlock()
		if err := w.write(appends); err != nil {
			w.host.fail(err)
			return
		}
		if compact > 0 {
			if err := w.store.Compact(compact); err != nil {
				w.host.fail(fmt.Errorf("compacting the log up to %d: %w", compact, err))
				return
			}
		}
		clear(appends)
		spare = appends
	}
}

// write makes everything durable with one write and at most one sync.
func (w *writer) write(appends []cluster.Append) error {
	if len(appends) == 0 {
		return nil
	}
	began := w.host.Now()
	low, err := w.store.Append(appends)
	if err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	w.host.metrics.observeAppend(appends, w.host.Now()-began)
	w.host.queue.push(cluster.Event{Kind: cluster.EventPersisted, ID: appends[len(appends)-1].ID})
	if low {
		w.host.disk.set(true)
	}
	return nil
}
