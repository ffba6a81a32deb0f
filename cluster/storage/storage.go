package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// Names in a directory.
const (
	lockName     = "LOCK"
	identityName = "IDENTITY"
	logDir       = "log"
	snapshotDir  = "snapshots"
)

// Options of a Store. The zero value means the defaults.
type Options struct {
	SegmentBytes     int64 // default 64 MiB, preallocated; 1 KiB to 2 GiB. Small ones cost a roll (four syncs) more often
	DiskReserveBytes int64 // default 256 MiB of free disk: below it Append reports low; negative: no reserve
	SnapshotsKept    int   // default 2; with 1 a damaged snapshot has no other one to fall back to
	TailBytes        int64 // default 64 MiB of frames at or below the snapshot that Recover returns entries of; more is on disk
}

func (o Options) withDefaults() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.DiskReserveBytes == 0 {
		o.DiskReserveBytes = 256 << 20
	}
	if o.SnapshotsKept == 0 {
		o.SnapshotsKept = 2
	}
	if o.TailBytes == 0 {
		o.TailBytes = 64 << 20
	}
	if o.SegmentBytes < segmentBytesMin || o.SegmentBytes > segmentBytesMax {
		return o, fmt.Errorf("storage: segment bytes %d, must be %d to %d", o.SegmentBytes, segmentBytesMin, int64(segmentBytesMax))
	}
	if o.SnapshotsKept < 1 || o.TailBytes < 0 {
		return o, fmt.Errorf("storage: %d snapshots kept and %d tail bytes, must be at least 1 and 0", o.SnapshotsKept, o.TailBytes)
	}
	return o, nil
}

// Store is a node's directory: identity, log and snapshots. Recover, Append, Compact, Form and Close are for one goroutine;
// snapshot writers and readers, and Stats, may run beside it.
type Store struct {
	fs    vfs.FS
	dir   string
	o     Options
	lock  io.Closer
	owner owner

	identifying sync.Mutex // guards id
	id          Identity

	// failed is set once and never cleared.
	failed atomic.Pointer[FailedError]
	closed atomic.Bool

	log log

	adopting sync.Mutex // one snapshot file gets its name at a time

	mu sync.Mutex // guards what follows
	// published is the state of the log as of the last sync: what a snapshot file may be counted on for.
	published logState
	snapshots []snapshotFile         // whole ones, by index and term in ascending order
	writing   []cluster.SnapshotMark // marks of open writers
	held      []cluster.SnapshotMark // see Hold
	stats     Stats
}

// Inspect reads a directory's identity without changing or locking anything; fs.ErrNotExist when there is none.
func Inspect(fs vfs.FS, dir string) (Identity, error) { return readIdentity(fs, dir) }

// Create makes a directory for the identity, durably. It refuses, with an error that is fs.ErrExist, a directory that
// holds an identity already, or a log or snapshots without one. After a crash in the middle it can be called again.
func Create(fsys vfs.FS, dir string, id Identity) error {
	if err := id.validate(); err != nil {
		return err
	}
	for _, d := range []string{dir, path.Join(dir, logDir), path.Join(dir, snapshotDir)} {
		if err := fsys.MkdirAll(d); err != nil {
			return &FailedError{Op: "create", File: d, Err: err}
		}
	}
	lock, err := fsys.Lock(path.Join(dir, lockName))
	if err != nil {
		return err
	}
	return errors.Join(createLocked(fsys, dir, id), lock.Close())
}

func createLocked(fsys vfs.FS, dir string, id Identity) error {
	_, err := readIdentity(fsys, dir)
	if err == nil {
		return &fs.PathError{Op: "storage: create", Path: path.Join(dir, identityName), Err: fs.ErrExist}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := clearUnborn(fsys, dir); err != nil {
		return err
	}
	if err := createGenesis(fsys, dir, id); err != nil {
		return err
	}
	// The identity comes last: a directory that has one is whole.
	return writeIdentity(fsys, dir, id)
}

// clearUnborn removes what a Create that was cut short has left, and nothing else.
func clearUnborn(fsys vfs.FS, dir string) error {
	held := func(d, name string) error {
		return fmt.Errorf("storage: %s holds %s but no %s: %w", dir, path.Join(d, name), identityName, fs.ErrExist)
	}
	for _, d := range []string{logDir, snapshotDir} {
		names, err := fsys.List(path.Join(dir, d))
		if err != nil {
			return err
		}
		for _, name := range names {
			full := path.Join(dir, d, name)
			if !isTemp(name) && (d != logDir || !isGenesis(fsys, full, name)) {
				return held(d, name)
			}
			if err := fsys.Remove(full); err != nil {
				return &FailedError{Op: "remove", File: full, Err: err}
			}
		}
	}
	return nil
}

// Open locks the directory, reads its identity and checks its format version. Nothing is changed but the lock file.
func Open(fsys vfs.FS, dir string, o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	// Before the lock, so that a directory that is none stays as it is.
	if _, err := readIdentity(fsys, dir); err != nil {
		return nil, err
	}
	lock, err := fsys.Lock(path.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	id, err := readIdentity(fsys, dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Store{fs: fsys, dir: dir, id: id, owner: id.owner(), o: o, lock: lock}, nil
}

// Identity is what the directory belongs to. Its membership and Met must not be changed. Safe for concurrent use.
func (s *Store) Identity() Identity {
	s.identifying.Lock()
	defer s.identifying.Unlock()
	return s.id
}

// Meet records the instance of a founding node, durably: the first one that it was seen with counts. Another one is refused
// with an *OtherInstanceError, and nothing is changed. Safe for concurrent use, also beside Recover and Append.
func (s *Store) Meet(node uint64, instance cluster.Instance) error {
	if err := s.usable(); err != nil {
		return err
	}
	s.identifying.Lock()
	defer s.identifying.Unlock()
	id, err := s.id.met(node, instance)
	if err != nil || len(id.Met) == len(s.id.Met) {
		return err
	}
	return s.setIdentity(id)
}

// setIdentity writes a changed identity. Called with identifying held.
func (s *Store) setIdentity(id Identity) error {
	if err := writeIdentity(s.fs, s.dir, id); err != nil {
		return s.fail(err)
	}
	s.id = id
	return nil
}

// Form records the founding membership, durably. Once formed, a directory stays formed, with the same one.
func (s *Store) Form(founding cluster.Membership) error {
	if err := s.usable(); err != nil {
		return err
	}
	s.identifying.Lock()
	defer s.identifying.Unlock()
	id := s.id
	id.Formed, id.Founding = true, founding
	if err := id.validate(); err != nil {
		return err
	}
	if s.id.Formed {
		if string(encodeIdentity(s.id)) != string(encodeIdentity(id)) {
			return fmt.Errorf("storage: %s was formed with another membership", s.dir)
		}
		return nil
	}
	return s.setIdentity(id)
}

// Close releases the lock. Writes that no Append asked to sync may be lost. A second call does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var err error
	if s.log.file != nil {
		err = s.log.file.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// usable is the error that refuses a change.
func (s *Store) usable() error {
	if s.closed.Load() {
		return ErrClosed
	}
	if f := s.failed.Load(); f != nil {
		return f
	}
	return nil
}

// Err is the error with which the store has failed for good, nil while it has not: whoever runs it ends then, also if
// nothing is to be appended at the moment. Safe for concurrent use.
func (s *Store) Err() error {
	if f := s.failed.Load(); f != nil {
		return f
	}
	return nil
}

// fail ends the store with the first error that comes here, and returns that one.
func (s *Store) fail(err error) error {
	var f *FailedError
	if !errors.As(err, &f) {
		f = &FailedError{Op: "use", File: s.dir, Err: err}
	}
	s.failed.CompareAndSwap(nil, f)
	return s.failed.Load()
}

func isTemp(name string) bool { return path.Ext(name) == tempSuffix }

// Stats for metrics; safe for concurrent use.
type Stats struct {
	Segments      int
	LogBytes      int64 // all segments' files, recycled ones in waiting too
	AppendedBytes uint64
	Syncs         uint64 // of the log since Open
	SnapshotBytes int64  // newest snapshot's file
	SnapshotIndex uint64
	FreeBytes     int64 // as of the last check
}

// Stats is a copy.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	if newest, ok := s.newestSnapshot(); ok {
		st.SnapshotIndex, st.SnapshotBytes = newest.mark.Index, newest.bytes
	}
	return st
}
