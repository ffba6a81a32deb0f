package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
)

// BenchmarkHTTP is one keep-alive connection with one request at a time, against a node without a disk or peers.
func BenchmarkHTTP(b *testing.B) {
	for _, method := range []string{"PUT", "GET"} {
		b.Run("method="+method, func(b *testing.B) {
			g := start(b, nil)
			g.put("key", "value")
			conn, err := net.Dial("tcp", g.http)
			require.NoError(b, err)
			defer conn.Close()
			in := bufio.NewReader(conn)
			request := []byte(method + " /v1/key HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue")
			b.ReportAllocs()
			for b.Loop() {
				_, err := conn.Write(request)
				require.NoError(b, err)
				r, err := http.ReadResponse(in, nil)
				require.NoError(b, err)
				io.Copy(io.Discard, r.Body)
			}
		})
	}
}

// BenchmarkPipeline is one stream with four messages outstanding; the time is that of one operation.
func BenchmarkPipeline(b *testing.B) {
	for _, kind := range []kvpb.OperationKind{opPut, opGet} {
		for _, each := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("kind=%v/operations=%d", operationMethodName(kind), each), func(b *testing.B) {
				g := start(b, nil)
				p := g.pipeline()
				message := &kvpb.PipelineRequest{}
				for i := range each {
					message.Operations = append(message.Operations, &kvpb.Operation{Id: uint64(i), Kind: kind, Key: make([]byte, 32), Value: make([]byte, 256)})
				}
				if kind == opGet {
					for _, op := range message.Operations {
						op.Value = nil
					}
				}
				b.ReportAllocs()
				outstanding, sent := 0, 0
				for sent < b.N || outstanding > 0 {
					for sent < b.N && outstanding < 4*each {
						require.NoError(b, p.Send(message))
						outstanding += each
						sent += each
					}
					r, err := p.Recv()
					require.NoError(b, err)
					outstanding -= len(r.Results)
				}
			})
		}
	}
}

func operationMethodName(k kvpb.OperationKind) string { return methodNames[operationMethod(k)] }
