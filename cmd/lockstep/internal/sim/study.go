package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// studyLifeTimeMax is when a life is given up that a study asks for. Studies live thousands of lives, and some of them hang.
const studyLifeTimeMax = time.Minute

// study is what looks into one failure by living many variations of its life.
type study struct {
	*Settings
	plan *plan.Plan
	file []byte // of the plan
	pool *fleet.Pool
	// replay is the command that lives the plan again.
	replay string
}

// study prepares one. It must be closed.
func (s *Settings) study() (*study, error) {
	r, err := s.recording()
	if err != nil {
		return nil, err
	}
	if err := s.writable(); err != nil {
		return nil, err
	}
	return &study{Settings: s, plan: r.Plan, file: r.File, replay: r.Replay, pool: fleet.NewPool(s.Workers, worker, studyLifeTimeMax)}, nil
}

func (s *study) close() { s.pool.Close() }

// passes is the end of a study of a life that does not fail.
func (s *study) passes() error {
	return exit.New(exit.Undecided, fmt.Sprintf("see it with `%s`", s.replay), "%s does not fail: there is nothing to study", s.what())
}

// keep lives a plan, which was lived before, and keeps it in a folder. An interruption does not keep it from that.
func (s *study) keep(ctx context.Context, p *plan.Plan, before *fleet.Report, l fleet.Life) error {
	l.Seed, l.Plan, l.Version, l.Check = p.Seed, p, version(), s.check(l.Keep)
	parted, err := s.pool.Keep(context.WithoutCancel(ctx), l, *before)
	if err == nil && parted != nil {
		err = exit.New(exit.Failure, "", "the plan took another course when it was lived again: %s: %s", parted.Kind, parted.Message)
	}
	return err
}

// printWay shows how the life fails.
func (s *study) printWay(r *fleet.Report) {
	fmt.Fprintf(s.Out, "%s fails: %s\n  %s%s\n\n", s.what(), r.Failure.Kind, r.Failure.Message, when(r.Failure))
}
