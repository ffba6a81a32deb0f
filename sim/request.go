package sim

import (
	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// request is an attempt of a client's call, at the process that it reached.
type request struct {
	call    *call
	attempt uint32
	node    int // as the client numbers it
	command kv.Command
	change  cluster.MemberChange
	do      asked
	peer    uint64
	step    int    // in which the node was asked to read
	term    uint64 // of the node then
	// committed is the last index that anybody had committed then.
	committed uint64
}

// asked is what a request wants of a node.
type asked uint8

const (
	askRead asked = iota + 1
	askStale
	askWrite
	askChange
	askTransfer
)

// answer is what goes back to the client.
type answer struct {
	policy.Answer
	result kv.Result
	item   kv.Item
	found  bool
	at     uint64 // revision of a read
}

// arrives is the task of a request that reaches a process.
func arrives(w *World, t *task) {
	p, r := w.process(t.a), t.it.(*request)
	w.emit(trace.Event{Kind: trace.Request, Node: p.number, Client: r.call.client.number, Numbers: numbers{uint64(r.call.plan.Number), uint64(r.attempt)}})
	switch {
	case w.network.cut[0][p.number] > 0:
		return // the client's time runs out
	case !p.up:
		w.unheard(p, r, t.b > 0)
	case p.paused > 0 && r.do == askStale: // the others wait in the inbox
		w.later(50_000_000, arrives, t.a, 1, r)
	default:
		p.take(r)
	}
}

// unheard answers for a process that is down. A machine that lives refuses the connection; one without power is silent, and the client's
// time runs out; what had waited in a socket is lost.
func (w *World) unheard(p *process, r *request, waited bool) {
	silent := w.network.links[0][p.number].Below(2) == 0
	switch {
	case waited:
		w.respond(p, r, answer{Answer: policy.LostAnswer()})
	case !silent:
		w.respond(p, r, answer{Answer: policy.UnsentAnswer()})
	}
}

// cancelMax is how soon some callers give a request up, in nanoseconds.
const cancelMax = 300_000_000

// bound has a request end with the attempt's time, as package host does with a deadline, or earlier where the caller gives it up.
func (p *process) bound(r *request, id uint64) {
	after := int64(p.w.plan.Clients.Attempt)
	early := p.local.Between(0, cancelMax)
	if p.local.Below(8) == 0 && !r.call.examined {
		after = min(after, early)
	}
	p.w.later(after, canceled, p.number, p.life, id)
}

// canceled is the task at the end of a request's time.
func canceled(w *World, t *task) {
	p, id := w.process(t.a), t.it.(uint64)
	if p.up && p.life == t.b && p.requests[id] != nil {
		p.give(cluster.Event{Kind: cluster.EventCancel, ID: id})
	}
}

// take gives a request to the node.
func (p *process) take(r *request) {
	if r.do == askStale {
		p.w.respond(p, r, p.look(r))
		return
	}
	p.sent++
	id := p.sent
	p.requests[id] = r
	p.bound(r, id)
	switch r.do {
	case askRead:
		r.committed = uint64(len(p.w.checks.committed) - 1)
		p.give(cluster.Event{Kind: cluster.EventRead, ID: id})
	case askWrite:
		p.w.checks.given(p, r)
		p.give(cluster.Event{Kind: cluster.EventPropose, ID: id, Command: &r.command})
	case askChange:
		p.give(cluster.Event{Kind: cluster.EventChangeMember, ID: id, Change: &r.change})
	case askTransfer:
		p.give(cluster.Event{Kind: cluster.EventTransfer, ID: id, Peer: r.peer})
	}
}

// look reads the machine as it is now.
func (p *process) look(r *request) answer {
	item, revision, found := p.machine.Get(r.command.Key)
	if r.do == askStale && revision < p.w.checks.replay.state().revision {
		p.w.probe(probeStaleOld)
	}
	return answer{Answer: policy.Answer{Outcome: policy.Done}, item: item, at: revision, found: found}
}

// reply answers a request. A read is made after its release, as the caller's own goroutine does.
func (p *process) reply(e *cluster.Reply) {
	r := p.requests[e.ID]
	if r == nil {
		p.w.fail("reply", "n%d answers request %d, which nobody waits for", p.number, e.ID)
		return
	}
	delete(p.requests, e.ID)
	p.w.witness.replied(p, r, e)
	if r.do == askWrite {
		p.w.checks.replied(p, r, e)
	}
	p.w.emit(trace.Event{Kind: trace.Reply, Node: p.number, Client: r.call.client.number, What: e.Outcome.String(), Numbers: numbers{uint64(r.call.plan.Number), uint64(r.attempt), e.Result.Revision}})
	if e.Outcome == cluster.Done && r.do == askRead {
		p.w.checks.reads(p, r, e.Index)
		p.w.later(p.local.Between(0, 100_000), read, p.number, p.life, r)
		return
	}
	p.w.respond(p, r, answerTo(r, e))
}

// read is the task that makes a read that was released.
func read(w *World, t *task) {
	p, r := w.process(t.a), t.it.(*request)
	if !p.up || p.life != t.b {
		w.respond(p, r, answer{Answer: policy.LostAnswer()})
		return
	}
	if p.paused > 0 {
		w.later(stillEvery, read, t.a, t.b, r)
		return
	}
	w.respond(p, r, p.look(r))
}

// answerTo translates a reply as the servers do.
func answerTo(r *request, e *cluster.Reply) answer {
	a := answer{result: e.Result}
	if e.Leader != 0 {
		a.Hinted, a.Leader = true, int(e.Leader)-1
	}
	switch e.Outcome {
	case cluster.Unknown:
		a.Outcome, a.Reason = policy.Unknown, policy.ReasonOutcomeUnknown
	case cluster.Refused:
		a.Outcome, a.Reason = policy.Refused, refusals[e.Reason]
		if a.Reason == policy.ReasonNone {
			a.Reason = policy.ReasonNoLeader
		}
	default:
		a.Outcome = policy.Done
		if failed, ok := statuses[e.Result.Status]; ok && r.do == askWrite {
			a.Outcome, a.Reason = policy.Refused, failed
		}
		a.Session, a.Window = e.Result.Session, 64
		if r.command.Kind != kv.OpenSession {
			a.Session, a.Window = 0, 0
		}
	}
	return a
}

var refusals = map[cluster.Reason]policy.Reason{
	cluster.ReasonNotLeader: policy.ReasonNotLeader, cluster.ReasonTransferring: policy.ReasonNotLeader, cluster.ReasonNoLeader: policy.ReasonNoLeader,
	cluster.ReasonOverloaded: policy.ReasonOverloaded, cluster.ReasonDataFull: policy.ReasonDataFull, cluster.ReasonDiskFull: policy.ReasonDiskFull,
	cluster.ReasonInvalid: policy.ReasonInvalid, cluster.ReasonSuperseded: policy.ReasonSuperseded, cluster.ReasonMembership: policy.ReasonMembership,
	cluster.ReasonStopping: policy.ReasonStopping, cluster.ReasonCanceled: policy.ReasonDeadline, cluster.ReasonBehind: policy.ReasonLearnerBehind,
	cluster.ReasonExpired: policy.ReasonNoLeader,
}

var statuses = map[kv.Status]policy.Reason{
	kv.SessionExpired: policy.ReasonSessionExpired, kv.SequenceAcknowledged: policy.ReasonSequenceAcknowledged,
	kv.SequenceOutOfWindow: policy.ReasonSequenceOutOfWindow, kv.SequenceReused: policy.ReasonSequenceReused, kv.Invalid: policy.ReasonInvalid,
}

// response is an answer on its way.
type response struct {
	r *request
	a answer
}

// respond sends an answer back.
func (w *World) respond(p *process, r *request, a answer) {
	if w.network.cut[p.number][0] > 0 {
		return
	}
	w.later(w.network.latency(p.number, 0), answered, 0, 0, &response{r, a})
}

// abandon breaks the connections of a process that died. Some clients notice, others wait until their time is over.
func (p *process) abandon() {
	for _, id := range sortedIDs(p.requests) {
		if p.local.Below(2) == 0 {
			p.w.respond(p, p.requests[id], answer{Answer: policy.LostAnswer()})
		}
	}
	p.requests = nil
}
