package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/lockstepdb/lockstep/cluster"
)

// A frame within a gRPC message:
//
//	+--------+----------------+---------+
//	| kind 1 | length 4, LE   | payload |
//	+--------+----------------+---------+
const frameHeaderBytes = 5

// frameKind numbers are part of the protocol and never change.
type frameKind uint8

const (
	frameHello          frameKind = iota + 1 // Hello
	frameRefusal                             // Refusal
	frameMessage                             // raft message, as cluster.AppendMessage writes it
	framePing                                // empty
	framePong                                // empty
	frameCall                                // Call
	frameAnswer                              // cluster.Reply
	frameSnapshot                            // snapshotHeader
	frameChunk                               // bytes of a snapshot
	frameSnapshotEnd                         // number of chunks
	frameSnapshotBusy                        // empty: the receiver is still at work
	frameSnapshotResult                      // empty: taken; otherwise why not
)

// ProtocolError says that a peer sent bytes that are not the protocol's.
type ProtocolError struct {
	Peer   uint64 // 0 before the handshake
	Offset int    // within the gRPC message
	Text   string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("transport: node %d broke the protocol at offset %d: %s", e.Peer, e.Offset, e.Text)
}

// beginFrame reserves a header; endFrame fills in the length of what was appended since.
func beginFrame(dst []byte, k frameKind) (b []byte, at int) {
	return append(dst, byte(k), 0, 0, 0, 0), len(dst)
}

func endFrame(b []byte, at int) []byte {
	binary.LittleEndian.PutUint32(b[at+1:], uint32(len(b)-at-frameHeaderBytes))
	return b
}

func appendFrame(dst []byte, k frameKind, payload []byte) []byte {
	dst, at := beginFrame(dst, k)
	return endFrame(append(dst, payload...), at)
}

// frames walks through the frames of one gRPC message.
type frames struct {
	b    []byte
	at   int
	peer uint64
}

func (f *frames) more() bool { return f.at < len(f.b) }

// next returns the next frame; its payload aliases the gRPC message.
func (f *frames) next() (frameKind, []byte, error) {
	rest := f.b[f.at:]
	if len(rest) < frameHeaderBytes {
		return 0, nil, f.broken("a frame's header is cut off")
	}
	n := int64(binary.LittleEndian.Uint32(rest[1:]))
	if n > int64(len(rest)-frameHeaderBytes) {
		return 0, nil, f.broken(fmt.Sprintf("a frame of %d bytes is cut off", n))
	}
	end := frameHeaderBytes + int(n)
	f.at += end
	return frameKind(rest[0]), rest[frameHeaderBytes:end:end], nil
}

func (f *frames) broken(text string) error {
	return &ProtocolError{Peer: f.peer, Offset: f.at, Text: text}
}

func (f *frames) unexpected(k frameKind) error {
	return f.broken(fmt.Sprintf("frame kind %d does not belong here", k))
}

// cursor reads fields; after an error everything it returns is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) bool() bool {
	v := c.byte()
	if v > 1 {
		c.fail()
	}
	return v == 1
}

func (c *cursor) bytes() []byte {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.fail()
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) string() string { return string(c.bytes()) }

func (c *cursor) instance() (i cluster.Instance) {
	if len(c.b) < len(i) {
		c.fail()
		return i
	}
	c.b = c.b[copy(i[:], c.b):]
	return i
}

func (c *cursor) fail() { c.b, c.bad = nil, true }

// done says that everything was read and nothing was wrong.
func (c *cursor) done() bool { return !c.bad && len(c.b) == 0 }

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}
