package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

const (
	// writeBytesMax is how much is queued before it is written: more goes out in pieces.
	writeBytesMax = 4 << 20
	// bufferKeepBytes is the most that the buffer keeps between calls: one giant does not stay for ever.
	bufferKeepBytes = 2 * writeBytesMax
	// sparesMax is how many dropped segments are kept to be written again.
	sparesMax = 4
)

// log is the writer's end of the log.
type log struct {
	segments []*segment // oldest first; the last one is being written
	file     vfs.File   // of the last one
	state    logState   // as of everything in file and buf
	buf      []byte     // frames that are not written yet
	written  int64      // where buf goes
	durable  int64      // everything in file below is on disk
	spares   []string   // paths of files of SegmentBytes, to be recycled
	reserve  reserve
	ready    bool // Recover is done
}

func (l *log) current() *segment { return l.segments[len(l.segments)-1] }

// end is where the next frame goes.
func (l *log) end() int64 { return l.written + int64(len(l.buf)) }

// Append writes the appends, in order, with one write and, if any asks for it, one sync. With a sync they are durable
// when it returns nil, and so is all that came before. A batch above 4 MiB, or one that does not fit into the segment,
// takes several writes. Entries are read only until it returns.
//
// Any error is final: the store refuses all further writes with it. What was appended may or may not be found by the next
// Recover. low says that free disk is below the reserve. Appends that would break the log (a gap, a change of what is
// committed, a term that goes back) panic: they can't come from a correct node.
func (s *Store) Append(appends []cluster.Append) (low bool, err error) {
	if err := s.usable(); err != nil {
		return s.log.reserve.low, err
	}
	if !s.log.ready {
		panic("storage: Append before Recover")
	}
	before, sync := s.log.reserve.appended, false
	for i := range appends {
		sync = sync || appends[i].Sync
		if err := s.add(&appends[i]); err != nil {
			return s.log.reserve.low, s.fail(err)
		}
	}
	if err := s.finish(sync); err != nil {
		return s.log.reserve.low, s.fail(err)
	}
	for i := range appends {
		if appends[i].Snapshot.Index != 0 {
			s.releaseAll(appends[i].Snapshot)
		}
	}
	s.countAppended(s.log.reserve.appended - before)
	return s.checkReserve(false), nil
}

// finish writes what is queued and syncs if asked to.
func (s *Store) finish(sync bool) error {
	if err := s.flush(); err != nil {
		return err
	}
	if cap(s.log.buf) > bufferKeepBytes {
		s.log.buf = nil
	}
	if !sync {
		return nil
	}
	return s.sync()
}

// add queues the frames of one append.
func (s *Store) add(a *cluster.Append) error {
	r := record{mark: a.Snapshot, hard: a.HardState, entries: a.Entries}
	if r.mark.Index == 0 && r.hard.Term == 0 && len(r.entries) == 0 {
		return nil
	}
	if r.mark.Index != 0 {
		s.mustHave(r.mark)
	}
	// The common case: one frame, all of it or nothing survives a crash.
	if r.payloadBytes() <= framePayloadBytesTarget {
		return s.queue(r)
	}
	return s.divide(r)
}

// divide spreads a big append over frames of about the target. Each carries the hard state with a commit that its
// entries bear out, so that any number of them is a state that raft may find.
func (s *Store) divide(r record) error {
	for rest := r.entries; ; {
		n, size := 0, int64(0)
		for n < len(rest) && (n == 0 || size+entryBytes(rest[n]) <= framePayloadBytesTarget) {
			size += entryBytes(rest[n])
			n++
		}
		part := record{mark: r.mark, hard: r.hard, entries: rest[:n]}
		if n < len(rest) {
			part.hard.Commit = min(part.hard.Commit, rest[n-1].GetIndex())
		}
		if err := s.queue(part); err != nil {
			return err
		}
		if rest = rest[n:]; len(rest) == 0 {
			return nil
		}
		r.mark = cluster.SnapshotMark{}
	}
}

// queue puts one frame into the buffer, after a roll when it does not fit into the segment.
func (s *Store) queue(r record) error {
	l := &s.log
	payload := r.payloadBytes()
	if payload > framePayloadBytesMax {
		panic(fmt.Sprintf("storage: append of %d bytes in one entry, at most %d fit", payload, framePayloadBytesMax))
	}
	size := frameHeaderBytes + align(payload)
	if l.end()+size > l.current().bytes {
		if err := s.roll(size); err != nil {
			return err
		}
	}
	l.admit(r)
	l.buf = appendRecord(l.buf, r, l.end(), l.current().seed, l.durable)
	l.reserve.appended += uint64(size)
	if len(l.buf) >= writeBytesMax {
		return s.flush()
	}
	return nil
}

// admit takes a record into the state, or panics: what is refused here would be unreadable.
func (l *log) admit(r record) {
	must := func(reason string) {
		if reason != "" {
			panic("storage: append breaks the log: " + reason)
		}
	}
	seg := l.current()
	if r.mark.Index != 0 {
		must(l.state.setMark(r.mark))
		voidEntries(l.segments)
	}
	if len(r.entries) > 0 {
		must(l.state.setEntries(r.entries[0].GetIndex()))
		l.admitEntries(r.entries)
		seg.indexMax = max(seg.indexMax, l.state.last.index)
	}
	if r.hard.Term != 0 {
		must(l.state.setHard(r.hard))
	}
}

func (l *log) admitEntries(entries []*raftpb.Entry) {
	for _, e := range entries {
		if e.GetIndex() != l.state.last.index+1 {
			panic(fmt.Sprintf("storage: entry %d follows entry %d in one append", e.GetIndex(), l.state.last.index))
		}
		l.state.push(e.GetTerm())
	}
}

// voidEntries is what a snapshot mark does to the segments so far.
func voidEntries(segments []*segment) {
	for _, seg := range segments {
		seg.indexMax = 0
	}
}

// flush writes the buffer, in one call.
func (s *Store) flush() error {
	l := &s.log
	if len(l.buf) == 0 {
		return nil
	}
	if _, err := l.file.WriteAt(l.buf, l.written); err != nil {
		return &FailedError{Op: "write", File: l.current().name, Err: err}
	}
	l.written += int64(len(l.buf))
	l.buf = l.buf[:0]
	l.current().end = l.written
	return nil
}

// sync makes what was written durable, if anything is not yet.
func (s *Store) sync() error {
	l := &s.log
	if l.durable == l.written {
		return nil
	}
	if err := l.file.SyncData(); err != nil {
		return &FailedError{Op: "sync", File: l.current().name, Err: err}
	}
	l.durable = l.written
	s.mu.Lock()
	s.published = l.state
	s.stats.Syncs++
	s.mu.Unlock()
	return nil
}

// roll ends the current segment and begins the next one, with room for a frame of size bytes.
func (s *Store) roll(size int64) error {
	l := &s.log
	// The old one is durable before the new one says where it ends.
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return err
	}
	old := l.current()
	if err := s.begin(old.seq+1, link{old.seq, old.end}, size); err != nil {
		return err
	}
	s.checkReserve(true)
	return nil
}

// begin makes the segment that is written from now on. It gets its name after its header and checkpoint are durable,
// so that a crash leaves it whole or absent.
//
// This is where the cost of a new file is paid: reserving space (a change of metadata where the file system can do
// that, zeros otherwise) and three syncs, once for SegmentBytes of log. A recycled file needs no new space, and its blocks
// have been written before, so that the syncs of appends into it change no metadata either.
func (s *Store) begin(seq uint64, prev link, size int64) error {
	l := &s.log
	name := path.Join(s.dir, logDir, segmentName(seq))
	seg := &segment{name: name, bytes: max(s.o.SegmentBytes, segmentFirstFrame+size), end: segmentFirstFrame}
	temp, f, err := s.blank(name+tempSuffix, seg)
	if err != nil {
		return err
	}
	seg.segmentHeader.owner, seg.seq = s.owner, seq
	seg.checkpoint = l.state.checkpoint(prev)
	seg.first = seg.checkpoint.last.index + 1
	head, seed := appendSegmentHead(nil, seg.segmentHeader, seg.checkpoint)
	seg.seed = seed
	if err := s.install(f, head, temp, name); err != nil {
		f.Close()
		return err
	}
	if l.file != nil {
		// Everything in it is synced; there is nothing left that could fail.
		l.file.Close()
	}
	l.file, l.written, l.durable = f, segmentFirstFrame, segmentFirstFrame
	l.segments = append(l.segments, seg)
	s.countSegments()
	return nil
}

// blank opens a recycled file if there is one of the size, and makes a new one otherwise.
func (s *Store) blank(temp string, seg *segment) (string, vfs.File, error) {
	l := &s.log
	if n := len(l.spares); n > 0 && seg.bytes == s.o.SegmentBytes {
		temp = l.spares[n-1]
		l.spares = l.spares[:n-1]
		seg.flags = segmentRecycled
		f, err := s.fs.OpenReadWrite(temp)
		if err != nil {
			return "", nil, &FailedError{Op: "open", File: temp, Err: err}
		}
		return temp, f, nil
	}
	if err := s.fs.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, &FailedError{Op: "remove", File: temp, Err: err}
	}
	f, err := s.fs.Create(temp)
	if err != nil {
		return "", nil, &FailedError{Op: "create", File: temp, Err: err}
	}
	if err := f.Preallocate(seg.bytes); err != nil {
		f.Close()
		return "", nil, &FailedError{Op: "preallocate", File: temp, Err: err}
	}
	return temp, f, nil
}

func (s *Store) install(f vfs.File, head []byte, temp, name string) error {
	if _, err := f.WriteAt(head, 0); err != nil {
		return &FailedError{Op: "write", File: temp, Err: err}
	}
	if err := f.Sync(); err != nil {
		return &FailedError{Op: "sync", File: temp, Err: err}
	}
	return rename(s.fs, temp, name)
}

// genesis is what the log of a new directory says: epoch 0, no entries. A founding node's begins where the cluster is founded
// (cluster.FoundingIndex), one that joins has nothing to begin from but a snapshot.
func genesis(join bool) checkpoint {
	if join {
		return checkpoint{}
	}
	return checkpoint{
		hard: cluster.HardState{Term: cluster.FoundingTerm, Commit: cluster.FoundingIndex},
		last: founding,
	}
}

// founding is the place of the log that every founding node has without an entry or a snapshot.
var founding = point{cluster.FoundingIndex, cluster.FoundingTerm}

// createGenesis writes the first segment of a new directory. The first Recover puts its own in
// its place. It is there so that a log that was lost is never taken for one that was not begun.
func createGenesis(fsys vfs.FS, dir string, id Identity) error {
	name := path.Join(dir, logDir, segmentName(1))
	temp := name + tempSuffix
	f, err := fsys.Create(temp)
	if err != nil {
		return &FailedError{Op: "create", File: temp, Err: err}
	}
	head, _ := appendSegmentHead(nil, segmentHeader{owner: id.owner(), seq: 1}, genesis(id.Join))
	_, err = f.WriteAt(head, 0)
	return publish(fsys, f, err, temp, name)
}

// isGenesis says whether a file is what createGenesis writes, for whomever.
func isGenesis(fsys vfs.FS, file, name string) bool {
	if name != segmentName(1) {
		return false
	}
	f, err := fsys.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	seg, err := readSegmentHead(f, file, 1, nil)
	return err == nil && (seg.checkpoint == genesis(true) || seg.checkpoint == genesis(false)) && seg.bytes == segmentFirstFrame
}

// countAppended and countSegments keep the figures of Stats.
func (s *Store) countAppended(n uint64) {
	s.mu.Lock()
	s.stats.AppendedBytes += n
	s.mu.Unlock()
}

func (s *Store) countSegments() {
	sum := int64(len(s.log.spares)) * s.o.SegmentBytes
	for _, seg := range s.log.segments {
		sum += seg.bytes
	}
	s.mu.Lock()
	s.stats.Segments, s.stats.LogBytes = len(s.log.segments), sum
	s.mu.Unlock()
}
