// Package shrink makes the plan of a life that fails smaller, as long as it still fails in the same way.
//
// Start with Shrink. It takes away faults, operations, clients and nodes by delta debugging (Zeller and Hildebrandt,
// "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002), makes what is left simpler, and begins anew until nothing
// more can be done: then no single fault, operation, client or node can be taken away.
//
// Candidates are lived several at once, but the first one in order that fails is taken, so the result does not depend on how
// many processes there are. Only a bound in time can make it differ.
package shrink

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// ErrPasses is returned for a plan whose life does not fail: there is nothing to shrink.
var ErrPasses = errors.New("shrink: the plan does not fail")

// Lives has lives lived and yields their reports in order, as fleet.Pool.Stream does.
type Lives func(context.Context, iter.Seq[fleet.Life]) iter.Seq2[fleet.Report, error]

// Options of Shrink.
type Options struct {
	// Tries bounds the candidates that are judged; 0: no bound.
	Tries int
	// Seeds is how many other seeds a candidate is lived under that passes under its own, once nothing else helps: taking
	// something away shifts what the rest meets. 0: none.
	Seeds int
	// Progress, if not nil, is called after each candidate.
	Progress func(Progress)
}

// Progress says how far it is.
type Progress struct {
	Plan  *plan.Plan // the smallest so far; not to be changed
	Tries int
	Step  string // what is being tried
}

// Result is what came of it.
type Result struct {
	Plan   *plan.Plan
	Report fleet.Report // of its life
	First  fleet.Report // of the life of the plan that was given
	Tries  int
	// Minimal says that nothing more can be taken away. Otherwise a bound ended it before.
	Minimal bool
}

// Shrink returns the smallest plan it finds. When ctx ends it returns the smallest so far. The error is ErrPasses, or that of
// lives.
func Shrink(ctx context.Context, p *plan.Plan, lives Lives, o Options) (Result, error) {
	s := &shrinker{ctx: ctx, lives: lives, o: o, best: copyOf(p), tried: map[uint64]bool{}}
	s.key = keyOf(p)
	first, err := s.live()
	if err != nil {
		return Result{}, err
	}
	if first.Failure == nil {
		return Result{Plan: p, Report: first, First: first}, ErrPasses
	}
	s.way, s.report = first.Way(), first
	s.busyOptions()
	for s.round(0) || s.o.Seeds > 0 && s.round(s.o.Seeds) {
	}
	return Result{Plan: s.best, Report: s.report, First: first, Tries: s.tries, Minimal: !s.over()}, s.err
}

// shrinker is a Shrink under way.
type shrinker struct {
	ctx   context.Context
	lives Lives
	o     Options
	way   fleet.Way

	best   *plan.Plan
	key    uint64       // of best
	report fleet.Report // of best
	step   string
	seeds  int // other seeds for each candidate
	tries  int
	tried  map[uint64]bool // plans that do not fail, by key
	err    error
}

// live lives the smallest plan so far once more, to learn what its faults hit.
func (s *shrinker) live() (r fleet.Report, err error) {
	one := func(yield func(fleet.Life) bool) { yield(fleet.Life{Seed: s.best.Seed, Plan: s.best, Hits: true}) }
	for r, err = range s.lives(s.ctx, one) {
		break
	}
	return r, err
}

// over says that a bound is reached.
func (s *shrinker) over() bool {
	return s.err != nil || s.ctx.Err() != nil || s.o.Tries > 0 && s.tries >= s.o.Tries
}

// steps are what a round tries, the most rewarding first. Those that only make things simpler are not worth other seeds.
var steps = []struct {
	name   string
	coarse bool
	try    func(*shrinker)
}{
	{"what comes after the failure", false, (*shrinker).cutOff},
	{"faults", true, (*shrinker).fewerFaults},
	{"faults that hardly last", true, (*shrinker).fewerSlightFaults},
	{"operations", true, (*shrinker).fewerOperations},
	{"clients", true, (*shrinker).fewerClients},
	{"nodes", true, (*shrinker).fewerNodes},
	{"options", true, (*shrinker).plainOptions},
	{"simpler faults", false, (*shrinker).simplerFaults},
	{"simpler operations", false, (*shrinker).simplerOperations},
	{"shorter times", false, (*shrinker).shorterTimes},
	{"rounder times", false, (*shrinker).rounderTimes},
}

// round makes every step once and says whether anything became smaller.
func (s *shrinker) round(seeds int) bool {
	before := s.best
	s.seeds = seeds
	for _, step := range steps {
		if s.over() || seeds > 0 && !step.coarse {
			continue
		}
		s.step = step.name
		step.try(s)
	}
	return s.best != before && !s.over()
}

// first takes the first candidate that still fails for the smallest plan so far, and returns its place among the candidates; -1
// if none does. Candidates that are not valid are passed over.
func (s *shrinker) first(candidates iter.Seq[*plan.Plan]) int {
	if s.over() {
		return -1
	}
	var ahead []candidate
	lives := func(yield func(fleet.Life) bool) {
		for c := range s.worthwhile(candidates) {
			if s.o.Tries > 0 && s.tries+len(ahead) >= s.o.Tries {
				return
			}
			ahead = append(ahead, c)
			if !yield(fleet.Life{Seed: c.plan.Seed, Plan: c.plan}) {
				return
			}
		}
	}
	for r, err := range s.lives(s.ctx, lives) {
		if err != nil {
			if s.ctx.Err() == nil {
				s.err = err
			}
			return -1
		}
		c := ahead[0]
		ahead = ahead[1:]
		s.tries++
		if s.judge(c, r) {
			return c.place
		}
	}
	return -1
}

// judge takes a candidate if it still fails.
func (s *shrinker) judge(c candidate, r fleet.Report) bool {
	fails := r.Way() == s.way
	if fails {
		s.best, s.key, s.report = c.plan, c.key, r
	} else {
		s.tried[c.key] = true
	}
	if s.o.Progress != nil {
		s.o.Progress(Progress{Plan: s.best, Tries: s.tries, Step: s.step})
	}
	return fails
}

// candidate is a plan that may still fail.
type candidate struct {
	plan  *plan.Plan
	key   uint64
	place int
}

// worthwhile leaves out what is not valid, or what is or was tried already, and repeats the rest under other seeds if that is asked
// for.
func (s *shrinker) worthwhile(plans iter.Seq[*plan.Plan]) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		given := map[uint64]bool{}
		place := -1
		for p := range plans {
			place++
			if p == nil || p.Validate() != nil || keyOf(p) == s.key {
				continue
			}
			for _, c := range s.underSeeds(p) {
				key := keyOf(c)
				if given[key] || s.tried[key] {
					continue
				}
				given[key] = true
				if !yield(candidate{c, key, place}) {
					return
				}
			}
		}
	}
}

// underSeeds returns a plan, and the same under as many other seeds as are wanted.
func (s *shrinker) underSeeds(p *plan.Plan) []*plan.Plan {
	all := []*plan.Plan{p}
	for seed := range s.seeds {
		all = append(all, changed(p, func(p *plan.Plan) { p.Seed = uint64(seed + 1) })) // small numbers read well
	}
	return all
}

// keyOf tells one plan from another.
func keyOf(p *plan.Plan) uint64 {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // a plan is nothing but numbers and texts
	}
	return xxhash.Sum64(text)
}

// any takes the first of the plans that still fails.
func (s *shrinker) any(plans ...*plan.Plan) {
	s.first(slices.Values(plans))
}

// simplify makes each of several things simpler, as long as one of the plans that simpler gives for it still fails.
func (s *shrinker) simplify(count func(*plan.Plan) int, simpler func(p *plan.Plan, i int) []*plan.Plan) {
	for at := 0; at < count(s.best); {
		from := s.best
		var of []int // which thing each candidate is about
		place := s.first(func(yield func(*plan.Plan) bool) {
			for i := at; i < count(from); i++ {
				for _, c := range simpler(from, i) {
					of = append(of, i)
					if !yield(c) {
						return
					}
				}
			}
		})
		if place < 0 {
			return
		}
		at = of[place]
	}
}
