package server

import (
	"errors"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	protobuf "google.golang.org/protobuf/proto"
)

// codec is gRPC's own for protobuf, but for pipelined messages, whose operations it counts before it decodes them: an
// operation that is two bytes on the wire takes some two hundred in memory, so that a bound on a message's bytes alone
// would be none on what it makes the server hold.
type codec struct {
	encoding.CodecV2
	operationsMax int
}

// excessFactor is how many times Options.MessageOperationsMax a message may have and still be answered operation by operation.
const excessFactor = 4

func newCodec(messageOperationsMax int) codec {
	return codec{encoding.GetCodecV2(proto.Name), excessFactor * messageOperationsMax}
}

var errOperationsCount = errors.New("the message holds far more operations than the server takes")

// Unmarshal decodes a message; the caller keeps data.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(*kvpb.PipelineRequest)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	b := buffer.ReadOnlyData()
	if fieldsAbove(b, c.operationsMax) {
		return errOperationsCount
	}
	return protobuf.Unmarshal(b, message)
}

// fieldsAbove says whether an encoded message has more than n fields at its top. What is malformed is left to the decoder.
func fieldsAbove(b []byte, n int) bool {
	for count := 0; len(b) > 0; count++ {
		if count == n {
			return true
		}
		_, _, size := protowire.ConsumeField(b)
		if size < 0 {
			return false
		}
		b = b[size:]
	}
	return false
}
