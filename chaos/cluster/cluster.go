package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/chaos/network"
	"github.com/lockstepdb/lockstep/chaos/proxy"
)

const (
	// stopTimeout bounds a graceful stop; the node is killed then. It is longer than a node's own bound.
	stopTimeout = 15 * time.Second
	// askTimeout bounds a question to one node: a paused one does not answer.
	askTimeout = 300 * time.Millisecond
	// pollPause is how long a wait for a state sleeps between two looks.
	pollPause = 50 * time.Millisecond
)

// Options of Start.
type Options struct {
	Driver driver.Driver
	Nodes  int
	// Dir is the run's folder: it gets data, the nodes' logs, and the note of what runs.
	Dir string
	// Memory gives each node's data a file system of its own in memory, of so many bytes, which can be filled. It needs
	// root. 0: none.
	Memory int64
	// Ended is told how a process ended that was not asked to, on a goroutine of its own that Shut waits for. It may be nil.
	Ended func(c *Cluster, slot int, e Ending)
}

// Cluster is a set of running nodes. Its methods are safe for concurrent use; two that concern one node should not run at once.
type Cluster struct {
	o       Options
	network *proxy.Network
	starter starter
	follows sync.WaitGroup // of the goroutines that follow processes

	mu     sync.Mutex
	nodes  []*node
	left   left
	lastID uint64
	closed bool
}

// node is a slot. Its fields are guarded by Cluster.mu.
type node struct {
	place   driver.Place
	process *process // nil before the first start
	ours    bool     // its end was asked for
	paused  bool
	starts  int
}

// Start makes directories and proxies, and starts all nodes. It does not wait until they serve.
func Start(o Options) (*Cluster, error) {
	c := &Cluster{o: o, starter: newStarter(), left: left{Harness: markOf(os.Getpid())}}
	c.network = proxy.New(c.identify)
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for _, n := range c.nodes {
		if err := c.StartNode(n.place.Slot); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// prepare makes what the nodes need, and notes it before it is made.
func (c *Cluster) prepare() error {
	data := filepath.Join(c.o.Dir, "data")
	c.left.Dirs = []string{data}
	for slot := 1; slot <= c.o.Nodes; slot++ {
		n, err := c.newNode(slot, filepath.Join(data, fmt.Sprintf("node-%d", slot)))
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
		if c.o.Memory > 0 {
			c.left.Mounts = append(c.left.Mounts, mount{Dir: filepath.Dir(n.place.Dir)})
		}
	}
	c.lastID = uint64(c.o.Nodes)
	founders := make([]driver.Founder, 0, len(c.nodes))
	for _, n := range c.nodes {
		founders = append(founders, driver.Founder{ID: n.place.ID, Public: n.place.Public})
	}
	if err := os.MkdirAll(c.o.Dir, 0o755); err != nil {
		return err
	}
	if err := c.left.write(c.o.Dir); err != nil {
		return err
	}
	for _, n := range c.nodes {
		n.place.Founders = founders
		if err := c.makeDir(filepath.Dir(n.place.Dir)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil || c.o.Memory == 0 {
		return err
	}
	return mountMemory(dir, c.o.Memory)
}

// newNode finds addresses, and puts proxies in front of those that others use.
func (c *Cluster) newNode(slot int, dir string) (*node, error) {
	n := &node{place: driver.Place{Slot: slot, ID: uint64(slot), Dir: filepath.Join(dir, "store")}}
	p := &n.place
	for _, a := range []*string{&p.Listen.HTTP, &p.Listen.GRPC, &p.Listen.Peer, &p.Admin} {
		var err error
		if *a, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	for _, a := range []struct {
		public *string
		listen string
		peers  bool
	}{{&p.Public.HTTP, p.Listen.HTTP, false}, {&p.Public.GRPC, p.Listen.GRPC, false}, {&p.Public.Peer, p.Listen.Peer, true}} {
		var err error
		if *a.public, err = c.network.Add(slot, a.listen, a.peers); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// identify tells whose connection it is, for the proxies.
func (c *Cluster) identify(local, remote net.Addr) (int, bool) {
	var pids []int
	slots := map[int]int{}
	c.mu.Lock()
	for _, n := range c.nodes {
		if n.process != nil {
			pids = append(pids, n.process.pid())
			slots[n.process.pid()] = n.place.Slot
		}
	}
	c.mu.Unlock()
	slot, ok := slots[proxy.Owner(local, remote, pids)]
	return slot, ok
}

// Network is what lies between the nodes.
func (c *Cluster) Network() network.Network { return c.network }

// Unidentified counts connections of nodes that could not be told apart.
func (c *Cluster) Unidentified() int { return c.network.Unidentified() }

// Nodes is how many there are.
func (c *Cluster) Nodes() int { return c.o.Nodes }

// Addresses are those that clients connect to; slot i's are at index i-1.
func (c *Cluster) Addresses() []driver.Addresses {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []driver.Addresses
	for _, n := range c.nodes {
		all = append(all, n.place.Public)
	}
	return all
}

// Place returns where a node runs.
func (c *Cluster) Place(slot int) driver.Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[slot-1].place
}

// Log is the file that holds what a node's processes printed.
func (c *Cluster) Log(slot int) string {
	return filepath.Join(c.o.Dir, fmt.Sprintf("node-%d.log", slot))
}

// PID is that of a node that runs, 0 otherwise.
func (c *Cluster) PID(slot int) int {
	if p := c.running(slot); p != nil {
		return p.pid()
	}
	return 0
}

// Starts counts how often a node was started.
func (c *Cluster) Starts(slot int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[slot-1].starts
}

// Paused says that a node stands still.
func (c *Cluster) Paused(slot int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[slot-1].paused
}

// running returns a node's process while it runs.
func (c *Cluster) running(slot int) *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.nodes[slot-1].process
	if p == nil {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	default:
		return p
	}
}

// StartNode starts a node unless it runs, or the cluster is shut.
func (c *Cluster) StartNode(slot int) error {
	if c.running(slot) != nil || c.isClosed() {
		return nil
	}
	line, environ := c.o.Driver.Command(c.refreshed(slot))
	p, err := c.starter.start(line, environ, c.Log(slot))
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errors.Join(p.signal(syscall.SIGKILL), errors.New("the cluster is closed"))
	}
	n := c.nodes[slot-1]
	n.process, n.ours, n.paused = p, false, false
	n.starts++
	c.follows.Go(func() { c.follow(n, p) }) // under mu: not after Shut has begun to wait
	err = c.note()
	c.mu.Unlock()
	return err
}

func (c *Cluster) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// refreshed returns where a node is to run. Who joined is told of the members as they are now: others may have been replaced since.
func (c *Cluster) refreshed(slot int) driver.Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[slot-1]
	if n.place.Join {
		n.place.Founders = c.others(n)
	}
	return n.place
}

// note writes down which processes run. mu is held.
func (c *Cluster) note() error {
	c.left.Processes = c.left.Processes[:0]
	for _, n := range c.nodes {
		if n.process != nil {
			c.left.Processes = append(c.left.Processes, markOf(n.process.pid()))
		}
	}
	return c.left.write(c.o.Dir)
}

// follow tells of an end that nobody asked for.
func (c *Cluster) follow(n *node, p *process) {
	<-p.ended
	c.mu.Lock()
	asked := n.ours || n.process != p || c.closed
	c.mu.Unlock()
	if !asked && c.o.Ended != nil {
		c.o.Ended(c, n.place.Slot, p.ending)
	}
}

// signal sends a signal to a node that runs.
func (c *Cluster) signal(slot int, s syscall.Signal, ours bool) (*process, error) {
	p := c.running(slot)
	if p == nil {
		return nil, fmt.Errorf("node %d does not run", slot)
	}
	c.mu.Lock()
	n := c.nodes[slot-1]
	n.ours = n.ours || ours
	c.mu.Unlock()
	return p, p.signal(s)
}

// Kill ends a node at once, and waits until it has ended. One that does not run is left so.
func (c *Cluster) Kill(slot int) {
	if p, err := c.signal(slot, syscall.SIGKILL, true); err == nil {
		<-p.ended
		c.setPaused(slot, false)
	}
}

// Stop ends a node gracefully and returns how it ended; one that takes too long is killed, which is an error.
func (c *Cluster) Stop(slot int) (Ending, error) {
	p, err := c.signal(slot, syscall.SIGTERM, true)
	if err != nil {
		return Ending{}, err
	}
	select {
	case <-p.ended:
		return p.ending, nil
	case <-time.After(stopTimeout):
		c.Kill(slot)
		return p.ending, fmt.Errorf("node %d did not stop within %v", slot, stopTimeout)
	}
}

// Pause has a node stand still until Resume.
func (c *Cluster) Pause(slot int) error {
	_, err := c.signal(slot, syscall.SIGSTOP, false)
	if err == nil {
		c.setPaused(slot, true)
	}
	return err
}

// Resume ends a pause.
func (c *Cluster) Resume(slot int) error {
	c.setPaused(slot, false)
	_, err := c.signal(slot, syscall.SIGCONT, false)
	return err
}

func (c *Cluster) setPaused(slot int, paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[slot-1].paused = paused
}

// LimitFiles bounds the size of files that a running node writes, so that its writes beyond fail; -1 lifts the bound.
func (c *Cluster) LimitFiles(slot int, bytes int64) error {
	p := c.running(slot)
	if p == nil {
		return fmt.Errorf("node %d does not run", slot)
	}
	return limitFiles(p.pid(), uint64(bytes)) // -1 is the largest number, which means no bound
}

// AwaitEnd waits until a node has ended and returns how.
func (c *Cluster) AwaitEnd(ctx context.Context, slot int) (Ending, error) {
	c.mu.Lock()
	p := c.nodes[slot-1].process
	c.mu.Unlock()
	select {
	case <-p.ended:
		return p.ending, nil
	case <-ctx.Done():
		return Ending{}, fmt.Errorf("node %d still runs: %w", slot, ctx.Err())
	}
}

// Expect says whether a node may end by itself, until it is started again.
func (c *Cluster) Expect(slot int, may bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[slot-1].ours = may
}

// Wipe removes the directory of a node that does not run.
func (c *Cluster) Wipe(slot int) error {
	if c.running(slot) != nil {
		return fmt.Errorf("node %d runs", slot)
	}
	return os.RemoveAll(c.Place(slot).Dir)
}

// ballastName is the file that fills a node's file system, beside its directory.
const ballastName = "ballast"

// Fill leaves so many bytes of room on a node's own file system; Empty takes the ballast away.
func (c *Cluster) Fill(slot int, leave int64) error {
	if c.o.Memory == 0 {
		return driver.ErrUnsupported
	}
	return fill(filepath.Join(filepath.Dir(c.Place(slot).Dir), ballastName), leave)
}

// Empty undoes Fill.
func (c *Cluster) Empty(slot int) error {
	return os.Remove(filepath.Join(filepath.Dir(c.Place(slot).Dir), ballastName))
}

// Flip changes a byte in the directory of a node that does not run. It undoes itself when it is done again.
func (c *Cluster) Flip(s driver.Spot) error {
	f, err := os.OpenFile(s.File, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, s.Offset); err != nil {
		return err
	}
	b[0] ^= 0xff
	_, err = f.WriteAt(b, s.Offset)
	return errors.Join(err, f.Sync())
}

// Renew gives the slot of a node that does not run an id that was never used and an empty directory: it will join.
func (c *Cluster) Renew(slot int) (driver.Place, error) {
	if err := c.Wipe(slot); err != nil {
		return driver.Place{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	n := c.nodes[slot-1]
	n.place.ID, n.place.Join = c.lastID, true
	n.place.Founders = c.others(n)
	return n.place, nil
}

// others are whom a node that joins is to find. mu is held.
func (c *Cluster) others(n *node) []driver.Founder {
	var all []driver.Founder
	for _, other := range c.nodes {
		if other != n {
			all = append(all, driver.Founder{ID: other.place.ID, Public: other.place.Public})
		}
	}
	return all
}

// State asks a node.
func (c *Cluster) State(ctx context.Context, slot int) (driver.State, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.o.Driver.State(ctx, c.Place(slot))
}

// States asks all nodes at once; those that do not answer are missing.
func (c *Cluster) States(ctx context.Context) map[int]driver.State {
	var mu sync.Mutex
	all := map[int]driver.State{}
	var asking sync.WaitGroup
	for slot := 1; slot <= c.o.Nodes; slot++ {
		if c.Paused(slot) || c.running(slot) == nil {
			continue
		}
		asking.Go(func() {
			if s, err := c.State(ctx, slot); err == nil {
				mu.Lock()
				defer mu.Unlock()
				all[slot] = s
			}
		})
	}
	asking.Wait()
	return all
}

// LeaderOf is the slot that leads in the highest term; 0: nobody.
func LeaderOf(all map[int]driver.State) int {
	leader, term := 0, uint64(0)
	for slot, s := range all {
		if s.Leads && s.Term > term {
			leader, term = slot, s.Term
		}
	}
	return leader
}

// Await waits until all nodes are as they should be.
func (c *Cluster) Await(ctx context.Context, what string, fits func(map[int]driver.State) bool) error {
	for {
		all := c.States(ctx)
		if fits(all) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not in time: %w; %d of %d nodes answer, node %d leads", what, ctx.Err(), len(all), c.o.Nodes, LeaderOf(all))
		case <-time.After(pollPause):
		}
	}
}

// AllReady says that every node serves and somebody leads.
func (c *Cluster) AllReady(all map[int]driver.State) bool {
	for slot := 1; slot <= c.o.Nodes; slot++ {
		if !all[slot].Ready {
			return false
		}
	}
	return LeaderOf(all) > 0
}

// Shut ends all processes and the network, and leaves the data. Nodes are stopped gracefully where that works soon.
func (c *Cluster) Shut() error {
	c.mu.Lock()
	c.closed = true
	nodes := c.nodes
	c.mu.Unlock()
	var stopping sync.WaitGroup
	for _, n := range nodes {
		stopping.Go(func() {
			if c.Paused(n.place.Slot) {
				c.Kill(n.place.Slot)
				return
			}
			_, _ = c.Stop(n.place.Slot) // a node that does not run is stopped
		})
	}
	stopping.Wait()
	c.follows.Wait()
	return c.network.Close() // twice does no harm
}

// Close ends everything and removes what Start made, the run's own files apart.
func (c *Cluster) Close() error {
	err := c.Shut()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left.Processes = nil
	_, cleaned := c.left.clean(c.o.Dir)
	if err = errors.Join(err, cleaned); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(c.o.Dir, leftName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Keep leaves the data in place when Close comes, as evidence.
func (c *Cluster) Keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.left.Mounts) == 0 {
		c.left.Dirs = nil
	}
}
