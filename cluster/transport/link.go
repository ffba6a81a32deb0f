package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
)

var errUnexpected = errors.New("transport: this frame does not come down this link")

// link keeps one stream to a peer up and pumps its box into it.
type link struct {
	peer *peer
	kind LinkKind
	box  box

	kicked chan struct{} // has room for one: try again now

	mu      sync.Mutex
	current context.CancelFunc // of the session that is running

	logged     string // the last reason that was logged
	loggedTime time.Time
}

func newLink(p *peer, k LinkKind, b box) *link {
	return &link{peer: p, kind: k, box: b, kicked: make(chan struct{}, 1)}
}

func (l *link) kick() {
	select {
	case l.kicked <- struct{}{}:
	default:
	}
}

func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		l.current()
	}
}

// run keeps the link up until ctx ends.
func (l *link) run(ctx context.Context) {
	wait := backoffMin
	for ctx.Err() == nil {
		connected, err := l.session(ctx)
		l.ended(connected, err, ctx.Err() != nil)
		if connected {
			wait = backoffMin
		}
		if l.pause(ctx, wait) {
			wait = backoffMin
		} else {
			wait = min(2*wait, backoffMax)
		}
	}
}

// pause waits between half of d and d; true says that it was kicked awake.
func (l *link) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-l.kicked:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// session is one life of the link: connect, handshake, pump until something breaks.
func (l *link) session(parent context.Context) (connected bool, err error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	l.mu.Lock()
	l.current = cancel
	l.mu.Unlock()
	conn, stream, _, err := l.peer.t.dial(ctx, l.peer.id, l.peer.address, l.kind)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	l.opened()
	defer l.peer.counters[l.kind].connected.Add(-1)
	var reading sync.WaitGroup
	defer reading.Wait() // after cancel, which runs first
	defer cancel()
	read := make(chan error, 1)
	silence := l.watch()
	reading.Go(func() {
		read <- l.read(stream, silence)
		cancel()
	})
	err = l.write(ctx, stream)
	cancel()
	cause := <-read
	if silence != nil {
		silence.Stop()
	}
	if cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return true, err
}

// watch resets the peer's links when no pong arrives for too long; only the control link, whose traffic is light, pings.
func (l *link) watch() *time.Timer {
	if l.kind != Control {
		return nil
	}
	return time.AfterFunc(peerSilenceMax, l.peer.reset)
}

func (l *link) opened() {
	c := &l.peer.counters[l.kind]
	c.connects.Add(1)
	c.connected.Add(1)
	l.box.opened()
	l.logged = ""
	l.peer.t.log.Debug("peer connected", "peer", l.peer.id, "link", l.kind.String(), "address", l.peer.address)
}

// ended tells whoever must know that the session is over or could not begin.
func (l *link) ended(connected bool, err error, stopping bool) {
	dropped, report := l.box.broke(connected)
	l.peer.counters[l.kind].dropped.Add(uint64(dropped))
	if stopping {
		return
	}
	if report {
		l.peer.t.handler.Unreachable(l.peer.id)
	}
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		l.peer.t.handler.Refused(l.peer.id, refusal)
	}
	l.logEnd(connected, err)
}

// logEnd logs a reason when it is new, and again every refusalLogEvery. Only the control link speaks above debug level.
func (l *link) logEnd(connected bool, err error) {
	text := "closed"
	if err != nil {
		text = err.Error()
	}
	if text == l.logged && time.Since(l.loggedTime) < refusalLogEvery {
		return
	}
	l.logged, l.loggedTime = text, time.Now()
	log := l.peer.t.log.With("peer", l.peer.id, "link", l.kind.String(), "address", l.peer.address, "error", text)
	refusal := (*Refusal)(nil)
	switch {
	case l.kind != Control:
		log.Debug("peer link down")
	case errors.As(err, &refusal):
		log.Error("peer refused")
	case connected:
		log.Warn("peer disconnected")
	default:
		log.Info("peer not reachable")
	}
}

// write pumps the box into the stream, and pings on the control link.
func (l *link) write(ctx context.Context, stream grpc.ClientStream) error {
	var pings <-chan time.Time
	if l.kind == Control {
		ticker := time.NewTicker(pingInterval)
		defer ticker.Stop()
		pings = ticker.C
	}
	var buffer []byte
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pings:
			if err := stream.SendMsg(&packet{appendFrame(buffer[:0], framePing, nil)}); err != nil {
				return err
			}
		case <-l.box.wake():
			var err error
			if buffer, err = l.drain(stream, buffer); err != nil {
				return err
			}
		}
	}
}

// drain sends until the box is empty.
func (l *link) drain(stream grpc.ClientStream, buffer []byte) ([]byte, error) {
	for {
		b, n := l.box.take(buffer[:0])
		if n == 0 {
			return retain(buffer), nil
		}
		if err := stream.SendMsg(&packet{b}); err != nil {
			return b, err
		}
		l.box.sent()
		c := &l.peer.counters[l.kind]
		c.sentFrames.Add(uint64(n))
		c.sentBytes.Add(uint64(len(b)))
		buffer = b
	}
}

// retain drops a buffer that one large message made larger than is worth keeping.
func retain(b []byte) []byte {
	if cap(b) > 2*flushBytes {
		return nil
	}
	return b
}

// read takes what comes down the stream.
func (l *link) read(stream grpc.ClientStream, silence *time.Timer) error {
	for {
		var p packet
		if err := stream.RecvMsg(&p); err != nil {
			return err
		}
		f := frames{b: p.frames, peer: l.peer.id}
		n := 0
		for ; f.more(); n++ {
			k, payload, err := f.next()
			switch {
			case err != nil:
				return err
			case k == framePong && silence != nil:
				silence.Reset(peerSilenceMax)
			default:
				if err := l.box.receive(k, payload); err != nil {
					return err
				}
			}
		}
		l.box.flush()
		l.peer.t.received(l.peer.id, l.kind, n, len(p.frames))
	}
}
