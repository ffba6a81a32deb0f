package storage

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// span is a run of frames in one segment that hold the entries first to last, and perhaps others that were replaced.
type span struct {
	seg         int // in the chain
	from, end   int64
	first, last uint64
	cut         bool // entries behind last were replaced: nothing more may be added
}

const (
	// spanBytesMax is how far a span reaches: a smaller one means more of them to remember, a bigger one more to read in vain.
	spanBytesMax = 1 << 20
	// dataBlockBytes is how much of the data of small entries shares an allocation. An entry that is kept pins that much.
	dataBlockBytes = 64 << 10
	// ownedEntriesMax is how many entries share an allocation.
	ownedEntriesMax = 64
)

// spans are where the entries of the log are, in order and without a gap.
type spans []span

func (s *spans) void() { *s = nil }

// add notes the frame of new entries, and forgets those that they replace.
func (s *spans) add(n span) {
	list := *s
	replaced := false
	for len(list) > 0 && list[len(list)-1].first >= n.first {
		list, replaced = list[:len(list)-1], true
	}
	if len(list) > 0 {
		top := &list[len(list)-1]
		if top.last >= n.first {
			top.last, replaced = n.first-1, true
		}
		top.cut = top.cut || replaced
		if !top.cut && top.seg == n.seg && n.end-top.from <= spanBytesMax {
			top.end, top.last = n.end, n.last
			return
		}
	}
	*s = append(list, n)
}

// since is the first index to load so that what is at or below index fills at most bytes of frames.
func (s spans) since(index uint64, bytes int64) uint64 {
	from := index + 1
	for i := len(s) - 1; i >= 0; i-- {
		if s[i].first > index {
			continue
		}
		bytes -= s[i].end - s[i].from
		if bytes < 0 {
			break
		}
		from = s[i].first
	}
	return from
}

// load reads the entries that are returned: all above the snapshot, and a tail of those at or below it.
func (r *recovery) load() ([]*raftpb.Entry, error) {
	var l loader
	l.from = r.spans.since(r.snapshot.Index, r.o.TailBytes)
	for _, sp := range r.spans {
		if sp.last >= l.from {
			l.bytes += sp.end - sp.from
		}
	}
	for _, sp := range r.spans {
		if sp.last < l.from {
			continue
		}
		if err := r.loadSpan(&l, sp); err != nil {
			return nil, err
		}
	}
	if n := len(l.entries); n > 0 && l.entries[n-1].GetIndex() != r.state.last.index || n == 0 && r.state.last != r.state.base && r.state.last.index > r.snapshot.Index {
		panic(fmt.Sprintf("storage: %d entries were loaded, the last one should be %d", n, r.state.last.index))
	}
	return l.entries, nil
}

func (r *recovery) loadSpan(l *loader, sp span) error {
	seg := r.chain[sp.seg]
	f, err := r.fs.Open(seg.name)
	if err != nil {
		return &FailedError{Op: "open", File: seg.name, Err: err}
	}
	defer f.Close()
	s := r.scan(f, seg)
	s.w.size = min(s.w.size, sp.end) // no reading ahead into the next span
	end, reason, err := s.frames(sp.from, sp.end, func(_ int64, _ frameHeader, d decoded) string {
		return l.add(d, sp)
	})
	if err == nil && reason != "" {
		err = s.corrupt(end, reason+", on second reading")
	}
	return err
}

// loader makes entries that own their memory.
type loader struct {
	from    uint64
	bytes   int64 // of the frames that are not loaded yet
	entries []*raftpb.Entry
	owned   []ownedEntry // what is left of the current block of entries
	block   []byte       // what is left of the current block for data
}

// ownedEntry is an entry and what its fields point to, in one piece.
type ownedEntry struct {
	entry       raftpb.Entry
	index, term uint64
	kind        raftpb.EntryType
}

func (l *loader) add(d decoded, sp span) (reason string) {
	d.eachEntry(func(e rawEntry) bool {
		if e.index < l.from || e.index < sp.first {
			return true
		}
		if e.index > sp.last {
			return false
		}
		if n := len(l.entries); n > 0 && l.entries[n-1].GetIndex()+1 != e.index {
			reason = fmt.Sprintf("entry %d follows entry %d, on second reading", e.index, l.entries[n-1].GetIndex())
			return false
		}
		l.entries = append(l.entries, l.own(e))
		return true
	})
	return reason
}

func (l *loader) own(e rawEntry) *raftpb.Entry {
	if len(l.owned) == 0 {
		l.owned = make([]ownedEntry, min(ownedEntriesMax, max(1, l.bytes/entryHeaderBytes)))
	}
	o := &l.owned[0]
	l.owned = l.owned[1:]
	l.bytes -= entryHeaderBytes + int64(len(e.data))
	o.index, o.term, o.kind = e.index, e.term, e.kind
	o.entry.Index, o.entry.Term, o.entry.Type = &o.index, &o.term, &o.kind
	if len(e.data) > 0 {
		o.entry.Data = l.copy(e.data)
	}
	return &o.entry
}

// copy gives big data an allocation of its own, and small data a share of a block.
func (l *loader) copy(data []byte) []byte {
	if len(data) >= dataBlockBytes/4 {
		return append([]byte(nil), data...)
	}
	if len(l.block) < len(data) {
		l.block = make([]byte, max(int64(len(data)), min(dataBlockBytes, l.bytes+int64(len(data)))))
	}
	n := copy(l.block, data)
	own := l.block[:n:n]
	l.block = l.block[n:]
	return own
}
