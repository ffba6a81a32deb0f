package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// claim is a revision that somebody met and that no write with a result has: a write of unknown outcome has it.
type claim struct {
	revision uint64
	value    history.Value
	known    bool  // the value is
	before   int64 // it was written by then
}

// resolve gives claims to the writes that may have made them. Claims whose value is known come first: they leave less choice.
func (p *Prepared) resolve(initial history.Value) {
	claims, w := p.claims(), p.unknown()
	w.untold = p.untold(initial)
	for _, known := range []bool{true, false} {
		for _, c := range claims {
			if c.known == known {
				p.give(c, w, initial)
			}
		}
	}
}

// claims returns them by revision.
func (p *Prepared) claims() []claim {
	written := map[uint64]bool{}
	for _, o := range p.Ops {
		if o.Kind != history.Delete {
			written[o.Wrote] = true // 0 is nobody's
		}
	}
	at := map[uint64]int{}
	var claims []claim
	for _, o := range p.Ops {
		c, ok := o.claims()
		if !ok || written[c.revision] {
			continue
		}
		i, found := at[c.revision]
		if !found {
			at[c.revision] = len(claims)
			claims = append(claims, c)
			continue
		}
		claims[i].before = min(claims[i].before, c.before)
		if c.known {
			claims[i].value, claims[i].known = c.value, true
		}
	}
	slices.SortFunc(claims, func(a, b claim) int { return cmp.Compare(a.revision, b.revision) })
	return claims
}

// claims returns what a result tells of the write that it met.
func (o Op) claims() (claim, bool) {
	c := claim{revision: o.KeyRevision, value: o.Observed, before: o.Return}
	switch {
	case o.Outcome == history.Unknown:
		return c, false
	case o.Kind == history.Get:
		c.known = o.Observed.Present
	case o.Outcome == history.ConditionFailed:
		c.known = o.HasObserved && o.Observed.Present
	case o.Condition.Kind == history.RevisionEquals:
		c.revision = o.Condition.Revision
	}
	return c, c.revision != 0
}

// unknown holds the writes whose revision no result of theirs tells, as indices into Ops.
type unknown struct {
	puts, appends []int
	byValue       map[string][]int
	asked         map[uint64]bool // revisions that conditions ask for
	untold        int64           // from when on a value may be there whose write is done and tells no revision; Forever: never
}

func (p *Prepared) unknown() unknown {
	w := unknown{byValue: map[string][]int{}, asked: map[uint64]bool{}}
	for i, o := range p.Ops {
		if o.Condition.Kind == history.RevisionEquals {
			w.asked[o.Condition.Revision] = true
		}
		switch {
		case o.Outcome != history.Unknown:
		case o.Kind == history.Append:
			w.appends = append(w.appends, i)
		case o.Kind == history.Put:
			w.puts = append(w.puts, i)
			w.byValue[o.Value.Data] = append(w.byValue[o.Value.Data], i)
		}
	}
	return w
}

// give finds the write of a claim. What an append came to, and which revision the initial value has, is not known.
func (p *Prepared) give(c claim, w unknown, initial history.Value) {
	choice := w.untold <= c.before || len(w.appends) > 0 && p.Ops[w.appends[0]].Invoke <= c.before
	candidates := w.puts
	if c.known {
		candidates = w.byValue[c.value.Data]
	}
	// The last to be invoked by then is the likeliest: they are in the order of their invocations.
	writer := -1
	end := sort.Search(len(candidates), func(n int) bool { return p.Ops[candidates[n]].Invoke > c.before })
	for n := end - 1; n >= 0 && !(choice && writer >= 0); n-- {
		switch {
		case p.Ops[candidates[n]].Wrote != 0:
		case writer >= 0:
			choice = true
		default:
			writer = candidates[n]
		}
	}
	if choice && !w.asked[c.revision] {
		return // a value whose revision is not told fits whoever met it
	}
	if writer >= 0 {
		p.Ops[writer].Wrote = c.revision
	}
	if choice && p.Guess == "" {
		p.Guess = guess(c.revision)
	}
}

func guess(revision uint64) string {
	return fmt.Sprintf("several writes may have written revision %d: have all results tell revisions, and reads and failed conditions the value that they met", revision)
}

// untold returns since when a value may be there of which no result tells the revision, unknown outcomes apart.
func (p *Prepared) untold(initial history.Value) int64 {
	if initial.Present {
		return math.MinInt64
	}
	since := history.Forever
	for _, o := range p.Ops {
		if o.Outcome == history.Done && o.Wrote == 0 && (o.Kind == history.Put || o.Kind == history.Append) {
			since = min(since, o.Invoke)
		}
	}
	return since
}

// doubt finds a condition on a revision that no write is known to have, though one of those that tell none may: the model
// takes such a condition as not met (see holds).
func (p *Prepared) doubt(initial history.Value) {
	told := map[uint64]bool{0: true}
	for _, o := range p.Ops {
		if o.Kind != history.Delete {
			told[o.Wrote] = true
		}
	}
	since := p.untold(initial)
	for _, o := range p.Ops {
		if o.Outcome == history.Unknown && o.Wrote == 0 && (o.Kind == history.Put || o.Kind == history.Append) {
			since = min(since, o.Invoke)
		}
	}
	for _, o := range p.Ops {
		if o.Condition.Kind == history.RevisionEquals && !told[o.Condition.Revision] && since <= o.Return && p.Guess == "" {
			p.Guess = guess(o.Condition.Revision)
		}
	}
}
