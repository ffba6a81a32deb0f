package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// Server serves clients of one node. Start it once; after Stop it is of no more use.
type Server struct {
	o        Options
	metrics  *metrics
	log      *requestLog
	inflight budget // bytes of keys and values, see Options.InflightBytesMax
	document *openapi
	bounds   kv.Options // what commands are judged by
	id       uint64     // this node

	http  *http.Server
	admin *http.Server
	grpc  *grpc.Server

	draining chan struct{} // closed by Stop
	stopOnce sync.Once
	serving  sync.WaitGroup // the goroutines that accept
	failed   chan error     // of those; one element each
}

// Listeners are what a Server serves on. It closes them.
type Listeners struct {
	HTTP, GRPC net.Listener
	Admin      net.Listener // nil: not served
}

// New returns a server that is not started yet. An error names the option that is out of bounds, or a metric that is
// registered already.
func New(o Options) (*Server, error) {
	o.applyDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	document, err := parseOpenAPI(openapiSource)
	if err != nil {
		return nil, fmt.Errorf("server: openapi.yaml: %w", err)
	}
	s := &Server{o: o, metrics: m, document: document, id: o.Backend.Status().ID, draining: make(chan struct{}), failed: make(chan error, 3)}
	s.inflight.max = o.InflightBytesMax
	s.bounds = kv.Options{KeyBytesMax: o.KeyBytesMax, ValueBytesMax: o.ValueBytesMax}.WithDefaults()
	s.log = newRequestLog(o.Logger, s.id, time.Now())
	s.http = s.newHTTP()
	s.admin = &http.Server{Handler: s.AdminHandler(), ReadHeaderTimeout: o.ReadHeaderTimeout, IdleTimeout: o.IdleTimeout,
		MaxHeaderBytes: o.HeaderBytesMax, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)}
	s.grpc = s.newGRPC()
	return s, nil
}

func (s *Server) newHTTP() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           s.HTTPHandler(),
		Protocols:         protocols,
		ReadHeaderTimeout: s.o.ReadHeaderTimeout, // bodies have a deadline of their own, see exchange.body
		WriteTimeout:      s.o.RequestTimeout + answerGrace + 2*s.o.BodyTimeout,
		IdleTimeout:       s.o.IdleTimeout,
		MaxHeaderBytes:    s.o.HeaderBytesMax,
		ErrorLog:          slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
	}
}

// Sizes of gRPC connections. Windows of a fixed size spare the pings by which gRPC would measure one.
const (
	grpcBufferBytes           = 64 << 10
	grpcStreamWindowBytes     = 1 << 20
	grpcConnectionWindowBytes = 4 << 20
)

// keepalivePingMin is how often a client may ping; one that pings more often is disconnected.
const keepalivePingMin = 5 * time.Second

func (s *Server) newGRPC() *grpc.Server {
	g := grpc.NewServer(
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.streaming),
		grpc.ForceServerCodecV2(newCodec(s.o.MessageOperationsMax)),
		grpc.MaxRecvMsgSize(s.o.MessageBytesMax),
		grpc.MaxConcurrentStreams(uint32(s.o.StreamsMax)),
		grpc.MaxHeaderListSize(uint32(s.o.HeaderBytesMax)),
		grpc.ConnectionTimeout(s.o.ReadHeaderTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepalivePingMin, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: s.o.IdleTimeout, Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WriteBufferSize(grpcBufferBytes),
		grpc.ReadBufferSize(grpcBufferBytes),
		grpc.StaticStreamWindowSize(grpcStreamWindowBytes),
		grpc.StaticConnWindowSize(grpcConnectionWindowBytes),
		grpc.WaitForHandlers(true),
	)
	kvpb.RegisterKVServer(g, kvService{s: s})
	kvpb.RegisterClusterServer(g, clusterService{s: s})
	healthpb.RegisterHealthServer(g, healthService{s: s})
	reflection.Register(g)
	return g
}

// HTTPHandler answers what the public HTTP address does. It reads http.Request.RequestURI, so that it must not stand
// behind a mux, which would clean paths.
func (s *Server) HTTPHandler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// Start serves on the listeners and returns at once. A listener that fails later is told by Failed.
func (s *Server) Start(l Listeners) error {
	if l.HTTP == nil || l.GRPC == nil {
		return errors.New("server: listeners for HTTP and gRPC are required")
	}
	if s.isDraining() {
		return errors.New("server: stopped")
	}
	s.serve("http", func() error { return s.http.Serve(netutil.LimitListener(l.HTTP, s.o.ConnectionsMax)) })
	s.serve("grpc", func() error { return s.grpc.Serve(netutil.LimitListener(l.GRPC, s.o.ConnectionsMax)) })
	if l.Admin != nil {
		s.serve("admin", func() error { return s.admin.Serve(netutil.LimitListener(l.Admin, adminConnectionsMax)) })
	}
	return nil
}

// adminConnectionsMax bounds the connections of the admin address.
const adminConnectionsMax = 64

func (s *Server) serve(name string, accept func() error) {
	s.serving.Add(1)
	go func() {
		defer s.serving.Done()
		err := accept()
		if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) || s.isDraining() {
			return
		}
		s.failed <- fmt.Errorf("server: %s: %w", name, err)
	}()
}

// Failed tells when a listener broke while the server was not stopping.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop ends gracefully: health and readiness turn negative, nothing new is accepted, what is in flight gets its answer,
// pipeline streams end behind their last result. When ctx ends first, connections are cut and ctx's error is returned;
// operations without an answer are then unknown to their callers. The admin address is closed last.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.draining) })
	var stopping sync.WaitGroup
	stopping.Go(func() { s.stopGRPC(ctx) })
	err := stopHTTP(ctx, s.http)
	stopping.Wait()
	if adminErr := stopHTTP(ctx, s.admin); err == nil {
		err = adminErr
	}
	s.serving.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func stopHTTP(ctx context.Context, h *http.Server) error {
	err := h.Shutdown(ctx)
	if err != nil {
		h.Close()
	}
	return err
}

func (s *Server) stopGRPC(ctx context.Context) {
	drained := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		s.grpc.Stop()
		<-drained
	}
}

// isDraining says that Stop was called.
func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// stopping says that this server or its node stops.
func (s *Server) stopping() bool {
	select {
	case <-s.o.Backend.Stopping():
		return true
	default:
		return s.isDraining()
	}
}

// node is this node's id.
func (s *Server) node() uint64 { return s.id }
