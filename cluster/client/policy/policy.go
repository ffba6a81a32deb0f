// Package policy decides for a client of Lockstep what to do next: which node to try, when to try again, under which
// session and sequence number, when to stop, and how the outcome is to be told. It does nothing itself.
//
// Begin with [New], then for each operation call [Client.Start] and do what the [Decision] says. Tell what came of it
// by [Client.Answered], [Client.Wake] or [Client.Expired] until a Decision says [Finish]. After every call that may end
// an operation, drain [Client.Ready].
//
// # Model
//
// A [Client] is a plain value that many operations share. It has no clock (now is passed in, in nanoseconds of any
// monotonic clock), no randomness (a random number is passed in with each call that may need one), no goroutine and no
// connection. The same calls give the same decisions, so the real client and the simulated one run this very code.
// It is not safe for concurrent use: the caller holds a lock around it.
//
// An operation makes attempts, one after another. An attempt ends as done, refused (it had no effect and never will)
// or unknown (it may have had one, or may have one later). A write that belongs to a session may be sent again after
// an unknown attempt, because the store takes it once; a write without a session may not. Reads may always be sent
// again.
//
// # Guarantees
//
//   - [Done]: the store evaluated the operation, a write of a session exactly once.
//   - [Refused]: no attempt had an effect, and none will have. One unknown attempt, however long ago, rules this
//     outcome out: a later refusal speaks for itself alone.
//   - [Unknown]: a write took effect once or not at all.
//
// They hold as long as a connection delivers each message at most once, and a node that sends a session's write on more
// than once by itself tells a refusal of the later ones as unknown.
//
// # Sequence numbers
//
// Each write takes the next number of the session and keeps it until it is finished. Every message carries the floor,
// the lowest number that is not finished. A number that was given up as unknown counts as finished: the next message
// fences it, so that a late arrival of it is refused by the store. This is the only right choice. Holding the floor
// back would stop the client after a window of lost writes, and it would leave the lost write able to take effect at
// any time; with the fence its outcome is fixed, though not known here. No number is used for a second operation.
package policy

import "fmt"

// NodesMax bounds how many nodes a Client knows.
const NodesMax = 64

// WindowMax bounds how many sequence numbers of a session are outstanding, whatever window the store grants.
const WindowMax = 4096

// NonceBytes is the length of the nonce under which a session is opened.
const NonceBytes = 16

// holdoffNanos is for how long a node that failed is not gone back to merely because a working one names it as leader.
// It doubles with each failure in a row, holdoffDoublings times at most: the leader's address may be out of reach from
// here for good, while a node that forwards is not.
const (
	holdoffNanos     = 1_000_000_000
	holdoffDoublings = 6
)

// locateNanos is how often the target is asked who leads.
const locateNanos = 5_000_000_000

// Config of a Client. Times are in nanoseconds.
type Config struct {
	// Nodes is how many nodes are known at first, 1..NodesMax. They are numbered from 0, the first to be tried.
	Nodes int
	// Sessions makes writes exactly-once. Without them an unknown write is never sent again.
	Sessions bool
	// Identity makes up half of the nonces of sessions. Draw it at random for each Client.
	Identity uint64
	// BackoffMin and BackoffMax bound the delay before nodes that have all been tried are tried again: it is drawn
	// evenly from 0 to BackoffMin, doubled each round, up to BackoffMax. 0 < BackoffMin <= BackoffMax.
	BackoffMin, BackoffMax int64
	// AttemptTime is how long one attempt waits for its answer before another node is tried. Above 0. A write without
	// a session waits until its deadline instead, since it cannot be sent again.
	AttemptTime int64
	// AttemptsMax bounds the attempts of one operation, those that open its session included. 0: only the deadline does.
	AttemptsMax int
	// InFlightMax is how many operations are under way at once, at least 1. Further ones wait their turn.
	InFlightMax int
	// WaitingMax is how many may wait their turn, at least 0. Further ones are refused.
	WaitingMax int
}

func (c *Config) validate() error {
	switch {
	case c.Nodes < 1 || c.Nodes > NodesMax:
		return fmt.Errorf("policy: %d nodes, want 1 to %d", c.Nodes, NodesMax)
	case c.BackoffMin <= 0 || c.BackoffMin > c.BackoffMax:
		return fmt.Errorf("policy: backoff from %d to %d ns, want 0 < least <= most", c.BackoffMin, c.BackoffMax)
	case c.AttemptTime <= 0:
		return fmt.Errorf("policy: attempt time %d ns, want above 0", c.AttemptTime)
	case c.AttemptsMax < 0:
		return fmt.Errorf("policy: %d attempts at most, want 0 or more", c.AttemptsMax)
	case c.InFlightMax < 1:
		return fmt.Errorf("policy: %d operations in flight at most, want 1 or more", c.InFlightMax)
	case c.WaitingMax < 0:
		return fmt.Errorf("policy: %d operations waiting at most, want 0 or more", c.WaitingMax)
	}
	return nil
}

// Client is what all operations of one client share.
type Client struct {
	config  Config
	target  target
	session session
	nonce   nonce
	// opener is the operation that opens the session. At most one does; nil when a session is open.
	opener *Operation
	// running counts the operations that have started and are neither finished nor in waiting: <= config.InFlightMax.
	running int
	waiting queue // for one of InFlightMax places
	numbers queue // for a session, or for a number within its window; these are running
	closed  bool
}

// New returns a client that has sent nothing yet, or an error that names the setting that does not fit.
func New(config Config) (*Client, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	return &Client{config: config, target: target{nodes: config.Nodes}}, nil
}

// AddNode makes one more node known and returns its number; false when NodesMax are known.
func (c *Client) AddNode() (int, bool) {
	if c.target.nodes == NodesMax {
		return 0, false
	}
	c.target.nodes++
	return c.target.nodes - 1, true
}

// Target is the node that the next attempt would go to.
func (c *Client) Target() int { return c.target.node }

// Session is the id of the open session, 0 if there is none.
func (c *Client) Session() uint64 { return c.session.id }

// Running is how many operations are under way, those that wait for a place not counted.
func (c *Client) Running() int { return c.running }

// Start begins an operation whose fields the caller has set. The operation stays the caller's, at a constant address,
// and must not be started again before it is finished.
func (c *Client) Start(now int64, random uint64, op *Operation) Decision {
	op.begin()
	switch {
	case c.closed:
		return c.stop(op, ReasonClosed)
	case op.Pinned && (op.Node < 0 || op.Node >= c.target.nodes):
		return c.stop(op, ReasonInvalid)
	case c.running < c.config.InFlightMax:
		c.running++
		op.admitted = true
		return c.proceed(now, random, op)
	case c.waiting.length >= c.config.WaitingMax:
		return c.stop(op, ReasonTooMany)
	}
	return park(&c.waiting, op)
}

// Ready returns an operation that was parked and may go on now: call Wake for it. Nil when there is none. Its place, or
// its number, is taken for it already, so that nobody overtakes it.
func (c *Client) Ready() *Operation {
	if c.closed {
		return nil
	}
	if op := c.numbers.first; op != nil && c.assign(op) {
		c.numbers.remove(op)
		op.state = stateReady
		return op
	}
	if op := c.waiting.first; op != nil && c.running < c.config.InFlightMax {
		c.waiting.remove(op)
		c.running++
		op.admitted = true
		op.state = stateReady
		return op
	}
	return nil
}

// Wake goes on with an operation that Ready returned, or whose Wait is over.
func (c *Client) Wake(now int64, random uint64, op *Operation) Decision {
	if op.state != stateReady && op.state != stateWaiting {
		return Decision{}
	}
	return c.proceed(now, random, op)
}

// Expired ends an operation whose caller does not wait any longer. A write with an attempt under way is Unknown, unless
// unsent says that nothing of that attempt was sent and nothing will be. A node that was waited for long enough is left,
// so that callers who are all more impatient than AttemptTime do not stay with one that hangs.
func (c *Client) Expired(now int64, op *Operation, unsent bool) Decision {
	if op.done() {
		return Decision{}
	}
	if op.state == stateSent {
		if op.unsafeToLose() && !unsent {
			op.lose(ReasonNoAnswer)
		}
		if !op.pinned() && now-op.sentAt >= c.config.AttemptTime/4 {
			c.target.blame(now, op.at)
		}
	}
	if c.closed {
		return c.stop(op, ReasonClosed)
	}
	return c.late(op)
}

// Close refuses every later operation. It returns the session to be closed in the store, 0 if none is open. Operations
// under way are ended by Expired.
func (c *Client) Close() (session uint64) {
	session = c.session.id
	c.session = session0
	c.closed = true
	return session
}

// proceed makes the next attempt of an operation that has its place.
func (c *Client) proceed(now int64, random uint64, op *Operation) Decision {
	if c.closed {
		return c.stop(op, ReasonClosed)
	}
	if op.Deadline != 0 && now >= op.Deadline {
		return c.late(op)
	}
	if !c.wantsNumber(op) {
		return c.send(now, op)
	}
	if op.sequence != 0 && op.unknown {
		return c.stop(op, ReasonSessionExpired)
	}
	if !c.assign(op) {
		return park(&c.numbers, op)
	}
	if op.opening && !c.nonce.drawn {
		c.nonce.draw(c.config.Identity, random)
	}
	return c.send(now, op)
}

// wantsNumber says that the operation needs a sequence number of the session that is open now, and has none.
func (c *Client) wantsNumber(op *Operation) bool {
	if !c.sessioned(op) {
		return false
	}
	return op.sequence == 0 || op.session != c.session.id
}

// sessioned says that the operation is a write that goes by a session.
func (c *Client) sessioned(op *Operation) bool {
	return op.Kind == Write && c.config.Sessions && !op.Sessionless
}

// assign gives the operation a sequence number, or the task of opening the session; false when it has to wait.
func (c *Client) assign(op *Operation) bool {
	if op.opening {
		return true
	}
	op.sequence = 0
	if c.session.id == 0 {
		if c.opener != nil {
			return false
		}
		c.opener, op.opening = op, true
		op.since = op.attempt + 1
		return true
	}
	sequence, ok := c.session.take()
	if !ok {
		return false
	}
	op.session, op.sequence = c.session.id, sequence
	op.since = op.attempt + 1
	return true
}

// send makes an attempt at the target, or at the node that the operation is pinned to.
func (c *Client) send(now int64, op *Operation) Decision {
	op.attempt++
	op.state = stateSent
	op.sentAt = now
	op.at = c.target.node
	if op.pinned() {
		op.at = op.Node
	}
	op.tried |= 1 << op.at
	d := Decision{Action: Send, Node: op.at, Attempt: op.attempt, At: c.attemptEnd(now, op)}
	switch {
	case op.opening:
		d.Action, d.Nonce = Open, c.nonce.bytes
	case op.sequence != 0:
		d.Session, d.Sequence = op.session, op.sequence
		d.Acknowledged = c.session.floor
	}
	return d
}

// attemptEnd is when the attempt is to be given up, at the latest at the deadline; 0 for never.
func (c *Client) attemptEnd(now int64, op *Operation) int64 {
	end := now + c.config.AttemptTime
	if op.unsafeToLose() && op.sequence == 0 {
		return op.Deadline
	}
	if op.Deadline != 0 && op.Deadline < end {
		return op.Deadline
	}
	return end
}

// late ends an operation whose time is over, or leaves no room for another attempt.
func (c *Client) late(op *Operation) Decision {
	d := c.stop(op, op.reasonOr(ReasonDeadline))
	d.Late = true
	return d
}

// stop ends an operation that is not done.
func (c *Client) stop(op *Operation, reason Reason) Decision {
	outcome := Refused
	if op.unknown && op.Kind == Write {
		outcome, reason = Unknown, op.lost
	}
	return c.finish(op, Decision{Action: Finish, Outcome: outcome, Reason: reason})
}

// finish takes the operation out of everything and lets its number go.
func (c *Client) finish(op *Operation, d Decision) Decision {
	if op.list != nil {
		op.list.remove(op)
	}
	if op.admitted {
		op.admitted = false
		c.running--
	}
	if c.opener == op {
		c.opener = nil
	}
	if op.sequence != 0 && op.session == c.session.id {
		c.session.finish(op.sequence)
	}
	op.opening = false
	op.state = stateFinished
	d.Attempt = op.attempt
	return d
}
