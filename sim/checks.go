package sim

import (
	"github.com/cespare/xxhash/v2"
	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/sim/trace"
	"go.etcd.io/raft/v3/raftpb"
)

// checks watches everything after each step.
type checks struct {
	w       *World
	leaders map[uint64]uint64 // who led a term
	hashes  map[uint64]uint64 // of the state, by applied index
	// committed holds, from index 1 on, what was committed; nobody may ever commit anything else.
	committed []entryMark
	views     []view // by process number-1
}

// entryMark tells an entry from every other.
type entryMark struct{ term, digest uint64 }

// view is what is known of one process's log.
type view struct {
	entries []entryMark // what the node holds, durable or not, from first on
	first   uint64      // index of entries[0]
	commit  uint64      // of this life
	applied uint64
	term    uint64 // of this life
	// bound and vote are the highest term in which something left that binds the node over lives, and whom it voted for there;
	// 0 if no vote left.
	bound, vote uint64
	// promised is the last index that left in an append response of a term.
	promised, promisedTerm uint64
}

func (c *checks) init(w *World) {
	c.w, c.leaders, c.hashes = w, map[uint64]uint64{}, map[uint64]uint64{}
	c.views = make([]view, w.plan.Nodes+w.plan.Spares)
}

// forget is for a process that comes back as another instance: that one has promised nothing.
func (c *checks) forget(p *process) { *c.view(p) = view{} }

func (c *checks) view(p *process) *view { return &c.views[p.number-1] }

func markOf(e *raftpb.Entry) entryMark {
	return entryMark{term: e.GetTerm(), digest: xxhash.Sum64(e.GetData())}
}

// started takes over what a process recovered, and compares it with what it had promised.
func (c *checks) started(p *process, r *cluster.Recovered) {
	v := c.view(p)
	if r.HardState.Term < v.bound {
		c.w.fail("term", "n%d came back with term %d after it had acted in term %d", p.number, r.HardState.Term, v.bound)
	}
	if r.HardState.Term == v.bound && v.vote != 0 && r.HardState.Vote != v.vote {
		c.w.fail("vote", "n%d came back with vote %d in term %d, in which it had voted for %d", p.number, r.HardState.Vote, v.bound, v.vote)
	}
	last := r.Snapshot.Index + uint64(len(r.Entries))
	if len(r.Entries) > 0 {
		last = r.Entries[len(r.Entries)-1].GetIndex()
	}
	before := *v
	v.first, v.entries = r.Snapshot.Index+1, v.entries[:0]
	if len(r.Entries) > 0 {
		v.first = r.Entries[0].GetIndex()
		for _, e := range r.Entries {
			v.entries = append(v.entries, markOf(e))
		}
	}
	v.commit, v.applied = 0, r.Snapshot.Index
	v.term = r.HardState.Term
	c.kept(p, &before, last)
}

// kept checks that the disk covers every append response that ever left.
func (c *checks) kept(p *process, before *view, last uint64) {
	if before.promised > last {
		c.w.fail("durability", "n%d came back with a log that ends at %d, after it had promised entries up to %d in term %d", p.number, last, before.promised, before.promisedTerm)
	}
}

// stepped looks at a node after a step.
func (c *checks) stepped(p *process, e *cluster.Effects) {
	v := c.view(p)
	for i := range e.Appends {
		c.appended(v, &e.Appends[i])
	}
	if e.Role != nil {
		c.role(p, e.Role)
	}
	for _, m := range e.Messages {
		c.leaving(p, v, m)
	}
	s := p.node.Marks()
	if s.Term < v.term {
		c.w.fail("term", "n%d went from term %d back to %d", p.number, v.term, s.Term)
	}
	v.term = s.Term
	if s.Commit < v.commit {
		c.w.fail("commit", "n%d went from commit %d back to %d", p.number, v.commit, s.Commit)
	}
	if s.Commit > v.commit {
		c.commit(p, v, s.Commit, e.Members)
	}
	c.apply(p, v, s.Applied)
}

// appended follows what a node hands out to be written.
func (c *checks) appended(v *view, a *cluster.Append) {
	if a.Snapshot.Index != 0 {
		v.first, v.entries = a.Snapshot.Index+1, v.entries[:0]
		v.promised = 0
	}
	for _, e := range a.Entries {
		i := e.GetIndex()
		if i < v.first || len(v.entries) == 0 {
			v.first, v.entries = i, v.entries[:0]
		}
		if keep := i - v.first; keep < uint64(len(v.entries)) {
			v.entries = v.entries[:keep]
			v.promised = min(v.promised, i-1)
		}
		v.entries = append(v.entries, markOf(e))
	}
}

func (c *checks) role(p *process, r *cluster.Role) {
	if r.State != cluster.Leader {
		return
	}
	if other, ok := c.leaders[r.Term]; ok && other != p.number {
		c.w.fail("two leaders", "n%d and n%d both lead in term %d", other, p.number, r.Term)
	}
	c.leaders[r.Term] = p.number
}

// leaving notes what an outgoing message promises. A candidate's request for votes promises nothing: it may leave before the
// candidate's own vote is durable, since that vote is counted only then.
func (c *checks) leaving(p *process, v *view, m *raftpb.Message) {
	switch {
	case m.GetReject():
	case m.GetType() == raftpb.MsgVoteResp:
		v.bind(m.GetTerm(), m.GetTo())
	case m.GetType() == raftpb.MsgAppResp:
		v.bind(m.GetTerm(), 0)
		v.promised, v.promisedTerm = max(v.promised, m.GetIndex()), m.GetTerm()
	case m.GetType() == raftpb.MsgApp, m.GetType() == raftpb.MsgHeartbeat:
		v.bind(m.GetTerm(), 0)
	}
}

// bind notes that a node acted in a term, and for whom it voted if it did.
func (v *view) bind(term, vote uint64) {
	if term > v.bound {
		v.bound, v.vote = term, 0
	}
	if term == v.bound && vote != 0 {
		v.vote = vote
	}
}

// commit compares newly committed entries with what anybody committed before.
func (c *checks) commit(p *process, v *view, commit uint64, changed *cluster.Membership) {
	for i := v.commit + 1; i <= commit; i++ {
		if i < v.first || i-v.first >= uint64(len(v.entries)) {
			continue // behind a snapshot
		}
		mark := v.entries[i-v.first]
		for uint64(len(c.committed)) <= i {
			c.committed = append(c.committed, entryMark{})
		}
		if c.committed[i] == (entryMark{}) {
			c.committed[i] = mark
			c.durable(p, i, mark, changed)
		} else if c.committed[i] != mark {
			c.w.fail("committed", "n%d commits another entry at %d (term %d) than was committed there before (term %d)", p.number, i, mark.term, c.committed[i].term)
		}
	}
	v.commit = commit
}

// durable checks that a quorum holds what was committed just now, by what the disks hold.
func (c *checks) durable(p *process, index uint64, mark entryMark, changed *cluster.Membership) {
	held, of := c.quorum(&p.members, index, mark)
	if 2*held <= of && changed != nil {
		held, of = c.quorum(changed, index, mark)
	}
	if 2*held <= of {
		c.w.fail("durability", "n%d committed entry %d of term %d, which is on the disks of %d of %d voters", p.number, index, mark.term, held, of)
	}
}

// quorum counts the voters whose disks hold an entry.
func (c *checks) quorum(m *cluster.Membership, index uint64, mark entryMark) (held, of int) {
	for _, member := range m.Members {
		if member.Learner {
			continue
		}
		of++
		if c.w.process(member.ID).held(member.Instance, index, mark) {
			held++
		}
	}
	return held, of
}

// apply compares the state with that of every node that ever stood at the same index.
func (c *checks) apply(p *process, v *view, applied uint64) {
	if applied == v.applied {
		return
	}
	if applied < v.applied {
		c.w.fail("applied", "n%d went from applied %d back to %d", p.number, v.applied, applied)
	}
	v.applied = applied
	if p.machine == nil || p.node.Machine() == nil {
		return
	}
	hash := p.node.Machine().StateHash()
	c.w.emit(trace.Event{Kind: trace.Apply, Node: p.number, Numbers: numbers{applied, hash}})
	if before, ok := c.hashes[applied]; ok && before != hash {
		c.w.fail("state", "n%d holds another state at index %d than another node held there", p.number, applied)
	}
	c.hashes[applied] = hash
}
