package workload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
)

// Options of Start.
type Options struct {
	Driver    driver.Driver
	Addresses []driver.Addresses
	Recorder  *linearizability.Recorder
	Timeline  *Timeline
	Seed      uint64
	// Clients work at once, and Rate is how many operations they begin in a second, all together. A client that has to wait for
	// an answer does not catch up.
	Clients, Rate int
	// Hot and Spread are how many keys there are of each sort.
	Hot, Spread int
}

// Load is clients at work.
type Load struct {
	o           Options
	ctx         context.Context
	cancel      context.CancelFunc
	connections []*connection
	working     sync.WaitGroup

	mu   sync.Mutex
	keys map[string]struct{} // that a write was tried on
}

// connection is a driver.Client that several workers share, and that can die.
type connection struct {
	way string

	mu     sync.Mutex
	client driver.Client
	ctx    context.Context // ends with the client
	cancel context.CancelFunc
}

// Start begins the load. It ends with Stop.
func Start(o Options) (*Load, error) {
	l := &Load{o: o, keys: map[string]struct{}{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	ways := o.Driver.Ways()
	count := max(len(ways), (o.Clients+workersPerConnection-1)/workersPerConnection)
	for i := range count {
		c := &connection{way: ways[i%len(ways)]}
		if err := l.open(c); err != nil {
			l.Stop()
			return nil, err
		}
		l.connections = append(l.connections, c)
	}
	for i := range o.Clients {
		w := &worker{load: l, connection: l.connections[i%count],
			drawer: newDrawer(o.Seed, int32(i+1), len(o.Addresses), o.Hot, o.Spread, o.Driver.Claims())}
		o.Recorder.Name(int32(i+1), fmt.Sprintf("%s-%d", w.connection.way, i+1))
		l.working.Go(w.run)
	}
	return l, nil
}

func (l *Load) open(c *connection) error {
	client, err := l.o.Driver.Open(c.way, l.o.Addresses)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client = client
	c.ctx, c.cancel = context.WithCancel(l.ctx)
	return nil
}

// Stop ends the load: no operation begins, those under way are waited for.
func (l *Load) Stop() {
	l.cancel()
	l.working.Wait()
	for _, c := range l.connections {
		_ = c.client.Close() // what it was good for is over
	}
	l.o.Timeline.seal()
}

// Die has a client forget all that it asked for; a new one takes its place. Numbers are those of workers.
func (l *Load) Die(number int) error {
	c := l.connections[(number-1)%len(l.connections)]
	c.mu.Lock()
	old, cancel := c.client, c.cancel
	c.mu.Unlock()
	cancel()
	if err := l.open(c); err != nil {
		return err
	}
	return old.Close()
}

// Keys are those that a write was tried on, sorted.
func (l *Load) Keys() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := make([]string, 0, len(l.keys))
	for k := range l.keys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (l *Load) touch(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[key] = struct{}{}
}

// worker is one client of the history: it does one operation at a time.
type worker struct {
	load       *Load
	connection *connection
	*drawer
}

func (w *worker) run() {
	interval := time.Duration(float64(time.Second) * float64(w.load.o.Clients) / float64(w.load.o.Rate))
	next := time.Now().Add(time.Duration(w.Below(int(interval) + 1)))
	for {
		if !sleep(w.load.ctx, time.Until(next)) {
			return
		}
		w.do(w.next())
		next = next.Add(interval)
		if now := time.Now(); next.Before(now) {
			next = now
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// do carries out one operation and records it. One that is under way when the load stops is waited for.
func (w *worker) do(o operation) {
	if o.Kind != history.Get {
		w.load.touch(o.Key)
	}
	w.connection.mu.Lock()
	client, life := w.connection.client, w.connection.ctx
	w.connection.mu.Unlock()
	// The end of the load is not the client's death.
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	defer context.AfterFunc(life, func() {
		if w.load.ctx.Err() == nil {
			cancel()
		}
	})()
	began := time.Now()
	call := w.load.o.Recorder.Invoke(o.Operation)
	r, _ := client.Do(ctx, o.Operation, o.at) // the outcome says all that counts
	_ = w.load.o.Recorder.Return(call, r)     // its error stays, and ends the run
	w.load.o.Timeline.observe(o.kind, w.connection.way, o.Kind != history.Get, r.Outcome, time.Since(began))
	w.learn(&o, &r)
}
