package client

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// echoCodec hands messages over as they are: the server below should cost little, since its work is counted as well.
type echoCodec struct{ codec }

func (echoCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (echoCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b := v.(*[]byte)
	*b = append((*b)[:0], make([]byte, data.Len())...)
	data.CopyTo(*b)
	return nil
}

// echoServer answers each operation as done, at once, without a store.
func echoServer(b *testing.B) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := grpc.NewServer(grpc.ForceServerCodecV2(echoCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var in []byte
		for {
			if err := stream.RecvMsg(&in); err != nil {
				return nil
			}
			out, err := echo(in)
			if err != nil {
				return err
			}
			if err := stream.SendMsg(&out); err != nil {
				return err
			}
		}
	}))
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(server.Stop)
	return listener.Addr().String()
}

func echo(in []byte) (out []byte, err error) {
	err = fields(in, func(operation field) error {
		var r []byte
		err := fields(operation.bytes, func(f field) error {
			if f.name == 1 {
				r = appendVarint(make([]byte, 0, 64), 1, f.number)
			}
			return nil
		})
		r = appendVarint(appendVarint(appendVarint(r, 6, 1), 13, 7), 14, 256)
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), r)
		return err
	})
	return out, err
}

// BenchmarkCall is the cost of the client, of gRPC on both sides, and of a server that does nothing.
func BenchmarkCall(b *testing.B) {
	address := echoServer(b)
	for _, goroutines := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("op=put/goroutines=%d", goroutines), func(b *testing.B) {
			benchmarkCall(b, Config{Addresses: []string{address}}, goroutines, func(c *Client, key, value []byte) error {
				_, err := c.Put(context.Background(), key, value)
				return err
			})
		})
		b.Run(fmt.Sprintf("op=get/goroutines=%d", goroutines), func(b *testing.B) {
			benchmarkCall(b, Config{Addresses: []string{address}}, goroutines, func(c *Client, key, _ []byte) error {
				_, err := c.Get(context.Background(), key)
				return err
			})
		})
	}
}

// BenchmarkModes compares the stream with unary calls, on a store of its own in this process.
func BenchmarkModes(b *testing.B) {
	for _, mode := range []string{"pipeline", "unary"} {
		for _, goroutines := range []int{1, 64} {
			b.Run(fmt.Sprintf("mode=%s/goroutines=%d", mode, goroutines), func(b *testing.B) {
				f := newFakeCluster(b, 1)
				config := Config{Addresses: f.addresses(), Unary: mode == "unary"}
				benchmarkCall(b, config, goroutines, func(c *Client, key, value []byte) error {
					_, err := c.Put(context.Background(), key, value)
					return err
				})
			})
		}
	}
}

func benchmarkCall(b *testing.B, config Config, goroutines int, call func(c *Client, key, value []byte) error) {
	c, err := New(config)
	require.NoError(b, err)
	defer func() { require.NoError(b, c.Close()) }()
	key, value := make([]byte, 32), make([]byte, 256)
	require.NoError(b, call(c, key, value))
	b.ReportAllocs()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	each(goroutines, 1, func(string) {
		for left.Add(-1) >= 0 {
			if err := call(c, key, value); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkSubmit is the client's own part of an operation alone: decide, encode, take the result.
func BenchmarkSubmit(b *testing.B) {
	o := operation{kind: operationPut, key: make([]byte, 32), value: make([]byte, 256), session: 1 << 20, sequence: 1 << 20, acknowledged: 1 << 20}
	var buffer []byte
	var results []result
	encoded, err := echo(o.appendTo(nil, 1))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		buffer = o.appendTo(buffer[:0], 1<<20)
		results, err = decodeResults(encoded, results[:0])
	}
	require.NoError(b, err)
	require.Equal(b, kvpb.OperationKind_OPERATION_KIND_PUT, o.kind)
}
