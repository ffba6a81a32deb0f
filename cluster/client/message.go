package client

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// messageBytesMax is the size at which a message that gathers operations is full. A larger operation goes alone.
	messageBytesMax = 1 << 20
	// messageOperationsMax is how many operations a message gathers.
	messageOperationsMax = 1024
	// messageBytesLeast is the size of a new message's buffer. Much smaller ones would not be given back by gRPC.
	messageBytesLeast = 4 << 10
	// messageBytesKept bounds the buffers that are kept for reuse; a larger one is dropped.
	messageBytesKept = 128 << 10
)

// message is an encoded PipelineRequest that operations are gathered in, until it is handed to gRPC, which gives the
// buffer back to the pool.
type message struct {
	number     uint64 // within the stream, from 1
	bytes      *[]byte
	operations int
}

// fits says whether n more bytes go in.
func (m *message) fits(n int) bool {
	return m.operations < messageOperationsMax && (m.operations == 0 || len(*m.bytes)+n <= messageBytesMax)
}

// void turns the operation at an offset into a field that no version of the API uses, so that servers skip it. The tags of
// both take one byte.
func (m *message) void(offset int) {
	(*m.bytes)[offset] = byte(protowire.EncodeTag(voidField, protowire.BytesType))
}

// voidField is reserved for this in PipelineRequest.
const voidField = 15

var messageBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, messageBytesLeast)
	return &b
}}

// messagePool is a mem.BufferPool of messageBuffers. gRPC calls Put alone.
type messagePool struct{}

func (messagePool) Get(length int) *[]byte {
	b := make([]byte, length)
	return &b
}

func (messagePool) Put(b *[]byte) {
	if cap(*b) > messageBytesKept || cap(*b) < messageBytesLeast {
		return
	}
	*b = (*b)[:0]
	messageBuffers.Put(b)
}
