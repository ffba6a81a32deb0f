package server

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What a follower does with a write: the values of Options.Writes.
const (
	WritesAuto     = "auto"     // gRPC forwards, HTTP redirects with 307
	WritesForward  = "forward"  // both forward
	WritesRedirect = "redirect" // HTTP redirects, gRPC refuses with a leader hint
)

// Options of a Server. Zero values become the defaults, except Backend, which is required.
type Options struct {
	Backend Backend
	// Logger gets a line for each request at debug, and errors with the request id at warn. Default: discards.
	Logger *slog.Logger
	// LogLevel is what PUT /log-level of the admin address sets. nil: that path is not served.
	LogLevel *slog.LevelVar
	// Registerer takes this package's metrics, nil: none are exported. Gatherer is what /metrics of the admin address
	// shows; nil: the Registerer if it is one too, otherwise /metrics is not served.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer

	Cluster string // the cluster's name, as Status tells it
	Version string // of the binary, as Status tells it

	// RequestTimeout bounds how long an operation waits for its outcome; a gRPC client's earlier deadline wins.
	// Default 10 s. Too short: slow writes are told as unknown though they take effect.
	RequestTimeout time.Duration
	// Writes says what a follower does with a write. Default WritesAuto.
	Writes string
	// FollowerReads lets a follower serve linearizable reads itself. false: it refuses them, HTTP with 307 to the leader.
	FollowerReads bool
	// CORSOrigins are the origins that browsers may call from, "*" for any. Default none.
	CORSOrigins []string

	KeyBytesMax   int // default 1,024; must be the machine's
	ValueBytesMax int // default 1 MiB; must be the machine's
	SessionWindow int // default 256; must be the machine's; told to who opens a session

	// HeaderBytesMax bounds a request's line and headers, on HTTP and gRPC. Default 32 KiB and at least what a key
	// of KeyBytesMax takes with every byte escaped. Above it: 431.
	HeaderBytesMax int
	// ConnectionsMax bounds connections, on HTTP and gRPC each. Default 8,192. Above it connections wait to be accepted.
	ConnectionsMax int
	// StreamsMax bounds the concurrent calls and streams of one gRPC connection. Default 1,024. Above it they wait.
	StreamsMax int
	// ReadHeaderTimeout bounds the reading of a request's headers. Default 5 s.
	ReadHeaderTimeout time.Duration
	// BodyTimeout bounds the reading of a body, and the writing of a response beyond RequestTimeout. Default 30 s.
	BodyTimeout time.Duration
	// IdleTimeout closes connections without requests. Default 2 min.
	IdleTimeout time.Duration
	// InflightBytesMax bounds the keys and values of requests that are being received or have no outcome yet, over all
	// clients. Default 256 MiB, at least ten requests of the largest size. Above it: overloaded.
	InflightBytesMax int64
	// MessageBytesMax bounds a gRPC message that a client sends. Default 4 MiB, at least a request of the largest size.
	MessageBytesMax int
	// MessageOperationsMax bounds the operations of one pipelined message. Default 4,096. The others of such a message
	// are refused as invalid, each for itself; a message with more than four times as many ends its stream.
	MessageOperationsMax int
	// PipelineOperationsMax and PipelineBytesMax bound what one stream has in flight; at them the server stops reading
	// from the stream. Defaults 8,192 and 16 MiB (at least MessageOperationsMax, and MessageBytesMax).
	PipelineOperationsMax int
	PipelineBytesMax      int
	// ResponseBytes is the size at which a pipeline's response message is full. One that holds a single larger value
	// is larger. Default 1 MiB, at most 3 MiB, since gRPC clients take 4 MiB unless told otherwise.
	ResponseBytes int
}

// headerBytesSlack is room for what a request has beside its key: method, query and usual headers.
const headerBytesSlack = 8 << 10

// messageBytesSlack is room for what a message has beside its key and value.
const messageBytesSlack = 64 << 10

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o *Options) applyDefaults() {
	orDefault(&o.Logger, slog.New(slog.DiscardHandler))
	if g, ok := o.Registerer.(prometheus.Gatherer); ok && o.Gatherer == nil {
		o.Gatherer = g
	}
	orDefault(&o.RequestTimeout, 10*time.Second)
	orDefault(&o.Writes, WritesAuto)
	orDefault(&o.KeyBytesMax, 1024)
	orDefault(&o.ValueBytesMax, 1<<20)
	orDefault(&o.SessionWindow, 256)
	orDefault(&o.HeaderBytesMax, max(32<<10, 3*o.KeyBytesMax+headerBytesSlack))
	orDefault(&o.ConnectionsMax, 8192)
	orDefault(&o.StreamsMax, 1024)
	orDefault(&o.ReadHeaderTimeout, 5*time.Second)
	orDefault(&o.BodyTimeout, 30*time.Second)
	orDefault(&o.IdleTimeout, 2*time.Minute)
	orDefault(&o.InflightBytesMax, max(256<<20, 10*int64(o.requestBytesMax())))
	orDefault(&o.MessageBytesMax, max(4<<20, o.requestBytesMax()+messageBytesSlack))
	orDefault(&o.MessageOperationsMax, 4096)
	orDefault(&o.PipelineOperationsMax, max(8192, o.MessageOperationsMax))
	orDefault(&o.PipelineBytesMax, max(16<<20, o.MessageBytesMax))
	orDefault(&o.ResponseBytes, 1<<20)
}

func (o *Options) requestBytesMax() int { return o.KeyBytesMax + o.ValueBytesMax }

// validate names the first option that is out of bounds. Defaults are applied already.
func (o *Options) validate() error {
	request := o.requestBytesMax()
	bounds := []struct {
		name          string
		value, lowest int64
	}{
		{"KeyBytesMax", int64(o.KeyBytesMax), 1},
		{"ValueBytesMax", int64(o.ValueBytesMax), 0},
		{"SessionWindow", int64(o.SessionWindow), 1},
		{"HeaderBytesMax", int64(o.HeaderBytesMax), int64(3*o.KeyBytesMax + headerBytesSlack)},
		{"ConnectionsMax", int64(o.ConnectionsMax), 1},
		{"StreamsMax", int64(o.StreamsMax), 1},
		{"RequestTimeout", int64(o.RequestTimeout), int64(time.Millisecond)},
		{"ReadHeaderTimeout", int64(o.ReadHeaderTimeout), int64(time.Millisecond)},
		{"BodyTimeout", int64(o.BodyTimeout), int64(time.Millisecond)},
		{"IdleTimeout", int64(o.IdleTimeout), int64(time.Millisecond)},
		{"InflightBytesMax", o.InflightBytesMax, int64(request)},
		{"MessageBytesMax", int64(o.MessageBytesMax), int64(request + messageBytesSlack)},
		{"MessageOperationsMax", int64(o.MessageOperationsMax), 1},
		{"PipelineOperationsMax", int64(o.PipelineOperationsMax), int64(o.MessageOperationsMax)},
		{"PipelineBytesMax", int64(o.PipelineBytesMax), int64(o.MessageBytesMax)},
		{"ResponseBytes", int64(o.ResponseBytes), 1 << 10},
		{"3 MiB - ResponseBytes", 3<<20 - int64(o.ResponseBytes), 0},
	}
	for _, b := range bounds {
		if b.value < b.lowest {
			return fmt.Errorf("server: %s is %d, must be at least %d", b.name, b.value, b.lowest)
		}
	}
	switch o.Writes {
	case WritesAuto, WritesForward, WritesRedirect:
	default:
		return fmt.Errorf("server: Writes is %q, must be %s, %s or %s", o.Writes, WritesAuto, WritesForward, WritesRedirect)
	}
	if o.Backend == nil {
		return fmt.Errorf("server: Backend is required")
	}
	return nil
}
