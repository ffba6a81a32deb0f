package kv

import "fmt"

// VersionError says that something was written by a newer version. Going on would make this node differ from the
// others, so the caller stops until it is upgraded.
type VersionError struct {
	What       string // what is not known: "batch version", "command kind", ...
	Got, Known uint64 // its number, and the highest that this version knows
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("kv: %s %d is newer than this version, which knows up to %d", e.What, e.Got, e.Known)
}

// DecodeError says that a batch is not one: damaged, or written by something else.
type DecodeError struct {
	Offset int // in bytes from the start of the batch
	Reason string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("kv: malformed batch at byte %d: %s", e.Offset, e.Reason)
}

// InvalidError says why a command cannot be proposed.
type InvalidError struct {
	Field  string // of Command
	Reason string
}

func (e *InvalidError) Error() string { return fmt.Sprintf("kv: invalid %s: %s", e.Field, e.Reason) }

// OptionError names an option that is out of bounds.
type OptionError struct {
	Option string // of Options
	Value  any
	Bounds string
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("kv: option %s is %v, want %s", e.Option, e.Value, e.Bounds)
}

// SnapshotError says why a snapshot is refused.
type SnapshotError struct {
	Chunk  uint64 // number of the chunk, from 0
	Offset int64  // in bytes from the start of the snapshot, where the damage was noticed
	Reason string
	Err    error // a *VersionError when the snapshot is of a newer version, otherwise nil
}

func (e *SnapshotError) Error() string {
	return fmt.Sprintf("kv: snapshot refused at chunk %d, byte %d: %s", e.Chunk, e.Offset, e.Reason)
}

func (e *SnapshotError) Unwrap() error { return e.Err }
