package transport

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
)

// Handler is what the transport needs of the node's driver. Methods are called from many goroutines, and some of them from
// within Send and Forward; none may block for long but Verify and Snapshot.
type Handler interface {
	// Hello is what this node says of itself to target (0: not known yet). Version, Target are filled in by the transport.
	Hello(target uint64) Hello
	// Verify judges a peer whose cluster, version and target are right. What it records is durable when it returns nil.
	// An error that is a *Refusal is told to the peer; any other one as RefusedFailed.
	Verify(peer Hello) error
	// Refused tells of a handshake that this node began and that one of the two refused; peer is whom it wanted to reach.
	Refused(peer uint64, r *Refusal)
	// Receive takes messages from a peer; it owns them.
	Receive(from uint64, messages []*raftpb.Message)
	// Unreachable says that messages to the peer were or may have been dropped; once per episode.
	Unreachable(peer uint64)
	// Forwarded takes requests of a peer. Each is answered once through answers.Answer, now or later, or never when the node stops.
	Forwarded(from uint64, calls []Call, answers *Answers)
	// Answered takes answers to requests given to Forward. Reply.ID is Call.ID.
	Answered(replies []cluster.Reply)
	// Snapshot takes a snapshot that a peer streams. It returns nil once the snapshot is durable and given to the node.
	Snapshot(in *SnapshotReceiver) error
}

// Options of a Transport.
type Options struct {
	Node    uint64
	Handler Handler
	Logger  *slog.Logger
}

// Transport connects a node with its peers.
type Transport struct {
	node    uint64
	handler Handler
	log     *slog.Logger
	server  *grpc.Server

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.RWMutex
	closed bool
	peers  map[uint64]*peer
	idle   map[uint64]*counters // of peers that are not dialled any more: counters never go back
}

// New returns a transport that neither accepts nor dials yet.
func New(o Options) *Transport {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Transport{
		node: o.Node, handler: o.Handler, log: o.Logger, ctx: ctx, cancel: cancel,
		peers: map[uint64]*peer{}, idle: map[uint64]*counters{},
	}
	t.server = grpc.NewServer(
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.MaxRecvMsgSize(FrameBytesMax), grpc.MaxSendMsgSize(FrameBytesMax),
		grpc.InitialWindowSize(windowBytes), grpc.InitialConnWindowSize(windowBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * peerSilenceMax, Timeout: peerSilenceMax}),
		// gRPC takes more than two pings within five minutes for an attack, on a link that carries nothing back: it would break
		// every such link each 40 s.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveInterval / 2, PermitWithoutStream: true}),
	)
	t.server.RegisterService(&serviceDesc, t)
	return t
}

// Serve accepts peers until Close; it owns the listener.
func (t *Transport) Serve(l net.Listener) error {
	err := t.server.Serve(l)
	if t.ctx.Err() != nil {
		return nil
	}
	return err
}

// SetPeers says whom to dial and where: node id to host:port. Peers that are gone or moved lose their links.
func (t *Transport) SetPeers(addresses map[uint64]string) {
	var gone []*peer
	t.mu.Lock()
	for id, p := range t.peers {
		if addresses[id] != p.address {
			gone = append(gone, p)
			t.idle[id] = p.counters
			delete(t.peers, id)
		}
	}
	for id, address := range addresses {
		if _, ok := t.peers[id]; !ok && id != t.node && address != "" && !t.closed {
			t.peers[id] = t.startPeer(id, address)
		}
	}
	t.mu.Unlock()
	for _, p := range gone {
		p.stop()
	}
}

// Send queues each message for the peer it is addressed to and takes it over. It never blocks.
func (t *Transport) Send(messages []*raftpb.Message) {
	for _, m := range messages {
		if p := t.peer(m.GetTo()); p != nil {
			p.send(m)
		}
	}
}

// Close ends all links and the server, and returns when nothing of them runs any more.
func (t *Transport) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.SetPeers(nil)
	t.server.Stop()
	t.work.Wait()
}

func (t *Transport) peer(id uint64) *peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.peers[id]
}

// hello is this node's, for the target and its instance as the handler knows it.
func (t *Transport) hello(target uint64) Hello {
	h := t.handler.Hello(target)
	h.Version, h.Node, h.Target = ProtocolVersion, t.node, target
	return h
}
