package sim

import (
	"fmt"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// stage is a world in which nothing happens but what a test says.
func stage(t *testing.T) (w *World, c *checks) {
	p := draw(t, 1, "quiet")
	p.Nodes, p.Spares = 3, 0
	p.Operations = nil
	w = newWorld(p, Options{})
	w.found()
	for _, p := range w.processes {
		p.members = cluster.Membership{}
		for _, q := range w.processes {
			p.members.Members = append(p.members.Members, q.member())
		}
	}
	return w, &w.checks
}

func entry(index, term uint64, commands ...*kv.Command) *raftpb.Entry {
	data := kv.AppendBatch(nil, kv.BatchID{Node: 1, Epoch: 1, Sequence: index}, commands)
	return &raftpb.Entry{Index: &index, Term: &term, Type: raftpb.EntryNormal.Enum(), Data: data}
}

func put(key, value string) *kv.Command {
	return &kv.Command{Kind: kv.Put, Key: []byte(key), Value: []byte(value)}
}

func appendOf(entries ...*raftpb.Entry) *cluster.Append { return &cluster.Append{Entries: entries} }

// durably has a process's disk hold what it holds.
func (w *World) durably(p *process) {
	v := w.checks.view(p)
	p.durable.first, p.durable.entries = v.first, nil
	for i := range v.entries {
		p.durable.entries = append(p.durable.entries, v.entries[i].mark)
	}
}

// A check that cannot fail is none: each is shown what it is there for.
func TestEveryCheckCanFail(t *testing.T) {
	for _, c := range []struct {
		kind string
		show func(*World, *checks)
	}{
		{"log matching", func(w *World, c *checks) {
			for i, p := range w.processes[:2] {
				c.appended(p, c.view(p), appendOf(entry(2, uint64(2-i)), entry(3, 5)))
			}
		}},
		{"log", func(w *World, c *checks) {
			p := w.processes[0]
			c.appended(p, c.view(p), appendOf(entry(7, 2)))
		}},
		{"log", func(w *World, c *checks) {
			c.started(w.processes[0], &cluster.Recovered{HardState: cluster.HardState{Term: 2}, Entries: []*raftpb.Entry{entry(2, 2)}})
		}},
		{"two leaders", func(w *World, c *checks) {
			for _, p := range w.processes[:2] {
				c.role(p, c.view(p), &cluster.Role{State: cluster.Leader, Term: 3})
			}
		}},
		{"leader completeness", func(w *World, c *checks) {
			committedBy(w, c, entry(2, 2))
			c.role(w.processes[1], c.view(w.processes[1]), &cluster.Role{State: cluster.Leader, Term: 3})
		}},
		{"committed", func(w *World, c *checks) {
			committedBy(w, c, entry(2, 2))
			p := w.processes[1]
			c.appended(p, c.view(p), appendOf(entry(2, 3)))
			c.commit(p, c.view(p), 2, nil)
		}},
		{"commit", func(w *World, c *checks) {
			p := w.processes[0]
			c.appended(p, c.view(p), appendOf(entry(2, 2)))
			c.counted(p, c.view(p), &cluster.Marks{Term: 3, Commit: 2})
		}},
		{"read", func(w *World, c *checks) {
			committedBy(w, c, entry(2, 2))
			p := w.processes[0]
			p.take(&request{call: &call{client: w.clients[0], plan: &plan.Operation{Number: 1}}, do: askRead})
			p.reply(&cluster.Reply{ID: p.sent, Outcome: cluster.Done, Index: 1})
		}},
		{"durability", func(w *World, c *checks) {
			p := w.processes[0]
			c.appended(p, c.view(p), appendOf(entry(2, 2)))
			w.durably(p) // one of three
			c.commit(p, c.view(p), 2, nil)
		}},
		{"durability", func(w *World, c *checks) {
			p := w.processes[0]
			c.appended(p, c.view(p), appendOf(entry(2, 2), entry(3, 2)))
			c.leaving(c.view(p), &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), Term: new(uint64(2)), Index: new(uint64(3))}, 2)
			c.started(p, &cluster.Recovered{HardState: cluster.HardState{Term: 2}, Entries: []*raftpb.Entry{entry(2, 2)}})
		}},
		{"durability", func(w *World, c *checks) {
			p, other := w.processes[0], entry(3, 1)
			c.appended(w.processes[1], c.view(w.processes[1]), appendOf(entry(2, 1), other))
			c.appended(p, c.view(p), appendOf(entry(2, 1), entry(3, 2)))
			c.leaving(c.view(p), &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), Term: new(uint64(2)), Index: new(uint64(3))}, 2)
			c.started(p, &cluster.Recovered{HardState: cluster.HardState{Term: 2}, Entries: []*raftpb.Entry{entry(2, 1), other}})
		}},
		{"vote", func(w *World, c *checks) {
			p := w.processes[0]
			c.leaving(c.view(p), &raftpb.Message{Type: raftpb.MsgVoteResp.Enum(), Term: new(uint64(2)), To: new(uint64(3))}, 2)
			c.started(p, &cluster.Recovered{HardState: cluster.HardState{Term: 2, Vote: 1}})
		}},
		{"term", func(w *World, c *checks) {
			p := w.processes[0]
			c.leaving(c.view(p), &raftpb.Message{Type: raftpb.MsgVote.Enum(), Term: new(uint64(2)), From: new(uint64(1))}, 2)
			c.started(p, &cluster.Recovered{HardState: cluster.HardState{Term: 1}})
		}},
		{"snapshot", func(w *World, c *checks) {
			p := w.processes[0]
			c.appended(p, c.view(p), &cluster.Append{Snapshot: cluster.SnapshotMark{Index: 9, Term: 2}})
		}},
		{"exactly once", func(w *World, c *checks) {
			committedBy(w, c, entry(2, 2, put("k", "v1"))) // nobody asked for it
		}},
		{"replay", func(w *World, c *checks) {
			committedBy(w, c, entry(2, 2))
			m, err := kv.New(w.machineOptions())
			if err == nil {
				_, _, err = m.Apply(2, entry(2, 2, put("k", "v1")).GetData(), nil)
			}
			if err != nil {
				panic(err)
			}
			c.state(w.processes[0], m, 2)
		}},
		{"state", func(w *World, c *checks) {
			c.hashes[1] = 77
			m, err := kv.New(w.machineOptions())
			if err == nil {
				_, _, err = m.Apply(1, nil, nil)
			}
			if err != nil {
				panic(err)
			}
			c.state(w.processes[0], m, 1)
		}},
		{"answer", func(w *World, c *checks) {
			r := &request{command: *put("k", "v1")}
			c.given(w.processes[0], r)
			c.replied(w.processes[0], r, &cluster.Reply{Outcome: cluster.Done, Result: kv.Result{Revision: 1}})
		}},
		{"answer", func(w *World, c *checks) {
			p, r := w.processes[0], &request{command: *put("k", "v1")}
			p.epoch = 1
			c.given(p, r)
			committedBy(w, c, entry(2, 2, put("k", "v1")))
			c.replied(p, r, &cluster.Reply{Outcome: cluster.Refused})
		}},
		{"acknowledged", func(w *World, c *checks) {
			w.processes[0].begin()
			w.history.h.Operations = append(w.history.h.Operations, history.Operation{Kind: history.Put, Outcome: history.Done, Key: "k", Revision: 1})
			c.acknowledged(w.processes[0])
		}},
		{"replay", func(w *World, c *checks) {
			p := w.processes[0]
			p.begin()
			_, _, err := p.node.Machine().Apply(2, entry(2, 2, put("k", "v1")).GetData(), nil)
			if err != nil {
				panic(err)
			}
			c.committed = append(c.committed, committedEntry{})
			c.replayed(p, p.node.Machine())
		}},
		{"requests", func(w *World, c *checks) {
			p := w.processes[0]
			p.begin()
			p.requests[1] = &request{}
			c.bounds.requests(p, &cluster.Effects{}, new(p.node.Queues()))
		}},
		{"bounds", func(w *World, c *checks) { c.bounds.tail(w.processes[0], 1+8*int(c.bounds.config.TailEntries), 0) }},
		{"bounds", func(w *World, c *checks) {
			committedBy(w, c, entry(2, 2))
			committedBy(w, c, entry(3, 2))
			c.bounds.config.ApplyBytesMax = 1
			c.bounds.applied(w.processes[0], 1, 3)
		}},
		{"bounds", func(w *World, c *checks) {
			c.bounds.config.MessageBytesMax = 1
			c.bounds.message(w.processes[0], &raftpb.Message{Entries: []*raftpb.Entry{entry(2, 2), entry(3, 2)}})
		}},
		{"sender", func(w *World, c *checks) {
			w.network.send(w.processes[0], &raftpb.Message{Type: raftpb.MsgReadIndex.Enum(), From: new(uint64(2)), To: new(uint64(3))})
		}},
		{"session", func(w *World, c *checks) {
			k := &call{client: w.clients[0], life: w.clients[0].life, plan: &plan.Operation{Number: 1}}
			told := answer{Answer: policy.Answer{Outcome: policy.Refused, Reason: policy.ReasonSequenceAcknowledged}}
			answered(w, &task{it: &response{&request{call: k}, told}})
		}},
		{"bounds", func(w *World, c *checks) {
			c.bounds.config.EntryCommandsMax = 1
			e := entry(2, 2, put("k", "v1"), put("k", "v2"))
			b, _ := kv.DecodeBatch(e.GetData())
			c.bounds.batch(2, &b, e)
		}},
		{"bounds", func(w *World, c *checks) {
			p := w.processes[0]
			p.begin()
			c.bounds.logs[0] = logGrowth{life: p.life, count: 9, written: [4]uint64{p.store.Stats().AppendedBytes}}
			w.plan.Node.SegmentBytes = -segmentHeadBytes
			c.bounds.log(p)
		}},
	} {
		w, checks := stage(t)
		c.show(w, checks)
		require.NotNil(t, w.failure, c.kind)
		require.Equal(t, c.kind, w.failure.Kind, fmt.Sprint(w.failure))
	}
}

// committedBy has the first process hold and commit an entry that all disks hold.
func committedBy(w *World, c *checks, e *raftpb.Entry) {
	p := w.processes[0]
	if p.node == nil {
		p.begin()
	}
	c.appended(p, c.view(p), appendOf(e))
	for _, q := range w.processes {
		q.durable.first, q.durable.entries = 2, nil
		for _, held := range c.view(p).entries {
			q.durable.entries = append(q.durable.entries, held.mark)
		}
	}
	c.commit(p, c.view(p), e.GetIndex(), nil)
}
