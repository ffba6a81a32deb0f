package bugs

import (
	"context"
	"fmt"
	"iter"
	"os/exec"
	"time"

	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// lifeTimeMax is far beyond what a life takes that ends at all, also on a busy machine. A bug may well keep one from ending.
const lifeTimeMax = 2 * time.Minute

// Hunt is a search for a seed that fails.
type Hunt struct {
	Binary  string // as Build made it
	Workers int    // processes, from 1 on
	Profile string // from plan.Profiles
	// From is the first seed, SeedsMax how many are lived at most, from 1 on.
	From, SeedsMax uint64
	// Without takes the faults of a class out of each plan; empty: none.
	Without Class
	// Twice lives each seed twice and compares the two.
	Twice bool
}

// Catch is what a hunt ends with.
type Catch struct {
	Found bool   `json:"found"`
	Seeds uint64 `json:"seeds"` // lived until then, the last one included
	Seed  uint64 `json:"seed,omitempty"`
	// Kind names the check that failed, Message what it says.
	Kind    string `json:"kind,omitempty"`
	Message string `json:"message,omitempty"`
}

// Run lives the seeds in order until one fails. How many workers there are does not change which one that is.
func (h *Hunt) Run(ctx context.Context) (Catch, error) {
	pool := fleet.NewPool(h.Workers, h.worker, lifeTimeMax)
	defer pool.Close()
	c := Catch{}
	var first *fleet.Report
	for r, err := range pool.Stream(ctx, h.lives()) {
		if err != nil {
			return c, err
		}
		if r.Failure == nil && h.Twice {
			if first == nil {
				first = &r
				continue
			}
			r.Failure = parted(first, &r)
			first = nil
		}
		c.Seeds++
		if r.Failure != nil {
			c.Found, c.Seed, c.Kind, c.Message = true, h.From+c.Seeds-1, r.Failure.Kind, r.Failure.Message
			return c, nil
		}
	}
	return c, ctx.Err()
}

// worker is the command of a worker: the simulator within the binary.
func (h *Hunt) worker() *exec.Cmd {
	c := exec.Command(h.Binary, "sim")
	c.Env = append(c.Environ(), fleet.WorkerVariable+"=1")
	return c
}

// lives are what is to be lived.
func (h *Hunt) lives() iter.Seq[fleet.Life] {
	return func(yield func(fleet.Life) bool) {
		for seed := h.From; seed < h.From+h.SeedsMax; seed++ {
			l := fleet.Life{Seed: seed, Profile: h.Profile}
			if h.Without != "" {
				l.Plan = h.freed(seed)
			}
			if !yield(l) || h.Twice && !yield(l) {
				return
			}
		}
	}
}

// freed is a seed's plan without the faults of the class. A plan that was drawn is valid.
func (h *Hunt) freed(seed uint64) *plan.Plan {
	p, err := plan.Draw(seed, h.Profile)
	if err != nil {
		panic(err)
	}
	h.Without.free(p)
	return p
}

// parted compares two lives of a seed that passed.
func parted(a, b *fleet.Report) *fleet.Failure {
	if a.TraceHash == b.TraceHash {
		return nil
	}
	return &fleet.Failure{Kind: fleet.Determinism, Message: fmt.Sprintf("the same seed took two courses: trace %s, then trace %s",
		fleet.Hash(a.TraceHash), fleet.Hash(b.TraceHash))}
}
