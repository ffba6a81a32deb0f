// Package server is what clients talk to: HTTP, gRPC and an admin address, in front of one node.
//
// Start with New and Options, then Server.Start with the listeners and Server.Stop for a graceful end. HTTPHandler and
// AdminHandler give the handlers alone.
//
// The model: a client's operation becomes one Request, which goes to the node by Backend.Submit and comes back by its
// Done, called from the node's own goroutine. Done never does more than wake whoever waits. A linearizable read is
// released by the node and then made here, on the caller's side, from Backend.Machine; a stale read skips the node.
// A pipelined message is one Submit, in which all linearizable reads share one Request.
//
// Guarantees:
//   - An outcome is one of three: done, refused (no effect, ever), unknown. Each has its own statuses in both APIs, and
//     the table of them is one Go value (outcome.go), so that the two cannot drift apart.
//   - A caller that goes away does not end its write. The Request and the bytes it points to stay untouched until Done ran.
//   - A key is the bytes behind /v1/ of the request target, percent-decoded once and never cleaned.
//   - Everything that a client can make grow has a bound in Options, and the caller is told at the bound.
//   - No key and no value is a metric label, or in a log line at info or above.
package server
