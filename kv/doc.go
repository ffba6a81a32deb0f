// Package kv is the replicated state machine of a Lockstep group: a sharded key-value table with revisions, client
// sessions and snapshots.
//
// Start with New, give each committed entry to Machine.Apply in log order, and read with Machine.Get from any
// goroutine. Encode what is to be proposed with AppendBatch, after Command.Validate said yes. Freeze starts a
// snapshot, Snapshot.Next encodes it, Thaw ends it; a Restorer makes a machine of it again. Call Maintain now and
// then, in small steps, for as long as it says that there is more.
//
// # Model
//
// The state is a function of the applied entries alone: no clock, no randomness, no goroutine, no order of a map takes
// part. It consists of the keys with their values and metadata, the revision, the session table with the order of
// use, the counter of session ids and the index of the last entry. How shards are laid out in memory also depends on
// the snapshots and the maintenance in between, and nothing that a caller can see depends on that layout except the
// order of keys within a snapshot.
//
// A key lives in the shard that its xxhash picks. One goroutine writes. It takes a shard's write lock only for the
// moment of the change itself; looking up, copying and growing happen before, since nobody else changes anything. A
// reader holds the read lock of one shard for the time of one lookup.
//
//	          Freeze                      Thaw                     Maintain, until merged
//	idle ----------------> frozen ----------------> merging ----------------------------> idle
//	tables change          tables constant,         tables change,
//	                       overlays change          overlays shrink
//
// # Guarantees
//
// A batch is applied whole or, when it cannot be understood, not at all. A read sees a revision at which the key was
// what it returns. A value that a read returned never changes. A frozen snapshot costs memory for the keys written
// while it is frozen or merging, at most one overlay item for each, and nothing else. A snapshot is restored exactly,
// or refused whole.
//
// xxhash has no secret: who chooses keys freely can make them collide and slow one shard down. Keys of untrusted
// parties need a layer above that bounds them.
package kv
