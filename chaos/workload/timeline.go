package workload

import (
	"math"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// Step is the width of a bucket.
const Step = 250 * time.Millisecond

const (
	// latencyLeast is the upper bound of the first class of latencies; each next bound is latencyGrowth times the one before.
	latencyLeast  = 50 * time.Microsecond
	latencyGrowth = 1.25
	latencyCount  = 64 // up to a minute
	// gapLeast is the shortest window without an acknowledged write that is kept.
	gapLeast = 250 * time.Millisecond
	// gapsMax bounds how many are kept; the longest is kept in any case.
	gapsMax = 10_000
)

// Latencies counts operations by classes of their time.
type Latencies [latencyCount]uint32

func (l *Latencies) add(d time.Duration) {
	i := 0
	if d > latencyLeast {
		i = int(math.Ceil(math.Log(float64(d)/float64(latencyLeast)) / math.Log(latencyGrowth)))
	}
	l[min(i, latencyCount-1)]++
}

// Quantile returns an upper bound of the time that a share of the operations took; 0 if there are none.
func (l *Latencies) Quantile(q float64) time.Duration {
	total := 0
	for _, n := range l {
		total += int(n)
	}
	if total == 0 {
		return 0
	}
	left := int(math.Ceil(q * float64(total)))
	for i, n := range l {
		if left -= int(n); left <= 0 {
			return time.Duration(float64(latencyLeast) * math.Pow(latencyGrowth, float64(i)))
		}
	}
	return time.Duration(float64(latencyLeast) * math.Pow(latencyGrowth, latencyCount-1))
}

// Counts are operations by outcome.
type Counts struct{ Done, ConditionFailed, Refused, Unknown int }

// Acknowledged are those with a result.
func (c Counts) Acknowledged() int { return c.Done + c.ConditionFailed }

// All are all of them.
func (c Counts) All() int { return c.Acknowledged() + c.Refused + c.Unknown }

func (c *Counts) add(o history.Outcome) {
	switch o {
	case history.Done:
		c.Done++
	case history.ConditionFailed:
		c.ConditionFailed++
	case history.Refused:
		c.Refused++
	default:
		c.Unknown++
	}
}

// Bucket is what ended within one Step. Latencies are of acknowledged operations.
type Bucket struct {
	Counts
	Latencies Latencies
}

// Gap is a window without an acknowledged write, in time since the start.
type Gap struct{ From, To time.Duration }

// Length of the window.
func (g Gap) Length() time.Duration { return g.To - g.From }

// Timeline is how a load went. It is safe for concurrent use.
type Timeline struct {
	start time.Time

	mu        sync.Mutex
	buckets   []Bucket
	byKind    map[string]Counts
	byWay     map[string]Counts
	lastWrite time.Duration
	gaps      []Gap
	longest   Gap
	sealed    bool
}

// NewTimeline begins one now.
func NewTimeline() *Timeline {
	return &Timeline{start: time.Now(), byKind: map[string]Counts{}, byWay: map[string]Counts{}}
}

// Now is the time since the start.
func (t *Timeline) Now() time.Duration { return time.Since(t.start) }

// observe counts an operation that has ended now.
func (t *Timeline) observe(kind, way string, write bool, o history.Outcome, took time.Duration) {
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sealed {
		return
	}
	for len(t.buckets) <= int(now/Step) {
		t.buckets = append(t.buckets, Bucket{})
	}
	b := &t.buckets[now/Step]
	b.add(o)
	tally(t.byKind, kind, o)
	tally(t.byWay, way, o)
	if o != history.Done && o != history.ConditionFailed {
		return
	}
	b.Latencies.add(took)
	if write && o == history.Done {
		t.wrote(now)
	}
}

func tally(counts map[string]Counts, name string, o history.Outcome) {
	c := counts[name]
	c.add(o)
	counts[name] = c
}

// wrote ends a window without an acknowledged write. mu is held.
func (t *Timeline) wrote(now time.Duration) {
	g := Gap{t.lastWrite, now}
	t.lastWrite = max(now, t.lastWrite)
	if g.Length() > t.longest.Length() {
		t.longest = g
	}
	if g.Length() >= gapLeast && len(t.gaps) < gapsMax {
		t.gaps = append(t.gaps, g)
	}
}

// seal ends the timeline: what comes later does not count.
func (t *Timeline) seal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.sealed {
		t.wrote(t.Now())
		t.sealed = true
	}
}

// LastWrite is when a write was acknowledged last; 0: never.
func (t *Timeline) LastWrite() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastWrite
}

// Since sums up what ended in the last so many full buckets.
func (t *Timeline) Since(buckets int) (sum Bucket, over time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := min(len(t.buckets), int(t.Now()/Step))
	from := max(0, end-buckets)
	for i := from; i < end; i++ {
		sum.Merge(&t.buckets[i])
	}
	return sum, time.Duration(buckets) * Step
}

// Merge adds another bucket to this one.
func (b *Bucket) Merge(o *Bucket) {
	b.Done += o.Done
	b.ConditionFailed += o.ConditionFailed
	b.Refused += o.Refused
	b.Unknown += o.Unknown
	for i, n := range o.Latencies {
		b.Latencies[i] += n
	}
}

// Summary is a copy of all that a timeline holds.
type Summary struct {
	Buckets []Bucket
	ByKind  map[string]Counts
	ByWay   map[string]Counts
	Gaps    []Gap // of at least 250 ms
	Longest Gap
	Total   Bucket
}

// Summary copies it.
func (t *Timeline) Summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Summary{Buckets: append([]Bucket(nil), t.buckets...), ByKind: map[string]Counts{}, ByWay: map[string]Counts{}, Gaps: append([]Gap(nil), t.gaps...), Longest: t.longest}
	for k, v := range t.byKind {
		s.ByKind[k] = v
	}
	for k, v := range t.byWay {
		s.ByWay[k] = v
	}
	for i := range t.buckets {
		s.Total.Merge(&t.buckets[i])
	}
	return s
}
