package sim

import (
	"github.com/cespare/xxhash/v2"
	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/sim/trace"
	"go.etcd.io/raft/v3/raftpb"
)

// checks watches everything after each step.
type checks struct {
	w       *World
	leaders map[uint64]uint64 // who led a term
	hashes  map[uint64]uint64 // of the state, by applied index
	// logs tells what every log holds up to an entry of a term: two logs that hold the same entry hold the same before it.
	logs map[place]uint64
	// committed holds, from index 1 on, what was committed; nobody may ever commit anything else.
	committed []committedEntry
	replay    replay
	views     []view // by process number-1
	bounds    bounds
}

// place is where an entry stands.
type place struct{ index, term uint64 }

// entryMark tells an entry from every other.
type entryMark struct{ term, digest uint64 }

// heldEntry is an entry of a node's log.
type heldEntry struct {
	mark  entryMark
	chain uint64 // digest of the log up to and including it
	entry *raftpb.Entry
}

type committedEntry struct {
	mark  entryMark
	chain uint64
	entry *raftpb.Entry // nil: nobody committed it
	under uint64        // the term of who was first to commit it
}

// view is what is known of one process's log.
type view struct {
	entries []heldEntry // what the node holds, durable or not, from first on
	first   uint64      // index of entries[0]; 0 and none in a new directory
	commit  uint64      // of this life
	applied uint64
	term    uint64 // of this life
	// bound and vote are the highest term in which something left that binds the node over lives, and whom it voted for there;
	// 0 if no vote left.
	bound, vote uint64
	// promised is the last index that left in an append response of a term.
	promised, promisedTerm uint64
}

// foundingChain stands for the log up to the founding index, which is the same everywhere.
const foundingChain = 1

func (c *checks) init(w *World) {
	c.w, c.leaders, c.hashes, c.logs = w, map[uint64]uint64{}, map[uint64]uint64{}, map[place]uint64{}
	c.views = make([]view, w.plan.Nodes+w.plan.Spares)
	c.committed = make([]committedEntry, cluster.FoundingIndex+1, 512)
	c.committed[cluster.FoundingIndex] = committedEntry{mark: entryMark{term: cluster.FoundingTerm}, chain: foundingChain}
	c.replay.init(w.machineOptions())
	c.bounds.init(w)
}

// forget is for a process that comes back as another instance: that one has promised nothing.
func (c *checks) forget(p *process) { *c.view(p) = view{} }

func (c *checks) view(p *process) *view { return &c.views[p.number-1] }

func markOf(e *raftpb.Entry) entryMark {
	return entryMark{term: e.GetTerm(), digest: xxhash.Sum64(e.GetData())}
}

// extend is the digest of a log that ends with an entry of that mark and type, behind one of the digest chain.
func extend(chain uint64, mark entryMark, kind raftpb.EntryType) uint64 {
	z := chain + mark.term*0x9e3779b97f4a7c15 + mark.digest + uint64(kind)
	z = (z ^ z>>33) * 0xff51afd7ed558ccd
	z = (z ^ z>>33) * 0xc4ceb9fe1a85ec53
	return z ^ z>>33
}

// last is the index of the last entry that the node holds.
func (v *view) last() uint64 { return max(v.first, 1) + uint64(len(v.entries)) - 1 }

// at returns the entry of an index; nil if it is not held as an entry.
func (v *view) at(index uint64) *heldEntry {
	if index < v.first || index-v.first >= uint64(len(v.entries)) {
		return nil
	}
	return &v.entries[index-v.first]
}

// chainAt returns the digest of the node's log up to an index: what lies behind its first entry must be committed.
func (c *checks) chainAt(v *view, index uint64) (chain uint64, ok bool) {
	if e := v.at(index); e != nil {
		return e.chain, true
	}
	if index <= cluster.FoundingIndex {
		return foundingChain, true
	}
	if index < v.first && index < uint64(len(c.committed)) {
		return c.committed[index].chain, true
	}
	return 0, false
}

// add takes an entry behind the last one of a node's log, and compares that log with all others.
func (c *checks) add(p *process, v *view, e *raftpb.Entry) (known bool) {
	before, ok := c.chainAt(v, e.GetIndex()-1)
	if !ok {
		c.w.fail("log", "n%d holds entry %d, and what is before it was never committed", p.number, e.GetIndex())
		return true
	}
	h := heldEntry{mark: markOf(e), entry: e}
	h.chain = extend(before, h.mark, e.GetType())
	v.entries = append(v.entries, h)
	at := place{e.GetIndex(), e.GetTerm()}
	other, known := c.logs[at]
	if known && other != h.chain {
		c.w.fail("log matching", "n%d holds another log up to index %d of term %d than another node", p.number, at.index, at.term)
	}
	c.logs[at] = h.chain
	return known
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
	promised, _ := c.chainAt(v, v.promised)
	v.first, v.entries = r.Snapshot.Index+1, v.entries[:0]
	if len(r.Entries) > 0 {
		v.first = r.Entries[0].GetIndex()
	}
	for _, e := range r.Entries {
		if !c.add(p, v, e) {
			c.w.fail("log", "n%d came back with an entry %d of term %d that nobody ever appended", p.number, e.GetIndex(), e.GetTerm())
		}
	}
	v.commit, v.applied, v.term = 0, r.Snapshot.Index, r.HardState.Term
	c.kept(p, v, max(r.Snapshot.Index, v.last()), promised)
	if r.Snapshot.Index > cluster.FoundingIndex {
		c.state(p, r.Machine, r.Snapshot.Index)
	}
}

// kept checks that the disk covers every append response that ever left.
func (c *checks) kept(p *process, v *view, last, promised uint64) {
	if v.promised > last {
		c.w.fail("durability", "n%d came back with a log that ends at %d, after it had promised entries up to %d in term %d", p.number, last, v.promised, v.promisedTerm)
		return
	}
	if now, ok := c.chainAt(v, v.promised); !ok || now != promised {
		c.w.fail("durability", "n%d came back with other entries up to %d than it had promised in term %d", p.number, v.promised, v.promisedTerm)
	}
}

// stepped looks at a node after a step.
func (c *checks) stepped(p *process, e *cluster.Effects) {
	v := c.view(p)
	for i := range e.Appends {
		c.appended(p, v, &e.Appends[i])
	}
	s := p.node.Marks()
	if e.Role != nil {
		c.role(p, v, e.Role)
	}
	for _, m := range e.Messages {
		c.leaving(v, m, s.Term)
	}
	if s.Term < v.term {
		c.w.fail("term", "n%d went from term %d back to %d", p.number, v.term, s.Term)
	}
	v.term = s.Term
	if s.Commit < v.commit {
		c.w.fail("commit", "n%d went from commit %d back to %d", p.number, v.commit, s.Commit)
	}
	if s.Commit > v.commit {
		c.commit(p, v, s.Commit, e.Members)
		if e.Role == nil && p.role.State == cluster.Leader {
			c.counted(p, v, &s)
		}
	}
	c.bounds.stepped(p, v, e, &s)
	c.apply(p, v, &s)
}

// appended follows what a node hands out to be written.
func (c *checks) appended(p *process, v *view, a *cluster.Append) {
	if a.Snapshot.Index != 0 {
		c.restarted(p, v, a.Snapshot)
	}
	for _, e := range a.Entries {
		i := e.GetIndex()
		if i < v.first || len(v.entries) == 0 {
			v.first, v.entries = i, v.entries[:0]
		}
		if i <= v.last() {
			v.entries = v.entries[:i-v.first]
			v.promised = min(v.promised, i-1)
			c.w.probe(probeOverwritten)
		}
		c.add(p, v, e)
	}
}

// restarted follows a node whose log begins anew behind a snapshot.
func (c *checks) restarted(p *process, v *view, mark cluster.SnapshotMark) {
	if mark.Index >= uint64(len(c.committed)) || c.committed[mark.Index].mark.term != mark.Term {
		c.w.fail("snapshot", "n%d takes a snapshot of index %d and term %d, which was never committed", p.number, mark.Index, mark.Term)
	}
	v.first, v.entries = mark.Index+1, v.entries[:0]
	v.promised = 0
}

// role follows who leads: one at a time in a term, and only who holds everything that was committed in earlier terms.
func (c *checks) role(p *process, v *view, r *cluster.Role) {
	if r.State != cluster.Leader {
		return
	}
	other, ok := c.leaders[r.Term]
	if ok && other != p.number {
		c.w.fail("two leaders", "n%d and n%d both lead in term %d", other, p.number, r.Term)
	}
	c.leaders[r.Term] = p.number
	if !ok {
		c.complete(p, v, r.Term)
	}
}

// complete checks that the leader of a term holds everything that was committed up to it: by the digest at the last index of that. One that
// was elected late, because its votes were long under way, need not hold what was committed in a higher term.
func (c *checks) complete(p *process, v *view, term uint64) {
	last := uint64(len(c.committed) - 1)
	for c.committed[last].under > term {
		last--
	}
	if chain, ok := c.chainAt(v, last); !ok || chain != c.committed[last].chain {
		c.w.fail("leader completeness", "n%d leads, and does not hold entry %d of term %d, which was committed before", p.number, last, c.committed[last].mark.term)
	}
}

// leaving notes what an outgoing message promises; term is the node's. What answers a leader of an earlier term promises nothing any more: that
// one's entries may have been replaced already.
func (c *checks) leaving(v *view, m *raftpb.Message, term uint64) {
	switch {
	case m.GetReject():
	case m.GetType() == raftpb.MsgVoteResp:
		v.bind(m.GetTerm(), m.GetTo())
	case m.GetType() == raftpb.MsgVote:
		v.bind(m.GetTerm(), m.GetFrom())
	case m.GetType() == raftpb.MsgAppResp:
		v.bind(m.GetTerm(), 0)
		if m.GetTerm() >= term {
			v.promised, v.promisedTerm = max(v.promised, m.GetIndex()), m.GetTerm()
		}
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
		e := v.at(i)
		if e == nil && (i < v.first || i == cluster.FoundingIndex) {
			continue // behind a snapshot
		}
		if e == nil {
			c.w.fail("committed", "n%d commits entry %d, which it does not hold", p.number, i)
			return
		}
		switch {
		case i == uint64(len(c.committed)):
			c.first(p, i, e, changed)
		case i > uint64(len(c.committed)):
			c.w.fail("committed", "n%d commits entry %d, and nobody has committed %d", p.number, i, len(c.committed))
			return
		case c.committed[i].mark != e.mark:
			c.w.fail("committed", "n%d commits another entry at %d (term %d) than was committed there before (term %d)", p.number, i, e.mark.term, c.committed[i].mark.term)
		}
	}
	v.commit = commit
}

// counted checks the rule by which a leader commits: what it counted is an entry of its own term, since one of an earlier term may be
// replaced although a majority holds it.
func (c *checks) counted(p *process, v *view, s *cluster.Marks) {
	if e := v.at(s.Commit); e != nil && e.mark.term != s.Term {
		c.w.fail("commit", "n%d leads in term %d and commits up to %d, an entry of term %d", p.number, s.Term, s.Commit, e.mark.term)
	}
}

// reads checks that a read which is released sees all that was committed before the node was asked, by whomever. That is more than clients can tell:
// two leaders can't both have a quorum's word.
func (c *checks) reads(p *process, r *request, index uint64) {
	if index < r.committed {
		c.w.fail("read", "n%d releases a read at index %d, and %d was committed before it was asked", p.number, index, r.committed)
	}
}

// first follows an entry that nobody committed before.
func (c *checks) first(p *process, index uint64, e *heldEntry, changed *cluster.Membership) {
	c.committed = append(c.committed, committedEntry{mark: e.mark, chain: e.chain, entry: e.entry, under: c.view(p).term})
	c.durable(p, index, e.mark, changed)
	for _, q := range c.w.processes {
		if q.up && q.role.State == cluster.Leader && q.role.Term > p.node.Marks().Term {
			c.complete(q, c.view(q), q.role.Term)
		}
	}
	var b kv.Batch
	if holdsCommands(e.entry) {
		var err error
		if b, err = kv.DecodeBatch(e.entry.GetData()); err != nil {
			c.w.fail("codec", "entry %d, which n%d commits, does not decode: %v", index, p.number, err)
		}
		c.bounds.batch(index, &b, e.entry)
	}
	before := c.replay.evicted
	if wrong := c.replay.apply(&b); wrong != "" {
		c.w.fail("exactly once", "%s", wrong)
	}
	c.w.witness.committed(p, e, c.replay.evicted > before)
}

// durable checks that a quorum holds what was committed just now, by what the disks hold.
func (c *checks) durable(p *process, index uint64, mark entryMark, changed *cluster.Membership) {
	held, of := c.quorum(&p.members, index, mark)
	if 2*held <= of && changed != nil {
		// A change of members that was applied in this step may have brought the commit: a smaller quorum suffices then.
		held, of = c.quorum(changed, index, mark)
	}
	if 2*held <= of {
		c.w.fail("durability", "n%d committed entry %d of term %d, which is on the disks of %d of %d voters", p.number, index, mark.term, held, of)
	}
}

// quorum counts the voters whose disks hold an entry. There are no joint configurations: members change one at a time.
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

// apply follows what a node has applied.
func (c *checks) apply(p *process, v *view, s *cluster.Marks) {
	if s.Applied == v.applied {
		return
	}
	if s.Applied < v.applied {
		c.w.fail("applied", "n%d went from applied %d back to %d", p.number, v.applied, s.Applied)
	}
	if s.Applied > s.Commit {
		c.w.fail("applied", "n%d has applied %d, and knows of no commit above %d", p.number, s.Applied, s.Commit)
	}
	v.applied = s.Applied
	c.state(p, p.node.Machine(), s.Applied)
}

// state compares a state with that of every node that ever stood at the same index, and with what the committed log comes to.
func (c *checks) state(p *process, m *kv.Machine, index uint64) {
	hash := m.StateHash()
	c.w.emit(trace.Event{Kind: trace.Apply, Node: p.number, Numbers: numbers{index, hash}})
	before, known := c.hashes[index]
	if known && before == hash {
		return
	}
	if known {
		c.w.fail("state", "n%d holds another state at index %d than another node held there", p.number, index)
	}
	c.hashes[index] = hash
	if wrong := c.replay.differs(m, index); wrong != "" {
		c.w.fail("replay", "n%d has applied index %d: %s", p.number, index, wrong)
	}
}

// given notes a command that a node is asked to propose.
func (c *checks) given(p *process, r *request) {
	c.replay.given(nameOf(p.number, p.epoch, &r.command))
}

// replied judges the answer to a command.
func (c *checks) replied(p *process, r *request, e *cluster.Reply) {
	wrong := ""
	switch name := nameOf(p.number, p.epoch, &r.command); e.Outcome {
	case cluster.Done:
		wrong = c.replay.answered(name, e.Result)
	case cluster.Refused:
		wrong = c.replay.refused(name)
	}
	if wrong != "" {
		c.w.fail("answer", "%s", wrong)
	}
}
