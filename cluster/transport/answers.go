package transport

import (
	"sync"

	"google.golang.org/grpc"

	"github.com/lockstepdb/lockstep/cluster"
)

// Answers takes the answers to calls that came up one stream and sends them down. Its methods never block.
type Answers struct {
	signal chan struct{}

	mu      sync.Mutex
	open    int // calls without an answer
	replies []cluster.Reply
}

// Answer queues the answer to one call; Reply.ID is Call.ID. When the stream has ended it goes nowhere.
func (a *Answers) Answer(r cluster.Reply) {
	a.mu.Lock()
	a.replies = append(a.replies, r)
	a.mu.Unlock()
	select {
	case a.signal <- struct{}{}:
	default:
	}
}

// admit counts calls in, and says how many of them are within the bound.
func (a *Answers) admit(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n = max(0, min(n, answersMax-a.open)) // refusals of calls beyond the bound count until they are sent, too
	a.open += n
	return n
}

// take swaps the queue out.
func (a *Answers) take(spare []cluster.Reply) []cluster.Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.replies
	a.replies = spare[:0]
	a.open -= len(out)
	return out
}

// acceptForwards is the life of a forward stream on the answering side.
func (t *Transport) acceptForwards(from uint64, s grpc.ServerStream) error {
	a := &Answers{signal: make(chan struct{}, 1)}
	ended := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() { a.send(s, ended) })
	defer sending.Wait()
	defer close(ended)
	for {
		var p packet
		if err := s.RecvMsg(&p); err != nil {
			return err
		}
		calls, err := decodeCalls(from, p.frames)
		if err != nil {
			t.log.Error("peer broke the protocol", "peer", from, "link", Forward.String(), "error", err.Error())
			return err
		}
		t.received(from, Forward, len(calls), len(p.frames))
		n := a.admit(len(calls))
		for _, c := range calls[n:] {
			a.overloaded(c.ID)
		}
		t.handler.Forwarded(from, calls[:n], a)
	}
}

// overloaded refuses a call that was not admitted.
func (a *Answers) overloaded(id uint64) {
	a.mu.Lock()
	a.open++ // take counts it down
	a.mu.Unlock()
	a.Answer(cluster.Reply{ID: id, Outcome: cluster.Refused, Reason: cluster.ReasonOverloaded})
}

func (a *Answers) send(s grpc.ServerStream, ended <-chan struct{}) {
	var buffer []byte
	var replies []cluster.Reply
	for {
		select {
		case <-ended:
			return
		case <-s.Context().Done():
			return
		case <-a.signal:
		}
		replies = a.take(replies)
		buffer = buffer[:0]
		for i := range replies {
			buffer = appendReply(buffer, &replies[i])
		}
		if len(replies) == 0 {
			continue
		}
		if err := s.SendMsg(&packet{buffer}); err != nil {
			return
		}
		buffer = retain(buffer)
	}
}
