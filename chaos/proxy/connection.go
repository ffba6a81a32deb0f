package proxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstepdb/lockstep/chaos/network"
)

// connection is one that came in at near, and its continuation at far. up is the gate from near to far, down the other one.
type connection struct {
	link     network.Link // of up
	up, down *gate
	lossy    atomic.Bool // something was to pass while a direction was cut

	done chan struct{} // closed by reset, or when both directions have ended
	once sync.Once

	mu        sync.Mutex
	near, far *net.TCPConn // far is nil before it is connected
}

// run connects, and carries both directions until they have ended.
func (c *connection) run(target string) {
	defer c.reset()
	if !c.admitted() {
		return
	}
	far, err := (&net.Dialer{Timeout: dialTimeout}).Dial("tcp", target)
	if err != nil {
		return
	}
	if !c.connected(far.(*net.TCPConn)) {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { c.watch(c.up) })
	pumps.Go(func() { c.watch(c.down) })
	var ways sync.WaitGroup
	ways.Go(func() { c.carry(c.near, c.far, c.up) })
	ways.Go(func() { c.carry(c.far, c.near, c.down) })
	ways.Wait()
	c.reset()
	pumps.Wait()
}

// admitted waits until the connection may be made, which takes both directions. One that was to lead nowhere ends with the
// condition: its client has to begin again.
func (c *connection) admitted() bool {
	nowhere := false
	for {
		up, upChanged := c.up.now()
		down, downChanged := c.down.now()
		both := network.Either(up, down)
		switch {
		case both.Refuse, nowhere && !both.HalfOpen:
			return false
		case !both.HalfOpen && !both.Cut && !both.Hold:
			return true
		}
		nowhere = both.HalfOpen
		select {
		case <-upChanged:
		case <-downChanged:
		case <-c.done:
			return false
		}
	}
}

func (c *connection) connected(far *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.done:
		abort(far)
		return false
	default:
	}
	c.far = far
	return true
}

// reset ends the connection; both sides are told at once.
func (c *connection) reset() {
	c.once.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(c.done)
		abort(c.near)
		if c.far != nil {
			abort(c.far)
		}
	})
}

// watch ends the connection when its direction's condition says so.
func (c *connection) watch(g *gate) {
	halved := false
	for {
		now, changed := g.now()
		switch {
		case now.Refuse, halved && !now.HalfOpen:
			c.reset()
		case now.HalfOpen && g == c.up && !halved:
			halved = true
			abort(c.far)
		case !now.Cut && c.lossy.Load() && c.clear():
			c.reset()
		}
		select {
		case <-changed:
		case <-c.done:
			return
		}
	}
}

// clear says that neither direction is cut.
func (c *connection) clear() bool {
	up, _ := c.up.now()
	down, _ := c.down.now()
	return !up.Cut && !down.Cut
}

// chunk is bytes on their way, or the end of a direction.
type chunk struct {
	bytes []byte
	due   time.Time
	end   error // io.EOF: an orderly end; any other: a reset
}

// carry moves bytes from one side to the other until the direction has ended.
func (c *connection) carry(from, to *net.TCPConn, g *gate) {
	queue := make(chan chunk, chunksMax)
	var reading sync.WaitGroup
	reading.Go(func() { c.read(from, g, queue) })
	for one := range queue {
		if !c.deliver(one, to, g) {
			break
		}
	}
	reading.Wait()
}

// read queues what arrives; the queue is closed behind the end.
func (c *connection) read(from *net.TCPConn, g *gate, queue chan<- chunk) {
	defer close(queue)
	var last time.Time // bytes do not overtake each other
	for {
		buffer := make([]byte, chunkBytes)
		n, err := from.Read(buffer)
		now, _ := g.now()
		due := time.Now().Add(now.Delay)
		if now.Jitter > 0 {
			due = due.Add(rand.N(now.Jitter))
		}
		if due.Before(last) {
			due = last
		}
		last = due
		if n > 0 && !c.queue(queue, chunk{bytes: buffer[:n], due: due}) {
			return
		}
		if err != nil {
			c.queue(queue, chunk{end: err, due: due.Add(now.CloseDelay)})
			return
		}
	}
}

func (c *connection) queue(queue chan<- chunk, one chunk) bool {
	select {
	case queue <- one:
		return true
	case <-c.done:
		return false
	}
}

// deliver passes a chunk on when it may pass; false ends the direction.
func (c *connection) deliver(one chunk, to *net.TCPConn, g *gate) bool {
	if !c.wait(time.Until(one.due)) || !c.pass(g) {
		return false
	}
	if one.end != nil {
		if now, _ := g.now(); now.HalfOpen {
			<-c.done // the side that was not told is left alone until the fault ends
			return false
		}
		if !errors.Is(one.end, io.EOF) || to.CloseWrite() != nil {
			c.reset()
		}
		return false
	}
	now, _ := g.now()
	if now.BytesPerSecond > 0 && !c.wait(time.Duration(len(one.bytes))*time.Second/time.Duration(now.BytesPerSecond)) {
		return false
	}
	if _, err := to.Write(one.bytes); err != nil {
		if now, _ := g.now(); now.HalfOpen {
			<-c.done
			return false
		}
		c.reset()
		return false
	}
	return true
}

// pass waits while the direction is cut or held; false: the connection has ended.
func (c *connection) pass(g *gate) bool {
	for {
		now, changed := g.now()
		if !now.Cut && !now.Hold {
			return !c.lossy.Load() || !c.clear()
		}
		if now.Cut {
			c.lossy.Store(true)
		}
		select {
		case <-changed:
		case <-c.done:
			return false
		}
	}
}

func (c *connection) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.done:
		return false
	}
}
