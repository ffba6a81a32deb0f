package host

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/kv"
)

// BenchmarkWrite measures one write of 16-byte keys and 256-byte values through the driver, with real disks and sockets of this
// machine, by nodes and concurrent clients; each client waits for its answer.
func BenchmarkWrite(b *testing.B) {
	for _, nodes := range []int{1, 3} {
		for _, clients := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("nodes=%d/clients=%d", nodes, clients), func(b *testing.B) { benchmarkWrite(b, nodes, clients) })
		}
	}
}

func benchmarkWrite(b *testing.B, nodes, clients int) {
	g := newGroup(b, nodes, func(c *Config) { c.Raft.Tick, c.Storage.SegmentBytes = Duration(50*time.Millisecond), 64<<20 }).start()
	lead := g.leader()
	value := make([]byte, 256)
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range clients {
		all.Go(func() {
			done := make(chan struct{}, 1)
			r := &server.Request{Kind: server.Write, Done: func(*server.Request) { done <- struct{}{} }}
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				r.Command = kv.Command{Kind: kv.Put, Key: fmt.Appendf(nil, "key-%012d", n%100_000), Value: value}
				lead.host.Submit(r)
				<-done
				if r.Reply.Outcome != cluster.Done {
					b.Errorf("write %d: %+v", n, r.Reply)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// BenchmarkGap measures how long no write is acknowledged while the leader goes, with the default timings and 16 clients that
// write through another node and try again after 2 ms.
func BenchmarkGap(b *testing.B) {
	b.Run("stop", func(b *testing.B) { benchmarkGap(b, (*member).stop) })
	b.Run("kill", func(b *testing.B) { benchmarkGap(b, (*member).kill) })
}

func benchmarkGap(b *testing.B, end func(*member)) {
	g := newGroup(b, 3, func(c *Config) { c.Raft.Tick = Duration(50 * time.Millisecond) }).start()
	var worst, total time.Duration
	for range b.N {
		gap := gapWhile(g, end)
		worst, total = max(worst, gap), total+gap
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/gap")
	b.ReportMetric(float64(worst.Milliseconds()), "ms/worst")
}

// gapWhile ends the leader under load, starts it again, and returns the longest time without an acknowledged write.
func gapWhile(g *group, end func(*member)) time.Duration {
	lead, through := g.leader(), g.follower()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var mu sync.Mutex
	last, longest := time.Now(), time.Duration(0)
	for i := range 16 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if through.put(fmt.Sprintf("%d-%d", i, n%1000), "v").Outcome != cluster.Done {
					<-time.After(2 * time.Millisecond)
					continue
				}
				mu.Lock()
				longest, last = max(longest, time.Since(last)), time.Now()
				mu.Unlock()
			}
		})
	}
	<-time.After(200 * time.Millisecond)
	end(lead)
	g.leader()
	<-time.After(200 * time.Millisecond)
	close(stop)
	clients.Wait()
	lead.start()
	lead.awaitReady()
	return longest
}
