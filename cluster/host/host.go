package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/cluster/transport"
	"github.com/lockstepdb/lockstep/kv"
)

// Dependencies are what a Host takes from outside. Zero values are fine.
type Dependencies struct {
	Logger   *slog.Logger   // nil: nothing is logged
	LogLevel *slog.LevelVar // what the admin address changes; nil: it can't
	// Registry takes all metrics and is shown at the admin address; nil: a new one.
	Registry *prometheus.Registry
	FS       vfs.FS // nil: the operating system's
	// Listeners replace those that the configured addresses would give. The Host owns them.
	Listeners Listeners
	Recorder  Recorder
	Version   string // of the binary
}

// Listeners are a node's sockets.
type Listeners struct{ HTTP, GRPC, Peer, Admin net.Listener }

// Host is one running node.
type Host struct {
	config    Config
	log       *slog.Logger
	origin    time.Time // of the monotonic clock
	fs        vfs.FS
	listeners Listeners
	recorder  Recorder

	store     *storage.Store
	identity  *identity
	formation *formation
	transport *transport.Transport
	server    *server.Server
	queue     *queue
	writer    *writer
	disk      *disk
	metrics   *metrics

	machine atomic.Pointer[kv.Machine]
	status  atomic.Pointer[cluster.Status]
	running atomic.Bool // the loop turns

	refusals   *refusalLog
	connecting sync.Mutex    // orders connect's calls
	sending    chan struct{} // room for transfersOutMax
	receiving  sync.Mutex

	life     context.Context // ends when everything is to stop at once
	end      context.CancelCauseFunc
	stopOnce sync.Once
	stopping chan struct{} // closed when a graceful stop begins
	done     chan struct{} // closed when Run has returned
	started  atomic.Bool
	work     sync.WaitGroup
}

// errStopped ends life without an error.
var errStopped = errors.New("stopped")

// ErrAborted is what Run returns after Abort.
var ErrAborted = errors.New("host: aborted")

// Open binds the sockets and opens the directory. When it fails nothing was changed, but for a directory that may have been made.
func Open(c Config, d Dependencies) (*Host, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.complete()
	if c.KV.DataBytesMax == 0 {
		limit, _, err := memoryLimit()
		if err != nil {
			return nil, fmt.Errorf("the memory can't be told (set kv.data-bytes-max): %w", err)
		}
		c.KV.DataBytesMax = Size(limit / 2)
	}
	listeners, err := listen(&c, d.Listeners)
	if err != nil {
		return nil, err
	}
	h, err := open(c, d, listeners)
	if err != nil {
		listeners.close()
		return nil, err
	}
	return h, nil
}

// complete fills in what follows from the rest.
func (c *Config) complete() {
	if len(c.Peers) == 0 {
		c.Peers = []Peer{{Node: c.Node, Peer: c.PeerAddress, HTTP: c.HTTPAddress, GRPC: c.GRPCAddress}}
	}
	c.Peers = slices.Clone(c.Peers)
	slices.SortFunc(c.Peers, func(a, b Peer) int { return int(int64(a.Node) - int64(b.Node)) })
}

func open(c Config, d Dependencies, listeners Listeners) (*Host, error) {
	h := newHost(c, d, listeners)
	store, created, err := openStore(timedFS{h.fs, h.metrics.observeSync}, &h.config)
	if err != nil {
		return nil, err
	}
	h.store = store
	if err := h.assemble(d, created); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return h, nil
}

// newHost makes what needs no directory.
func newHost(c Config, d Dependencies, listeners Listeners) *Host {
	h := &Host{
		config: c, log: d.Logger, origin: time.Now(), fs: d.FS, listeners: listeners, recorder: d.Recorder,
		sending: make(chan struct{}, transfersOutMax), stopping: make(chan struct{}), done: make(chan struct{}),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.log = h.log.With("node", c.Node)
	if h.fs == nil {
		h.fs = vfs.OS()
	}
	h.life, h.end = context.WithCancelCause(context.Background())
	h.queue = newQueue(c.Server.PendingMax)
	h.metrics = newMetrics(h)
	h.refusals = &refusalLog{host: h, seen: map[uint64]seenRefusal{}}
	h.disk = &disk{fs: h.fs, dir: c.DataDir, reserve: int64(c.Storage.DiskReserve), queue: h.queue, log: h.log}
	return h
}

// assemble connects the parts.
func (h *Host) assemble(d Dependencies, created bool) error {
	machine, err := kv.New(h.config.machineOptions())
	if err != nil {
		return err
	}
	h.machine.Store(machine)
	id := h.store.Identity()
	h.status.Store(&cluster.Status{Cluster: id.Cluster, ID: id.Node, DataBytesMax: int64(h.config.KV.DataBytesMax)})
	h.identity = newIdentity(h.store, h.config.Peers)
	h.identity.leases = h.config.leases()
	h.formation = newFormation(h)
	h.transport = transport.New(transport.Options{Node: id.Node, Handler: peers{h}, Logger: h.log})
	h.writer = newWriter(h, h.store)
	registry := d.Registry
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	if err := h.metrics.register(registry, d.Version); err != nil {
		return err
	}
	if created {
		h.log.Info("data directory made", "dir", h.config.DataDir, "cluster", id.Cluster, "instance", fmt.Sprintf("%x", id.Instance))
	}
	h.server, err = server.New(h.serverOptions(d, registry))
	return err
}

func (h *Host) serverOptions(d Dependencies, registry *prometheus.Registry) server.Options {
	c := &h.config
	return server.Options{
		Backend: h, Logger: h.log, LogLevel: d.LogLevel, Registerer: registry, Gatherer: registry,
		Cluster: c.Cluster, Version: d.Version,
		RequestTimeout: time.Duration(c.Server.RequestTimeout), Writes: c.Server.Writes, FollowerReads: c.Server.FollowerReads,
		CORSOrigins: c.Server.CORSOrigins,
		KeyBytesMax: c.KV.KeyBytesMax, ValueBytesMax: int(c.KV.ValueBytesMax), SessionWindow: c.KV.SessionWindow,
	}
}

// listen binds what is not given.
func listen(c *Config, given Listeners) (Listeners, error) {
	l := given
	for _, s := range []struct {
		name, address string
		at            *net.Listener
	}{
		{"http-address", c.HTTPAddress, &l.HTTP}, {"grpc-address", c.GRPCAddress, &l.GRPC},
		{"peer-address", c.PeerAddress, &l.Peer}, {"admin-address", c.AdminAddress, &l.Admin},
	} {
		if *s.at != nil || s.address == "" {
			continue
		}
		bound, err := net.Listen("tcp", s.address)
		if err != nil {
			l.close()
			return Listeners{}, fmt.Errorf("%s: %w", s.name, err)
		}
		*s.at = bound
	}
	return l, nil
}

func (l Listeners) close() {
	for _, s := range []net.Listener{l.HTTP, l.GRPC, l.Peer, l.Admin} {
		if s != nil {
			s.Close()
		}
	}
}

// Addresses are where the node listens, as host:port; Admin is empty when there is none.
func (h *Host) Addresses() (http, grpc, peer, admin string) {
	if h.listeners.Admin != nil {
		admin = h.listeners.Admin.Addr().String()
	}
	return h.listeners.HTTP.Addr().String(), h.listeners.GRPC.Addr().String(), h.listeners.Peer.Addr().String(), admin
}

// Identity is the directory's; its instance is what a membership change that adds this node must name.
func (h *Host) Identity() storage.Identity { return h.store.Identity() }

// Now is the host's monotonic clock in nanoseconds, from Open on.
func (h *Host) Now() int64 { return int64(time.Since(h.origin)) }

// nanos is a time on that clock.
func (h *Host) nanos(t time.Time) int64 { return int64(t.Sub(h.origin)) }

// Run serves until ctx ends or Stop is called, and then stops gracefully, within the configured bound; or until something fails, and then returns the
// reason. It is called once. When it returns nothing of the host runs any more.
func (h *Host) Run(ctx context.Context) error {
	if h.started.Swap(true) {
		return errors.New("host: Run was called before")
	}
	defer close(h.done)
	defer context.AfterFunc(ctx, h.beginStop)()
	err := h.serve()
	return errors.Join(err, h.close())
}

// serve brings the node up and waits for its end.
func (h *Host) serve() error {
	h.work.Go(func() {
		if err := h.transport.Serve(h.listeners.Peer); err != nil {
			h.fail(fmt.Errorf("peer-address: %w", err))
		}
	})
	if err := h.server.Start(server.Listeners{HTTP: h.listeners.HTTP, GRPC: h.listeners.GRPC, Admin: h.listeners.Admin}); err != nil {
		return err
	}
	h.log.Info("listening", "http", h.listeners.HTTP.Addr().String(), "grpc", h.listeners.GRPC.Addr().String(), "peer", h.listeners.Peer.Addr().String())
	if err := h.bringUp(); err != nil {
		if stopped(h.stopping) && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	select {
	case <-h.stopping:
		h.drain()
		return nil
	case err := <-h.server.Failed():
		return err
	case <-h.life.Done():
		return nil // close tells the cause
	}
}

func stopped(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// bringUp forms the cluster, recovers and starts the loop.
func (h *Host) bringUp() error {
	forming, cancel := context.WithCancel(h.life)
	defer cancel()
	h.work.Go(func() {
		select {
		case <-h.stopping:
			cancel()
		case <-forming.Done():
		}
	})
	if err := h.formation.run(forming); err != nil {
		return err
	}
	node, err := h.recover()
	if err != nil {
		return err
	}
	l := &loop{host: h, node: node, recorder: h.recorder}
	l.publish(h.Now(), true)
	h.queue.open()
	h.running.Store(true)
	h.work.Go(func() { h.writer.run(h.life) })
	h.work.Go(func() { l.run(h.life) })
	h.work.Go(func() { h.disk.run(h.life) })
	h.work.Go(h.tick)
	h.connect()
	return nil
}

// tick marks time as due until life ends.
func (h *Host) tick() {
	ticker := time.NewTicker(time.Duration(h.config.Raft.Tick))
	defer ticker.Stop()
	for {
		select {
		case <-h.life.Done():
			return
		case <-ticker.C:
			h.queue.tick()
		}
	}
}

// drain is the graceful part of a stop: nothing new is accepted, leadership is handed over, what is in flight gets its answer.
func (h *Host) drain() {
	ctx, cancel := context.WithTimeout(h.life, time.Duration(h.config.Server.StopTimeout))
	defer cancel()
	h.log.Info("stopping")
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := h.server.Stop(ctx); err != nil {
			h.log.Warn("connections were cut", "error", err.Error())
		}
	})
	h.handOver(ctx)
	serving.Wait()
	for h.queue.waiting() > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(drainInterval):
		}
	}
}

// handOver gives leadership to another voter, if this node leads and there is one.
func (h *Host) handOver(ctx context.Context) {
	s := h.Status()
	if s.Role.State != cluster.Leader || len(s.Membership.Members) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	r, err := h.await(ctx, &call{kind: transport.CallTransfer})
	if err != nil {
		h.log.Warn("leadership was not handed over", "error", err.Error())
		return
	}
	h.log.Info("leadership handed over", "leader", r.Leader)
}

// close ends everything and returns the reason of the end; nil for a stop.
func (h *Host) close() error {
	h.end(errStopped)
	stop, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.server.Stop(stop) // cuts what is left; it was told already if that was not expected
	h.transport.Close()
	h.work.Wait()
	h.listeners.close()
	err := h.store.Close()
	if cause := context.Cause(h.life); !errors.Is(cause, errStopped) {
		return errors.Join(cause, err)
	}
	h.log.Info("stopped")
	return err
}

// fail ends the host with the reason; the first one counts.
func (h *Host) fail(err error) {
	h.log.Error("node failed", "error", err.Error())
	h.end(err)
}

func (h *Host) beginStop() { h.stopOnce.Do(func() { close(h.stopping) }) }

// Stop begins a graceful stop and waits until Run has returned. When ctx ends first, the host is aborted and ctx's error returned.
func (h *Host) Stop(ctx context.Context) error {
	h.beginStop()
	if !h.started.Swap(true) {
		defer close(h.done)
		return h.close()
	}
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		h.Abort()
		return ctx.Err()
	}
}

// Abort ends Run at once, as a crash would but for what the operating system holds: no leadership is handed over and nobody
// gets more than an unknown outcome. It waits until Run has returned.
func (h *Host) Abort() {
	h.end(ErrAborted)
	if !h.started.Swap(true) {
		defer close(h.done)
		_ = h.close()
		return
	}
	<-h.done
}
