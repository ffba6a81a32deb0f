package transport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	grpcpeer "google.golang.org/grpc/peer"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
)

const serviceName = "lockstep.transport.v1.Peer"

// serviceDesc is written by hand: each method is a stream of packets both ways.
var serviceDesc = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{
		*streamDesc(Control), *streamDesc(Bulk), *streamDesc(Forward), *streamDesc(Snapshot),
	},
}

func streamDesc(k LinkKind) *grpc.StreamDesc {
	return &grpc.StreamDesc{
		StreamName: k.String(), ClientStreams: true, ServerStreams: true,
		Handler: func(srv any, s grpc.ServerStream) error { return srv.(*Transport).accept(k, s) },
	}
}

func methodName(k LinkKind) string { return "/" + serviceName + "/" + k.String() }

// accept is the life of a stream that a peer dialled.
func (t *Transport) accept(k LinkKind, s grpc.ServerStream) error {
	theirs, err := t.welcome(s)
	if err != nil {
		return err
	}
	if p := t.peer(theirs.Node); p != nil && k == Control {
		p.kick()
	}
	switch k {
	case Forward:
		return t.acceptForwards(theirs.Node, s)
	case Snapshot:
		return t.acceptSnapshot(theirs.Node, s)
	}
	return t.acceptMessages(theirs, k, s)
}

// welcome is the acceptor's half of the handshake. The peer is verified, and durably recorded if the handler does so,
// before the answer leaves.
func (t *Transport) welcome(s grpc.ServerStream) (Hello, error) {
	p, err := receiveWithin(s, handshakeTimeout)
	if err != nil {
		return Hello{}, err
	}
	theirs, err := readGreeting(p.frames)
	if err != nil {
		return Hello{}, err
	}
	own := t.hello(theirs.Node)
	refusal := judge(&own, &theirs)
	if refusal == nil {
		if err := t.verify(theirs); err != nil {
			refusal = err.(*Refusal)
		}
	}
	if refusal != nil {
		t.log.Debug("refused a peer", "peer", theirs.Node, "address", remote(s.Context()), "error", refusal.Error())
		if err := s.SendMsg(&packet{appendFrame(nil, frameRefusal, appendRefusal(nil, refusal))}); err != nil {
			return Hello{}, err
		}
		return Hello{}, refusal
	}
	own = t.hello(theirs.Node) // what was recorded by now is in it
	return theirs, s.SendMsg(&packet{appendFrame(nil, frameHello, appendHello(nil, &own))})
}

// receiveWithin is RecvMsg with a bound. When it is late the caller must return from the stream's handler, which ends RecvMsg.
func receiveWithin(s grpc.ServerStream, d time.Duration) (packet, error) {
	type received struct {
		p   packet
		err error
	}
	done := make(chan received, 1)
	go func() {
		var r received
		r.err = s.RecvMsg(&r.p)
		done <- r
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.p, r.err
	case <-timer.C:
		return packet{}, fmt.Errorf("transport: nothing came from %s within %v", remote(s.Context()), d)
	}
}

func remote(ctx context.Context) string {
	if p, ok := grpcpeer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return "an unknown address"
}

// acceptMessages receives raft messages until the stream ends, or until a ping of a peer that was removed in the meantime: that one dials
// again and is told.
func (t *Transport) acceptMessages(theirs Hello, k LinkKind, s grpc.ServerStream) error {
	for from := theirs.Node; ; {
		var p packet
		if err := s.RecvMsg(&p); err != nil {
			return err
		}
		messages, pings, err := t.messages(from, p.frames)
		if err != nil {
			t.log.Error("peer broke the protocol", "peer", from, "link", k.String(), "error", err.Error())
			return err
		}
		t.received(from, k, len(messages)+pings, len(p.frames))
		if len(messages) > 0 {
			t.handler.Receive(from, messages)
		}
		if pings > 0 {
			if refusal := (*Refusal)(nil); errors.As(t.handler.Verify(theirs), &refusal) && refusal.Code == RefusedRemoved {
				return refusal
			}
			if err := s.SendMsg(&packet{appendFrame(nil, framePong, nil)}); err != nil {
				return err
			}
		}
	}
}

// messages decodes the raft messages of one gRPC message and counts the pings.
func (t *Transport) messages(from uint64, b []byte) (out []*raftpb.Message, pings int, err error) {
	f := frames{b: b, peer: from}
	for f.more() {
		k, payload, err := f.next()
		if err != nil {
			return nil, 0, err
		}
		switch k {
		case framePing:
			pings++
		case frameMessage:
			m, err := cluster.DecodeMessage(payload)
			if err != nil {
				return nil, 0, err
			}
			if err := t.legitimate(from, m); err != nil {
				return nil, 0, f.broken(err.Error())
			}
			out = append(out, m)
		default:
			return nil, 0, f.unexpected(k)
		}
	}
	return out, pings, nil
}

// legitimate refuses messages that only a node says to itself, and messages in another node's name.
func (t *Transport) legitimate(from uint64, m *raftpb.Message) error {
	switch {
	case m.GetFrom() != from:
		return fmt.Errorf("a message in the name of node %d", m.GetFrom())
	case m.GetTo() != t.node:
		return fmt.Errorf("a message for node %d", m.GetTo())
	case raft.IsLocalMsg(m.GetType()) || m.GetType() == raftpb.MsgSnap || m.GetType() == raftpb.MsgProp:
		return fmt.Errorf("a message of kind %v", m.GetType())
	}
	return nil
}
