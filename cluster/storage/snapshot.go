package storage

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// A snapshot file is a header, chunks, and a trailer, so that a file that was cut short anywhere is known.
//
//	header   0         8         12     16        24      32     40       44     48
//	        +---------+---------+------+---------+-------+------+--------+------+
//	        | "locksnap | version | zero | cluster | index | term | CRC of | zero |
//	        |         |         |      | hash    |       |      | 0..40  |      |
//	        +---------+---------+------+---------+-------+------+--------+------+
//	chunk   +---------+---------+-----------------+------+
//	        | CRC u32 | bytes   | number u64,     | data |    bytes is 1 to 16 MiB
//	        |         | u32     | from 0          |      |
//	        +---------+---------+-----------------+------+
//	trailer +---------+------------+------------------+------------------+
//	        | CRC u32 | 0xffffffff | number of chunks | bytes of data    |    and the file ends
//	        +---------+------------+------------------+------------------+
//
// Each CRC but the header's covers what follows it and starts from the header's CRC. Integers are little endian.
const (
	snapshotMagic       = "locksnap"
	snapshotFormat      = 1
	snapshotHeaderBytes = 48
	chunkHeaderBytes    = 16
	trailerBytes        = 24
	trailerLength       = 1<<32 - 1
	snapshotSuffix      = ".snap"

	// SnapshotChunkBytesMax is the most that one SnapshotWriter.Write takes.
	SnapshotChunkBytesMax = 16 << 20
	// snapshotSyncBytes is how much of a snapshot may wait in the page cache: syncs of the log would wait behind it.
	snapshotSyncBytes = 8 << 20
	// unanchoredKept is how many received files are kept for raft to accept.
	unanchoredKept = 2
)

// snapshotFile is a whole file.
type snapshotFile struct {
	mark  cluster.SnapshotMark
	bytes int64
}

func snapshotName(m cluster.SnapshotMark) string {
	return fmt.Sprintf("%016x-%016x%s", m.Index, m.Term, snapshotSuffix)
}

func parseSnapshotName(name string) (m cluster.SnapshotMark, ok bool) {
	stem, ok := strings.CutSuffix(name, snapshotSuffix)
	index, term, two := strings.Cut(stem, "-")
	if !ok || !two {
		return m, false
	}
	var err, err2 error
	m.Index, err = strconv.ParseUint(index, 16, 64)
	m.Term, err2 = strconv.ParseUint(term, 16, 64)
	return m, err == nil && err2 == nil && m.Index != 0 && snapshotName(m) == name
}

func (s *Store) snapshotPath(m cluster.SnapshotMark) string {
	return path.Join(s.dir, snapshotDir, snapshotName(m))
}

func before(a, b cluster.SnapshotMark) bool {
	return a.Index < b.Index || a.Index == b.Index && a.Term < b.Term
}

func appendSnapshotHeader(buf []byte, clusterHash uint64, m cluster.SnapshotMark) ([]byte, uint32) {
	start := len(buf)
	buf = append(buf, snapshotMagic...)
	buf = le.AppendUint32(buf, snapshotFormat)
	buf = le.AppendUint32(buf, 0)
	buf = appendUint64s(buf, clusterHash, m.Index, m.Term)
	seed := crc32.Checksum(buf[start:], castagnoli)
	return le.AppendUint32(le.AppendUint32(buf, seed), 0), seed
}

// appendChunkHeader reserves the CRC; sealChunk fills it in.
func appendChunkHeader(buf []byte, length uint32, number uint64) []byte {
	buf = le.AppendUint32(buf, 0)
	buf = le.AppendUint32(buf, length)
	return le.AppendUint64(buf, number)
}

func sealChunk(b []byte, seed uint32) { le.PutUint32(b, crc32.Update(seed, castagnoli, b[4:])) }

// mustHave panics when a mark goes into the log without its file: the log would lead to nothing.
func (s *Store) mustHave(m cluster.SnapshotMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.snapshots {
		if f.mark == m {
			return
		}
	}
	panic(fmt.Sprintf("storage: snapshot mark %d of term %d is appended, but there is no durable file of it", m.Index, m.Term))
}

// anchoredSnapshots are the files that the durable log continues from, oldest first. Others were received, and raft has
// not accepted them yet, or never will. The lock is held.
func (s *Store) anchoredSnapshots() []snapshotFile {
	var kept []snapshotFile
	for _, f := range s.snapshots {
		if s.published.continues(f.mark) {
			kept = append(kept, f)
		}
	}
	return kept
}

// newestSnapshot is the newest file that the log continues from. The lock is held.
func (s *Store) newestSnapshot() (snapshotFile, bool) {
	for i := len(s.snapshots) - 1; i >= 0; i-- {
		if s.published.continues(s.snapshots[i].mark) {
			return s.snapshots[i], true
		}
	}
	return snapshotFile{}, false
}

// SnapshotWriter writes a snapshot file aside. It is for one goroutine, any one.
//
// A full disk while chunks are written fails the writer only; a sync or a rename that fails ends the store.
type SnapshotWriter struct {
	s      *Store
	mark   cluster.SnapshotMark
	file   vfs.File
	temp   string
	seed   uint32
	off    int64
	synced int64
	chunks uint64
	data   uint64
	buf    []byte
	err    error // the first one; Commit returns it
	done   bool
}

// CreateSnapshot begins a snapshot file beside the others. The mark's index is above 0; one writer a mark at a time.
func (s *Store) CreateSnapshot(mark cluster.SnapshotMark) (*SnapshotWriter, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	if mark.Index == 0 {
		return nil, errors.New("storage: snapshot of index 0")
	}
	if !s.claim(mark) {
		return nil, fmt.Errorf("storage: index %d, term %d: %w", mark.Index, mark.Term, ErrSnapshotBusy)
	}
	w := &SnapshotWriter{s: s, mark: mark, temp: s.snapshotPath(mark) + tempSuffix}
	err := s.fs.Remove(w.temp) // of a writer that could not remove it
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		w.file, err = s.fs.Create(w.temp)
	}
	if err != nil {
		s.release(mark)
		return nil, fmt.Errorf("storage: create snapshot: %w", err)
	}
	w.buf, w.seed = appendSnapshotHeader(nil, s.owner.cluster, mark)
	if err := w.flush(); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// claim takes a mark for a writer, release gives it back.
func (s *Store) claim(mark cluster.SnapshotMark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.writing, mark) {
		return false
	}
	s.writing = append(s.writing, mark)
	return true
}

func (s *Store) release(mark cluster.SnapshotMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = slices.DeleteFunc(s.writing, func(m cluster.SnapshotMark) bool { return m == mark })
}

// Write appends one chunk (at most 16 MiB), framed and checksummed. The chunk is not kept; an empty one is nothing.
// After an error only Abort is left.
func (w *SnapshotWriter) Write(chunk []byte) error {
	if w.err != nil || len(chunk) == 0 {
		return w.err
	}
	if len(chunk) > SnapshotChunkBytesMax {
		return fmt.Errorf("storage: snapshot chunk of %d bytes, at most %d", len(chunk), SnapshotChunkBytesMax)
	}
	w.buf = append(appendChunkHeader(w.buf, uint32(len(chunk)), w.chunks), chunk...)
	sealChunk(w.buf, w.seed)
	w.chunks++
	w.data += uint64(len(chunk))
	if err := w.flush(); err != nil {
		return err
	}
	if w.off-w.synced < snapshotSyncBytes {
		return nil
	}
	return w.sync(w.file.SyncData)
}

func (w *SnapshotWriter) flush() error {
	if _, err := w.file.WriteAt(w.buf, w.off); err != nil {
		w.err = fmt.Errorf("storage: write snapshot: %w", err)
		return w.err
	}
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

func (w *SnapshotWriter) sync(sync func() error) error {
	if err := sync(); err != nil {
		w.err = w.s.fail(&FailedError{Op: "sync", File: w.temp, Err: err})
		return w.err
	}
	w.synced = w.off
	return nil
}

// Commit syncs, renames and syncs the directory: durable when it returns nil. Older files beyond SnapshotsKept are
// removed, but none that the log may still need: files are counted only when the durable log continues from them.
func (w *SnapshotWriter) Commit() error {
	if err := errors.Join(w.err, w.s.usable()); err != nil {
		return err
	}
	if w.done {
		return errors.New("storage: snapshot was committed or aborted before")
	}
	w.buf = appendChunkHeader(w.buf, trailerLength, w.chunks)
	w.buf = le.AppendUint64(w.buf, w.data)
	sealChunk(w.buf, w.seed)
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.sync(w.file.Sync); err != nil {
		return err
	}
	w.done = true
	defer w.s.release(w.mark)
	if err := w.file.Close(); err != nil {
		return w.s.fail(&FailedError{Op: "close", File: w.temp, Err: err})
	}
	return w.s.adopt(w)
}

// Abort removes the file. It does nothing after Commit.
func (w *SnapshotWriter) Abort() {
	if w.done {
		return
	}
	w.done = true
	defer w.s.release(w.mark)
	w.err = errors.New("storage: snapshot was aborted")
	// What can't be removed now is removed by the next Recover.
	w.file.Close()
	w.s.fs.Remove(w.temp)
}

// adopt gives a durable file its name, counts it, and removes what it makes superfluous. The log is not held up meanwhile.
func (s *Store) adopt(w *SnapshotWriter) error {
	s.adopting.Lock()
	defer s.adopting.Unlock()
	if err := rename(s.fs, w.temp, s.snapshotPath(w.mark)); err != nil {
		return s.fail(err)
	}
	if err := s.removeSnapshots(s.count(snapshotFile{w.mark, w.off})); err != nil {
		return s.fail(err)
	}
	return nil
}

// count adds a durable file to the table, and drops from it what is superfluous: files that are neither among the newest
// SnapshotsKept that the durable log continues from, nor newer than those, nor the added one. It returns the names to keep.
func (s *Store) count(added snapshotFile) (keep map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshots = insertSnapshot(s.snapshots, added)
	anchored := s.anchoredSnapshots()
	var newest cluster.SnapshotMark
	if n := len(anchored); n > 0 {
		newest = anchored[n-1].mark
	}
	left := slices.Clone(anchored[max(0, len(anchored)-s.o.SnapshotsKept):])
	waiting := s.snapshots
	for len(waiting) > 0 && !before(newest, waiting[0].mark) {
		waiting = waiting[1:]
	}
	left = append(left, waiting[max(0, len(waiting)-unanchoredKept):]...)
	for _, f := range s.snapshots {
		// The added one was asked for now, whatever it is, and the mark of it may be next.
		if f == added || slices.Contains(s.held, f.mark) {
			left = insertSnapshot(left, f)
		}
	}
	s.snapshots = left
	keep = map[string]bool{}
	for _, f := range left {
		keep[snapshotName(f.mark)] = true
	}
	return keep
}

// HeldMax bounds how many files are held at once.
const HeldMax = 2

// Hold keeps a received file until its mark was appended, or Release is called: from when it is given to the node, which may have
// its mark appended however slow the log is meanwhile and however many snapshots arrive. False: HeldMax are held already.
func (s *Store) Hold(mark cluster.SnapshotMark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= HeldMax {
		return false
	}
	s.held = append(s.held, mark)
	return true
}

// releaseAll ends all holds of a mark that is in the log: the file is counted on now.
func (s *Store) releaseAll(mark cluster.SnapshotMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = slices.DeleteFunc(s.held, func(m cluster.SnapshotMark) bool { return m == mark })
}

// Release ends one hold: the node had no use for the snapshot.
func (s *Store) Release(mark cluster.SnapshotMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.held, mark); i >= 0 {
		s.held = slices.Delete(s.held, i, i+1)
	}
}

func insertSnapshot(list []snapshotFile, f snapshotFile) []snapshotFile {
	i, found := slices.BinarySearchFunc(list, f.mark, func(have snapshotFile, m cluster.SnapshotMark) int {
		return cmp.Or(cmp.Compare(have.mark.Index, m.Index), cmp.Compare(have.mark.Term, m.Term))
	})
	if found {
		list[i] = f
		return list
	}
	return slices.Insert(list, i, f)
}

// removeSnapshots removes the files that are not kept, also those that Recover passed over. A removal that is lost in a
// crash is made again after the next Commit.
func (s *Store) removeSnapshots(keep map[string]bool) error {
	dir := path.Join(s.dir, snapshotDir)
	names, err := s.fs.List(dir)
	if err != nil {
		return &FailedError{Op: "list", File: dir, Err: err}
	}
	for _, name := range names {
		if _, ok := parseSnapshotName(name); !ok || keep[name] {
			continue
		}
		if err := s.fs.Remove(path.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &FailedError{Op: "remove", File: path.Join(dir, name), Err: err}
		}
	}
	return nil
}

// OpenSnapshot reads a snapshot file; it may be read to its end even when the file is removed meanwhile. mark zero: the
// newest that the log continues from. fs.ErrNotExist when there is none.
func (s *Store) OpenSnapshot(mark cluster.SnapshotMark) (*SnapshotReader, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if mark.Index == 0 {
		s.mu.Lock()
		newest, ok := s.newestSnapshot()
		s.mu.Unlock()
		if !ok {
			return nil, &fs.PathError{Op: "storage: open snapshot", Path: path.Join(s.dir, snapshotDir), Err: fs.ErrNotExist}
		}
		mark = newest.mark
	}
	return openSnapshot(s.fs, s.snapshotPath(mark), mark, s.owner.cluster)
}

// SnapshotReader reads a snapshot file chunk by chunk, and checks each.
type SnapshotReader struct {
	mark   cluster.SnapshotMark
	file   vfs.File
	name   string
	size   int64
	seed   uint32
	off    int64
	chunks uint64
	data   uint64
	buf    []byte
	end    bool
}

func openSnapshot(fsys vfs.FS, name string, mark cluster.SnapshotMark, clusterHash uint64) (*SnapshotReader, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("storage: open snapshot: %w", err)
	}
	r := &SnapshotReader{mark: mark, file: f, name: name}
	if err := r.header(clusterHash); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *SnapshotReader) header(clusterHash uint64) error {
	size, err := r.file.Size()
	if err != nil {
		return &FailedError{Op: "size", File: r.name, Err: err}
	}
	r.size = size
	b, err := r.read(snapshotHeaderBytes)
	if err != nil {
		return err
	}
	if string(b[:8]) != snapshotMagic {
		return r.corrupt(0, "not a snapshot file")
	}
	if v := le.Uint32(b[8:]); v > snapshotFormat {
		return &FormatError{File: r.name, Version: v, Supported: snapshotFormat}
	}
	var want [snapshotHeaderBytes]byte
	_, r.seed = appendSnapshotHeader(want[:0], le.Uint64(b[16:]), cluster.SnapshotMark{Index: le.Uint64(b[24:]), Term: le.Uint64(b[32:])})
	if string(want[:]) != string(b) {
		return r.corrupt(0, "checksum of the header does not match")
	}
	if found := le.Uint64(b[16:]); found != clusterHash {
		return owner{cluster: found}.check(r.name, owner{cluster: clusterHash})
	}
	if le.Uint64(b[24:]) != r.mark.Index || le.Uint64(b[32:]) != r.mark.Term {
		return r.corrupt(24, "the file is of another index and term than its name")
	}
	return nil
}

// read takes the next n bytes, into the buffer behind what it holds of the current chunk.
func (r *SnapshotReader) read(n int) ([]byte, error) {
	if r.size-r.off < int64(n) {
		return nil, r.corrupt(r.off, "the file ends too early")
	}
	start := len(r.buf)
	for cap(r.buf) < start+n {
		r.buf = append(r.buf[:cap(r.buf)], make([]byte, start+n-cap(r.buf))...)
	}
	r.buf = r.buf[:start+n]
	if got, err := r.file.ReadAt(r.buf[start:], r.off); got < n {
		return nil, &FailedError{Op: "read", File: r.name, Err: err}
	}
	r.off += int64(n)
	return r.buf[start:], nil
}

func (r *SnapshotReader) corrupt(offset int64, reason string) error {
	return &CorruptionError{File: r.name, Offset: offset, Reason: reason}
}

// Mark is what the file is a snapshot of.
func (r *SnapshotReader) Mark() cluster.SnapshotMark { return r.mark }

// Bytes is the file's size.
func (r *SnapshotReader) Bytes() int64 { return r.size }

// Next returns the next chunk, valid until the next call; io.EOF after the last; *CorruptionError for damage.
// Only io.EOF says that the chunks so far were all.
func (r *SnapshotReader) Next() ([]byte, error) {
	if r.end {
		return nil, io.EOF
	}
	at := r.off
	r.buf = r.buf[:0]
	h, err := r.read(chunkHeaderBytes)
	if err != nil {
		return nil, err
	}
	length, number := le.Uint32(h[4:]), le.Uint64(h[8:])
	rest := int(length)
	if length == trailerLength {
		rest = trailerBytes - chunkHeaderBytes
	} else if length == 0 || length > SnapshotChunkBytesMax {
		return nil, r.corrupt(at, "chunk with an impossible length")
	}
	if _, err := r.read(rest); err != nil {
		return nil, err
	}
	if le.Uint32(r.buf) != crc32.Update(r.seed, castagnoli, r.buf[4:]) {
		return nil, r.corrupt(at, "checksum of the chunk does not match")
	}
	if number != r.chunks {
		return nil, r.corrupt(at, fmt.Sprintf("chunk %d in the place of %d", number, r.chunks))
	}
	if length == trailerLength {
		return nil, r.trailer(at)
	}
	r.chunks++
	r.data += uint64(length)
	return r.buf[chunkHeaderBytes:], nil
}

func (r *SnapshotReader) trailer(at int64) error {
	if total := le.Uint64(r.buf[chunkHeaderBytes:]); total != r.data {
		return r.corrupt(at, fmt.Sprintf("%d bytes of data, but the trailer counts %d", r.data, total))
	}
	if r.off != r.size {
		return r.corrupt(r.off, "the file goes on behind its trailer")
	}
	r.end = true
	return io.EOF
}

// Close lets the file go.
func (r *SnapshotReader) Close() error { return r.file.Close() }

// verifySnapshot reads a whole file and checks all of it.
func verifySnapshot(fsys vfs.FS, name string, mark cluster.SnapshotMark, clusterHash uint64) (bytes int64, err error) {
	r, err := openSnapshot(fsys, name, mark, clusterHash)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		if _, err := r.Next(); err == io.EOF {
			return r.size, nil
		} else if err != nil {
			return 0, err
		}
	}
}
