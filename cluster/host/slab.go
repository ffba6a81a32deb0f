package host

import "github.com/lockstepdb/lockstep/cluster/server"

// slot is a request that the loop has taken in and not answered.
type slot struct {
	generation uint32
	used       bool
	canceled   bool // an EventCancel was given to the node
	forwarded  bool // given to the transport, for the node peer
	peer       uint64
	request    *server.Request // or
	call       *call
	deadline   int64 // monotonic nanoseconds; 0: none
	began      int64 // monotonic nanoseconds
}

// slab holds slots under ids that are not used twice: the slot's number below, its generation above. It grows to what was
// pending at most, which the queue bounds.
type slab struct {
	slots []slot
	free  []uint32
	used  int
	// earliest is at or before every slot's deadline; 0: there is none.
	earliest int64
}

func (s *slab) add(v slot) (id uint64) {
	var i uint32
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		i = uint32(len(s.slots))
		s.slots = append(s.slots, slot{})
	}
	v.generation, v.used = s.slots[i].generation+1, true
	s.slots[i] = v
	s.used++
	if v.deadline != 0 && (s.earliest == 0 || v.deadline < s.earliest) {
		s.earliest = v.deadline
	}
	return uint64(v.generation)<<32 | uint64(i)
}

// get returns the slot; nil when it was released already. It is valid until the next add.
func (s *slab) get(id uint64) *slot {
	i := uint32(id)
	if uint64(i) >= uint64(len(s.slots)) || !s.slots[i].used || s.slots[i].generation != uint32(id>>32) {
		return nil
	}
	return &s.slots[i]
}

func (s *slab) release(id uint64) {
	i := uint32(id)
	s.slots[i] = slot{generation: s.slots[i].generation}
	s.free = append(s.free, i)
	s.used--
}

// overdue calls f with each slot whose deadline has passed and that is not canceled. It walks only when a deadline may have passed.
func (s *slab) overdue(now int64, f func(id uint64, v *slot)) {
	if s.earliest == 0 || now < s.earliest {
		return
	}
	var late []uint64
	s.earliest = 0
	for i := range s.slots {
		v := &s.slots[i]
		if !v.used || v.canceled || v.deadline == 0 {
			continue
		}
		if v.deadline <= now {
			late = append(late, uint64(v.generation)<<32|uint64(i))
		} else if s.earliest == 0 || v.deadline < s.earliest {
			s.earliest = v.deadline
		}
	}
	for _, id := range late {
		f(id, s.get(id))
	}
}

// each calls f with every id in use.
func (s *slab) each(f func(id uint64, v *slot)) {
	for i := range s.slots {
		if v := &s.slots[i]; v.used {
			f(uint64(v.generation)<<32|uint64(i), v)
		}
	}
}
