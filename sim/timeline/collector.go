package timeline

import (
	"cmp"
	"slices"

	"github.com/lockstepdb/lockstep/sim/trace"
)

// EventsMax is how many events a Collector keeps. Few lives have a quarter of them.
const EventsMax = 400_000

// Collector copies the events of a life. It keeps the last EventsMax of them, since a failure is the last thing that happens,
// and of those before what still held then: where each node stood, which faults lasted, which calls were open. The zero value is
// ready.
type Collector struct {
	ring    []trace.Event // the oldest is at next once it is full
	next    int
	seen    uint64
	most    int // 0: EventsMax
	holding map[held]numbered
}

// held is what an event holds of: the newest one replaces those before.
type held struct {
	what   trace.Kind // the first of the kinds that replace each other
	number uint64     // of a node, a fault or an operation
}

// numbered is an event with its place in the life.
type numbered struct {
	place uint64
	event trace.Event
}

// Add copies an event.
func (c *Collector) Add(e *trace.Event) {
	c.seen++
	if len(c.ring) < c.bound() {
		c.ring = append(c.ring, *e)
		return
	}
	c.drop(&c.ring[c.next])
	c.ring[c.next] = *e
	c.next = (c.next + 1) % len(c.ring)
}

func (c *Collector) bound() int {
	if c.most == 0 {
		return EventsMax
	}
	return c.most
}

// drop keeps of an event what may still hold.
func (c *Collector) drop(e *trace.Event) {
	if c.holding == nil {
		c.holding = map[held]numbered{}
	}
	place := c.seen - uint64(len(c.ring)) - 1
	switch e.Kind {
	case trace.Start, trace.Crash, trace.Exit:
		// A role and a place in the log end with the life of the process, but what was last known of them is worth showing.
		c.holding[held{trace.Start, e.Node}] = numbered{place, *e}
	case trace.Role, trace.State, trace.Apply:
		c.holding[held{e.Kind, e.Node}] = numbered{place, *e}
	case trace.Fault:
		c.holding[held{trace.Fault, e.Number("number")}] = numbered{place, *e}
	case trace.Heal:
		delete(c.holding, held{trace.Fault, e.Number("number")})
	case trace.Invoke:
		c.holding[held{trace.Invoke, e.Number("operation")}] = numbered{place, *e}
	case trace.Return:
		delete(c.holding, held{trace.Invoke, e.Number("operation")})
	}
}

// Missing returns how many events were left out.
func (c *Collector) Missing() uint64 { return c.seen - uint64(len(c.ring)+len(c.holding)) }

// Events returns what was kept, in the order in which it happened. The slice is the caller's.
func (c *Collector) Events() []trace.Event {
	before := make([]numbered, 0, len(c.holding))
	for _, n := range c.holding {
		before = append(before, n)
	}
	slices.SortFunc(before, func(a, b numbered) int { return cmp.Compare(a.place, b.place) })
	all := make([]trace.Event, 0, len(before)+len(c.ring))
	for _, n := range before {
		all = append(all, n.event)
	}
	return append(append(all, c.ring[c.next:]...), c.ring[:c.next]...)
}
