package fleet

import (
	"maps"
	"slices"
	"time"

	"github.com/lockstepdb/lockstep/sim"
)

// Counts are the sums over the lives that were finished.
type Counts struct {
	Seeds      uint64
	Simulated  time.Duration
	Events     uint64
	Operations int
	Steps      int
	Injected   int // faults of all kinds
	Failures   int
	Twice      int // seeds that were lived twice, to compare
	// Slowest is the seed that took longest on the wall, and how long.
	Slowest     uint64
	SlowestTime time.Duration
}

// Found is a failure with its seed.
type Found struct {
	Seed uint64
	Failure
	// Replay is the command that shows it again.
	Replay string
	// Dir is the folder that holds its plan, trace, history and report; empty if nothing was kept.
	Dir string
}

// Summary is what came of a run.
type Summary struct {
	Counts
	From        uint64
	Profile     string
	Workers     int
	Wall        time.Duration
	CPU         time.Duration // of the workers: how long cores were busy for them; 0 if not known
	Interrupted bool          // it was ended before it was done
	Outcomes    map[string]int
	Faults      map[string]int
	Probes      map[string]int
	Failures    []Found // by seed
	last        Report  // of the highest seed
}

func newSummary(job *Job) *Summary {
	return &Summary{From: job.From, Profile: job.Profile, Workers: job.Workers, Outcomes: map[string]int{}, Faults: map[string]int{}, Probes: map[string]int{}}
}

// Single is the summary of one life.
func Single(r Report, profile, replay, dir string) *Summary {
	s := newSummary(&Job{From: r.Seed, Profile: profile, Workers: 1})
	s.add(r)
	s.Wall, s.Interrupted = time.Duration(r.Nanoseconds), r.Stopped
	if r.Failure != nil {
		s.Failures = append(s.Failures, Found{Seed: r.Seed, Failure: *r.Failure, Replay: replay, Dir: dir})
	}
	return s
}

// add adds a life. Sums and maxima do not depend on the order in which lives end, but for which of two equally slow ones is
// named.
func (s *Summary) add(r Report) {
	s.Seeds++
	s.Simulated += time.Duration(r.Simulated)
	s.Events += r.Events
	s.Operations += r.Operations
	s.Steps += r.Steps
	s.Injected += merge(s.Faults, r.Faults)
	merge(s.Outcomes, r.Outcomes)
	merge(s.Probes, r.Probes)
	if took := time.Duration(r.Nanoseconds); took > s.SlowestTime {
		s.Slowest, s.SlowestTime = r.Seed, took
	}
	if r.Failure != nil {
		s.Counts.Failures++
	}
	if r.Twice {
		s.Twice++
	}
	if s.Seeds == 1 || r.Seed >= s.last.Seed {
		s.last = r
	}
}

// addFailure adds one of a life that was counted already.
func (s *Summary) addFailure(f Found) {
	s.Counts.Failures++
	s.Failures = append(s.Failures, f)
}

func (s *Summary) sort() {
	slices.SortFunc(s.Failures, func(a, b Found) int {
		if a.Seed < b.Seed {
			return -1
		}
		return 1
	})
}

// Unreached lists the probes that no life reached.
func (s *Summary) Unreached() (all []sim.Probe) {
	for _, p := range sim.Probes() {
		if s.Probes[p.Name] == 0 {
			all = append(all, p)
		}
	}
	return all
}

// Last is the highest seed that was finished; meaningful if there is one.
func (s *Summary) Last() uint64 { return s.last.Seed }

// TraceHash is that of the highest seed that was finished.
func (s *Summary) TraceHash() uint64 { return s.last.TraceHash }

// merge adds counts to a map and returns their sum.
func merge(into, counts map[string]int) (sum int) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		into[name] += counts[name]
		sum += counts[name]
	}
	return sum
}
