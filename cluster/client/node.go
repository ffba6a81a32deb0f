package client

import (
	"math"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// reconnectMin and reconnectMax bound the pause after a failed connection, during which the node fails at once. A node
	// that comes back is found again within reconnectMax.
	reconnectMin = 10 * time.Millisecond
	reconnectMax = 100 * time.Millisecond
	// keepaliveTime is the silence after which a connection with operations on it is tested, keepaliveTimeout how long
	// it then has to answer. 10 s is the least that gRPC allows.
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 3 * time.Second
	// receiveBytesMax bounds a message from a node. A single value may be the larger part of it.
	receiveBytesMax = 64 << 20
)

// node is one node's address, connection and stream.
type node struct {
	client  *Client
	address string
	conn    *grpc.ClientConn

	mu     sync.Mutex
	stream *stream // nil before the first operation and after a failure
	closed bool
}

func newNode(c *Client, address string) (*node, error) {
	security := insecure.NewCredentials()
	if c.config.TLS != nil {
		security = credentials.NewTLS(c.config.TLS)
	}
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(security),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMax},
			MinConnectTimeout: c.config.ConnectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(receiveBytesMax), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		// Whether to send again is decided in one place, and not by what a name server says.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, err
	}
	return &node{client: c, address: address, conn: conn}, nil
}

// submit puts a call's operation on the node's stream. When it cannot, it returns the answer: nothing was sent.
func (n *node) submit(one *call, o *operation) (policy.Answer, bool) {
	for range 2 { // the stream may break between being taken and being used
		s := n.current()
		if s == nil {
			return policy.UnsentAnswer(), false
		}
		switch s.submit(one, o) {
		case submitted:
			return policy.Answer{}, true
		case queueFull:
			return policy.Answer{Outcome: policy.Refused, Reason: policy.ReasonOverloaded}, false
		}
	}
	return policy.UnsentAnswer(), false
}

// current is the node's stream, a new one if need be; nil when the client is closed.
func (n *node) current() *stream {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	if n.stream == nil {
		n.stream = newStream(n)
	}
	return n.stream
}

// drop forgets a stream that failed.
func (n *node) drop(s *stream) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stream == s {
		n.stream = nil
	}
}

// end ends the stream for good. What is pending on it fails.
func (n *node) end() {
	n.mu.Lock()
	s := n.stream
	n.closed, n.stream = true, nil
	n.mu.Unlock()
	if s != nil {
		s.cancel()
	}
}

func (n *node) close() error { return n.conn.Close() }
