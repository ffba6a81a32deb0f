package sim

import "github.com/lockstepdb/lockstep/cluster"

// budget says how much may be taken from the cluster for good. A quorum of the voters must keep what they hold, in every membership
// that somebody still goes by, and no quorum of those that are left may lack what is committed. It is judged by what the disks
// hold.
type budget struct {
	latest cluster.Membership // that was applied anywhere
	at     uint64             // the index up to which was applied then
}

// changed follows the membership.
func (b *budget) changed(m cluster.Membership, applied uint64) {
	if applied >= b.at {
		b.latest, b.at = m, applied
	}
}

// affords says whether the cluster can do without those that it has lost, and without one more; nil: without those alone.
func (w *World) affords(without *process) bool {
	if !w.quorate(&w.budget.latest, without) {
		return false
	}
	for _, member := range w.budget.latest.Members {
		p := w.process(member.ID)
		if p != without && p.has(&member) && len(p.members.Members) > 0 && !w.quorate(&p.members, without) {
			return false
		}
	}
	return true
}

// has says whether a process still takes part as that member.
func (p *process) has(m *cluster.Member) bool {
	return p.instance == m.Instance && !p.lost && p.away == ""
}

// quorate says whether those that are left are a quorum, and every quorum of them holds what is committed.
func (w *World) quorate(m *cluster.Membership, without *process) bool {
	voters, left, behind := 0, 0, 0
	last := len(w.checks.committed) - 1
	for i := range m.Members {
		if m.Members[i].Learner {
			continue
		}
		voters++
		p := w.process(m.Members[i].ID)
		if p == without || !p.has(&m.Members[i]) {
			continue
		}
		left++
		if last > cluster.FoundingIndex && !p.durable.holds(uint64(last), w.checks.committed[last].mark) {
			behind++
		}
	}
	quorum := voters/2 + 1
	return left >= quorum && behind < quorum
}
