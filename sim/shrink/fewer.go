package shrink

import (
	"slices"

	"github.com/lockstepdb/lockstep/sim/plan"
)

// list is something of which a plan has several.
type list struct {
	count func(*plan.Plan) int
	// without returns a plan without items [from, to); nil if there can't be one.
	without func(p *plan.Plan, from, to int) *plan.Plan
}

// fewer takes items away, in blocks that begin with all of them and end with single ones, until no single one can go. It is ddmin,
// but for the tests of blocks alone: what is left of those is found by taking away the others.
func (s *shrinker) fewer(l list) {
	for size := l.count(s.best); size > 0 && !s.over(); {
		gone := s.sweep(l, size)
		if size == 1 && !gone {
			return
		}
		size = min((size+1)/2, l.count(s.best))
	}
}

// sweep tries to take away each block of a size once.
func (s *shrinker) sweep(l list, size int) (gone bool) {
	for at := 0; at < l.count(s.best); {
		from := s.best
		place := s.first(func(yield func(*plan.Plan) bool) {
			for i := at; i < l.count(from); i += size {
				if !yield(l.without(from, i, min(i+size, l.count(from)))) {
					return
				}
			}
		})
		if place < 0 {
			break
		}
		gone = true
		at += place * size // what followed the block stands in its place now
	}
	return gone
}

func (s *shrinker) fewerFaults() {
	s.fewer(list{
		count: func(p *plan.Plan) int { return len(p.Faults) },
		without: func(p *plan.Plan, from, to int) *plan.Plan {
			p = copyOf(p)
			p.Faults = slices.Delete(p.Faults, from, to)
			return p
		},
	})
}

const (
	// slight is the length below which a fault that lasts does next to nothing but shift what the rest meets.
	slight = millisecond
	// slightSeeds is how many times more seeds are worth it to be rid of one.
	slightSeeds = 8
)

// fewerSlightFaults takes away the faults that were made so short that hardly more than their place in the streams of random numbers is
// left of them. Another seed may give the rest the same course without them.
func (s *shrinker) fewerSlightFaults() {
	if s.seeds == 0 {
		return
	}
	seeds := s.seeds
	s.seeds *= slightSeeds
	defer func() { s.seeds = seeds }()
	s.simplify(func(p *plan.Plan) int { return len(p.Faults) }, func(p *plan.Plan, i int) []*plan.Plan {
		if p.Faults[i].For >= slight {
			return nil
		}
		return []*plan.Plan{changed(p, func(p *plan.Plan) { p.Faults = slices.Delete(p.Faults, i, i+1) })}
	})
}

func (s *shrinker) fewerOperations() {
	s.fewer(list{
		count: func(p *plan.Plan) int { return len(p.Operations) },
		without: func(p *plan.Plan, from, to int) *plan.Plan {
			p = copyOf(p)
			p.Operations = slices.Delete(p.Operations, from, to)
			return p
		},
	})
}

// fewerClients takes away clients with what they do, and then has one do what another did.
func (s *shrinker) fewerClients() {
	s.fewer(list{
		count: func(p *plan.Plan) int { return p.Clients.Count },
		without: func(p *plan.Plan, from, to int) *plan.Plan {
			for c := to; c > from; c-- {
				p = withoutClient(p, c, 0)
			}
			return p
		},
	})
	s.fewer(list{
		count: func(p *plan.Plan) int { return p.Clients.Count - 1 },
		without: func(p *plan.Plan, from, to int) *plan.Plan {
			for c := to + 1; c > from+1; c-- {
				p = withoutClient(p, c, c-1)
			}
			return p
		},
	})
}

// withoutClient takes a client away; another one takes over what it does, or nobody does if that is 0.
func withoutClient(p *plan.Plan, client, other int) *plan.Plan {
	p = copyOf(p)
	number := func(c int) int {
		if c == client {
			c = other
		}
		if c > client {
			c--
		}
		return c
	}
	for i := range p.Operations {
		p.Operations[i].Client = number(p.Operations[i].Client)
	}
	p.Operations = slices.DeleteFunc(p.Operations, func(o plan.Operation) bool { return o.Client == 0 })
	for i := range p.Faults {
		if p.Faults[i].Do == plan.ClientDies {
			p.Faults[i].Client = number(p.Faults[i].Client)
		}
	}
	p.Faults = slices.DeleteFunc(p.Faults, func(f plan.Fault) bool { return f.Do == plan.ClientDies && f.Client == 0 })
	p.Clients.Count--
	return p
}

// fewerNodes takes away nodes with what is done to them, spares first, and then has one suffer what another did.
func (s *shrinker) fewerNodes() {
	without := func(other int) func(p *plan.Plan, from, to int) *plan.Plan {
		return func(p *plan.Plan, from, to int) *plan.Plan {
			all := p.Nodes + p.Spares
			for i := from; i < to; i++ {
				p = withoutNode(p, all-i, (all-i-1)*other)
			}
			return p
		}
	}
	s.fewer(list{count: func(p *plan.Plan) int { return p.Nodes + p.Spares }, without: without(0)})
	s.fewer(list{count: func(p *plan.Plan) int { return p.Nodes + p.Spares - 1 }, without: without(1)})
}

// withoutNode takes a node away; those behind it move up. What is done to it is done to another one, before it, or to nobody if
// that is 0.
func withoutNode(p *plan.Plan, node, other int) *plan.Plan {
	p = copyOf(p)
	if node <= p.Nodes {
		p.Nodes--
	} else {
		p.Spares--
	}
	const gone = -1
	number := func(n int) int {
		switch {
		case n == node && other == 0:
			return gone
		case n == node:
			return other
		case n > node:
			return n - 1
		}
		return n
	}
	target := func(t plan.Target) plan.Target {
		if n := t.Node(); n > 0 {
			return plan.Number(number(n))
		}
		return t
	}
	for i := range p.Operations {
		p.Operations[i].Node = number(p.Operations[i].Node)
	}
	p.Operations = slices.DeleteFunc(p.Operations, func(o plan.Operation) bool { return o.Node == gone })
	for i := range p.Faults {
		f := &p.Faults[i]
		f.Node, f.Peer = target(f.Node), target(f.Peer)
		for g := range f.Groups {
			f.Groups[g] = slices.DeleteFunc(f.Groups[g], func(n int) bool { return n == node })
			for j := range f.Groups[g] {
				f.Groups[g][j] = number(f.Groups[g][j])
			}
		}
	}
	p.Faults = slices.DeleteFunc(p.Faults, func(f plan.Fault) bool { return f.Node == plan.Number(gone) || f.Peer == plan.Number(gone) })
	return p
}

// copyOf returns a plan that shares nothing with p.
func copyOf(p *plan.Plan) *plan.Plan {
	c := *p
	c.Operations, c.Faults = slices.Clone(p.Operations), slices.Clone(p.Faults)
	for i := range c.Faults {
		c.Faults[i].Groups = slices.Clone(c.Faults[i].Groups)
		for g := range c.Faults[i].Groups {
			c.Faults[i].Groups[g] = slices.Clone(c.Faults[i].Groups[g])
		}
	}
	return &c
}
