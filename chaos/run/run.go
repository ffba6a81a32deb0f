package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/chaos/cluster"
	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/chaos/workload"
	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
)

// HistoryName is the history's file in a run's folder.
const HistoryName = "history.jsonl"

// Run does a whole run. When ctx ends it is cut short: everything is stopped, and what was recorded is judged. An error is
// one of the harness: nothing can be said of the store then.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &run{o: o, result: &Result{Options: o, Began: time.Now()}, timeline: workload.NewTimeline()}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(o.Dir, HistoryName))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r.recorder, err = linearizability.NewRecorder(file, linearizability.RecorderOptions{Origin: history.Origin{
		Store: o.Driver.Claims().Store, Command: o.Command, Seed: o.Plan.Seed, HasSeed: true, Revisions: o.Driver.Claims().Revisions}})
	if err != nil {
		return nil, err
	}
	err = r.live(ctx)
	err = errors.Join(err, r.recorder.Close(), file.Close())
	if err == nil {
		if ctx.Err() != nil {
			r.result.Unchecked = append(r.result.Unchecked, "the run was cut short")
		}
		err = r.judge()
	}
	return r.result, errors.Join(err, r.leave(err))
}

// leave removes what the run needed. The nodes' data stays when something failed.
func (r *run) leave(failed error) error {
	if r.cluster == nil {
		return nil
	}
	if failed != nil || r.result.Verdict() == Failed {
		r.cluster.Keep()
	}
	return r.cluster.Close()
}

// run is one in progress.
type run struct {
	o        Options
	result   *Result
	recorder *linearizability.Recorder
	timeline *workload.Timeline
	cluster  *cluster.Cluster
	load     *workload.Load
	injector *faults.Injector
	watching sync.WaitGroup
	telling  sync.Mutex // held while Options.Progress is told

	mu     sync.Mutex
	phase  string
	leader int
	spans  map[*faults.Injected]linearizability.Span
	began  time.Duration // when faults might begin
}

func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.result.Failures) < failuresMax {
		r.result.Failures = append(r.result.Failures, fmt.Sprintf(format, args...))
	}
}

func (r *run) setPhase(name string) {
	r.mu.Lock()
	r.phase = name
	r.mu.Unlock()
	r.progress()
}

// live is all of the run in which processes exist.
func (r *run) live(ctx context.Context) (err error) {
	r.setPhase("starting")
	r.cluster, err = cluster.Start(cluster.Options{Driver: r.o.Driver, Nodes: r.o.Plan.Nodes, Dir: r.o.Dir, Memory: r.o.Memory, Ended: r.ended})
	if err != nil {
		return err
	}
	defer func() {
		r.setPhase("stopping")
		err = errors.Join(err, r.cluster.Shut())
	}()
	form, cancel := context.WithTimeout(ctx, formTimeout)
	defer cancel()
	if err := r.cluster.Await(form, "the new cluster", r.cluster.AllReady); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("%w; see the nodes' logs in %s", err, r.o.Dir)
	}
	return r.work(ctx)
}

// work is the load, the faults, and what is looked at afterwards.
func (r *run) work(ctx context.Context) (err error) {
	before := r.usage(ctx)
	watch, stop := context.WithCancel(context.Background())
	defer r.watching.Wait()
	defer stop()
	r.timeline = workload.NewTimeline() // what the cluster took to form is no window without a write
	r.load, err = workload.Start(workload.Options{Driver: r.o.Driver, Addresses: r.cluster.Addresses(), Recorder: r.recorder, Timeline: r.timeline,
		Seed: r.o.Plan.Seed, Clients: r.o.Clients, Rate: r.o.Rate, Hot: r.o.Hot, Spread: r.o.Spread})
	if err != nil {
		return err
	}
	r.watching.Go(func() { r.watchLeader(watch) })
	r.watching.Go(func() { r.sample(watch) })
	r.inject(ctx)
	r.setPhase("healing")
	r.heal(ctx)
	r.load.Stop()
	r.result.Length = r.timeline.Now()
	r.result.Load = r.timeline.Summary()
	if ctx.Err() == nil {
		r.verify(ctx)
		r.leaks(ctx, before)
	}
	return nil
}

// inject carries out the plan; it takes as long as the plan says, also if the last fault is over before.
func (r *run) inject(ctx context.Context) {
	r.mu.Lock()
	r.began = r.timeline.Now()
	r.spans = map[*faults.Injected]linearizability.Span{}
	r.injector = faults.NewInjector(faults.Options{Plan: r.o.Plan, Cluster: r.cluster, Driver: r.o.Driver, Die: r.load.Die,
		FullAt: r.o.FullAt, Reserve: r.o.Reserve, Begun: r.begun, Ended: r.over, Recovered: r.recovered,
		Now: func() time.Duration { return r.timeline.Now() - r.began }})
	r.result.FaultsAt = r.began
	r.mu.Unlock()
	r.setPhase("faults")
	r.injector.Run(ctx)
	wait(ctx, time.Duration(r.o.Plan.Safety)-(r.timeline.Now()-r.began))
	r.result.Faults = r.injector.All()
	r.result.HealedAt = r.timeline.Now()
	for _, i := range r.result.Faults {
		if i.Err != nil {
			r.fail("%s at %.1f s: %v", i.Text(), i.From.Seconds(), i.Err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func nodeName(slot int) string { return fmt.Sprintf("n%d", slot) }

// begun and over draw a fault into the history.
func (r *run) begun(i *faults.Injected) {
	node := ""
	if len(i.Slots) == 1 {
		node = nodeName(i.Slots[0])
	}
	s := r.recorder.Fault(node, i.Text())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans[i] = s
}

func (r *run) over(i *faults.Injected) {
	r.mu.Lock()
	s := r.spans[i]
	r.mu.Unlock()
	r.recorder.End(s)
}

// recovered waits until a write was acknowledged after healed and all nodes serve.
func (r *run) recovered(ctx context.Context, healed time.Duration) (time.Duration, error) {
	limit, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	wrote := time.Duration(0)
	for {
		if last := r.timeline.LastWrite() - r.began; wrote == 0 && last > healed {
			wrote = last
		}
		if wrote > 0 && r.cluster.AllReady(r.cluster.States(limit)) {
			return max(wrote, r.timeline.Now()-r.began), nil
		}
		if !wait(limit, lookPause) {
			return r.timeline.Now() - r.began, fmt.Errorf("no recovery within %v", healTimeout)
		}
		if r.injector.Active() > 0 {
			return 0, nil // not judged
		}
	}
}

// ended is told of a process that ended by itself. That is a failure, and it is started again.
func (r *run) ended(c *cluster.Cluster, slot int, e cluster.Ending) {
	r.fail("node %d ended by itself: %s", slot, e.Reason)
	r.recorder.Note(nodeName(slot), "ended by itself: "+e.Reason)
	time.Sleep(restartPause)
	_ = c.StartNode(slot) // if it can't be, the cluster does not recover, and that is told
}

// heal waits until the cluster is whole, and has the load go on for a moment.
func (r *run) heal(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	limit, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	if err := r.cluster.Await(limit, "after the last fault", r.cluster.AllReady); err != nil && ctx.Err() == nil {
		r.fail("%v", err)
	}
	wait(ctx, settle)
}

// verify reads everything back.
func (r *run) verify(ctx context.Context) {
	r.setPhase("verifying")
	limit, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	err := r.cluster.Await(limit, "all nodes at one index", r.converged)
	if err != nil && ctx.Err() == nil {
		r.fail("%v", err)
	}
	r.result.KeysRead, err = r.load.Verify(limit)
	if err != nil && ctx.Err() == nil {
		r.fail("%v", err)
	}
}
