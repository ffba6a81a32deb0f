package storage

import (
	"fmt"

	"github.com/lockstepdb/lockstep/cluster"
)

// logState is what the log comes to, frame by frame: the writer keeps it to encode checkpoints and to refuse appends
// that break the log, and recovery computes it again.
type logState struct {
	epoch uint64
	hard  cluster.HardState
	mark  cluster.SnapshotMark // the last one
	base  point                // the entry before the first one that the log has
	last  point                // the last entry; equal to base when there is none
	// runs are the terms of the entries behind base. The slice is never changed in place: a copy of the state keeps it.
	runs []termRun
}

// termRun says that entries from first on, up to the next run, have the term.
type termRun struct{ first, term uint64 }

func stateOf(c checkpoint) logState {
	return logState{epoch: c.epoch, hard: c.hard, mark: c.mark, base: c.last, last: c.last}
}

func (s *logState) checkpoint(prev link) checkpoint {
	return checkpoint{epoch: s.epoch, hard: s.hard, mark: s.mark, last: s.last, prev: prev}
}

// term is that of the entry at index; false when it is not known.
func (s *logState) term(index uint64) (uint64, bool) {
	if index == s.base.index {
		return s.base.term, index == 0 || s.base.term != 0
	}
	if index < s.base.index || index > s.last.index {
		return 0, false
	}
	for i := len(s.runs) - 1; i >= 0; i-- {
		if s.runs[i].first <= index {
			return s.runs[i].term, true
		}
	}
	return 0, false
}

// continues says whether the log goes on from a snapshot: it has the entry at its index, with its term, or begins right behind it.
func (s *logState) continues(m cluster.SnapshotMark) bool {
	if m.Index < s.base.index || m.Index > s.last.index {
		return false
	}
	term, known := s.term(m.Index)
	// Where the term of the base is not known the entries before it were dropped on the ground of a snapshot, at or above it.
	return !known && m.Index == s.base.index || known && term == m.Term
}

// setMark begins the log behind a snapshot.
func (s *logState) setMark(m cluster.SnapshotMark) (reason string) {
	if m.Index < s.hard.Commit {
		return fmt.Sprintf("snapshot mark %d is below commit %d", m.Index, s.hard.Commit)
	}
	s.mark = m
	s.base = point{m.Index, m.Term}
	s.last = s.base
	s.runs = nil
	return ""
}

// setEntries checks that entries may begin at first, and drops those that they replace.
func (s *logState) setEntries(first uint64) (reason string) {
	switch {
	case first > s.last.index+1:
		return fmt.Sprintf("entries %d to %d are missing", s.last.index+1, first-1)
	case first <= s.mark.Index:
		return fmt.Sprintf("entry %d is not above the snapshot mark %d", first, s.mark.Index)
	case first <= s.hard.Commit:
		return fmt.Sprintf("entry %d replaces a committed one, commit is %d", first, s.hard.Commit)
	case first <= s.base.index:
		// Only a log whose head was dropped: the entries that are replaced were in it.
		s.base, s.runs = point{index: first - 1}, nil
	case first <= s.last.index:
		s.cutRuns(first)
	}
	s.last = point{index: first - 1}
	s.last.term, _ = s.term(first - 1)
	return ""
}

// cutRuns drops what is known of entries from first on.
func (s *logState) cutRuns(first uint64) {
	n := len(s.runs)
	for n > 0 && s.runs[n-1].first >= first {
		n--
	}
	// The capacity goes too, so that the next run is added to a copy.
	s.runs = s.runs[:n:n]
}

// push adds an entry behind the last one.
func (s *logState) push(term uint64) {
	s.last = point{s.last.index + 1, term}
	if n := len(s.runs); n > 0 && s.runs[n-1].term == term {
		return
	}
	s.runs = append(s.runs[:len(s.runs):len(s.runs)], termRun{s.last.index, term})
}

// setHard replaces the hard state.
func (s *logState) setHard(h cluster.HardState) (reason string) {
	old := s.hard
	switch {
	case h.Term < old.Term:
		return fmt.Sprintf("term goes back from %d to %d", old.Term, h.Term)
	case h.Term == old.Term && old.Vote != 0 && h.Vote != old.Vote:
		return fmt.Sprintf("vote in term %d changes from %d to %d", h.Term, old.Vote, h.Vote)
	case h.Commit < old.Commit:
		return fmt.Sprintf("commit goes back from %d to %d", old.Commit, h.Commit)
	case h.Commit > s.last.index:
		return fmt.Sprintf("commit %d is above the last entry %d", h.Commit, s.last.index)
	}
	s.hard = h
	return ""
}

// dropTo forgets entries up to index, which segments at the head held.
func (s *logState) dropTo(index uint64) {
	if index <= s.base.index {
		return
	}
	term, _ := s.term(index)
	var runs []termRun
	for i, r := range s.runs {
		if i+1 == len(s.runs) || s.runs[i+1].first > index+1 {
			runs = append(runs, termRun{max(r.first, index+1), r.term})
		}
	}
	if index >= s.last.index {
		runs = nil
	}
	s.base, s.runs = point{index, term}, runs
}

// replay applies a record that was read.
func (s *logState) replay(d decoded) (reason string) {
	if d.mark.Index != 0 {
		if reason = s.setMark(d.mark); reason != "" {
			return reason
		}
	}
	if d.count != 0 {
		if reason = s.setEntries(d.first); reason != "" {
			return reason
		}
		d.eachEntry(func(e rawEntry) bool {
			s.push(e.term)
			return true
		})
	}
	if d.hard.Term != 0 {
		return s.setHard(d.hard)
	}
	return ""
}
