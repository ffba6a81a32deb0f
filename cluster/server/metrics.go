package server

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// transport is the way in which an operation came.
type transport uint8

const (
	overHTTP transport = iota
	overGRPC
	overPipeline
	transports
)

var transportNames = [transports]string{"http", "grpc", "pipeline"}

// method is what was asked for. Everything that is not the store's own is folded, so that clients cannot make labels.
type method uint8

const (
	methodGet method = iota
	methodHead
	methodPut
	methodDelete
	methodOpenSession
	methodCloseSession
	methodStatus
	methodMembers
	methodTransferLeader
	methodChangeMember
	methodPipeline // the stream itself; its operations count under the pipeline transport
	methodHealth
	methodReflection
	methodPage // probes, documents and the like
	methodOther
	methods
)

var methodNames = [methods]string{"get", "head", "put", "delete", "open_session", "close_session", "status", "members",
	"transfer_leader", "change_member", "pipeline", "health", "reflection", "page", "other"}

// httpCodes are the statuses that get a series of their own; others are told as "other".
var httpCodes = [...]string{"200", "201", "204", "304", "307", "400", "404", "405", "409", "410", "411", "412", "413", "414",
	"415", "429", "500", "503", "504", "507", "other"}

// codesMax is above every gRPC code and every index of httpCodes.
const codesMax = 24

// grpcCodeOther folds codes that gRPC does not define.
const grpcCodeOther = uint32(codes.Unknown)

// metrics of the servers. Series of the hot path are looked up by index and made at their first use.
type metrics struct {
	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	inflight   [transports]prometheus.Gauge
	received   [transports]prometheus.Counter
	sent       [transports]prometheus.Counter
	rejections [reasonsMax]prometheus.Counter
	streams    prometheus.Gauge
	batches    prometheus.Histogram

	counters   [transports][methods][codesMax]atomic.Pointer[prometheus.Counter]
	histograms [transports][methods]atomic.Pointer[prometheus.Observer]
}

// reasonsMax is one above the highest number of kvpb.Reason.
const reasonsMax = int(kvpb.Reason_REASON_LEARNER_BEHIND) + 1

// durationBuckets reach from a read in memory to the default request timeout.
var durationBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_requests_total",
			Help: "Operations answered, by transport, method and HTTP status or gRPC code."}, []string{"transport", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "lockstep_request_duration_seconds",
			Help:    "Time from receiving an operation to having its answer, by transport and method.",
			Buckets: durationBuckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
			NativeHistogramMinResetDuration: time.Hour}, []string{"transport", "method"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lockstep_pipeline_streams", Help: "Open pipeline streams."}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lockstep_pipeline_message_operations",
			Help: "Operations in a message that came over a pipeline stream.", Buckets: prometheus.ExponentialBuckets(1, 4, 7)}),
	}
	inflight := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lockstep_requests_in_flight",
		Help: "Operations received and not answered, by transport."}, []string{"transport"})
	received := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_request_bytes_total",
		Help: "Bytes of keys and values received, by transport."}, []string{"transport"})
	sent := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_response_bytes_total",
		Help: "Bytes of values sent, by transport."}, []string{"transport"})
	rejections := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_request_failures_total",
		Help: "Operations refused, or with an unknown outcome (outcome_unknown), by reason."}, []string{"reason"})
	for i, name := range transportNames {
		m.inflight[i], m.received[i], m.sent[i] = inflight.WithLabelValues(name), received.WithLabelValues(name), sent.WithLabelValues(name)
	}
	for i := 1; i < reasonsMax; i++ {
		m.rejections[i] = rejections.WithLabelValues(reasonLabel(kvpb.Reason(i)))
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.durations, m.streams, m.batches, inflight, received, sent, rejections} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// reasonName is a reason as it is written in an ErrorInfo and in problems.
func reasonName(r kvpb.Reason) string { return strings.TrimPrefix(r.String(), "REASON_") }

func reasonLabel(r kvpb.Reason) string { return strings.ToLower(reasonName(r)) }

// httpCodeIndex finds a status in httpCodes.
func httpCodeIndex(status int) int {
	for i, name := range httpCodes[:len(httpCodes)-1] {
		if int(name[0]-'0')*100+int(name[1]-'0')*10+int(name[2]-'0') == status {
			return i
		}
	}
	return len(httpCodes) - 1
}

func codeName(t transport, code int) string {
	if t == overHTTP {
		return httpCodes[code]
	}
	return strings.ToUpper(snake(codes.Code(code).String()))
}

// snake writes DeadlineExceeded as Deadline_Exceeded, and OK as it is.
func snake(s string) string {
	if s == "OK" {
		return s
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 && 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// count adds answers. code is an index of httpCodes or a gRPC code.
func (m *metrics) count(t transport, k method, code int, n int) {
	p := &m.counters[t][k][code]
	c := p.Load()
	if c == nil {
		made := m.requests.WithLabelValues(transportNames[t], methodNames[k], codeName(t, code))
		c = &made
		p.Store(c)
	}
	(*c).Add(float64(n))
}

func (m *metrics) observe(t transport, k method, d time.Duration) {
	p := &m.histograms[t][k]
	o := p.Load()
	if o == nil {
		made := m.durations.WithLabelValues(transportNames[t], methodNames[k])
		o = &made
		p.Store(o)
	}
	(*o).Observe(d.Seconds())
}

func (m *metrics) failed(f *failure) {
	m.rejections[f.reason].Inc()
}
