package host

import (
	"errors"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/cluster/transport"
)

// peers is the host as the transport sees it.
type peers struct{ *Host }

var _ transport.Handler = peers{}

// Hello is what this node says of itself.
func (p peers) Hello(target uint64) transport.Hello { return p.identity.hello(target) }

// Verify judges a peer, and records it while the cluster forms.
func (p peers) Verify(h transport.Hello) error {
	err := p.identity.verify(h)
	if r := (*transport.Refusal)(nil); errors.As(err, &r) {
		p.refusals.log(r)
	}
	if err == nil {
		p.formation.heard(h)
		if p.identity.newGuest() {
			p.work.Go(p.connect) // not here: a link that connect ends may be waiting for this very answer
		}
	}
	return err
}

// Refused follows handshakes that this node began. It ends a node that joins and finds that the cluster knows another instance under its
// id, since it has lost its directory; and a node that was removed: that is final, since ids are not used again, and nobody will talk to it.
func (p peers) Refused(peer uint64, r *transport.Refusal) {
	if r.Node != p.config.Node {
		return
	}
	lost := r.Code == transport.RefusedInstance && len(p.Status().Membership.Members) == 0
	if lost || r.Code == transport.RefusedRemoved {
		p.fail(r)
	}
}

func (p peers) Receive(_ uint64, messages []*raftpb.Message) { p.queue.receive(messages) }

func (p peers) Unreachable(peer uint64) {
	p.queue.push(cluster.Event{Kind: cluster.EventUnreachable, Peer: peer})
}

func (p peers) Answered(replies []cluster.Reply) { p.queue.answer(replies) }

// forwarded is a request of another node's client.
type forwarded struct {
	request server.Request
	id      uint64
	answers *transport.Answers
}

func (f *forwarded) answer(r cluster.Reply) {
	r.ID = f.id
	f.answers.Answer(r)
}

func forwardedDone(r *server.Request) { r.Caller.(*forwarded).answer(r.Reply) }

// Forwarded takes requests of other nodes in. They are not sent on again: the other node may ask whom this one takes for the leader.
func (p peers) Forwarded(_ uint64, calls []transport.Call, answers *transport.Answers) {
	requests := make([]*server.Request, 0, len(calls))
	for i := range calls {
		c := &calls[i]
		f := &forwarded{id: c.ID, answers: answers}
		deadline := int64(0)
		if c.Timeout > 0 {
			deadline = p.Now() + int64(c.Timeout)
		}
		if c.Kind != transport.CallWrite {
			p.queue.pushCall(&call{kind: c.Kind, change: c.Change, peer: c.Peer, deadline: deadline, done: f.answer})
			continue
		}
		f.request = server.Request{Kind: server.Write, Command: *c.Command, DeadlineNanos: deadline, NoForward: true, Done: forwardedDone, Caller: f}
		requests = append(requests, &f.request)
	}
	p.queue.submit(requests)
}

// refusalLog keeps a stranger that knocks every second from filling the log.
type refusalLog struct {
	host *Host

	mu   sync.Mutex
	seen map[uint64]seenRefusal
}

type seenRefusal struct {
	text string
	at   time.Time
}

// refusalsMax bounds the strangers that are remembered.
const refusalsMax = 1024

// refusalEvery is how often the same refusal is logged.
const refusalEvery = 30 * time.Second

func (l *refusalLog) log(r *transport.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, ok := l.seen[r.Node]
	if ok && last.text == r.Text && time.Since(last.at) < refusalEvery {
		return
	}
	if len(l.seen) >= refusalsMax {
		clear(l.seen)
	}
	l.seen[r.Node] = seenRefusal{r.Text, time.Now()}
	l.host.log.Error("refused a peer", "peer", r.Node, "error", r.Error())
}

// connect gives the transport the peers as they are now.
func (h *Host) connect() {
	h.connecting.Lock()
	defer h.connecting.Unlock()
	h.transport.SetPeers(h.identity.addresses())
}
