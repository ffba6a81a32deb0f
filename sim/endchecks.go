package sim

import (
	"path"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"go.etcd.io/raft/v3/raftpb"
)

// ending checks what can be told only once everything is at rest.
func (c *checks) ending() {
	l := c.w.leader()
	m := l.node.Machine()
	if wrong := c.replay.differs(m, m.Applied()); wrong != "" {
		c.w.fail("replay", "n%d at the end: %s", l.number, wrong)
	}
	c.acknowledged(l)
	c.replayed(l, m)
	c.restored(l, m)
	for _, p := range c.w.processes {
		if p.up {
			c.disk(p)
		}
	}
}

// acknowledged checks that every write that a client was told of is there, or something newer.
func (c *checks) acknowledged(l *process) {
	for i := range c.w.history.h.Operations {
		o := &c.w.history.h.Operations[i]
		if o.Kind == history.Get || o.Outcome != history.Done || o.Kind == history.Delete && o.Existed != history.Yes {
			continue
		}
		if wrong := c.present(l, o); wrong != "" {
			c.w.fail("acknowledged", "a client was told of a write to %s at revision %d, and %s", o.Key, o.Revision, wrong)
			return
		}
	}
}

// present says in which way a write is missing; "" if it is there.
func (c *checks) present(l *process, o *history.Operation) string {
	item, _, found := l.node.Machine().Get([]byte(o.Key))
	switch {
	case o.Revision == 0 || o.Revision > uint64(len(c.replay.changes)):
		return "nothing that was committed has that revision"
	case c.replay.changes[o.Revision-1].key != o.Key || c.replay.changes[o.Revision-1].deleted != (o.Kind == history.Delete):
		return "something else was committed at it"
	case found && item.ModRevision < o.Revision:
		return "what is there is older"
	case found && item.ModRevision == o.Revision && (o.Kind == history.Delete || history.Of(string(item.Value)) != o.Value):
		return "what is there is something else"
	case !found && o.Kind == history.Put && !c.deletedAfter(o):
		return "nothing is there"
	}
	return ""
}

func (c *checks) deletedAfter(o *history.Operation) bool {
	for _, change := range c.replay.changes[o.Revision:] {
		if change.key == o.Key && change.deleted {
			return true
		}
	}
	return false
}

// replayed has a new machine apply the whole log from its begin: it comes to the same state, its sessions with all their results included.
func (c *checks) replayed(l *process, m *kv.Machine) {
	fresh, err := kv.New(kv.Options{Shards: 1, SessionsMax: m.Options().SessionsMax, SessionWindow: m.Options().SessionWindow})
	if err != nil {
		panic(err) // the options are those of every node
	}
	for i := uint64(cluster.FoundingIndex); i <= m.Applied() && err == nil; i++ {
		var commands []byte
		if e := c.committed[i].entry; e != nil && holdsCommands(e) {
			commands = e.GetData()
		}
		_, _, err = fresh.Apply(i, commands, nil)
	}
	if err != nil || fresh.StateHash() != m.StateHash() {
		c.w.fail("replay", "the log, applied from its begin, comes to another state than n%d holds at index %d (%v)", l.number, m.Applied(), err)
	}
}

// restored takes a snapshot and restores it: it holds the same state. The life is over, so that a snapshot which is being saved need not be.
func (c *checks) restored(l *process, m *kv.Machine) {
	want := m.StateHash()
	for m.Frozen() {
		if !m.Maintain(1<<20) && m.Frozen() {
			m.Thaw()
		}
	}
	s := m.Freeze(kv.Meta{Index: m.Applied(), Term: 1})
	r, err := kv.NewRestorer(c.w.machineOptions())
	for done := false; !done && err == nil; {
		var chunk []byte
		chunk, done = s.Next(nil)
		err = r.Add(chunk)
	}
	m.Thaw()
	if err != nil {
		c.w.fail("restore", "a snapshot of n%d at index %d can't be restored: %v", l.number, m.Applied(), err)
		return
	}
	restored, _, err := r.Finish()
	if err != nil || restored.StateHash() != want {
		c.w.fail("restore", "a snapshot of n%d at index %d holds another state than it was taken from (%v)", l.number, m.Applied(), err)
	}
}

func holdsCommands(e *raftpb.Entry) bool {
	return e.GetType() == raftpb.EntryNormal && len(e.GetData()) > 0
}

// filesMax is how many snapshot files may lie on a disk: the two that are kept, those that are held until their marks are in the log, as many
// that no mark leads to yet, and one that is being saved and one that is being received.
const filesMax = 2 + 2*storage.HeldMax + 2

// disk checks that what is not needed any more has gone from a process's disk.
func (c *checks) disk(p *process) {
	if n := len(p.disk.mem.DurableNames(nil, path.Join(dataDir, "snapshots"))); n > filesMax {
		c.w.fail("bounds", "n%d has %d snapshot files at the end; up to %d", p.number, n, filesMax)
	}
	c.bounds.log(p)
}
