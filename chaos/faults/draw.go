package faults

import (
	"slices"
	"sort"

	"github.com/lockstepdb/lockstep/sim/plan"
)

const (
	milli  = plan.Duration(1e6)
	second = plan.Duration(1e9)

	// warmUp is without faults, so that there is something to compare with; tail is left for the last fault to end.
	warmUp = 3 * second
	tail   = 3 * second
	// repair is what the replacement of a node takes, about.
	repair = 3 * second
)

// Shape is what a plan is drawn for.
type Shape struct {
	Seed    uint64
	Nodes   int
	For     plan.Duration
	Kinds   []plan.Kind // empty: no faults
	Clients int
}

// Draw makes a plan. The same shape gives the same plan. Faults follow each other with lulls between them; some come in pairs. Kinds are dealt from
// a shuffled deck, so that each of them is met before one is met twice.
func Draw(s Shape) *Plan {
	d := &draw{Stream: plan.NewStream(s.Seed, "chaos", uint64(s.Nodes)), s: s}
	p := &Plan{Version: plan.Version, Seed: s.Seed, Profile: Profile, Nodes: s.Nodes, Safety: s.For}
	p.Node.LeaseReads = d.Below(2) == 0
	if len(s.Kinds) == 0 {
		return p
	}
	lead := min(warmUp, s.For/6)
	end := s.For - min(tail, s.For/6)
	for at := lead; at < end; {
		f := d.fault(at, end, false)
		p.Faults = append(p.Faults, f)
		over := f.At + f.For
		if !alone(f.Do) && d.Below(4) == 0 && slices.ContainsFunc(s.Kinds, func(k plan.Kind) bool { return !alone(k) }) {
			g := d.fault(at+d.time(0, f.For), end, true)
			p.Faults = append(p.Faults, g)
			over = max(over, g.At+g.For)
		}
		if damages(f.Do) {
			over += repair
		}
		at = over + d.time(second, 5*second/2)
	}
	sort.SliceStable(p.Faults, func(i, j int) bool { return p.Faults[i].At < p.Faults[j].At })
	return p
}

// alone says that a kind is not paired: the remedy that follows it needs a cluster that works.
func alone(k plan.Kind) bool {
	return slices.Contains([]plan.Kind{Wipe, Rot, Rolling, plan.DiskError, plan.DiskFull, plan.DiskLow, plan.CrashAll}, k)
}

// damages says that a kind takes a node's data.
func damages(k plan.Kind) bool { return k == Wipe || k == Rot }

type draw struct {
	*plan.Stream
	s    Shape
	deck []plan.Kind
}

func one[T any](d *draw, of ...T) T { return of[d.Below(len(of))] }

func (d *draw) time(least, most plan.Duration) plan.Duration {
	return plan.Duration(d.Between(int64(least), int64(most))) / milli * milli
}

// deal returns the next kind; for a pair, the next that may be in one.
func (d *draw) deal(pair bool) plan.Kind {
	for {
		for i, k := range d.deck {
			if !pair || !alone(k) {
				d.deck = slices.Delete(d.deck, i, i+1)
				return k
			}
		}
		fresh := slices.Clone(d.s.Kinds)
		for i := len(fresh) - 1; i > 0; i-- {
			j := d.Below(i + 1)
			fresh[i], fresh[j] = fresh[j], fresh[i]
		}
		d.deck = append(d.deck, fresh...)
	}
}

// fault draws one that begins at a time and ends before end.
func (d *draw) fault(at, end plan.Duration, pair bool) Fault {
	f := Fault{Fault: plan.Fault{At: at, Do: d.deal(pair)}}
	f.For = d.time(500*milli, one(d, second, 3*second, 3*second, 6*second))
	d.parameters(&f)
	f.For = min(f.For, max(end-at, milli))
	return f
}

func (d *draw) parameters(f *Fault) {
	switch f.Do {
	case plan.Partition:
		f.Groups = d.groups()
	case plan.Ring, plan.CrashAll, Minority, Rolling:
	case plan.ClientDies:
		f.Client, f.For = 1+d.Below(d.s.Clients), 0
	default:
		f.Node = d.target()
	}
	switch f.Do {
	case plan.Partition, plan.Isolate, plan.OneWay, plan.Ring, plan.Flap, plan.ClientCut:
		f.How = one(d, "", "", Refuse)
	}
	switch f.Do {
	case plan.OneWay, plan.Clog:
		if d.Below(2) == 0 {
			f.Peer = plan.Number(1 + d.Below(d.s.Nodes))
		}
	case plan.Flap, Reset:
		f.Period = d.time(100*milli, 800*milli)
	case plan.Storm:
		f.Period = d.time(100*milli, 1500*milli)
	case plan.Slow, Jitter:
		f.Latency = d.time(5*milli, one(d, 50*milli, 300*milli))
	case SlowClose:
		f.Latency = d.time(second, 3*second)
	case Bandwidth:
		f.BytesPerSecond = one(d, 20_000, 100_000, 500_000)
	case Rot:
		f.Op = one(d, "log", "log", "snapshot")
	case plan.DiskError:
		f.Nth = 1
	}
}

func (d *draw) target() plan.Target {
	return one(d, plan.Leader, plan.Leader, plan.Leader, plan.Follower, plan.Any, plan.Number(1+d.Below(d.s.Nodes)))
}

// groups splits the nodes in two, neither of them empty.
func (d *draw) groups() [][]int {
	var a, b []int
	alone := 1 + d.Below(d.s.Nodes)
	for i := 1; i <= d.s.Nodes; i++ {
		if i == alone || i != alone%d.s.Nodes+1 && d.Below(2) == 0 {
			a = append(a, i)
		} else {
			b = append(b, i)
		}
	}
	return [][]int{a, b}
}
