package storage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lockstepdb/lockstep/cluster"
)

// ErrClosed is returned for use after Close.
var ErrClosed = errors.New("storage: the store is closed")

// CorruptionError says that something that was durable does not read back. Nothing was changed.
type CorruptionError struct {
	File    string // path
	Segment uint64 // sequence number; 0 when it is not about a segment
	Offset  int64  // of the damaged place in the file
	Reason  string
}

func (e *CorruptionError) Error() string {
	if e.Segment == 0 {
		return fmt.Sprintf("storage: %s is damaged at offset %d: %s", e.File, e.Offset, e.Reason)
	}
	return fmt.Sprintf("storage: log segment %d (%s) is damaged at offset %d: %s", e.Segment, e.File, e.Offset, e.Reason)
}

// FormatError says that a file was written by a newer version of this software.
type FormatError struct {
	File               string
	Version, Supported uint32
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("storage: %s has format %d, and this software reads formats up to %d: use the newer version that wrote it",
		e.File, e.Version, e.Supported)
}

// IdentityError says that a file belongs to another cluster, node or instance than the directory.
type IdentityError struct {
	File        string
	Field       string // "cluster", "node" or "instance"
	Found, Want string
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("storage: %s belongs to another %s: %s instead of %s", e.File, e.Field, e.Found, e.Want)
}

// FailedError is the write, sync or full-disk error that ended the store. Every later change returns the same one.
// What was written since the last good sync is in doubt until the next Recover.
type FailedError struct {
	Op   string // write, sync, create, ...
	File string
	Err  error
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("storage: %s of %s failed, the store takes no more writes: %v", e.Op, e.File, e.Err)
}

func (e *FailedError) Unwrap() error { return e.Err }

// SnapshotError says that the log does not begin at entry 1 and no snapshot file leads up to its beginning.
type SnapshotError struct {
	Dir string
	// First is the first entry that the log has, or would have; Last the last one.
	First, Last uint64
	// Mark is the snapshot that the log itself names as its beginning; zero when it was cut by Compact.
	Mark     cluster.SnapshotMark
	Rejected []string // files that were passed over, and why
}

func (e *SnapshotError) Error() string {
	want := fmt.Sprintf("a whole snapshot with an index from %d to %d", e.First-1, e.Last)
	if e.Mark.Index != 0 && e.Mark.Index+1 == e.First {
		want = "the file " + snapshotName(e.Mark) + ", or " + want
	}
	found := "there is none"
	if len(e.Rejected) > 0 {
		found = strings.Join(e.Rejected, "; ")
	}
	return fmt.Sprintf("storage: the log in %s begins at entry %d, so entries 1 to %d are needed from %s: %s",
		e.Dir, e.First, e.First-1, want, found)
}

// ErrSnapshotBusy is within what CreateSnapshot returns when a snapshot of the same place is already being written or received.
var ErrSnapshotBusy = errors.New("a snapshot of that place is being written")
