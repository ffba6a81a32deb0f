// Package cluster is one member of a replicated store as a pure value: events in, effects out.
//
// Start with New and Step. A driver (package host in production, package sim in the simulator) turns what happens
// outside into events, and carries out the effects:
//
//	node, err := cluster.New(config, recovered)
//	for events := range queue {
//		effects := node.Step(events...)
//		// write effects.Appends to the log, in order; report EventPersisted once they are durable
//		// send effects.Messages; hand out effects.Replies; and so on
//	}
//
// # Model
//
// A Node joins raft (go.etcd.io/raft/v3 with asynchronous storage writes) and the state machine (kv.Machine). It does
// no I/O, reads no clock, starts no goroutine and draws no randomness but raft's election jitter, which raft takes
// from crypto/rand.Reader. The same state and the same events give the same effects.
//
// Three queues lie inside. Proposals wait until they are put into an entry together, and then until that entry is
// applied. Reads wait for a ReadIndex round (or a lease), and then until its index is applied. Appends wait for the
// disk, and hold the messages that must not leave before they are durable.
//
// # Guarantees
//
//   - A vote, a request for votes, an append response and the leader's own acknowledgement leave the node only after the write that they
//     promise, and every write before it, was reported durable (Ongaro's thesis, section 3.8).
//   - A request is answered once. Done and Refused are facts; whatever cannot be proven is Unknown.
//   - A proposal is matched to its entry by the id inside the entry, never by a log index.
//   - A read is released only when the machine holds every write that was acknowledged before the read was received
//     (thesis, section 6.4), in a cluster of one as well, and never before the leader applied an entry of its own term.
//   - Every queue has a bound with a name in Config. At a bound a request is refused before it has any effect.
package cluster
