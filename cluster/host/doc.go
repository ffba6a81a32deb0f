// Package host drives one cluster.Node on a real machine: a directory, sockets, clocks and goroutines.
//
// Use Open with a Config (see Default and Config.Validate), then Run until it returns; Stop ends it gracefully. A Host is what
// package server needs as its Backend, and what package transport needs as its Handler.
//
// # Model
//
// One goroutine, the loop, owns the node. Whatever happens elsewhere is put into one queue, a slice behind a mutex, and the loop
// is woken through a channel of capacity one; the loop swaps the slice out, so that any number of requests costs one
// wake-up and no channel operation each. What the node asks for is carried out by others:
//
//	writer     one goroutine: everything that queued while the last write was made is the next one, with one sync; it also
//	           compacts the log
//	transport  peers' streams (package transport)
//	ticker     marks the queue as due; a mark that was not taken yet absorbs the next
//	snapshots  a goroutine for each: one file being written of the frozen state, transfersOutMax being sent, one being received
//	disk       watches the reserve of free disk
//
// # Start
//
//  1. The sockets are bound: a port in use is an error before anything is touched.
//  2. The directory is inspected. One of another cluster or node is refused by name; an absent one is made with a random instance.
//  3. The directory is locked, and the servers answer: alive, not ready, writes refused.
//  4. A founding node forms the cluster with the others (below). A directory that is formed, or that joins, skips this.
//  5. The log is read, an unsynced tail is cut, a new epoch is made durable.
//  6. The state machine is built from the newest snapshot; the entries behind it are applied by the node's first steps.
//  7. The loop starts.
//
// # Formation
//
// A vote is a promise that a node must remember. A node that lost its directory has forgotten its promises, and must not
// vote under its old id; but it looks just like a node that starts for the first time. So each directory has a random
// instance, and:
//
//   - On a handshake between founding nodes each records the other's instance durably before it answers (storage.Store.Meet).
//     The first instance seen for an id is kept; another one is refused.
//   - Each Hello tells the instances that its sender has recorded so far.
//   - A node is formed once it holds the instances of all founding nodes and every other one has told it that it holds the same ones.
//     It then records the founding membership (storage.Store.Form). Before that it neither campaigns nor votes: there is no node yet.
//
// If any node ever voted, it was formed; so all founding nodes had recorded its instance durably; so all refuse it when it comes back
// with another one. Nodes that formed agree on all instances, since each saw that all others held what it holds, and nothing
// recorded ever changes. A node whose directory is lost before the cluster formed is refused as well: then nothing was ever
// served, and all founding directories can be cleared. A cluster of one forms at once.
//
// # Guarantees
//
//   - The loop never waits for a disk or a socket.
//   - Every request is answered once; on a stop or a fatal error those that reached the node are Unknown (reads: Refused), others Refused.
//   - A write or sync error, and a Fatal effect, end Run with the reason. A panic ends the process: nothing recovers it.
//   - All queues are bounded; see bounds.go and Config.
package host
