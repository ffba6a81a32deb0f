package sim

import (
	"context"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// endSafety is the task that ends the faults: the cluster is healed and has to come to rest.
func endSafety(w *World, _ *task) {
	w.ended = true
	w.emit(trace.Event{Kind: trace.Heal, What: "everything", Text: "the safety phase is over"})
	w.faults.endAll()
	for _, c := range w.clients {
		c.waiting = nil // what did not find room until now would ask nodes that have left, one deadline after the other
	}
	for _, p := range w.processes {
		if !p.up {
			w.later(p.local.Between(0, 100_000_000), start, p.number, p.life, nil)
		}
	}
	w.later(int64(w.plan.Liveness), endLiveness, 0, 0, nil)
}

// endLiveness is the task at the end of the time in which all must come to rest.
func endLiveness(w *World, _ *task) {
	w.over = true
	switch {
	case w.settled():
	case !w.affords(nil):
		w.probe(probeNoQuorum)
	default:
		w.fail("liveness", "%s, %.1f s after all faults ended", w.stuck(), float64(w.plan.Liveness)/1e9)
	}
}

// settled says that every call is finished and all members hold the same state.
func (w *World) settled() bool { return w.stuck() == "" }

// stuck says what is not at rest yet.
func (w *World) stuck() string {
	if w.arrived < len(w.plan.Operations) {
		return "not every operation has begun"
	}
	for _, c := range w.clients {
		if c.open > 0 || len(c.waiting) > 0 {
			return "a client still waits for an answer"
		}
	}
	l := w.leader()
	if l == nil || l.away != "" {
		return "nobody leads"
	}
	s := l.node.Marks()
	if s.Applied != w.checks.replay.applied() {
		return "the leader has not applied everything that was ever committed"
	}
	for _, m := range l.members.Members {
		p := w.process(m.ID)
		if !p.has(&m) {
			continue
		}
		if !p.up {
			return "a member is down"
		}
		if p.node.Marks().Applied != s.Applied {
			return "a member lags behind"
		}
	}
	for _, p := range w.processes {
		if p.up && len(p.requests) > 0 {
			return "a node still holds a request, for which nobody waits any more"
		}
	}
	return ""
}

// result judges the history and sums up.
func (w *World) result() Result {
	w.history.h.Sort()
	if w.failure == nil && w.ended && w.settled() {
		w.checks.ending()
	}
	if w.failure == nil {
		w.judge()
	}
	return w.sum()
}

// sum sums up.
func (w *World) sum() Result {
	h := &w.history.h
	return Result{
		Failure: w.failure, TraceHash: w.tape.hash.Sum(), Events: w.events, Simulated: w.now, Operations: len(h.Operations),
		Outcomes: w.history.outcomes, Faults: w.faults.injected, Probes: w.reachedByName(), History: h, Steps: w.nodeSteps,
	}
}

// judge checks that the history is linearizable.
func (w *World) judge() {
	v := linearizability.Check(context.Background(), &w.history.h, linearizability.Options{Workers: 1})
	switch {
	case v.Verdict == verdict.Linearizable || v.Checked == 0:
	case v.Verdict == verdict.Undecided:
		// Conditions that failed tell the revision that they met, not the value: several lost writes may have it.
		w.probe(probeUndecided)
	case len(v.Contradictions) > 0:
		w.contradicted(&v.Contradictions[0])
	default:
		for _, k := range v.Keys {
			if k.Contradiction != nil {
				w.contradicted(k.Contradiction)
			}
		}
	}
}

// contradicted fails the life by a contradiction in its history.
func (w *World) contradicted(c *verdict.Contradiction) {
	if w.failure == nil {
		w.fail("linearizability", "%s", c.Sentence)
		w.failure.Contradiction = string(c.Kind)
	}
}
