package transport

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// packet is a gRPC message: frames, one after the other.
type packet struct{ frames []byte }

// rawCodec passes bytes through. What is sent is copied into a pooled buffer, so that the caller may use its own again at
// once; what is received is memory of its own, since raft entries keep pointing into it.
type rawCodec struct{}

func (rawCodec) Name() string { return "lockstep-raw" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.(*packet)
	if !ok {
		return nil, fmt.Errorf("transport: the codec carries packets, not %T", v)
	}
	return mem.BufferSlice{mem.Copy(p.frames, mem.DefaultBufferPool())}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	p, ok := v.(*packet)
	if !ok {
		return fmt.Errorf("transport: the codec carries packets, not %T", v)
	}
	p.frames = data.Materialize()
	return nil
}
