package sim

import (
	"fmt"
	"testing"

	"github.com/lockstepdb/lockstep/sim/plan"
	"pgregory.net/rapid"
)

// TestPlans lives plans that rapid draws piece by piece, so that one that fails shrinks to a few nodes, faults and operations. It is printed
// as a file for `lockstep sim --plan`.
func TestPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		if r := Run(p, Options{}); r.Failure != nil {
			text, err := plan.Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			t.Fatalf("%v, at %.3f s, in the life of this plan:\n%s", r.Failure, float64(r.Failure.At)/1e9, text)
		}
	})
}

const (
	milli  = 1_000_000
	second = 1_000_000_000
)

func between(t *rapid.T, least, most int64, name string) plan.Duration {
	return plan.Duration(rapid.Int64Range(least/milli, most/milli).Draw(t, name) * milli)
}

func of[T any](t *rapid.T, name string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, name)
}

// The first of several values is what a shrunk plan has.
func drawPlan(t *rapid.T) *plan.Plan {
	p := &plan.Plan{Version: plan.Version, Profile: "rapid", Seed: rapid.Uint64Range(1, 1000).Draw(t, "seed"), Safety: 8 * second, Liveness: 60 * second}
	p.Nodes, p.Spares = of(t, "nodes", 1, 2, 3, 3, 4, 5), of(t, "spares", 0, 0, 1)
	p.Node = plan.Node{
		Tick: 100 * milli, ElectionTicks: 10, HeartbeatTicks: 1, RequestTicks: of(t, "request ticks", 50, 20),
		EntryCommands: of(t, "entry commands", 0, 1), MessageBytes: of(t, "message bytes", 0, 1), Inflight: of(t, "inflight", 0, 1), ApplyBytes: of(t, "apply bytes", 0, 1),
		SnapshotEntries: of(t, "snapshot entries", 1000, 20, 5), TailEntries: of(t, "tail entries", 1000, 10, 1), SegmentBytes: of(t, "segment bytes", 64<<10, 1<<10),
		SessionsMax: of(t, "sessions", 0, 2), LeaseReads: of(t, "lease reads", false, true),
	}
	p.Network = plan.Network{LatencyMin: milli / 2, LatencyMax: 5 * milli, LossPPM: of(t, "loss", 0, 20_000), DuplicatePPM: of(t, "duplicates", 0, 20_000),
		ReorderPPM: of(t, "reordered", 0, 100_000), ReorderMax: 50 * milli}
	p.Disk = plan.Disk{SyncMin: milli / 10, SyncMax: 10 * milli}
	p.Clients = plan.Clients{Count: of(t, "clients", 1, 3), Pipeline: of(t, "pipeline", 1, 2), Sessions: of(t, "in sessions", false, true), Attempt: second, Deadline: 3 * second}
	p.Operations = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plan.Operation { return drawOperation(t, p) }), 0, 40).Draw(t, "operations")
	for i := range p.Operations {
		p.Operations[i].Number = i + 1
	}
	p.Faults = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plan.Fault { return drawFault(t, p) }), 0, 12).Draw(t, "faults")
	return p
}

func drawOperation(t *rapid.T, p *plan.Plan) plan.Operation {
	o := plan.Operation{At: between(t, 0, int64(p.Safety), "at"), Client: rapid.IntRange(1, p.Clients.Count).Draw(t, "client")}
	o.Do = of(t, "do", plan.Put, plan.Get, plan.Put, plan.Get, plan.GetFollower, plan.Swap, plan.Delete, plan.PutAbsent, plan.PutPresent, plan.DeleteSwap, plan.GetStale,
		plan.Transfer, plan.AddMember, plan.Promote, plan.Remove)
	o.Key = fmt.Sprintf("k%d", rapid.IntRange(1, 2).Draw(t, "key"))
	o.Node = rapid.IntRange(1, p.Nodes+p.Spares).Draw(t, "node")
	return o
}

func drawFault(t *rapid.T, p *plan.Plan) plan.Fault {
	f := plan.Fault{At: between(t, 0, int64(p.Safety), "at"), For: between(t, 0, 3*second, "for")}
	f.Do = of(t, "do", plan.Crash, plan.Isolate, plan.Pause, plan.CrashAt, plan.CrashAll, plan.OneWay, plan.Lose, plan.Duplicate, plan.Replay, plan.Slow, plan.Clog, plan.ClientCut,
		plan.Storm, plan.Flap, plan.DiskSlow, plan.DiskError, plan.Drift, plan.ClientDies)
	f.Node = of(t, "node", plan.Number(1), plan.Number(p.Nodes), plan.Leader, plan.Follower, plan.Rising, plan.Any)
	switch f.Do {
	case plan.CrashAll, plan.ClientDies, plan.Lose, plan.Duplicate, plan.Replay:
		f.Node = ""
	}
	f.PPM = of(t, "ppm", 300_000, 1_000_000)
	if f.Do == plan.Drift {
		f.PPM = of(t, "drift", 10_000, -40_000)
	}
	f.Client, f.Period, f.Latency = 1, plan.Duration(200*milli), plan.Duration(100*milli)
	f.Op, f.Nth = of(t, "op", "", "write", "sync", "create", "rename", "syncdir", "remove"), rapid.IntRange(1, 8).Draw(t, "nth")
	return f
}
