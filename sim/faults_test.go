package sim

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// small is a plan of 30 s on a network and disks that do nothing wrong, with a write and a read each 50 ms.
func small(seed uint64, nodes, spares int, faults ...plan.Fault) *plan.Plan {
	p := &plan.Plan{
		Version: plan.Version, Seed: seed, Profile: "standard", Nodes: nodes, Spares: spares, Safety: 30 * second, Liveness: 60 * second,
		Node:    plan.Node{Tick: 1e8, ElectionTicks: 10, HeartbeatTicks: 1, RequestTicks: 20, SnapshotEntries: 50, TailEntries: 10, SegmentBytes: 4 << 10},
		Network: plan.Network{LatencyMin: 1e5, LatencyMax: 1e6}, Disk: plan.Disk{SyncMin: 1e5, SyncMax: 5e6},
		Clients: plan.Clients{Count: 2, Pipeline: 2, Sessions: true, Attempt: 1e9, Deadline: 5e9}, Faults: faults,
	}
	for i := 1; i < 600; i++ {
		do := plan.Put
		if i%2 == 0 {
			do = plan.Get
		}
		p.Operations = append(p.Operations, plan.Operation{At: plan.Duration(i) * second / 20, Client: 1 + i%2, Do: do, Key: "k", Number: i})
	}
	return p
}

// changeAt adds an operation on the membership.
func changeAt(p *plan.Plan, at plan.Duration, do plan.Action, node int) {
	p.Operations = append(p.Operations, plan.Operation{At: at, Client: 1, Do: do, Node: node, Number: len(p.Operations) + 1})
}

// lived lives a plan, and returns the world in which it ended.
func lived(t *testing.T, p *plan.Plan) (*World, Result) {
	t.Helper()
	require.NoError(t, p.Validate())
	only.Lock()
	defer only.Unlock()
	w := newWorld(p, Options{})
	before := rand.Reader
	rand.Reader = &w.jitter
	defer func() { rand.Reader = before }()
	w.begin()
	w.live(0)
	r := w.result()
	require.Nil(t, r.Failure, "seed %d", p.Seed)
	return w, r
}

// reaches lives a plan with several seeds, until all probes are reached.
func reaches(t *testing.T, draw func(seed uint64) *plan.Plan, probes ...string) {
	t.Helper()
	sum := map[string]int{}
	for seed := uint64(1); seed <= 30; seed++ {
		_, r := lived(t, draw(seed))
		missing := 0
		for _, name := range probes {
			if sum[name] += r.Probes[name]; sum[name] == 0 {
				missing++
			}
		}
		if missing == 0 && seed >= 3 {
			return
		}
	}
	require.Fail(t, "not all probes are reached", "%v of %q", sum, probes)
}

func members(m cluster.Membership) string {
	text := ""
	for _, v := range m.Members {
		text += fmt.Sprintf("%d", v.ID)
		if v.Learner {
			text += "l"
		}
	}
	return text
}

// doneAfter counts the writes that began after a moment and were done.
func doneAfter(r Result, at plan.Duration) (n int) {
	for _, o := range r.History.Operations {
		if o.Invoke > int64(at) && o.Outcome == history.Done && o.Kind == history.Put {
			n++
		}
	}
	return n
}

func TestAWipedNodeIsRefusedAndReplaced(t *testing.T) {
	p := small(1, 3, 1, plan.Fault{At: 5 * second, For: second, Do: plan.Wipe, Node: "3"})
	changeAt(p, 10*second, plan.Remove, 3)
	changeAt(p, 11*second, plan.AddMember, 4)
	for at := plan.Duration(12 * second); at < 20*second; at += second {
		changeAt(p, at, plan.Promote, 4)
	}
	w, r := lived(t, p)
	require.NotZero(t, r.Probes["node without its directory refused by its peers"])
	require.Equal(t, "124", members(w.budget.latest))
	require.False(t, w.process(3).up)
	require.NotZero(t, doneAfter(r, 20*second))
}

// A spare that was wiped before it was added is as good as new; one that was wiped afterwards is refused.
func TestAWipedSpare(t *testing.T) {
	p := small(2, 3, 1, plan.Fault{At: second, For: second, Do: plan.Wipe, Node: "4"})
	changeAt(p, 5*second, plan.AddMember, 4)
	w, r := lived(t, p)
	require.Zero(t, r.Probes["node without its directory refused by its peers"])
	require.Equal(t, "1234l", members(w.budget.latest))
	require.True(t, w.process(4).up)

	p.Faults[0].At = 10 * second
	w, r = lived(t, p)
	require.NotZero(t, r.Probes["node without its directory refused by its peers"])
	require.Empty(t, w.process(4).members.Members, "nobody lets it in")
}

func TestLossesStayWithinTheBudget(t *testing.T) {
	two := []plan.Fault{{At: 5 * second, For: second, Do: plan.Wipe, Node: "3"}, {At: 10 * second, For: second, Do: plan.Wipe, Node: "2"}}
	_, r := lived(t, small(3, 3, 0, two...))
	require.Equal(t, 1, r.Faults["wipe"], "the second is one too many")
	require.NotZero(t, doneAfter(r, 12*second))

	_, r = lived(t, small(3, 5, 0, two...))
	require.Equal(t, 2, r.Faults["wipe"])
	require.NotZero(t, doneAfter(r, 12*second))

	two[1].Beyond = true
	_, r = lived(t, small(3, 3, 0, two...))
	require.Equal(t, 2, r.Faults["wipe"])
	require.Zero(t, doneAfter(r, 10*second), "nobody can commit")
	require.NotZero(t, r.Probes["no progress without a quorum"])
}

// What would be left must hold what is committed, too.
func TestTheBudgetIsJudgedByTheDisks(t *testing.T) {
	w := newWorld(small(4, 3, 0), Options{})
	w.found()
	require.True(t, w.affords(w.process(3)))
	w.process(2).lost = true
	require.False(t, w.affords(w.process(3)), "one of three would be left")
	w.process(2).lost = false
	mark := entryMark{term: 1, digest: 7}
	w.checks.committed = append(w.checks.committed, committedEntry{mark: mark})
	for _, n := range []uint64{1, 3} {
		w.process(n).durable = durableLog{first: cluster.FoundingIndex + 1, entries: []entryMark{mark}}
	}
	require.True(t, w.affords(w.process(3)), "n1 has it, and no quorum is without n1")
	w.process(1).durable = durableLog{}
	require.False(t, w.affords(w.process(3)), "only n3 has it")
}

func TestRotInTheLogIsRefused(t *testing.T) {
	reaches(t, func(seed uint64) *plan.Plan {
		return small(seed, 3, 0, plan.Fault{At: 15 * second, For: second, Do: plan.Rot, Part: plan.PartLog, Node: "2"})
	}, "start refused because of rot in the log", "node without its directory refused by its peers")
}

func TestRotInTheIdentityIsRefused(t *testing.T) {
	reaches(t, func(seed uint64) *plan.Plan {
		return small(seed, 3, 0, plan.Fault{At: 5 * second, For: second, Do: plan.Rot, Part: plan.PartIdentity, Node: plan.Leader})
	}, "start refused because of rot in the identity")
}

func TestRotInTheTailIsCut(t *testing.T) {
	reaches(t, func(seed uint64) *plan.Plan {
		return small(seed, 3, 0, plan.Fault{At: 10 * second, For: 9 * second, Do: plan.Rot, Part: plan.PartTail, Node: plan.Follower})
	}, "rot in the tail", "rotten tail cut on recovery")
}

func TestRotInASnapshotIsPassedOverOrRefused(t *testing.T) {
	reaches(t, func(seed uint64) *plan.Plan {
		return small(seed, 3, 0, plan.Fault{At: plan.Duration(seed) * second, For: second, Do: plan.Rot, Part: plan.PartSnapshot, Node: plan.Any})
	}, "rotten snapshot passed over", "start refused because of rot in the snapshot")
}

// A cluster of one can't afford any loss: beyond that it does not start again, and makes nothing up.
func TestRotBeyondTheBudget(t *testing.T) {
	rot := plan.Fault{At: 15 * second, For: second, Do: plan.Rot, Part: plan.PartLog, Node: "1"}
	_, r := lived(t, small(5, 1, 0, rot))
	require.Empty(t, r.Faults)
	rot.Beyond = true
	_, r = lived(t, small(5, 1, 0, rot))
	require.NotZero(t, r.Probes["start refused because of rot in the log"])
	require.Zero(t, doneAfter(r, 15*second))
}

func TestSwappedDirectoriesAreRefused(t *testing.T) {
	for _, part := range []string{"", plan.PartLog} {
		w, r := lived(t, small(6, 3, 0, plan.Fault{At: 10 * second, For: 3 * second, Do: plan.SwapDisks, Part: part, Node: "1", Peer: "2"}))
		require.Equal(t, 2, r.Probes["start refused on another node's directory"])
		require.True(t, w.process(1).up && w.process(2).up, "they have their own again")
		require.NotZero(t, doneAfter(r, 14*second))
	}
}

func TestPowerIsLostAtMoments(t *testing.T) {
	for probe, op := range map[string]string{
		"power lost between write and sync":     "sync",
		"power lost between sync and send":      plan.OpPersisted,
		"power lost during recovery":            plan.OpRecovery,
		"power lost during a snapshot's rename": "rename",
		"power lost while a segment began":      "rename",
		"name lost in a crash":                  "syncdir",
		"write lost in a crash":                 "sync",
	} {
		t.Run(probe, func(t *testing.T) {
			reaches(t, func(seed uint64) *plan.Plan {
				f := plan.Fault{At: 5 * second, For: 20 * second, Do: plan.CrashAt, Op: op, Nth: 1 + int(seed%10), Node: plan.Any}
				g := f
				g.At += 10 * second
				return small(seed, 3, 0, f, g)
			}, probe)
		})
	}
}

func TestAShortWriteEndsTheProcess(t *testing.T) {
	reaches(t, func(seed uint64) *plan.Plan {
		return small(seed, 3, 0, plan.Fault{At: 5 * second, For: 5 * second, Do: plan.ShortWrite, Nth: 3, Node: plan.Any})
	}, "write cut short by an error", "ended after a disk error", "torn tail cut on recovery")
}

func TestClocksJumpAndDrift(t *testing.T) {
	p := small(7, 3, 0, plan.Fault{At: 10 * second, Do: plan.ClockJump, Latency: 3600 * second, Node: plan.Leader})
	_, r := lived(t, p)
	require.Equal(t, 1, r.Faults["clock-jump"])
	p.Node.LeaseReads = true
	require.ErrorContains(t, p.Validate(), "lease_reads off")

	var c clock
	c.drift(1e9, 40_000, 60_000)
	c.drift(2e9, 40_000, 60_000)
	require.Equal(t, int64(60_000), c.ppm, "as far as leases allow")
	c.drift(3e9, -40_000, 60_000)
	require.Equal(t, int64(40_000), c.ppm)
	require.Equal(t, int64(3e9+40e6+60e6), c.now(3e9))
	c.jump(3e9, 5)
	require.Equal(t, int64(3e9+100e6+5), c.now(3e9))
}

func TestLossOfOneLinksMessages(t *testing.T) {
	l := loss{message: raftpb.MsgAppResp, from: 2, to: 1}
	require.True(t, l.hits(&packet{from: 2, to: 1, kind: raftpb.MsgAppResp}))
	for _, k := range []packet{{from: 3, to: 1, kind: raftpb.MsgAppResp}, {from: 2, to: 3, kind: raftpb.MsgAppResp}, {from: 2, to: 1, kind: raftpb.MsgApp}} {
		require.False(t, l.hits(&k))
	}
	_, r := lived(t, small(8, 3, 0, plan.Fault{At: 5 * second, For: 20 * second, Do: plan.Lose, PPM: 1_000_000, Node: "2", Peer: "1"}))
	require.Equal(t, 1, r.Faults["lose"])
}

// A minority may stay behind; more are healed with the others.
func TestNodesLeftBehind(t *testing.T) {
	stays := func(do plan.Kind, node plan.Target) plan.Fault {
		return plan.Fault{At: 25 * second, Do: do, Node: node, Stays: true}
	}
	w, r := lived(t, small(9, 5, 0, stays(plan.Crash, "1"), stays(plan.Isolate, "2"), stays(plan.Crash, "3")))
	require.Equal(t, 1, r.Probes["node left behind by crash"])
	require.Equal(t, 1, r.Probes["node left behind by isolate"])
	require.False(t, w.process(1).up)
	require.True(t, w.process(3).up)
	require.NotZero(t, w.network.cut[2][4])
	require.NotNil(t, w.leader())
}
