// Package likelihood finds the moment at which a failure of a life became certain.
//
// Start with Estimate. It lives a plan again and again, the same until a moment T and with other random numbers from then on, and
// counts how often it still fails. While T lies before what went wrong, the failure is as rare as chance makes it; once T lies
// behind it, the failure can't be avoided any more. Where the share jumps the bug happened, often long before a check noticed.
package likelihood

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/lockstepdb/lockstep/sim"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// ErrPasses is returned for a plan whose life does not fail.
var ErrPasses = errors.New("likelihood: the plan does not fail")

// Lives has lives lived and yields their reports in order, as fleet.Pool.Stream does.
type Lives func(context.Context, iter.Seq[fleet.Life]) iter.Seq2[fleet.Report, error]

// Options of Estimate.
type Options struct {
	// Tries is how many courses are lived for each moment, from 1 on. The share is as fine as that.
	Tries int
	// Points is how many moments are tried, from 1 on, evenly over the life; Refine how many more between those that differ.
	Points, Refine int
	// Progress, if not nil, is called after each life: how many of how many at most.
	Progress func(lives, atMost int)
}

// Point says how often the life fails if chance begins anew at a moment.
type Point struct {
	At    int64 `json:"at"` // nanoseconds of simulated time
	Tries int   `json:"tries"`
	Fails int   `json:"fails"` // in the same way
}

// Share is Fails over Tries.
func (p Point) Share() float64 { return float64(p.Fails) / float64(max(1, p.Tries)) }

// Curve is what was found.
type Curve struct {
	// Report is of the life as the plan gives it.
	Report fleet.Report
	// End is when it failed: from there on the failure is certain.
	End int64
	// Points are in the order of their times. The last one is End, which needs no try.
	Points []Point
	// Interrupted says that ctx ended before all of it was done. Points hold what was finished.
	Interrupted bool
}

const (
	// jumpMin is the least rise between neighbours that chance does not explain with some twenty tries.
	jumpMin = 0.25
	// gapMin is between neighbours that are not told apart any further: one millisecond.
	gapMin = 1_000_000
	// grain is what moments are multiples of, so that they are read as they are: a tenth of a millisecond.
	grain = 100_000
	// jumpsMax is how many jumps are named: with more of them there is no moment.
	jumpsMax = 3
)

// Estimate lives the plan and finds the curve. The same plan and options give the same curve. The error is ErrPasses, or that of
// lives.
func Estimate(ctx context.Context, p *plan.Plan, lives Lives, o Options) (*Curve, error) {
	e := &estimate{ctx: ctx, plan: p, lives: lives, o: o, curve: &Curve{}}
	for r, err := range lives(ctx, slices.Values([]fleet.Life{{Seed: p.Seed, Plan: p}})) {
		if err != nil {
			return nil, err
		}
		e.curve.Report = r
	}
	c := e.curve
	if c.Report.Failure == nil {
		return c, ErrPasses
	}
	c.End = c.Report.Failure.At
	if c.End == 0 {
		c.End = c.Report.Simulated
	}
	c.Points = []Point{{At: c.End, Tries: o.Tries, Fails: o.Tries}}
	e.sample(evenly(c.End, o.Points))
	for range o.Refine {
		at, ok := c.widest()
		if !ok || e.err != nil || c.Interrupted {
			break
		}
		e.sample([]int64{at})
	}
	return c, e.err
}

// evenly returns moments from 0 on, all before end.
func evenly(end int64, points int) (all []int64) {
	for i := range int64(points) {
		at := round(end/int64(points)*i+end%int64(points)*i/int64(points), end/int64(points))
		if len(all) == 0 || at > all[len(all)-1] {
			all = append(all, at)
		}
	}
	return all
}

// round leaves off digits of a moment that nobody needs where the next one is so far away.
func round(at, gap int64) int64 {
	if gap < 2*grain {
		return at
	}
	return at / grain * grain
}

// estimate is an Estimate under way.
type estimate struct {
	ctx   context.Context
	plan  *plan.Plan
	lives Lives
	o     Options
	curve *Curve
	lived int
	err   error
}

// sample adds points.
func (e *estimate) sample(moments []int64) {
	lives := func(yield func(fleet.Life) bool) {
		for _, at := range moments {
			for try := range e.o.Tries {
				if !yield(fleet.Life{Seed: e.plan.Seed, Plan: e.plan, Reseed: sim.Reseed{At: at, Seed: uint64(try + 1)}}) {
					return
				}
			}
		}
	}
	point, way := Point{}, e.curve.Report.Way()
	for r, err := range e.lives(e.ctx, lives) {
		if e.ctx.Err() != nil {
			e.curve.Interrupted = true
			return
		}
		if err != nil {
			e.err = err
			return
		}
		point.Tries++
		if r.Way() == way {
			point.Fails++
		}
		if point.Tries == e.o.Tries {
			point.At, moments = moments[0], moments[1:]
			e.curve.add(point)
			point = Point{}
		}
		e.lived++
		if e.o.Progress != nil {
			e.o.Progress(e.lived, e.o.Tries*(e.o.Points+e.o.Refine))
		}
	}
}

// add puts a point in its place.
func (c *Curve) add(p Point) {
	i, _ := slices.BinarySearchFunc(c.Points, p.At, func(q Point, at int64) int {
		switch {
		case q.At < at:
			return -1
		case q.At > at:
			return 1
		}
		return 0
	})
	c.Points = slices.Insert(c.Points, i, p)
}

// widest returns the middle of the pair of neighbours that differ most, if it is worth a try.
func (c *Curve) widest() (at int64, ok bool) {
	rise := jumpMin
	for i := 1; i < len(c.Points); i++ {
		a, b := c.Points[i-1], c.Points[i]
		if d := b.Share() - a.Share(); d >= rise && b.At-a.At > gapMin && (d > rise || !ok) {
			rise, at, ok = d, round(a.At+(b.At-a.At)/2, b.At-a.At), true
		}
	}
	return at, ok
}

// Jump is where the failure becomes more likely.
type Jump struct {
	// From and To are the moments between which it happens, in nanoseconds.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Before and After are the shares of lives that fail with chance from From, and from To.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Jumps returns the largest rises, at most three, in the order of their times. There is none if chance could explain all of them, or if
// the plan alone decides.
func (c *Curve) Jumps() (all []Jump) {
	for i := 1; i < len(c.Points); i++ {
		if a, b := c.Points[i-1], c.Points[i]; b.Share()-a.Share() >= jumpMin {
			all = append(all, Jump{From: a.At, To: b.At, Before: a.Share(), After: b.Share()})
		}
	}
	slices.SortStableFunc(all, func(a, b Jump) int { return cmp.Compare(b.rise(), a.rise()) })
	all = all[:min(len(all), jumpsMax)]
	slices.SortFunc(all, func(a, b Jump) int { return cmp.Compare(a.From, b.From) })
	return all
}

func (j *Jump) rise() float64 { return j.After - j.Before }

// Jump returns the largest rise, the first one if there are several.
func (c *Curve) Jump() (largest Jump, ok bool) {
	for _, j := range c.Jumps() {
		if !ok || j.rise() > largest.rise() {
			largest, ok = j, true
		}
	}
	return largest, ok
}

func share(points []Point) float64 {
	sum := Point{}
	for _, p := range points {
		sum.Tries += p.Tries
		sum.Fails += p.Fails
	}
	return sum.Share()
}

// Sentence says in words what the curve shows.
func (c *Curve) Sentence() string {
	if jumps := c.Jumps(); len(jumps) > 0 {
		return sentence(jumps, c.End)
	}
	if share(c.Points) > 0.5 {
		return "the plan alone makes it fail: chance changes little, whenever it begins anew"
	}
	return "the failure is rare whenever chance begins anew, and becomes certain only when it shows"
}
