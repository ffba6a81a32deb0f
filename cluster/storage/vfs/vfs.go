// Package vfs is the small part of a file system that the log and the snapshots need.
//
// Start with OS, which is the real one, or with NewMem, which lives in memory and can lose power: its Crash gives the
// file system that a machine might find after it went down at that moment. The simulator brings one of its own.
//
// # Model
//
// Contents and directory entries are volatile until they are synced, each on its own: File.SyncData and File.Sync make a
// file's contents durable but not its name; FS.SyncDir makes names durable but not contents. Unsynced changes may be lost,
// kept, kept in part, or kept although an earlier one was lost.
//
// # What is relied upon
//
//   - A sync that returned nil covers all writes that were begun before it. A sync that failed leaves everything since the
//     last good one in doubt for ever, whatever a later sync says.
//   - Rename replaces its target, and a crash leaves either the old or the new one.
//   - A write that does not extend a file leaves all bytes outside of its range alone, also when it is torn.
//   - Rewriting a range with the bytes that it already holds can't harm them.
package vfs

import (
	"fmt"
	"io"
)

// FS is a file system. Names are paths with slashes; all methods are safe for concurrent use on different files.
// Errors satisfy errors.Is with fs.ErrNotExist and fs.ErrExist, and syscall.ENOSPC for a full disk.
type FS interface {
	// MkdirAll makes a directory and those above it that are missing, durably.
	MkdirAll(dir string) error
	// Create makes a file for reading and writing; fs.ErrExist if it is there.
	Create(name string) (File, error)
	// Open opens for reading only; OpenReadWrite for both.
	Open(name string) (File, error)
	OpenReadWrite(name string) (File, error)
	// Rename replaces to when it is there.
	Rename(from, to string) error
	Remove(name string) error
	// List returns the names in a directory, sorted.
	List(dir string) ([]string, error)
	// SyncDir makes creations, renames and removals in the directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock that ends with the process; a *LockedError that says who holds it otherwise.
	Lock(name string) (io.Closer, error)
	// FreeBytes is the space available to this process below dir.
	FreeBytes(dir string) (int64, error)
}

// File is an open file. Writes are volatile until a sync that was begun after them has returned nil.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// SyncData makes contents (and a length needed to read them) durable: fdatasync; F_FULLFSYNC on darwin.
	SyncData() error
	// Sync makes contents and metadata durable: fsync; F_FULLFSYNC on darwin.
	Sync() error
	Size() (int64, error)
	Truncate(size int64) error
	// Preallocate extends the file with zeros to size, so that later writes within it need no new space. It never shrinks.
	Preallocate(size int64) error
}

// LockedError says that another holder has the lock.
type LockedError struct {
	Name string // of the lock file
	PID  int    // of the process that holds it; 0 when it could not be read
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("vfs: %s is locked by another process", e.Name)
	}
	return fmt.Sprintf("vfs: %s is locked by process %d", e.Name, e.PID)
}
