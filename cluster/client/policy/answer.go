package policy

// Answer is what came of one attempt.
type Answer struct {
	Outcome Outcome
	Reason  Reason // unless Done
	// Hinted: the answer names Leader as the node that leads in Term (0 if it does not tell the term).
	Hinted bool
	Leader int
	Term   uint64
	// RetryAfter is the delay that the node asks for, in nanoseconds.
	RetryAfter int64
	// Session and Window answer an Open that is Done.
	Session, Window uint64
}

// LostAnswer tells of an attempt that was sent and got no answer: the connection broke, or the attempt's time passed.
func LostAnswer() Answer { return Answer{Outcome: Unknown, Reason: ReasonNoAnswer} }

// UnsentAnswer tells of an attempt of which nothing was sent.
func UnsentAnswer() Answer { return Answer{Outcome: Refused, Reason: ReasonUnreachable} }

// unknown is careful: only an outcome of Done or Refused rules an effect out or in, and no reason may contradict it.
func (a *Answer) unknown() bool {
	if a.Outcome == Done {
		return false
	}
	return a.Outcome != Refused || a.Reason == ReasonOutcomeUnknown || a.Reason == ReasonNoAnswer
}

// Answered takes the answer to an attempt. An answer to an earlier attempt still counts when it is Done, since that is
// the operation's one result; otherwise it is late, and counts as unknown, which it was taken for already.
func (c *Client) Answered(now int64, random uint64, op *Operation, attempt uint32, a Answer) Decision {
	if op.done() || !op.expects(attempt, &a) {
		return Decision{}
	}
	hinted := a.Hinted && !op.pinned() && c.target.hint(now, a.Leader, a.Term, a.Outcome == Done)
	if a.Outcome == Done {
		c.target.confirm(op.at)
		return c.answeredDone(now, random, op, &a)
	}
	if a.unknown() && op.unsafeToLose() {
		op.lose(a.Reason)
	} else {
		op.refuse(a.Reason)
	}
	if !hinted && !op.pinned() && a.Reason.blamesNode() {
		c.target.blame(now, op.at)
	}
	return c.again(now, random, op, &a)
}

// expects says that the answer counts.
func (op *Operation) expects(attempt uint32, a *Answer) bool {
	if attempt == op.attempt && op.state == stateSent {
		return true
	}
	// A session's id is told by the answers to Open alone: one that was duplicated must not pass for the write's.
	return a.Outcome == Done && attempt >= op.since && attempt <= op.attempt && (a.Session != 0) == op.opening &&
		(op.state == stateSent || op.state == stateWaiting)
}

func (c *Client) answeredDone(now int64, random uint64, op *Operation, a *Answer) Decision {
	if !op.opening {
		return c.finish(op, Decision{Action: Finish, Outcome: Done})
	}
	if a.Session == 0 {
		return c.stop(op, ReasonUnsupported) // no session has the id 0: this is no answer to an Open
	}
	c.session = newSession(a.Session, a.Window)
	c.nonce.drawn = false
	c.opener, op.opening = nil, false
	return c.proceed(now, random, op)
}

// again decides whether an attempt that was not done is followed by another.
func (c *Client) again(now int64, random uint64, op *Operation, a *Answer) Decision {
	switch {
	case a.unknown() && op.unsafeToLose() && op.sequence == 0:
		return c.stop(op, a.Reason) // sent again, it might take effect twice
	case a.Reason == ReasonSessionExpired && op.sequence != 0:
		return c.sessionExpired(now, random, op, a)
	case a.Reason.final(), op.pinned() && a.Reason == ReasonNotLeader:
		return c.stop(op, a.Reason)
	}
	return c.retry(now, random, op, a)
}

// sessionExpired goes on under a new session, unless an earlier attempt may have taken effect under the old one.
func (c *Client) sessionExpired(now int64, random uint64, op *Operation, a *Answer) Decision {
	if op.session == c.session.id {
		c.session = session0
	}
	op.sequence = 0
	if op.unknown {
		return c.stop(op, a.Reason)
	}
	if op.renewed {
		return c.retry(now, random, op, a) // sessions end faster than they can be used: slow down
	}
	op.renewed = true
	if c.exhausted(op) {
		return c.stop(op, a.Reason)
	}
	return c.proceed(now, random, op)
}

func (c *Client) exhausted(op *Operation) bool {
	return c.config.AttemptsMax > 0 && int(op.attempt) >= c.config.AttemptsMax
}

// retry tries a node that was not tried since the last delay, or else lets a delay pass.
func (c *Client) retry(now int64, random uint64, op *Operation, a *Answer) Decision {
	if c.exhausted(op) {
		return c.stop(op, op.reasonOr(a.Reason))
	}
	if !op.pinned() && !a.Reason.backsOff() && !op.wasTried(c.target.node) {
		return c.proceed(now, random, op)
	}
	op.tried = 0
	at := now + c.delay(random, op, a)
	if op.Deadline != 0 && at >= op.Deadline {
		return c.late(op)
	}
	op.state = stateWaiting
	return Decision{Action: Wait, At: at}
}

// delay is drawn evenly from nothing to a bound that doubles each round (full jitter), behind what the node asked for.
func (c *Client) delay(random uint64, op *Operation, a *Answer) int64 {
	bound := c.config.BackoffMax
	if op.round < 62 && c.config.BackoffMin <= bound>>op.round {
		bound = c.config.BackoffMin << op.round
	}
	if op.round < 62 {
		op.round++
	}
	asked := min(max(a.RetryAfter, 0), c.config.BackoffMax)
	return asked + int64(random%uint64(bound+1))
}
