package run

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lockstepdb/lockstep/chaos/workload"
)

// Kind sums up the faults of one kind.
type Kind struct {
	Kind     string        `json:"kind"`
	Injected int           `json:"injected"`
	NotRun   int           `json:"not_run"`
	Why      string        `json:"why,omitempty"` // those were not run
	Judged   int           `json:"judged"`        // of how many it is known how long the recovery took
	Worst    time.Duration `json:"worst_recovery_ns"`
}

// Kinds sums up the faults, the most frequent kind first.
func (r *Result) Kinds() []Kind {
	byKind := map[string]*Kind{}
	for _, i := range r.Faults {
		k := byKind[string(i.Fault.Do)]
		if k == nil {
			k = &Kind{Kind: string(i.Fault.Do)}
			byKind[k.Kind] = k
		}
		if i.NotRun != "" {
			k.NotRun, k.Why = k.NotRun+1, i.NotRun
			continue
		}
		k.Injected++
		if i.Judged {
			k.Judged, k.Worst = k.Judged+1, max(k.Worst, i.Recovery)
		}
	}
	all := []Kind{}
	for _, name := range slices.Sorted(maps.Keys(byKind)) {
		all = append(all, *byKind[name])
	}
	slices.SortStableFunc(all, func(a, b Kind) int { return cmp.Compare(b.Injected, a.Injected) })
	return all
}

// WorstRecovery is the longest one of which it is known how long it took.
func (r *Result) WorstRecovery() time.Duration {
	worst := time.Duration(0)
	for _, i := range r.Faults {
		if i.Judged {
			worst = max(worst, i.Recovery)
		}
	}
	return worst
}

// calmAfter is how long after a fault the time does not count as calm where it is not known when the cluster had recovered.
const calmAfter = time.Second

// Calm is how many operations were acknowledged in a second while no fault lasted and the cluster had recovered.
func (r *Result) Calm() float64 {
	done, steps := 0, 0
	for k, b := range r.Load.Buckets {
		from := time.Duration(k) * workload.Step
		// The first bucket is the start of the clients, the last one is not full.
		if k == 0 || from+workload.Step > r.Length || r.troubled(from, from+workload.Step) {
			continue
		}
		done, steps = done+b.Acknowledged(), steps+1
	}
	if steps == 0 {
		return 0
	}
	return float64(done) / (float64(steps) * workload.Step.Seconds())
}

func (r *Result) troubled(from, to time.Duration) bool {
	for _, i := range r.Faults {
		end := i.To + calmAfter
		if i.Judged {
			end = i.To + max(i.Recovery, workload.Step)
		}
		if i.NotRun == "" && r.FaultsAt+i.From < to && from < r.FaultsAt+end {
			return true
		}
	}
	return false
}
