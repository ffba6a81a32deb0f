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

// Recovered is what the log and the snapshot files hold.
type Recovered struct {
	Epoch     uint64 // of this start; above all earlier ones, durable already
	Restarted bool   // an earlier epoch existed
	HardState cluster.HardState
	Snapshot  cluster.SnapshotMark // newest whole one that the log continues; zero when there is none
	Entries   []*raftpb.Entry      // without a gap, from at most Snapshot.Index+1 on; the caller's
	// For the operator's log.
	TailCutBytes      int64    // unsynced bytes cut from the end
	SnapshotsRejected []string // damaged or half-written files that were passed over, and why
}

// recovery reads a directory and changes nothing. The steps are those of the package's documentation.
type recovery struct {
	fs    vfs.FS
	dir   string
	owner owner
	o     Options

	sequences []uint64   // of all segment files, ascending
	chain     []*segment // those that count, oldest first
	content   bool       // the last one holds entries or a mark
	state     logState
	tail      tail
	spans     spans
	window    window // of the scan under way

	files    []cluster.SnapshotMark // ascending
	sizes    map[cluster.SnapshotMark]int64
	snapshot cluster.SnapshotMark
	rejected []string
}

// analyse takes all steps that only read.
func (r *recovery) analyse() error {
	for _, step := range []func() error{r.listSegments, r.followLinks, r.replay, r.listSnapshots, r.chooseSnapshot} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *recovery) segmentPath(seq uint64) string { return path.Join(r.dir, logDir, segmentName(seq)) }

func (r *recovery) listSegments() error {
	dir := path.Join(r.dir, logDir)
	names, err := r.fs.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &FailedError{Op: "list", File: dir, Err: err}
	}
	for _, name := range names {
		if seq, ok := parseSegmentName(name); ok {
			r.sequences = append(r.sequences, seq)
		}
	}
	if len(r.sequences) == 0 {
		return &CorruptionError{File: dir, Reason: "the log has no segment: it was lost"}
	}
	return nil
}

// followLinks goes from the newest segment back along the links. What it passes over was put aside by an earlier recovery.
func (r *recovery) followLinks() error {
	newest := len(r.sequences) - 1
	for i := newest; ; {
		seg, err := r.readHead(r.sequences[i])
		if err != nil {
			return err
		}
		r.chain = append([]*segment{seg}, r.chain...)
		prev := seg.checkpoint.prev.seq
		if prev == 0 {
			return nil
		}
		for i--; i >= 0 && r.sequences[i] > prev; i-- {
		}
		if i < 0 {
			return nil // the head was dropped by Compact: a snapshot has to lead up to what is left
		}
		if r.sequences[i] != prev {
			return &CorruptionError{File: r.segmentPath(prev), Segment: prev,
				Reason: fmt.Sprintf("the segment is missing; segments %d and %d around it are there", r.sequences[i], seg.seq)}
		}
	}
}

func (r *recovery) readHead(seq uint64) (*segment, error) {
	name := r.segmentPath(seq)
	f, err := r.fs.Open(name)
	if err != nil {
		return nil, &FailedError{Op: "open", File: name, Err: err}
	}
	defer f.Close()
	return readSegmentHead(f, name, seq, &r.owner)
}

// replay reads the frames in order and computes what the log comes to.
func (r *recovery) replay() error {
	r.state = stateOf(r.chain[0].checkpoint)
	for i := range r.chain {
		if err := r.replaySegment(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *recovery) replaySegment(i int) error {
	seg := r.chain[i]
	if reason := r.takeCheckpoint(seg.checkpoint); reason != "" {
		return &CorruptionError{File: seg.name, Segment: seg.seq, Offset: segmentHeaderBytes, Reason: reason}
	}
	f, err := r.fs.Open(seg.name)
	if err != nil {
		return &FailedError{Op: "open", File: seg.name, Err: err}
	}
	defer f.Close()
	s := r.scan(f, seg)
	r.content = false
	visit := func(off int64, h frameHeader, d decoded) string { return r.take(i, off, h, d) }
	if i+1 < len(r.chain) {
		return s.sealed(r.chain[i+1].checkpoint.prev.end, visit)
	}
	r.tail, err = s.open(visit)
	return err
}

// scan begins to read a segment, through the buffer of the scan before, which is at its end.
func (r *recovery) scan(f vfs.File, seg *segment) *scan {
	r.window = window{file: f, name: seg.name, size: seg.bytes, buf: r.window.buf[:0]}
	return &scan{seg: seg, w: &r.window}
}

// takeCheckpoint compares what a segment says of those before it with what they said. Its hard state may be newer: it
// also stands for segments that were put aside, and for the commit that a snapshot implies.
func (r *recovery) takeCheckpoint(c checkpoint) (reason string) {
	s := &r.state
	switch {
	case c.last.index != s.last.index || c.last.term != s.last.term && s.last.term != 0:
		return fmt.Sprintf("it follows entry %d of term %d, but the log before it ends with %d of term %d",
			c.last.index, c.last.term, s.last.index, s.last.term)
	case c.mark != s.mark:
		return fmt.Sprintf("it follows snapshot mark %d, but the log before it has %d", c.mark.Index, s.mark.Index)
	case c.epoch < s.epoch:
		return fmt.Sprintf("its epoch is %d after epoch %d", c.epoch, s.epoch)
	}
	s.epoch = c.epoch
	return s.setHard(c.hard)
}

// take applies one append frame.
func (r *recovery) take(i int, off int64, h frameHeader, d decoded) (reason string) {
	if reason := r.state.replay(d); reason != "" {
		return reason
	}
	if d.mark.Index != 0 {
		voidEntries(r.chain[:i+1])
		r.spans.void()
		r.content = true
	}
	if d.count != 0 {
		last := d.first + d.count - 1
		r.spans.add(span{seg: i, from: off, end: off + h.bytes(), first: d.first, last: last})
		r.chain[i].indexMax = max(r.chain[i].indexMax, last)
		r.content = true
	}
	return ""
}

func (r *recovery) listSnapshots() error {
	dir := path.Join(r.dir, snapshotDir)
	names, err := r.fs.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &FailedError{Op: "list", File: dir, Err: err}
	}
	for _, name := range names {
		if m, ok := parseSnapshotName(name); ok {
			r.files = append(r.files, m) // in order, since names sort as marks do
		}
	}
	return nil
}

// chooseSnapshot takes the newest whole file that the log continues from, and says why newer ones were passed over.
func (r *recovery) chooseSnapshot() error {
	r.sizes = map[cluster.SnapshotMark]int64{}
	for i := len(r.files) - 1; i >= 0 && r.snapshot.Index == 0; i-- {
		if err := r.trySnapshot(r.files[i]); err != nil {
			return err
		}
	}
	if r.snapshot.Index == 0 && r.state.base.index != 0 && r.state.base != founding {
		return &SnapshotError{Dir: r.dir, First: r.state.base.index + 1, Last: r.state.last.index, Mark: r.state.mark, Rejected: r.rejected}
	}
	return nil
}

func (r *recovery) trySnapshot(m cluster.SnapshotMark) error {
	name := snapshotName(m)
	if !r.state.continues(m) {
		r.rejected = append(r.rejected, fmt.Sprintf("%s: %s", name, r.discontinuity(m)))
		return nil
	}
	size, err := verifySnapshot(r.fs, path.Join(r.dir, snapshotDir, name), m, r.owner.cluster)
	var damage *CorruptionError
	if errors.As(err, &damage) {
		r.rejected = append(r.rejected, fmt.Sprintf("%s: damaged at offset %d: %s", name, damage.Offset, damage.Reason))
		return nil
	}
	if err != nil {
		return err
	}
	r.snapshot, r.sizes[m] = m, size
	return nil
}

func (r *recovery) discontinuity(m cluster.SnapshotMark) string {
	switch {
	case m.Index > r.state.last.index:
		return fmt.Sprintf("received, but not accepted before the crash: the log ends with entry %d and has no mark of it", r.state.last.index)
	case m.Index < r.state.base.index:
		return fmt.Sprintf("the log begins at entry %d, entries %d to %d are missing in between", r.state.base.index+1, m.Index+1, r.state.base.index)
	}
	term, _ := r.state.term(m.Index)
	return fmt.Sprintf("the log has entry %d of term %d", m.Index, term)
}

// hardState is the recovered one: what a snapshot covers is committed, although the write that said so was not synced.
func (r *recovery) hardState() cluster.HardState {
	h := r.state.hard
	h.Commit = max(h.Commit, r.snapshot.Index)
	return h
}

// Recover reads everything, cuts an unsynced tail durably, begins a new epoch durably, and makes the store ready for
// Append. It is called once. Damage is a *CorruptionError with segment and offset, a snapshot that is missing a
// *SnapshotError; then, and when the disk fails, nothing but unsynced or temporary files was changed and Recover can be tried again
// with a new Store.
func (s *Store) Recover() (Recovered, error) {
	if err := s.usable(); err != nil {
		return Recovered{}, err
	}
	if s.log.ready {
		panic("storage: Recover called twice")
	}
	r := &recovery{fs: s.fs, dir: s.dir, owner: s.owner, o: s.o}
	if err := r.analyse(); err != nil {
		return Recovered{}, err
	}
	entries, err := r.load()
	if err != nil {
		return Recovered{}, err
	}
	restarted := r.state.epoch > 0
	if err := s.resume(r); err != nil {
		return Recovered{}, s.fail(err)
	}
	return Recovered{
		Epoch: s.log.state.epoch, Restarted: restarted, HardState: s.log.state.hard, Snapshot: r.snapshot,
		Entries: entries, TailCutBytes: r.tail.cut, SnapshotsRejected: r.rejected,
	}, nil
}

// resume takes the steps that write.
func (s *Store) resume(r *recovery) error {
	if err := s.removeTemps(); err != nil {
		return err
	}
	if err := settle(s.fs, r.chain[len(r.chain)-1], r.tail); err != nil {
		return err
	}
	l := &s.log
	l.state = r.state
	l.state.hard = r.hardState()
	l.state.epoch++
	last := r.chain[len(r.chain)-1]
	prev := link{last.seq, r.tail.end}
	l.segments = r.chain
	if !r.content {
		// The new checkpoint says all that this segment said, so it takes its place: restarts do not pile up files.
		prev, l.segments = last.checkpoint.prev, r.chain[:len(r.chain)-1]
	}
	if err := s.begin(r.sequences[len(r.sequences)-1]+1, prev, 0); err != nil {
		return err
	}
	if err := s.removeSuperseded(r.sequences); err != nil {
		return err
	}
	s.mu.Lock()
	s.published = l.state
	for _, m := range r.files {
		if l.state.continues(m) && !before(r.snapshot, m) {
			s.snapshots = append(s.snapshots, snapshotFile{m, r.sizes[m]})
		}
	}
	s.mu.Unlock()
	s.checkReserve(true)
	l.ready = true
	return nil
}

// settle makes what was found in the last segment durable. The bytes above the last recorded durable offset are written
// once more: they may have been read from a page cache that a failed sync has marked clean.
func settle(fsys vfs.FS, seg *segment, t tail) error {
	f, err := fsys.OpenReadWrite(seg.name)
	if err != nil {
		return &FailedError{Op: "open", File: seg.name, Err: err}
	}
	err = rewrite(f, seg, t)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = &FailedError{Op: "close", File: seg.name, Err: closeErr}
	}
	return err
}

func rewrite(f vfs.File, seg *segment, t tail) error {
	w := window{file: f, name: seg.name, size: t.end}
	for off := t.durable; off < t.end; {
		b, err := w.at(off, windowBytes)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return &FailedError{Op: "read", File: seg.name, Err: fmt.Errorf("file shrank to %d bytes", off)}
		}
		if _, err := f.WriteAt(b, off); err != nil {
			return &FailedError{Op: "write", File: seg.name, Err: err}
		}
		off += int64(len(b))
	}
	// The rest is void once the next segment links to the end; cutting it off makes room for that segment.
	if err := f.Truncate(t.end); err != nil {
		return &FailedError{Op: "truncate", File: seg.name, Err: err}
	}
	if err := f.Sync(); err != nil {
		return &FailedError{Op: "sync", File: seg.name, Err: err}
	}
	seg.bytes = t.end
	return nil
}

func (s *Store) removeTemps() error {
	for _, d := range []string{"", logDir, snapshotDir} {
		dir := path.Join(s.dir, d)
		names, err := s.fs.List(dir)
		if err != nil {
			return &FailedError{Op: "list", File: dir, Err: err}
		}
		for _, name := range names {
			if !isTemp(name) {
				continue
			}
			if err := s.fs.Remove(path.Join(dir, name)); err != nil {
				return &FailedError{Op: "remove", File: path.Join(dir, name), Err: err}
			}
		}
	}
	return nil
}

// removeSuperseded removes segments that the chain passes over, durably: if a loss of power could bring one back after a
// segment that passes over it was dropped, it would look like the far side of a hole.
func (s *Store) removeSuperseded(sequences []uint64) error {
	counts := map[uint64]bool{}
	for _, seg := range s.log.segments {
		counts[seg.seq] = true
	}
	removed := false
	for _, seq := range sequences {
		if counts[seq] {
			continue
		}
		name := path.Join(s.dir, logDir, segmentName(seq))
		if err := s.fs.Remove(name); err != nil {
			return &FailedError{Op: "remove", File: name, Err: err}
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return syncDir(s.fs, path.Join(s.dir, logDir))
}
