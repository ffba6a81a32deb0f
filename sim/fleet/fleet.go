// Package fleet runs many seeds of the simulator on all cores, and keeps what a person needs to look into one of them.
//
// Start with Run. It starts workers, processes of the same binary that call Serve, hands them one seed after another, and sums
// up what they report. Live lives one seed in this process; a Recording also writes its plan, trace, history and report.
//
// A simulation owns its process (it replaces the source of randomness), and what is under test may crash it, loop for ever or
// eat all memory. So each worker is a process: its end costs one seed, which is reported as a failure, and another one takes
// its place. Workers end when the process that started them does, however that happens.
//
// The clock on the wall says when a run ends and which seed was slow. It decides nothing about a life: with a number of seeds
// instead of a time, the same seeds give the same summary, whatever the number of workers.
package fleet

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/sim/plan"
)

const (
	// keptMax bounds the folders that one run writes for failures: code that is broken altogether fails at each seed.
	keptMax = 20
	// lifeTimeMaxDefault is far beyond what the slowest life takes that ends at all.
	lifeTimeMaxDefault = 10 * time.Minute
	// graceMax is how long the lives under way may still take once a run is cancelled.
	graceMax = 2 * time.Second
	// ProgressEvery is the time between two calls of Job.Progress.
	ProgressEvery = 100 * time.Millisecond
)

// Job says what to run.
type Job struct {
	// From is the first seed; the others follow it.
	From uint64
	// Seeds is how many, and For how long seeds are begun; 0: no bound. At least one seed is run. Without any bound the run
	// lasts until its context ends.
	Seeds   uint64
	For     time.Duration
	Profile string // a name from plan.Profiles
	Workers int    // processes, from 1 on
	// Dir gets a folder for each failure, or one called last; empty: nothing is kept.
	Dir string
	// Replay returns the command that lives a seed again.
	Replay func(seed uint64) string
	// Check returns the command that checks the history in a folder again; nil: it is not told.
	Check func(dir string) string
	// Version is that of the program, for what is kept.
	Version string
	// Worker returns a command, not started, whose process calls Serve; see Self.
	Worker func() *exec.Cmd
	// LifeTimeMax is the time on the wall after which a worker is given up; 0: ten minutes.
	LifeTimeMax time.Duration
	// Progress and Failed, if not nil, are called by Run's own goroutine: now and then, and for each failure when it is
	// found and kept.
	Progress func(Counts)
	Failed   func(Found)
}

// fleet is a run under way.
type fleet struct {
	job      Job
	ctx      context.Context
	stop     context.CancelFunc
	deadline time.Time // zero: none
	found    chan Found

	lock  sync.Mutex
	given uint64 // seeds
	kept  int    // folders
	sum   *Summary
	err   error // of the fleet itself; the first counts
}

// Run runs the job to its end, or until ctx ends: then the summary is that of the lives that were finished, and says so. The
// error is one of the fleet, such as a worker that cannot start; failures of seeds are in the summary.
func Run(ctx context.Context, job Job) (*Summary, error) {
	if job.LifeTimeMax == 0 {
		job.LifeTimeMax = lifeTimeMaxDefault
	}
	f := &fleet{job: job, found: make(chan Found), sum: newSummary(&job)}
	f.ctx, f.stop = context.WithCancel(ctx)
	defer f.stop()
	started := time.Now()
	if job.For > 0 {
		f.deadline = started.Add(job.For)
	}
	f.watch()
	f.sum.Wall = time.Since(started)
	f.sum.Interrupted = ctx.Err() != nil
	f.sum.sort()
	return f.sum, f.err
}

// watch starts the workers and calls back until they are done.
func (f *fleet) watch() {
	var workers sync.WaitGroup
	for range f.job.Workers {
		workers.Go(func() {
			if err := f.work(); err != nil {
				f.abandon(err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		if err := f.keepLast(); err != nil {
			f.abandon(err)
		}
		close(done)
	}()
	tick := time.NewTicker(ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case found := <-f.found:
			if f.job.Failed != nil {
				f.job.Failed(found)
			}
		case <-tick.C:
			if f.job.Progress != nil {
				f.job.Progress(f.counts())
			}
		}
	}
}

func (f *fleet) counts() Counts {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.sum.Counts
}

// abandon ends the run because the fleet itself fails.
func (f *fleet) abandon(err error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.err == nil && f.ctx.Err() == nil {
		f.err = err
	}
	f.stop()
}

// next hands out a seed. Seeds go out in order, and each that went out is awaited, so that what was run has no gaps.
func (f *fleet) next() (seed uint64, ok bool) {
	f.lock.Lock()
	defer f.lock.Unlock()
	late := !f.deadline.IsZero() && !time.Now().Before(f.deadline) && f.given > 0
	if late || f.ctx.Err() != nil || f.job.Seeds > 0 && f.given == f.job.Seeds {
		return 0, false
	}
	f.given++
	return f.job.From + f.given - 1, true
}

// work is the life of one worker's place: a process, and another one when that ends.
func (f *fleet) work() error {
	d := f.desk()
	defer f.leave(d)
	for {
		seed, ok := f.next()
		if !ok {
			return nil
		}
		r, err := d.main.live(f.ctx, f.life(seed))
		if err != nil {
			return ignoreEnd(err)
		}
		if err := f.judge(d, r); err != nil {
			return ignoreEnd(err)
		}
	}
}

// life is the life of a seed.
func (f *fleet) life(seed uint64) Life { return Life{Seed: seed, Profile: f.job.Profile} }

// judge adds a life to the sum. A share of those that passed is lived once more elsewhere.
func (f *fleet) judge(d *desk, r Report) error {
	if r.Failure == nil && twice(r.Seed) {
		second, err := d.other.live(f.ctx, f.life(r.Seed))
		if err != nil {
			return err
		}
		r.Failure, r.Twice = compare(r, second), true
	}
	f.add(r)
	if r.Failure == nil {
		return nil
	}
	return f.fail(d, r)
}

func ignoreEnd(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (f *fleet) add(r Report) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.sum.add(r)
}

// fail keeps what is to be kept of a failure, and tells it.
func (f *fleet) fail(d *desk, r Report) error {
	found := Found{Seed: r.Seed, Failure: *r.Failure, Replay: f.job.Replay(r.Seed)}
	found.Detail = ""
	dir, err := f.folder(r.Seed)
	if dir != "" {
		found.Failure, err = f.keep(d, r, dir)
		found.Dir = dir
	}
	// Whatever came of keeping it, the failure was found.
	f.lock.Lock()
	f.sum.Failures = append(f.sum.Failures, found)
	f.lock.Unlock()
	f.found <- found
	return err
}

// folder returns where a failure is kept; empty if it is not.
func (f *fleet) folder(seed uint64) (string, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.job.Dir == "" || f.kept == keptMax {
		return "", nil
	}
	f.kept++
	dir := filepath.Join(f.job.Dir, strconv.FormatUint(seed, 10))
	p, err := plan.Draw(seed, f.job.Profile)
	if err != nil {
		return dir, nil // then that is the failure
	}
	file, err := plan.Encode(p)
	if err != nil {
		return "", err
	}
	free, _, err := Folder(dir, file, f.job.Version)
	return free, err
}

// keep lives a seed once more, with its trace, in another process, and compares what comes of it with the first time.
func (f *fleet) keep(d *desk, first Report, dir string) (Failure, error) {
	l := f.life(first.Seed)
	l.Keep, l.Replay, l.Version = dir, f.job.Replay(first.Seed), f.job.Version
	if f.job.Check != nil {
		l.Check = f.job.Check(dir)
	}
	second, err := d.other.live(f.ctx, l)
	failure := Failure{}
	if first.Failure != nil {
		failure = *first.Failure
	}
	if err == nil {
		if parted := compare(first, second); parted != nil {
			failure = *parted
		}
		if second.Failure != nil && second.Failure.Detail != "" {
			err = writeStack(dir, second.Failure)
		}
	}
	if err == nil && failure.Kind == Determinism {
		err = f.part(d, l, &failure)
	}
	failure.Detail = ""
	return failure, err
}

// keepLast keeps the last seed of a run without failures.
func (f *fleet) keepLast() error {
	if f.job.Dir == "" || len(f.sum.Failures) > 0 || f.sum.Seeds == 0 || f.ctx.Err() != nil {
		return nil
	}
	d := f.desk()
	defer f.leave(d)
	dir := filepath.Join(f.job.Dir, LastName)
	failure, err := f.keep(d, f.sum.last, dir)
	if err != nil || failure.Kind == "" {
		return ignoreEnd(err)
	}
	found := Found{Seed: f.sum.last.Seed, Failure: failure, Replay: f.job.Replay(f.sum.last.Seed), Dir: dir}
	f.lock.Lock()
	f.sum.addFailure(found)
	f.lock.Unlock()
	f.found <- found
	return nil
}
