package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
)

// SnapshotHeader begins a transfer.
type SnapshotHeader struct {
	Message *raftpb.Message // the MsgSnap, without data
	Bytes   int64           // about what follows; for progress only
}

// Mark names the snapshot.
func (h *SnapshotHeader) Mark() cluster.SnapshotMark {
	m := h.Message.GetSnapshot().GetMetadata()
	return cluster.SnapshotMark{Index: m.GetIndex(), Term: m.GetTerm()}
}

// SendSnapshot streams a snapshot to the peer of its message on a connection of its own and returns nil once the peer has it, durably.
// next returns the chunks in order, at most FrameBytesMax less a frame header each, and io.EOF after the last; a chunk may be
// overwritten when next is called again. It gives up after snapshotSilenceMax without progress.
func (t *Transport) SendSnapshot(ctx context.Context, h SnapshotHeader, next func() ([]byte, error)) error {
	p := t.peer(h.Message.GetTo())
	if p == nil {
		return fmt.Errorf("transport: node %d is not a peer", h.Message.GetTo())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(t.ctx, func() { cancel(context.Canceled) })
	defer stop()
	conn, stream, _, err := t.dial(ctx, p.id, p.address, Snapshot)
	if err != nil {
		return err
	}
	defer conn.Close()
	silence := time.AfterFunc(snapshotSilenceMax, func() { cancel(errSnapshotSilent) })
	defer silence.Stop()
	p.counters[Snapshot].connects.Add(1)
	p.counters[Snapshot].connected.Add(1)
	defer p.counters[Snapshot].connected.Add(-1)
	err = t.stream(&outgoing{stream: stream, counters: p.counters, silence: silence}, h, next)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errSnapshotSilent) {
		return cause
	}
	return err
}

var errSnapshotSilent = fmt.Errorf("transport: a snapshot's transfer made no progress for %v", snapshotSilenceMax)

// outgoing is a transfer at its sender.
type outgoing struct {
	stream   grpc.ClientStream
	counters *counters
	silence  *time.Timer
	buffer   []byte
}

func (t *Transport) stream(o *outgoing, h SnapshotHeader, next func() ([]byte, error)) error {
	if err := o.send(frameSnapshot, appendSnapshotHeader(nil, &h)); err != nil {
		return o.result(err)
	}
	for n := uint64(0); ; n++ {
		chunk, err := next()
		if errors.Is(err, io.EOF) {
			return o.result(o.send(frameSnapshotEnd, binary.AppendUvarint(nil, n)))
		}
		if err != nil {
			return err
		}
		if err := o.send(frameChunk, chunk); err != nil {
			return o.result(err)
		}
	}
}

func (o *outgoing) send(k frameKind, payload []byte) error {
	o.buffer = appendFrame(o.buffer[:0], k, payload)
	if err := o.stream.SendMsg(&packet{o.buffer}); err != nil {
		return err
	}
	o.silence.Reset(snapshotSilenceMax)
	o.counters[Snapshot].sentFrames.Add(1)
	o.counters[Snapshot].sentBytes.Add(uint64(len(o.buffer)))
	return nil
}

// result waits for the receiver's word, which also explains an end of the stream (sendErr io.EOF) before all was sent.
func (o *outgoing) result(sendErr error) error {
	if sendErr != nil && !errors.Is(sendErr, io.EOF) {
		return sendErr
	}
	for {
		var p packet
		if err := o.stream.RecvMsg(&p); err != nil {
			return err
		}
		f := frames{b: p.frames}
		k, payload, err := f.next()
		switch {
		case err != nil:
			return err
		case k == frameSnapshotBusy:
			o.silence.Reset(snapshotSilenceMax)
		case k == frameSnapshotResult && len(payload) == 0:
			return nil
		case k == frameSnapshotResult:
			return &SnapshotRejectedError{Text: string(payload)}
		default:
			return f.unexpected(k)
		}
	}
}

// SnapshotRejectedError says why the receiver did not take a snapshot.
type SnapshotRejectedError struct{ Text string }

func (e *SnapshotRejectedError) Error() string {
	return "the receiver did not take the snapshot: " + e.Text
}

func appendSnapshotHeader(dst []byte, h *SnapshotHeader) []byte {
	dst = binary.AppendUvarint(dst, uint64(max(h.Bytes, 0)))
	return cluster.AppendMessage(dst, h.Message)
}

func decodeSnapshotHeader(b []byte) (SnapshotHeader, error) {
	c := cursor{b: b}
	n := c.uvarint()
	if c.bad {
		return SnapshotHeader{}, &ProtocolError{Text: "a snapshot's header can't be understood"}
	}
	m, err := cluster.DecodeMessage(c.b)
	return SnapshotHeader{Message: m, Bytes: int64(min(n, 1<<62))}, err
}

// SnapshotReceiver reads a snapshot that a peer streams. It is for one goroutine.
type SnapshotReceiver struct {
	From uint64
	SnapshotHeader

	t      *Transport
	stream grpc.ServerStream
	chunks uint64
	ended  bool
}

// Next returns the next chunk, which belongs to the caller, and io.EOF after the last one of a whole snapshot.
// It gives up after snapshotSilenceMax without one.
func (r *SnapshotReceiver) Next() ([]byte, error) {
	if r.ended {
		return nil, io.EOF
	}
	p, err := receiveWithin(r.stream, snapshotSilenceMax)
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	r.t.received(r.From, Snapshot, 1, len(p.frames))
	f := frames{b: p.frames, peer: r.From}
	k, payload, err := f.next()
	switch {
	case err != nil:
		return nil, err
	case k == frameChunk:
		r.chunks++
		return payload, nil
	case k != frameSnapshotEnd:
		return nil, f.unexpected(k)
	}
	if c := (cursor{b: payload}); c.uvarint() != r.chunks || !c.done() {
		return nil, f.broken(fmt.Sprintf("a snapshot ended after %d chunks, which is not what its sender counted", r.chunks))
	}
	r.ended = true
	return nil, io.EOF
}

// acceptSnapshot is the life of a snapshot stream on the receiving side. Only this goroutine and busy send on it, one at a time.
func (t *Transport) acceptSnapshot(from uint64, s grpc.ServerStream) error {
	r, err := t.snapshotReceiver(from, s)
	if err != nil {
		return err
	}
	stopBusy := t.busy(s)
	err = t.handler.Snapshot(r)
	stopBusy()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if err := s.SendMsg(&packet{appendFrame(nil, frameSnapshotResult, []byte(text))}); err != nil {
		return err
	}
	return nil
}

func (t *Transport) snapshotReceiver(from uint64, s grpc.ServerStream) (*SnapshotReceiver, error) {
	p, err := receiveWithin(s, handshakeTimeout)
	if err != nil {
		return nil, err
	}
	f := frames{b: p.frames, peer: from}
	k, payload, err := f.next()
	if err != nil {
		return nil, err
	}
	if k != frameSnapshot {
		return nil, f.unexpected(k)
	}
	h, err := decodeSnapshotHeader(payload)
	if err != nil {
		return nil, err
	}
	m := h.Message
	if m.GetFrom() != from || m.GetTo() != t.node || m.GetType() != raftpb.MsgSnap || h.Mark().Index == 0 {
		return nil, f.broken("a snapshot whose message is not the sender's MsgSnap for this node")
	}
	return &SnapshotReceiver{From: from, SnapshotHeader: h, t: t, stream: s}, nil
}

// busy tells the sender now and then that the receiver is alive, until the returned function is called.
func (t *Transport) busy(s grpc.ServerStream) (stop func()) {
	done := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		ticker := time.NewTicker(snapshotBusyInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-s.Context().Done():
				return
			case <-ticker.C:
				if s.SendMsg(&packet{appendFrame(nil, frameSnapshotBusy, nil)}) != nil {
					return
				}
			}
		}
	})
	return func() {
		close(done)
		sending.Wait()
	}
}
