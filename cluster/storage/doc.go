// Package storage keeps a node's directory: its identity, its log, and its snapshot files.
//
// Create makes a directory once. After that each start is Open, Recover, then Append and Compact from one goroutine, with
// CreateSnapshot and OpenSnapshot from any; Close at the end. Inspect and Dump look at a directory without touching it.
// The package starts no goroutine and knows no clock, so that the simulator runs it as it is, over a file system of its own.
//
// # Model
//
//	LOCK                                  taken by the process that uses the directory
//	IDENTITY                              text; replaced whole
//	log/<sequence>.seg                    segments of the log
//	snapshots/<index>-<term>.snap         snapshot files
//	...tmp                                being written, or a segment to be recycled; worth nothing after a crash
//
// The log is a chain of segments. A segment begins with a header, which says whose it is, and a checkpoint: the epoch, the
// hard state, the last snapshot mark and the last entry of everything before it, and the link: which segment it continues,
// and up to which offset. Behind that come append frames. Both are drawn in segment.go and frame.go, and in docs/format/log.md.
// The checkpoint is why head segments can be dropped whole; the link is why nothing behind the end of an older segment counts.
//
// One cluster.Append is one frame, so that a crash keeps all of it or nothing; only one above 1 MiB is spread over several,
// each of which leaves a state that raft may find. One Append call is one write and one sync.
//
// # Guarantees
//
//   - What an Append with Sync wrote is found by every later Recover, as long as the assumptions below hold.
//   - What Recover returns is what some number of appends, in order, came to: all that were reported durable, and perhaps more
//     of those that were begun. It is durable itself when Recover returns.
//   - An epoch that Recover returned is above all that it returned before.
//   - Damage is an error with segment and offset. Only what no sync can have covered is cut, and only from the end.
//   - After a write or sync that failed the store takes no more: what such a file holds is in doubt until it is read again.
//
// # Assumptions about disks
//
//   - A sync that returned nil keeps what was written before it through a loss of power; an fsync of a directory its names.
//   - A rename within a directory leaves the old or the new file, never neither.
//   - A sector of 512 bytes is old or new after a loss of power, in any combination within what was not synced. Sectors that
//     were not being written stay as they are.
//   - Bits rot, but CRC-32C tells: two errors that cancel are taken to be impossible.
//   - A directory is used by one process; the lock sees to it where the file system has locks.
//   - No file vanishes once its name is durable. A missing segment in the middle is seen, and one at the head, but not the
//     newest one: that looks like a log that ends earlier. A directory that was restored from an old copy looks whole, too: never do that.
//
// One case can't be told apart by anybody: damage to the very last synced write, when nothing was written after it, looks
// like a write that was torn, and is cut. Each frame records the offset that was durable before it, so that one
// later frame in the same segment, or any later segment, is enough to tell.
//
// # Recovery
//
// Steps 1 to 7 only read. An error in them leaves the directory as it is.
//
//  1. List the segments by sequence number. None at all: the log was lost, since Create makes the first one. Names that
//     end in .tmp are passed over everywhere.
//  2. Go from the newest segment back along the links. Each header and checkpoint was durable before the file got its
//     name, so that damage there is corruption, never a tear. A header of another cluster, node or instance is an *IdentityError, one of a
//     newer format a *FormatError. A segment between a segment and the one that it links to was replaced by it (step 10). A link to a
//     segment that is missing is corruption if there are older ones, and the cut of a Compact otherwise.
//  3. Read the frames of each segment but the last, up to the end that the next one's link names. Everything there was durable:
//     anything but a whole frame is corruption. The next checkpoint must say what these frames come to.
//  4. Read the frames of the last segment, up to the first place without one. Look at everything behind that place. If a frame
//     header there, whole and in its place, records a durable offset above it, the place was durable: corruption. Otherwise it is the
//     end, and all behind it is an unsynced tail, also whole frames: they were not synced, and what they build on is missing.
//  5. Frames whose checksums are right but which can't follow the ones before are corruption: a gap between entries, entries that replace
//     committed ones or lie at or below a snapshot mark, a mark below the commit, a term or commit that goes back, a second vote in a
//     term, a commit above the last entry. Otherwise entries replace those from their first index on, a mark voids all entries before it
//     and after it, and the last hard state wins.
//  6. Take the newest snapshot file that is whole, all checksums read, and that the log continues: its index is at or above the one before
//     the first entry, and at or below the last entry, with the same term as the log has there. Others are passed over
//     and told. So is a file beyond the last entry: it was received, and its mark, with which raft accepts it, did not get to
//     the disk; nobody was promised anything of it, and raft will ask for it again. If the log begins at its beginning, no file
//     is needed. If it does not and no file leads up to it, a *SnapshotError says what is missing: this is also the case of a mark whose file is gone.
//  7. Read the entries: all above the snapshot, and up to TailBytes of those below it. The commit is that of the hard
//     state, or the snapshot's index if that is higher: a commit alone is not synced, and a snapshot is of what was committed.
//  8. Remove temporary files.
//  9. Write the bytes above the last recorded durable offset of the last segment once more, cut the tail off, and sync. A sync that failed
//     in an earlier process may have left them in the page cache, readable, but marked clean and not on disk.
//  10. Begin a new segment: its checkpoint has the next epoch and its link the end of step 4. It is written aside, synced,
//     renamed, and the directory synced. This one rename makes the cut and the epoch durable together; a crash before it leaves a directory from
//     which steps 1 to 9 find the same, and an epoch that nobody was told. A last segment without entries or marks is
//     replaced instead of continued: the new checkpoint says all that it said.
//  11. Remove what was replaced.
//
// Nothing that was cut can come back: the link says where the old segment ends, and new frames go to a file of their own.
package storage
