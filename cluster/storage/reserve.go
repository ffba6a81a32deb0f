package storage

const (
	// reserveCheckBytes and reserveCheckAppends are how much may be appended before free disk is looked at again;
	// reserveLowAppends while it is low, so that relief is noticed soon.
	reserveCheckBytes   = 16 << 20
	reserveCheckAppends = 1024
	reserveLowAppends   = 64
)

// reserve watches free disk without a system call an append.
type reserve struct {
	appended uint64 // bytes of frames since Open
	checked  uint64 // appended as of the last check
	calls    int    // since the last check
	low      bool
}

func (r *reserve) due() bool {
	r.calls++
	if r.low {
		return r.calls >= reserveLowAppends
	}
	return r.calls >= reserveCheckAppends || r.appended-r.checked >= reserveCheckBytes
}

// checkReserve says whether free disk is below the reserve. The next segment counts as used already unless a recycled
// file waits for it. When free disk can't be told, the last answer stands: the disk is not failing because of that.
func (s *Store) checkReserve(now bool) (low bool) {
	r := &s.log.reserve
	if s.o.DiskReserveBytes < 0 || !r.due() && !now {
		return r.low
	}
	r.calls, r.checked = 0, r.appended
	free, err := s.fs.FreeBytes(s.dir)
	if err != nil {
		return r.low
	}
	need := s.o.DiskReserveBytes
	if len(s.log.spares) == 0 {
		need += s.o.SegmentBytes
	}
	r.low = free < need
	s.mu.Lock()
	s.stats.FreeBytes = free
	s.mu.Unlock()
	return r.low
}
