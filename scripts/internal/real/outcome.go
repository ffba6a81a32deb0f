package real

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Outcome of a write, as the API promises it.
type Outcome uint8

const (
	Done    Outcome = iota + 1
	Refused         // it had no effect and never will
	Unknown         // it may or may not have one
)

// Store reads and writes keys through one node.
type Store interface {
	Put(ctx context.Context, key, value string) (Outcome, error)
	// Get reads linearizably.
	Get(ctx context.Context, key string) (value string, found bool, err error)
	Close()
}

// HTTP is a Store over the HTTP API of one node.
func HTTP(address string) Store {
	t := &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}
	return &httpStore{address: address, client: &http.Client{Transport: t}}
}

type httpStore struct {
	address string
	client  *http.Client
}

func (s *httpStore) url(key string) string {
	return "http://" + s.address + "/v1/" + url.PathEscape(key)
}

func (s *httpStore) Put(ctx context.Context, key, value string) (Outcome, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, s.url(key), bytes.NewReader([]byte(value)))
	if err != nil {
		return Refused, err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return sent(err), err
	}
	body, err := readAll(answer)
	switch answer.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return Done, nil
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInsufficientStorage, http.StatusTemporaryRedirect:
		return Refused, errors.Join(fmt.Errorf("%s: %s", answer.Status, body), err)
	}
	return Unknown, errors.Join(fmt.Errorf("%s: %s", answer.Status, body), err)
}

// sent says what an error of the transport means: only a connection that was never made had no effect for sure.
func sent(err error) Outcome {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, syscall.ECONNREFUSED) {
		return Refused
	}
	return Unknown
}

func readAll(r *http.Response) (string, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return string(body), err
}

func (s *httpStore) Get(ctx context.Context, key string) (string, bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(key), nil)
	if err != nil {
		return "", false, err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return "", false, err
	}
	body, err := readAll(answer)
	switch {
	case err != nil:
		return "", false, err
	case answer.StatusCode == http.StatusOK:
		return body, true, nil
	case answer.StatusCode == http.StatusNotFound:
		return "", false, nil
	}
	return "", false, fmt.Errorf("%s: %s", answer.Status, body)
}

func (s *httpStore) Close() { s.client.CloseIdleConnections() }

// GRPC is a Store over the unary gRPC API of one node.
func GRPC(address string) (Store, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &grpcStore{conn: conn, kv: kvpb.NewKVClient(conn)}, nil
}

type grpcStore struct {
	conn *grpc.ClientConn
	kv   kvpb.KVClient
}

func (s *grpcStore) Put(ctx context.Context, key, value string) (Outcome, error) {
	_, err := s.kv.Put(ctx, &kvpb.PutRequest{Key: []byte(key), Value: []byte(value)})
	if err == nil {
		return Done, nil
	}
	return grpcOutcome(err), err
}

// grpcOutcome trusts UNAVAILABLE and RESOURCE_EXHAUSTED only from the node itself, which adds an ErrorInfo: grpc-go says
// UNAVAILABLE also for a connection that broke after sending.
func grpcOutcome(err error) Outcome {
	s := status.Convert(err)
	ours := false
	for _, d := range s.Details() {
		if i, ok := d.(*errdetails.ErrorInfo); ok && i.GetDomain() == "lockstep" {
			ours = true
		}
	}
	if ours && (s.Code() == codes.Unavailable || s.Code() == codes.ResourceExhausted) {
		return Refused
	}
	return Unknown
}

func (s *grpcStore) Get(ctx context.Context, key string) (string, bool, error) {
	r, err := s.kv.Get(ctx, &kvpb.GetRequest{Key: []byte(key)})
	if err != nil {
		return "", false, err
	}
	return string(r.GetValue()), r.GetFound(), nil
}

func (s *grpcStore) Close() { s.conn.Close() }
