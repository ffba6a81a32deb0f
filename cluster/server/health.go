package server

import (
	"context"
	"time"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// healthInterval is how often a watched health is looked at. A node does not tell when it becomes ready.
const healthInterval = 200 * time.Millisecond

// healthService answers grpc.health.v1 with the node's readiness of the moment, which is why it is not grpc's own
// health.Server: that one keeps what it was last told.
type healthService struct {
	healthpb.UnimplementedHealthServer
	s *Server
}

// healthServices are the services whose health can be asked for; the empty one is the whole server.
var healthServices = []string{"", kvpb.KV_ServiceDesc.ServiceName, kvpb.Cluster_ServiceDesc.ServiceName}

func (h healthService) status(service string) (healthpb.HealthCheckResponse_ServingStatus, bool) {
	for _, known := range healthServices {
		if service != known {
			continue
		}
		if h.s.unready() == "" {
			return healthpb.HealthCheckResponse_SERVING, true
		}
		return healthpb.HealthCheckResponse_NOT_SERVING, true
	}
	return healthpb.HealthCheckResponse_SERVICE_UNKNOWN, false
}

func (h healthService) Check(_ context.Context, q *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	serving, ok := h.status(q.Service)
	if !ok {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return &healthpb.HealthCheckResponse{Status: serving}, nil
}

func (h healthService) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	r := &healthpb.HealthListResponse{Statuses: map[string]*healthpb.HealthCheckResponse{}}
	for _, service := range healthServices {
		serving, _ := h.status(service)
		r.Statuses[service] = &healthpb.HealthCheckResponse{Status: serving}
	}
	return r, nil
}

// Watch tells the health and each change of it, and ends when the server stops.
func (h healthService) Watch(q *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		draining := h.s.isDraining() // before the status, so that the last status told is that of a stopping server
		if serving, _ := h.status(q.Service); serving != last {
			last = serving
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: serving}); err != nil {
				return err
			}
		}
		if draining {
			return failStopping.err("", nil)
		}
		select {
		case <-ticker.C:
		case <-h.s.draining:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}
