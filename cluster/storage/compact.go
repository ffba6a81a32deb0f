package storage

import (
	"fmt"
	"path"
)

// Compact drops whole segments whose entries are all at or below index, oldest first and each durably before the next, so
// that a crash never leaves a hole. index must be at or below the newest durable snapshot's: everything else is a mistake
// that would lose entries, and panics.
//
// Entries that lead from the previous kept snapshot to the newest one stay although index would let them go, so that a
// newest file that turns out to be damaged can be passed over. They go when free disk is below the reserve.
// Up to 4 dropped files are kept aside to be written again.
func (s *Store) Compact(index uint64) error {
	if err := s.usable(); err != nil {
		return err
	}
	if !s.log.ready {
		panic("storage: Compact before Recover")
	}
	low := s.checkReserve(true)
	limit := s.compactLimit(index, low)
	if s.log.segments[0].indexMax > limit || len(s.log.segments) == 1 {
		return nil
	}
	// A mark voids entries of earlier segments, so it has to be durable before they go.
	if err := s.sync(); err != nil {
		return s.fail(err)
	}
	if err := s.dropHead(limit, low); err != nil {
		return s.fail(err)
	}
	s.countSegments()
	s.checkReserve(true)
	return nil
}

// compactLimit is the index up to which entries may go.
func (s *Store) compactLimit(index uint64, low bool) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest, _ := s.newestSnapshot()
	if index > newest.mark.Index {
		panic(fmt.Sprintf("storage: compaction to %d, but the newest durable snapshot is %d", index, newest.mark.Index))
	}
	if kept := s.anchoredSnapshots(); !low && len(kept) > 1 && s.o.SnapshotsKept > 1 {
		index = min(index, kept[len(kept)-2].mark.Index)
	}
	return index
}

// dropHead drops head segments, but never the one that is written.
func (s *Store) dropHead(limit uint64, low bool) error {
	l := &s.log
	for len(l.segments) > 1 && l.segments[0].indexMax <= limit {
		if err := s.dropSegment(l.segments[0], low); err != nil {
			return err
		}
		// Not what the next one's checkpoint ends with: a mark in it may have voided that.
		l.state.dropTo(min(l.segments[0].indexMax, l.state.last.index))
		l.segments = l.segments[1:]
		s.mu.Lock()
		s.published = l.state
		s.mu.Unlock()
	}
	return nil
}

func (s *Store) dropSegment(seg *segment, low bool) error {
	dir := path.Join(s.dir, logDir)
	if seg.bytes != s.o.SegmentBytes || low || len(s.log.spares) >= sparesMax {
		if err := s.fs.Remove(seg.name); err != nil {
			return &FailedError{Op: "remove", File: seg.name, Err: err}
		}
		return syncDir(s.fs, dir)
	}
	// Its name is gone for good before anything is written into it.
	spare := seg.name + tempSuffix
	if err := rename(s.fs, seg.name, spare); err != nil {
		return err
	}
	s.log.spares = append(s.log.spares, spare)
	return nil
}
