package run

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/chaos/cluster"
	"github.com/lockstepdb/lockstep/chaos/driver"
)

// samplesName is the file of metrics samples in a run's folder, one a line.
const samplesName = "metrics.jsonl"

// kept are the series that stay in memory for the page; the file has all.
var kept = []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes", "lockstep_log_bytes", "lockstep_raft_applied_index"}

// samplesMax bounds the samples in memory; beyond it every second one is dropped.
const samplesMax = 4000

// watchLeader notes who leads, and tells how the run goes.
func (r *run) watchLeader(ctx context.Context) {
	since := time.Duration(0)
	seen := 0
	change := func(leader int) {
		now := r.timeline.Now()
		if seen > 0 {
			r.result.Leaders = append(r.result.Leaders, Span{Node: seen, From: since, To: now})
		}
		since, seen = now, leader
		name := ""
		if leader > 0 {
			name = nodeName(leader)
		}
		r.recorder.Leader(name)
		r.mu.Lock()
		r.leader = leader
		r.mu.Unlock()
	}
	for wait(ctx, leaderEvery) {
		if leader := cluster.LeaderOf(r.cluster.States(ctx)); leader != seen {
			change(leader)
		}
		r.progress()
	}
	change(0)
}

// progress tells how the run goes.
func (r *run) progress() {
	if r.o.Progress == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	last, _ := r.timeline.Since(4)
	r.mu.Lock()
	p := Progress{Phase: r.phase, Of: time.Duration(r.o.Plan.Safety), Counts: last.Counts, Median: last.Latencies.Quantile(.5), Leader: r.leader}
	injector, began := r.injector, r.began
	r.mu.Unlock()
	p.LastWrite = r.timeline.Now() - r.timeline.LastWrite()
	if injector != nil {
		p.After = r.timeline.Now() - began
		p.Faults, p.Active = injector.Lasting()
	}
	r.o.Progress(p)
}

// sample reads the nodes' metrics and writes them down.
func (r *run) sample(ctx context.Context) {
	f, err := os.Create(filepath.Join(r.o.Dir, samplesName))
	if err != nil {
		r.fail("metrics: %v", err)
		return
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	defer w.Flush()
	for wait(ctx, sampleEvery) {
		s := Sample{At: r.timeline.Now(), Nodes: map[int]map[string]float64{}}
		for slot := 1; slot <= r.cluster.Nodes(); slot++ {
			if values := r.metrics(ctx, slot); values != nil {
				s.Nodes[slot] = values
			}
		}
		if line, err := json.Marshal(s); err == nil {
			w.Write(append(line, '\n')) // its error comes back from Flush, and a lost sample is no finding
		}
		for slot, values := range s.Nodes {
			s.Nodes[slot] = pick(values)
		}
		r.keep(s)
	}
}

func (r *run) metrics(ctx context.Context, slot int) map[string]float64 {
	if r.cluster.PID(slot) == 0 || r.cluster.Paused(slot) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sampleEvery)
	defer cancel()
	values, err := r.o.Driver.Metrics(ctx, r.cluster.Place(slot))
	if err != nil {
		return nil // it has just ended, or stands still
	}
	for name, v := range values {
		if v == 0 || strings.HasPrefix(name, "go_") && name != "go_goroutines" {
			delete(values, name)
		}
	}
	return values
}

func pick(values map[string]float64) map[string]float64 {
	few := map[string]float64{}
	for _, name := range kept {
		if v, ok := values[name]; ok {
			few[name] = v
		}
	}
	return few
}

func (r *run) keep(s Sample) {
	r.result.Samples = append(r.result.Samples, s)
	if len(r.result.Samples) < samplesMax {
		return
	}
	half := r.result.Samples[:0]
	for i, s := range r.result.Samples {
		if i%2 == 0 {
			half = append(half, s)
		}
	}
	r.result.Samples = half
}

// usage is what each node holds now, by slot.
func (r *run) usage(ctx context.Context) map[int]map[string]float64 {
	all := map[int]map[string]float64{}
	for slot := 1; slot <= r.cluster.Nodes(); slot++ {
		if values := r.metrics(ctx, slot); values != nil {
			all[slot] = pick(values)
		}
	}
	return all
}

// leaks compares what the nodes held before the load with what they hold after it.
func (r *run) leaks(ctx context.Context, before map[int]map[string]float64) {
	wait(ctx, quiet)
	after := r.usage(ctx)
	for slot := 1; slot <= r.cluster.Nodes(); slot++ {
		u := Usage{Slot: slot, Before: before[slot], Last: after[slot], Restarted: r.cluster.Starts(slot) > 1}
		r.result.Usage = append(r.result.Usage, u)
		for _, name := range []string{"go_goroutines", "process_open_fds"} {
			if grown := u.Last[name] - u.Before[name]; u.Before != nil && u.Last != nil && grown > leakMax {
				r.fail("node %d has %s %.0f after the load and had %.0f before it", slot, name, u.Last[name], u.Before[name])
			}
		}
	}
}

// leakMax is how many more goroutines or descriptors a node may hold once its clients are gone: links to peers that were
// down at first, and idle connections that are still to be closed.
const leakMax = 100

// converged says that all nodes serve and have applied the same, and all that is committed.
func (r *run) converged(all map[int]driver.State) bool {
	if !r.cluster.AllReady(all) {
		return false
	}
	for _, s := range all {
		if s.Applied != all[1].Applied || s.Applied < s.Commit {
			return false
		}
	}
	return true
}
