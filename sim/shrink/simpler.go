package shrink

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/lockstepdb/lockstep/sim/plan"
)

const (
	millisecond = plan.Duration(1e6)
	second      = plan.Duration(1e9)
)

// changed returns a copy of a plan with a change.
func changed(p *plan.Plan, change func(*plan.Plan)) *plan.Plan {
	p = copyOf(p)
	change(p)
	return p
}

// plain sets the options that play no part in most failures, each to what is drawn when nothing is to be provoked.
var plain = append([]func(*plan.Plan){
	func(p *plan.Plan) { p.Network.LossPPM = 0 },
	func(p *plan.Plan) { p.Network.DuplicatePPM = 0 },
	func(p *plan.Plan) { p.Network.ReorderPPM, p.Network.ReorderMax = 0, 0 },
	func(p *plan.Plan) { p.Network.LatencyMin, p.Network.LatencyMax = millisecond, millisecond },
	func(p *plan.Plan) { p.Disk.SyncMin, p.Disk.SyncMax = millisecond, millisecond },
	func(p *plan.Plan) { p.Clients.Pipeline = 1 },
	func(p *plan.Plan) { p.Node.HeartbeatTicks = 1 },
	func(p *plan.Plan) { p.Node.RequestTicks = 50 },
	func(p *plan.Plan) { p.Node.SnapshotEntries = 1000 },
	func(p *plan.Plan) { p.Node.TailEntries = 1000 },
	func(p *plan.Plan) { p.Node.SegmentBytes = 64 << 10 },
}, append(left[plan.Node](func(p *plan.Plan) any { return &p.Node }), left[plan.Clients](func(p *plan.Plan) any { return &p.Clients })...)...)

// busyOptions has the nodes do often what they otherwise do after many operations, so that fewer of these are needed to see it.
// plainOptions takes it back once that does not matter.
func (s *shrinker) busyOptions() {
	s.step = "busier nodes"
	busy := []func(*plan.Plan){
		func(p *plan.Plan) { p.Node.SnapshotEntries = 5 },
		func(p *plan.Plan) { p.Node.TailEntries = 1 },
		func(p *plan.Plan) { p.Node.SegmentBytes = 1 << 10 },
	}
	s.simplify(func(*plan.Plan) int { return len(busy) }, func(p *plan.Plan, i int) []*plan.Plan {
		return []*plan.Plan{changed(p, busy[i])}
	})
}

// left leaves the options of a part of the plan to their defaults: those that a file may leave out.
func left[Part any](part func(*plan.Plan) any) (all []func(*plan.Plan)) {
	t := reflect.TypeFor[Part]()
	for i := range t.NumField() {
		if strings.HasSuffix(t.Field(i).Tag.Get("yaml"), ",omitempty") {
			all = append(all, func(p *plan.Plan) { reflect.ValueOf(part(p)).Elem().Field(i).SetZero() })
		}
	}
	return all
}

// plainOptions sets the options to what is plain: all at once, or one after the other.
func (s *shrinker) plainOptions() {
	s.any(changed(s.best, func(p *plan.Plan) {
		for _, set := range plain {
			set(p)
		}
	}))
	s.simplify(func(*plan.Plan) int { return len(plain) }, func(p *plan.Plan, i int) []*plan.Plan {
		return []*plan.Plan{changed(p, plain[i])}
	})
}

// simplerFaults gives each fault a fixed target, a shorter time and smaller numbers.
func (s *shrinker) simplerFaults() {
	hits := s.hits()
	s.simplify(func(p *plan.Plan) int { return len(p.Faults) }, func(p *plan.Plan, i int) (all []*plan.Plan) {
		f := p.Faults[i]
		var simpler []plan.Fault
		if h, ok := hits[i]; ok && f.Node.Node() == 0 {
			simpler = append(simpler, h(f))
		}
		for _, f := range append(simpler, simplerThan(f)...) {
			all = append(all, changed(p, func(p *plan.Plan) { p.Faults[i] = f }))
		}
		return all
	})
}

// hits returns, by the place of each fault that found its target by a role, what aims it at the node that it hit.
func (s *shrinker) hits() map[int]func(plan.Fault) plan.Fault {
	aims := map[int]func(plan.Fault) plan.Fault{}
	byRole := false
	for _, f := range s.best.Faults {
		byRole = byRole || f.Node != "" && f.Node.Node() == 0
	}
	if !byRole || s.over() {
		return aims
	}
	r, err := s.live()
	if err != nil {
		return aims // if it was more than the end of ctx, the next try tells it
	}
	for _, h := range r.Hits {
		if h.Node > 0 {
			aims[h.Fault] = func(f plan.Fault) plan.Fault {
				f.Node, f.At = plan.Number(h.Node), plan.Duration(h.At)
				return f
			}
		}
	}
	return aims
}

// simplerThan returns what may stand in a fault's place, the simplest first.
func simplerThan(f plan.Fault) (all []plan.Fault) {
	with := func(change func(*plan.Fault)) {
		g := f
		change(&g)
		all = append(all, g)
	}
	switch f.Do {
	case plan.Storm:
		with(func(g *plan.Fault) { g.Do, g.Period = plan.Crash, 0 })
	case plan.Flap:
		with(func(g *plan.Fault) { g.Do, g.Period = plan.Isolate, 0 })
	case plan.Lose:
		with(func(g *plan.Fault) { g.PPM = 1_000_000 }) // nothing is left to chance
	}
	with(func(g *plan.Fault) { g.Stays = false })
	with(func(g *plan.Fault) { g.Beyond = false })
	for _, v := range lower(int64(f.For), 0) {
		with(func(g *plan.Fault) { g.For = whole(v) })
	}
	for _, v := range lower(int64(f.Latency), int64(millisecond)) {
		with(func(g *plan.Fault) { g.Latency = whole(v) })
	}
	for _, v := range lower(int64(f.Nth), 1) {
		with(func(g *plan.Fault) { g.Nth = int(v) })
	}
	if f.Do != plan.Lose || f.PPM < 1_000_000 {
		for _, v := range lower(int64(max(f.PPM, -f.PPM)), 1) {
			with(func(g *plan.Fault) { g.PPM = int(v) * sign(f.PPM) })
		}
	}
	return all
}

// lower returns smaller numbers down to least, the smallest first.
func lower(v, least int64) (all []int64) {
	if v <= least {
		return nil
	}
	for _, n := range []int64{least, v / 2, v - v/4} {
		if n >= least && n < v && (len(all) == 0 || n > all[len(all)-1]) {
			all = append(all, n)
		}
	}
	return all
}

// whole cuts a time to whole milliseconds if it has some.
func whole(v int64) plan.Duration {
	d := plan.Duration(v)
	if d > millisecond {
		d = d / millisecond * millisecond
	}
	return d
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// simplerOperations has all operations use one key, without conditions, and numbers them anew.
func (s *shrinker) simplerOperations() {
	s.any(changed(s.best, func(p *plan.Plan) {
		for i := range p.Operations {
			p.Operations[i] = bare(oneKey(p.Operations[i]))
		}
	}))
	s.simplify(func(p *plan.Plan) int { return len(p.Operations) }, func(p *plan.Plan, i int) (all []*plan.Plan) {
		for _, o := range []plan.Operation{oneKey(p.Operations[i]), bare(p.Operations[i])} {
			all = append(all, changed(p, func(p *plan.Plan) { p.Operations[i] = o }))
		}
		return all
	})
	s.any(changed(s.best, func(p *plan.Plan) {
		for i := range p.Operations {
			p.Operations[i].Number = i + 1
		}
	}), changed(s.best, fewestKeys))
}

func oneKey(o plan.Operation) plan.Operation {
	if o.Key != "" {
		o.Key = "k1"
	}
	return o
}

// bare is the operation without its condition, asked of whom the client likes.
func bare(o plan.Operation) plan.Operation {
	switch o.Do {
	case plan.Swap, plan.PutAbsent, plan.PutPresent:
		o.Do = plan.Put
	case plan.DeleteSwap:
		o.Do = plan.Delete
	case plan.GetFollower, plan.GetStale:
		o.Do, o.Node = plan.Get, 0
	}
	return o
}

// fewestKeys names the keys in the order of their first use.
func fewestKeys(p *plan.Plan) {
	names := map[string]string{}
	for i := range p.Operations {
		key := p.Operations[i].Key
		if key == "" {
			continue
		}
		if names[key] == "" {
			names[key] = fmt.Sprintf("k%d", len(names)+1)
		}
		p.Operations[i].Key = names[key]
	}
}
