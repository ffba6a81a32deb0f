// Command failover measures how long clients get no acknowledgement when the leader goes.
//
//	go run ./scripts/failover -rounds 10
//
// Clients write without a pause through all three nodes of a real cluster. The leader is stopped gracefully (SIGTERM) or killed
// (SIGKILL), and the longest time between two acknowledged writes around that moment is the result. It prints every round, the
// median and the worst, and ends with 3 when the worst is above a bound that was asked for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client"
	"github.com/lockstepdb/lockstep/scripts/internal/real"
)

const (
	// clients write concurrently.
	clients = 16
	// settle is how long clients write before the leader goes, and after another one was elected.
	settle = time.Second
	// roundMax bounds one round.
	roundMax = time.Minute
	// writeTimeout is longer than any failover: a write waits for the next leader.
	writeTimeout = 20 * time.Second
	// exitThreshold is the code for a result above its bound.
	exitThreshold = 3
)

func main() {
	rounds := flag.Int("rounds", 10, "rounds of each kind")
	binary := flag.String("binary", "", "lockstep binary; empty: build it")
	stop := flag.Duration("stop-max", 0, "end with 3 when a graceful stop leaves a longer gap; 0: no bound")
	kill := flag.Duration("kill-max", 0, "the same for kill -9")
	flag.Parse()
	code, err := run(*binary, *rounds, *stop, *kill)
	if err != nil {
		fmt.Fprintln(os.Stderr, "failover:", err)
		code = 1
	}
	os.Exit(code)
}

// kind is a way for the leader to go.
type kind struct {
	name   string
	signal syscall.Signal
	bound  time.Duration
	gaps   []time.Duration
}

func run(binary string, rounds int, stop, kill time.Duration) (int, error) {
	dir, err := os.MkdirTemp("", "lockstep-failover")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		if binary, err = real.Build(dir); err != nil {
			return 1, err
		}
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	c, err := real.Start(ctx, real.Options{Binary: binary, Dir: filepath.Join(dir, "data"), Nodes: 3})
	if err != nil {
		return 1, err
	}
	defer c.Close()
	kinds := []*kind{{name: "graceful stop", signal: syscall.SIGTERM, bound: stop}, {name: "kill -9", signal: syscall.SIGKILL, bound: kill}}
	for _, k := range kinds {
		for round := range rounds {
			gap, err := measure(ctx, c, k.signal)
			if err != nil {
				return 1, fmt.Errorf("%s, round %d: %w", k.name, round+1, err)
			}
			fmt.Printf("%-14s round %2d  %v\n", k.name, round+1, gap.Round(time.Millisecond))
			k.gaps = append(k.gaps, gap)
		}
	}
	return report(kinds), nil
}

// measure takes the leader away under load and returns the longest gap between acknowledged writes.
func measure(ctx context.Context, c *real.Cluster, s syscall.Signal) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, roundMax)
	defer cancel()
	l, err := startLoad(ctx, c)
	if err != nil {
		return 0, err
	}
	defer l.stop()
	if err := pause(ctx, settle); err != nil {
		return 0, err
	}
	mark, leader := c.Mark(), c.Leader()
	l.reset()
	if err := c.Signal(leader, s); err != nil {
		return 0, err
	}
	for _, what := range []string{"leader", "back"} {
		if _, err := c.Await(ctx, mark, func(e real.Event) bool { return e.Event == what && (what == "leader" || e.Node == leader) }); err != nil {
			return 0, err
		}
	}
	if err := pause(ctx, settle); err != nil {
		return 0, err
	}
	return l.longest()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// load is clients that write without a pause.
type load struct {
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu      sync.Mutex
	last    time.Time // of the newest acknowledgement
	gap     time.Duration
	writes  int
	failure error
}

func startLoad(ctx context.Context, c *real.Cluster) (*load, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	for i := range clients {
		cl, err := client.New(client.Config{Addresses: rotated(c.Nodes(), i)})
		if err != nil {
			l.stop()
			return nil, err
		}
		l.group.Go(func() {
			defer cl.Close()
			l.write(ctx, cl, i)
		})
	}
	return l, nil
}

// rotated begins with another node for each client.
func rotated(nodes []real.Node, i int) []string {
	var all []string
	for k := range nodes {
		all = append(all, nodes[(i+k)%len(nodes)].GRPC)
	}
	return all
}

func (l *load) write(ctx context.Context, cl *client.Client, number int) {
	key, value := fmt.Appendf(nil, "failover/%d", number), []byte("value")
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, writeTimeout)
		_, err := cl.Put(attempt, key, value)
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.note(err)
	}
}

func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failure = err
		return
	}
	now := time.Now()
	if !l.last.IsZero() {
		l.gap = max(l.gap, now.Sub(l.last))
	}
	l.last = now
	l.writes++
}

// reset forgets what was before.
func (l *load) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gap, l.writes = 0, 0
}

func (l *load) longest() (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writes == 0 {
		return 0, fmt.Errorf("nothing was acknowledged; the last error is %v", l.failure)
	}
	return max(l.gap, time.Since(l.last)), nil
}

func (l *load) stop() {
	l.cancel()
	l.group.Wait()
}

// report prints the table and returns the exit code.
func report(kinds []*kind) int {
	code := 0
	fmt.Printf("\n%-14s %7s %10s %10s\n", "leader goes by", "rounds", "median", "worst")
	for _, k := range kinds {
		slices.Sort(k.gaps)
		if len(k.gaps) == 0 {
			continue
		}
		median, worst := k.gaps[len(k.gaps)/2], k.gaps[len(k.gaps)-1]
		fmt.Printf("%-14s %7d %10v %10v\n", k.name, len(k.gaps), median.Round(time.Millisecond), worst.Round(time.Millisecond))
		if k.bound > 0 && worst > k.bound {
			fmt.Printf("%s: the worst is above %v\n", k.name, k.bound)
			code = exitThreshold
		}
	}
	return code
}
