package shrink

import (
	"slices"
	"sort"

	"github.com/lockstepdb/lockstep/sim/plan"
)

// cutOff takes away what comes after the failure.
func (s *shrinker) cutOff() {
	at := plan.Duration(s.report.Failure.At)
	if at == 0 {
		return // when is not known
	}
	events := changed(s.best, func(p *plan.Plan) {
		p.Operations = slices.DeleteFunc(p.Operations, func(o plan.Operation) bool { return o.At > at })
		p.Faults = slices.DeleteFunc(p.Faults, func(f plan.Fault) bool { return f.At > at })
	})
	end := (at/millisecond + 1) * millisecond
	all := changed(events, func(p *plan.Plan) { p.Safety = min(p.Safety, end) })
	s.any(all, events)
}

const (
	// gapMin is what is left between two things that need not be apart.
	gapMin = 100 * millisecond
	// livenessMin is what the cluster is given at least to come to rest.
	livenessMin = second
	// singlyMax bounds how many times are changed one by one: more of them are not read by anybody anyway.
	singlyMax = 100
)

// shorterTimes shortens both phases and the lulls.
func (s *shrinker) shorterTimes() {
	s.simplify(func(*plan.Plan) int { return 2 }, func(p *plan.Plan, i int) (all []*plan.Plan) {
		switch {
		case i == 0:
			for _, v := range lower(int64(p.Safety), 0) {
				all = append(all, changed(p, func(p *plan.Plan) { p.Safety = whole(v) }))
			}
		case s.way.Kind != "liveness": // that the cluster has no time to come to rest proves nothing
			for _, v := range lower(int64(p.Liveness), int64(livenessMin)) {
				all = append(all, changed(p, func(p *plan.Plan) { p.Liveness = whole(v) }))
			}
		}
		return all
	})
	s.any(changed(s.best, func(p *plan.Plan) {
		for i := range moments(p) {
			closeGap(p, i, gapMin)
		}
	}))
	count := func(p *plan.Plan) int { return min(len(moments(p)), singlyMax) }
	s.simplify(count, func(p *plan.Plan, i int) (all []*plan.Plan) {
		gap := gapBefore(moments(p), i)
		if gap <= gapMin {
			return nil
		}
		for _, v := range []plan.Duration{gapMin, whole(int64(gap / 2)), whole(int64(gap - gap/4))} {
			if v >= gapMin && v < gap {
				all = append(all, changed(p, func(p *plan.Plan) { closeGap(p, i, v) }))
			}
		}
		return all
	})
}

// moments are the times at which something happens in a plan, in order.
func moments(p *plan.Plan) []plan.Duration {
	var all []plan.Duration
	for _, o := range p.Operations {
		all = append(all, o.At)
	}
	for _, f := range p.Faults {
		all = append(all, f.At)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// gapBefore is the time between a moment and the one before it.
func gapBefore(all []plan.Duration, i int) plan.Duration {
	if i == 0 {
		return all[0]
	}
	return all[i] - all[i-1]
}

// closeGap leaves a gap before a moment, if there is more, by moving everything from there on.
func closeGap(p *plan.Plan, i int, gap plan.Duration) {
	all := moments(p)
	if i >= len(all) || gapBefore(all, i) <= gap {
		return
	}
	from, by := all[i], gapBefore(all, i)-gap
	move := func(at *plan.Duration) {
		if *at >= from {
			*at -= by
		}
	}
	for i := range p.Operations {
		move(&p.Operations[i].At)
	}
	for i := range p.Faults {
		move(&p.Faults[i].At)
	}
	move(&p.Safety)
}

// rounderTimes leaves off digits that do not matter, and sorts what happens by its time.
func (s *shrinker) rounderTimes() {
	for _, unit := range []plan.Duration{second, second / 10, second / 100, millisecond} {
		before := s.best
		s.any(changed(s.best, func(p *plan.Plan) {
			for i := range p.Operations {
				round(&p.Operations[i].At, unit)
			}
			for i := range p.Faults {
				round(&p.Faults[i].At, unit)
				round(&p.Faults[i].For, unit)
			}
		}))
		if s.best != before {
			break
		}
	}
	count := func(p *plan.Plan) int { return min(len(p.Operations)+len(p.Faults), singlyMax) }
	s.simplify(count, func(p *plan.Plan, i int) (all []*plan.Plan) {
		for _, unit := range []plan.Duration{second, second / 10, second / 100, millisecond} {
			all = append(all, changed(p, func(p *plan.Plan) {
				if i < len(p.Faults) {
					round(&p.Faults[i].At, unit)
				} else {
					round(&p.Operations[i-len(p.Faults)].At, unit)
				}
			}))
		}
		return all
	})
	s.any(changed(s.best, func(p *plan.Plan) {
		sort.SliceStable(p.Faults, func(i, j int) bool { return p.Faults[i].At < p.Faults[j].At })
		sort.SliceStable(p.Operations, func(i, j int) bool { return p.Operations[i].At < p.Operations[j].At })
	}))
}

func round(at *plan.Duration, unit plan.Duration) { *at = *at / unit * unit }
