package sim

import (
	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"go.etcd.io/raft/v3/raftpb"
)

// witness sees from outside which probes are reached.
type witness struct {
	w     *World
	sites []site // by process number-1
}

// site is what the witness remembers of a process's life.
type site struct {
	led      bool
	overlaid bool // writes went beside a snapshot that is being saved
	recycled int
}

func (s *witness) init(w *World) { s.w, s.sites = w, make([]site, w.plan.Nodes+w.plan.Spares) }

func (s *witness) site(p *process) *site { return &s.sites[p.number-1] }

// started begins a life.
func (s *witness) started(p *process, r *cluster.Recovered) {
	*s.site(p) = site{recycled: p.durable.recycled}
	if n := len(r.Entries); n > 0 && r.Entries[n-1].GetIndex() > max(r.HardState.Commit, r.Snapshot.Index) {
		s.w.probe(probeRecoveredBacklog)
	}
}

// stepped looks at what a node does, before it is carried out.
func (s *witness) stepped(p *process, events []cluster.Event, e *cluster.Effects) {
	for i := range events {
		if r := p.requests[events[i].ID]; events[i].Kind == cluster.EventRead && r != nil {
			r.step, r.term = s.w.nodeSteps, p.role.Term
		}
	}
	if e.Role != nil {
		s.role(p, e.Role)
	}
	for _, m := range e.Messages {
		s.refusal(m)
	}
	s.appends(p, e)
	if e.Members != nil && e.Machine == nil {
		s.members(p, e.Members)
	}
	if e.Compact > 0 && p.role.State == cluster.Leader {
		s.compacted(p, e.Compact)
	}
	s.snapshot(p)
}

func (s *witness) role(p *process, r *cluster.Role) {
	before := p.role
	switch {
	case r.State == cluster.Candidate && r.Term > cluster.FoundingTerm+1 && s.w.checks.leaders[r.Term-1] == 0:
		s.w.probe(probeNoWinner)
	case r.State == cluster.Leader:
		s.site(p).led = true
		for _, q := range s.w.processes {
			if q != p && q.up && q.role.State == cluster.Leader && q.role.Term < r.Term {
				s.w.probe(probeTwoLeaders)
			}
		}
	case before.State == cluster.Leader && r.Term == before.Term && r.Leader == 0:
		s.w.probe(probeCheckQuorum)
	}
	if before.State == cluster.Leader && r.State != cluster.Leader && len(p.requests) > 0 {
		s.w.probe(probeLeaderLostRequests)
	}
}

func (s *witness) refusal(m *raftpb.Message) {
	switch {
	case !m.GetReject():
	case m.GetType() == raftpb.MsgPreVoteResp:
		s.w.probe(probePreVoteRefused)
	case m.GetType() == raftpb.MsgVoteResp:
		s.w.probe(probeVoteRefused)
	}
}

func (s *witness) appends(p *process, e *cluster.Effects) {
	waiting := withEntries(p.queued) + withEntries(p.writing)
	for i := range e.Appends {
		if e.Appends[i].Snapshot.Index != 0 && waiting+withEntries(e.Appends[:i]) > 0 {
			s.w.probe(probeSnapshotInFlight)
		}
	}
	if now := withEntries(e.Appends); now > 0 && waiting > 0 {
		s.w.probe(probeAppendsWaited)
	}
	if site := s.site(p); p.durable.recycled > site.recycled {
		site.recycled = p.durable.recycled
		s.w.probe(probeSegmentRecycled)
	}
}

func withEntries(appends []cluster.Append) (n int) {
	for i := range appends {
		if len(appends[i].Entries) > 0 {
			n++
		}
	}
	return n
}

// members tells which change came.
func (s *witness) members(p *process, now *cluster.Membership) {
	for _, m := range p.members.Members {
		after, ok := now.Find(m.ID)
		switch {
		case !ok && m.ID == p.number && p.role.State == cluster.Leader:
			s.w.probe(probeLeaderRemoved)
			fallthrough
		case !ok:
			s.w.probe(probeMemberRemoved)
		case m.Learner && !after.Learner:
			s.w.probe(probeMemberPromoted)
		}
	}
	if len(now.Members) > len(p.members.Members) {
		s.w.probe(probeMemberAdded)
	}
	for from, links := range s.w.network.cut[1:] {
		for to, faults := range links[1:] {
			if from != to && faults > 0 {
				s.w.probe(probeChangePartitioned)
				return
			}
		}
	}
}

// compacted says whether a leader leaves somebody behind.
func (s *witness) compacted(p *process, index uint64) {
	for _, m := range p.members.Members {
		if s.w.checks.view(s.w.process(m.ID)).last() < index {
			s.w.probe(probeCompactedPast)
			return
		}
	}
}

func (s *witness) snapshot(p *process) {
	site, stats := s.site(p), p.node.Machine().Stats()
	overlaid := stats.Frozen && stats.OverlayKeys > 0
	if overlaid && !site.overlaid {
		s.w.probe(probeSnapshotBeside)
	}
	site.overlaid = overlaid
}

// committed sees an entry that nobody committed before.
func (s *witness) committed(p *process, e *heldEntry, evicted bool) {
	if p.role.State == cluster.Leader && e.mark.term < p.role.Term {
		s.w.probe(probeOlderTerm)
	}
	if evicted {
		s.w.probe(probeEvicted)
	}
}

// replied sees an answer of a node.
func (s *witness) replied(p *process, r *request, e *cluster.Reply) {
	switch {
	case r.do == askTransfer && e.Outcome == cluster.Done:
		s.w.probe(probeTransferDone)
	case r.do == askTransfer && e.Outcome == cluster.Unknown:
		s.w.probe(probeTransferFailed)
	case r.do == askRead && e.Outcome == cluster.Done:
		s.read(p, r)
	case e.Outcome == cluster.Unknown:
		s.unknown(p, e)
	case e.Outcome == cluster.Refused:
		s.refused(r, e.Reason)
	case r.do == askWrite:
		s.result(r, &e.Result)
	}
}

func (s *witness) read(p *process, r *request) {
	leads := p.role.State == cluster.Leader
	switch {
	case !leads:
		s.w.probe(probeFollowerRead)
	case !s.w.plan.Node.LeaseReads || len(p.members.Members) < 2:
	case r.step == s.w.nodeSteps: // nobody could have been asked meanwhile
		s.w.probe(probeLeaseRead)
	default:
		s.w.probe(probeLeaseOver)
	}
	if r.term < p.role.Term {
		s.w.probe(probeReadOverChange)
	}
}

func (s *witness) unknown(p *process, e *cluster.Reply) {
	if s.site(p).led && p.role.State != cluster.Leader {
		s.w.probe(probeLeaderLostUnknown)
	}
	switch e.Reason {
	case cluster.ReasonExpired:
		s.w.probe(probeExpired)
	case cluster.ReasonSnapshotSkipped:
		s.w.probe(probeSnapshotSkipped)
	}
}

func (s *witness) refused(r *request, reason cluster.Reason) {
	switch reason {
	case cluster.ReasonSuperseded:
		s.w.probe(probeSuperseded)
	case cluster.ReasonOverloaded:
		s.w.probe(probeOverloaded)
	case cluster.ReasonDiskFull:
		s.w.probe(probeDiskLow)
	case cluster.ReasonDataFull:
		s.w.probe(probeDataFull)
	case cluster.ReasonBehind:
		s.w.probe(probeLearnerBehind)
	case cluster.ReasonExpired:
		if r.do == askRead {
			s.w.probe(probeReadExpired)
		}
	}
}

func (s *witness) result(r *request, result *kv.Result) {
	switch {
	case result.Status == kv.ConditionFailed:
		s.w.probe(probeConditionFailed)
	case result.Status == kv.SessionExpired:
		s.w.probe(probeSessionExpired)
	case result.Replayed && r.command.Session != 0:
		s.w.probe(probeDeduplicated)
	}
}

// down sees a process go.
func (s *witness) down() {
	for _, p := range s.w.processes {
		if p.up {
			return
		}
	}
	s.w.probe(probeAllDown)
}
