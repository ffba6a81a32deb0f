package server

import (
	"context"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// unary is the one interceptor of unary calls: it counts, logs at debug, and turns a panic into INTERNAL.
func (s *Server) unary(ctx context.Context, q any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (r any, err error) {
	start := time.Now()
	k := methodOf(info.FullMethod)
	s.metrics.inflight[overGRPC].Inc()
	defer func() {
		if v := recover(); v != nil {
			r, err = nil, s.recovered(ctx, k, v)
		}
		s.metrics.inflight[overGRPC].Dec()
		s.finish(ctx, k, start, err)
	}()
	return handle(ctx, q)
}

// recovered logs a panic and is the error that the caller gets for it. Whether the call had an effect is not known.
func (s *Server) recovered(ctx context.Context, k method, v any) error {
	s.log.panicked(s.log.id(requestID(ctx)), overGRPC, k, v, debug.Stack())
	return status.Error(codes.Internal, "a defect in the server; the outcome is unknown")
}

// finish counts and logs one call or stream.
func (s *Server) finish(ctx context.Context, k method, start time.Time, err error) {
	took := time.Since(start)
	s.metrics.count(overGRPC, k, codeIndex(err), 1)
	if k != methodPipeline && k != methodHealth && k != methodReflection { // how long a stream was open is no latency
		s.metrics.observe(overGRPC, k, took)
	}
	if s.log.debugs() {
		s.log.logger.Debug("request", "request", s.log.id(requestID(ctx)), "transport", "grpc", "method", methodNames[k],
			"code", status.Code(err).String(), "took", took)
	}
}

// streaming is the one interceptor of streams. Those that are not the store's own (reflection) end when the server
// stops, since their handlers would go on for as long as their clients wish.
func (s *Server) streaming(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	start := time.Now()
	k := methodOf(info.FullMethod)
	defer func() { s.finish(stream.Context(), k, start, err) }()
	if k != methodReflection {
		return s.guarded(service, stream, k, handle)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.guarded(service, stream, k, handle) }()
	select {
	case err = <-ended:
		return err
	case <-s.draining:
		return failStopping.err("", nil)
	}
}

func (s *Server) guarded(service any, stream grpc.ServerStream, k method, handle grpc.StreamHandler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.recovered(stream.Context(), k, v)
		}
	}()
	return handle(service, stream)
}
