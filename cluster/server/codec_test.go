package server

import (
	"testing"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestMessageOfManyTinyOperations(t *testing.T) {
	g := start(t, nil)
	p := g.pipeline()
	ops := make([]*kvpb.Operation, 4*4096+1)
	for i := range ops {
		ops[i] = &kvpb.Operation{}
	}
	require.NoError(t, p.Send(&kvpb.PipelineRequest{Operations: ops}))
	_, err := p.Recv()
	require.Equal(t, codes.Internal, status.Code(err))
	require.ErrorContains(t, err, errOperationsCount.Error())
	require.Zero(t, g.inflight.used.Load())
}

// The codec decodes what protobuf decodes, and nothing else, but for the bound.
func FuzzPipelineRequest(f *testing.F) {
	seed, err := proto.Marshal(&kvpb.PipelineRequest{Operations: []*kvpb.Operation{{Id: 1, Kind: opPut, Key: []byte("k"), Value: []byte("v")}, {}}})
	require.NoError(f, err)
	f.Add(seed)
	f.Add([]byte{0x0a, 0x80})
	f.Add([]byte{0x0a, 0, 0x0a, 0, 0x0a, 0, 0x0a, 0, 0x0a, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, want kvpb.PipelineRequest
		gotErr := newCodec(1).Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got)
		wantErr := proto.Unmarshal(b, &want)
		if gotErr == errOperationsCount {
			require.Greater(t, len(b), 2*excessFactor)
			return
		}
		require.Equal(t, wantErr == nil, gotErr == nil)
		require.LessOrEqual(t, len(got.Operations), excessFactor)
		if wantErr == nil {
			require.True(t, proto.Equal(&want, &got))
		}
	})
}
