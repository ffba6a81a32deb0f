// Package zones is the second tier: it decides one key in O(n log n) when no value that was observed is attempted twice.
//
// Call Check. It answers with an order, which model.Key.Replay verifies, or with a small set of operations that contradict each
// other; or it says that the key is none for it, and why. It never guesses a verdict.
//
// # Method
//
// Gibbons and Korach ("Testing Shared Memories", SIAM Journal on Computing 26, 1997, section 4) decide a register of which
// every read tells its write by the zones of the values. This is their method for the intervals of operations, extended
// by unknown outcomes, conditional writes, an initial value and deletes.
//
// An operation of unknown outcome counts only if one that counts observed its value. The others are left out: take them away
// from any linearization, and every operation that counts still finds the value that it observed, because its writer stays
// and is still the last before it.
//
// A cluster is a write with the operations that observed its value and wrote nothing: reads, and failed conditions that tell
// what they met. In a linearization it is contiguous, as nobody writes the value again. The initial value is a cluster
// whose writer is imaginary and precedes everything. A conditional write that counts found its predecessor's value, so that
// its cluster follows the predecessor's directly. Two such writes on one predecessor are a violation; so is a circle of them,
// which has no first write, and a value that nobody wrote. What remains are chains of clusters: blocks.
//
// A block has but one order, up to its reads: each writer, its readers, the next writer. It contradicts itself exactly when
// a reader returned before its writer was invoked, or something in a later cluster before something in an earlier one
// was invoked.
//
// A block's zone runs from f, the smallest return in it, to s, the largest invocation. Blocks are contiguous, so A must
// come before B exactly when some operation of A returned before one of B was invoked: when f(A) < s(B). The initial block,
// if it has operations, must come before all: its f is before all time.
//
// Pairs suffice: if blocks can't be ordered, two of them must each precede the other. Take a cycle, and in it the block M of the
// largest s, and N, which follows M in it. M must precede N. And N has f(N) < s(the next one) <= s(M), so that N must
// precede M. Nothing is used of the blocks but their two numbers, so that chains and unknown outcomes make no difference. To find
// a pair it is enough to go through the blocks by f and compare each with the one of largest s so far: see key.cross.
//
// # Absence
//
// Each delete that took effect, or may have, makes an absence of its own, and the key's initial absence is another. A result
// that says "absent" does not tell which one it met. It is certain only if there is one that was invoked before it returned.
// Otherwise the observation is left out first. A conflict of what remains is a violation all the same: less is demanded. If
// there is none, likely absences are filled in, and the order found is replayed: if it fits, the key is linearizable, and if
// not, the tier does not apply. The same is done with revisions that only a contract makes binding, so that under
// model.Key.Contract each accepted order has been replayed with revisions, and each violation is one by values and times.
//
// # Presence
//
// A delete that found the key, and a put that did without telling its value, must not follow an absence directly. No two
// blocks may contradict each other, and still there may be no order: one put and two deletes that both found something,
// all at once. Here unknown puts that nobody observed do matter: they can take effect in between. So the blocks are
// scheduled. A block is ready when no other that remains must precede it. It is a put (needs nothing, leaves a
// value), a clear (needs nothing, leaves an absence), an update (needs a value, leaves one) or a delete (needs a value, leaves
// an absence). Of the ready ones take
//
//   - while the key is present: an update, else a delete, else a clear, else a put;
//   - while it is absent: a clear, else a put, else an unobserved unknown put, else there is no order;
//
// and among equals the one of smallest f. Each choice is safe: from any completion follows one that begins with it. Let x be
// what the completion begins with. Among blocks of one nature, swap: the one with the smaller f may stand wherever the other
// may, and the other may wait longer. An update in a present key and a clear in an absent one change nothing, so they can be
// moved to the front. A delete can be moved to the front of a put or a clear x, which need nothing; where it was, a value
// stays in its stead. A clear, when all that is ready needs nothing and x is a put: move it to the front of x, which then
// leaves what it left before; where the clear was, what it left absent stays present, and what followed needed nothing.
// A put before an unknown put: swap them, as the unknown one may wait forever.
package zones
