package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Meet goes through the handshake with the node at address and hangs up. Both sides have then verified (and, while a cluster
// forms, recorded) each other; the answer is what the peer says of itself. A *Refusal says that one refused the other.
func (t *Transport) Meet(ctx context.Context, node uint64, address string) (Hello, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(t.ctx, cancel)
	defer stop()
	conn, _, hello, err := t.dial(ctx, node, address, Control)
	if err != nil {
		return Hello{}, err
	}
	return hello, conn.Close()
}

// dial connects, opens the kind's stream and shakes hands. The caller closes the connection.
func (t *Transport) dial(ctx context.Context, node uint64, address string, k LinkKind) (*grpc.ClientConn, grpc.ClientStream, Hello, error) {
	conn, err := grpc.NewClient("passthrough:///"+address, dialOptions(k)...)
	if err != nil {
		return nil, nil, Hello{}, fmt.Errorf("transport: address %q of node %d: %w", address, node, err)
	}
	stream, hello, err := t.open(ctx, conn, node, k)
	if err != nil {
		conn.Close()
		return nil, nil, Hello{}, err
	}
	return conn, stream, hello, nil
}

func dialOptions(k LinkKind) []grpc.DialOption {
	o := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}),
			grpc.MaxCallRecvMsgSize(FrameBytesMax), grpc.MaxCallSendMsgSize(FrameBytesMax)),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveInterval, Timeout: peerSilenceMax}),
	}
	if k != Control {
		o = append(o, grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(windowBytes))
	}
	return o
}

// open begins the stream and shakes hands within handshakeTimeout. The stream lives as long as ctx.
func (t *Transport) open(ctx context.Context, conn *grpc.ClientConn, node uint64, k LinkKind) (grpc.ClientStream, Hello, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(handshakeTimeout, func() { cancel(errHandshakeLate) })
	stream, hello, err := t.greet(ctx, conn, node, k)
	if !late.Stop() && err == nil {
		err = errHandshakeLate
	}
	if err != nil {
		cause := context.Cause(ctx)
		cancel(err)
		if errors.Is(cause, errHandshakeLate) {
			err = errHandshakeLate
		}
		return nil, Hello{}, err
	}
	return stream, hello, nil
}

var errHandshakeLate = fmt.Errorf("transport: no answer to the handshake within %v", handshakeTimeout)

// greet sends this node's Hello and judges the answer.
func (t *Transport) greet(ctx context.Context, conn *grpc.ClientConn, node uint64, k LinkKind) (grpc.ClientStream, Hello, error) {
	stream, err := conn.NewStream(ctx, streamDesc(k), methodName(k))
	if err != nil {
		return nil, Hello{}, err
	}
	own := t.hello(node)
	if err := stream.SendMsg(&packet{appendFrame(nil, frameHello, appendHello(nil, &own))}); err != nil && !errors.Is(err, io.EOF) {
		return nil, Hello{}, err
	}
	var p packet
	if err := stream.RecvMsg(&p); err != nil {
		return nil, Hello{}, err
	}
	theirs, err := readGreeting(p.frames)
	if err != nil {
		return nil, Hello{}, err
	}
	if theirs.Version == ProtocolVersion && theirs.Node != node {
		return nil, Hello{}, &Refusal{Code: RefusedTarget, Node: theirs.Node, By: t.node,
			Text: fmt.Sprintf("it answers at the address of node %d: check the peers' addresses", node)}
	}
	if r := judge(&own, &theirs); r != nil {
		return nil, Hello{}, r
	}
	return stream, theirs, t.verify(theirs)
}

// readGreeting reads the first frame of the other side: its Hello, or its Refusal as the error.
func readGreeting(b []byte) (Hello, error) {
	f := frames{b: b}
	k, payload, err := f.next()
	switch {
	case err != nil:
		return Hello{}, err
	case len(payload) > helloBytesMax:
		return Hello{}, f.broken("the handshake's first frame is too large")
	case k == frameHello:
		return decodeHello(payload)
	case k == frameRefusal:
		r, err := decodeRefusal(payload)
		if err != nil {
			return Hello{}, err
		}
		return Hello{}, r
	}
	return Hello{}, f.unexpected(k)
}

// verify asks the handler. It returns nil or a *Refusal.
func (t *Transport) verify(theirs Hello) error {
	err := t.handler.Verify(theirs)
	if err == nil {
		return nil
	}
	if r := (*Refusal)(nil); errors.As(err, &r) {
		return r
	}
	return &Refusal{Code: RefusedFailed, Node: theirs.Node, By: t.node, Text: err.Error()}
}
