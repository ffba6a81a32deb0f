// Package client reads and writes the keys of a Lockstep cluster.
//
// Begin with [New]; one Client serves any number of goroutines and is meant to be kept. [Client.Get], [Client.Put] and
// [Client.Delete] are the whole of everyday use; [IfAbsent], [IfExists] and [IfRevision] make a write conditional.
//
// # Model
//
// A call is tried until it is done, until trying again cannot help, or until its deadline: that of its context, or
// Config.Timeout without one. The client finds the leader by itself, follows leader hints, and moves on when a node does
// not answer. Operations of all goroutines that go to one node share one stream: what queued while the last message
// was being sent is the next message. Which node is tried, when, and under which number is decided by package policy.
//
// # Outcomes
//
// Every call ends in one of these ways, and none is ever told in place of another:
//
//   - a nil error: it was done. A Get of an absent key is done; its Item says Found: false.
//   - [*ConditionError]: the key is not as the condition wants it. Nothing was written. It tells how the key is.
//   - [*RefusedError]: it had no effect and never will. It is safe to call again.
//   - [*UnknownError]: the write took effect once, or not at all, or may still do so. Read before you write again.
//
// Reads are never unknown.
//
// # Sessions
//
// By default the client opens one session on its first write. Within it the store takes each write once, so that the
// client can send a write again when an answer was lost. Without sessions (Config.DisableSessions) such a write is
// unknown at once.
package client
