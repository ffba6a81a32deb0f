package workload

import (
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/stretchr/testify/require"
)

var everything = driver.Claims{Conditions: true, Stale: true}

// The same seed draws the same operations, and no value is written twice.
func TestOperationsAreDrawnFromTheSeed(t *testing.T) {
	a, b := newDrawer(1, 2, 3, 5, 50, everything), newDrawer(1, 2, 3, 5, 50, everything)
	other := newDrawer(1, 3, 3, 5, 50, everything)
	values, kinds, keys := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for range 5000 {
		o := a.next()
		require.Equal(t, o, b.next())
		kinds[o.kind], keys[o.Key] = true, true
		for _, v := range []history.Value{o.Value, other.next().Value} {
			require.False(t, v.Present && values[v.Data], "twice: %.40s", v.Data)
			values[v.Data] = true
		}
	}
	require.Len(t, kinds, len(shares))
	require.Len(t, keys, 55)
}

// A store is asked for nothing that it does not claim.
func TestClaimsAreKeptTo(t *testing.T) {
	d := newDrawer(1, 1, 3, 5, 50, driver.Claims{})
	for range 2000 {
		o := d.next()
		require.False(t, o.Stale)
		require.Equal(t, history.Always, o.Condition.Kind)
	}
}

// A conditional write is based on what the client saw last.
func TestConditionsUseWhatWasSeen(t *testing.T) {
	d := newDrawer(1, 1, 3, 1, 1, everything)
	get := operation{Operation: history.Operation{Kind: history.Get, Key: "hot-00"}}
	d.learn(&get, &history.Operation{Outcome: history.Done, KeyRevision: 7})
	require.Equal(t, history.Condition{Kind: history.RevisionEquals, Revision: 7}, d.condition("swap", "hot-00"))
	d.learn(&get, &history.Operation{Outcome: history.Unknown})
	require.Equal(t, uint64(7), d.seen["hot-00"])
	put := operation{Operation: history.Operation{Kind: history.Put, Key: "hot-00"}}
	d.learn(&put, &history.Operation{Outcome: history.Done, Revision: 9})
	require.Equal(t, uint64(9), d.seen["hot-00"])
	require.Equal(t, history.Condition{Kind: history.MustExist}, d.condition("swap", "never seen"))
	for i := range 2 * seenMax {
		d.learn(&operation{Operation: history.Operation{Kind: history.Get, Key: string(rune('a' + i))}}, &history.Operation{Outcome: history.Done})
	}
	require.Len(t, d.seen, seenMax)
	require.Len(t, d.seenList, seenMax)
}

func TestQuantiles(t *testing.T) {
	var l Latencies
	require.Zero(t, l.Quantile(.5))
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	for _, q := range []float64{.01, .5, .99, 1} {
		exact := time.Duration(q*1000) * time.Millisecond
		require.GreaterOrEqual(t, l.Quantile(q), exact*99/100)
		require.LessOrEqual(t, l.Quantile(q), time.Duration(float64(exact)*latencyGrowth))
	}
	l.add(time.Hour)
	require.Greater(t, l.Quantile(1), time.Minute)
}

// A window without an acknowledged write ends with the next one, whatever was read meanwhile.
func TestGaps(t *testing.T) {
	line := NewTimeline()
	line.mu.Lock()
	line.wrote(100 * time.Millisecond)
	line.wrote(time.Second)
	line.wrote(1100 * time.Millisecond)
	line.mu.Unlock()
	line.observe("get", "grpc", false, history.Done, time.Millisecond)
	line.observe("put", "grpc", true, history.Unknown, time.Millisecond)
	require.Equal(t, 1100*time.Millisecond, line.LastWrite())
	s := line.Summary()
	require.Equal(t, []Gap{{100 * time.Millisecond, time.Second}}, s.Gaps)
	require.Equal(t, 900*time.Millisecond, s.Longest.Length())
	require.Equal(t, Counts{Done: 1, Unknown: 1}, s.ByWay["grpc"])
	require.Equal(t, 2, s.Total.All())
	line.seal()
	line.observe("get", "grpc", false, history.Done, time.Millisecond)
	require.Equal(t, 2, line.Summary().Total.All())
}
