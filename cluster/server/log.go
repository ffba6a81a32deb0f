package server

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// warningsPerSecond bounds the lines about failed requests, so that an outage does not fill a disk with them.
const warningsPerSecond = 10

// requestIDBytesMax bounds an X-Request-Id that is taken over from a client.
const requestIDBytesMax = 128

// requestLog writes the lines about requests: each at debug, failures at warn and limited.
type requestLog struct {
	logger *slog.Logger
	prefix string // of request ids that are made here
	number atomic.Uint64

	mu         sync.Mutex
	second     int64 // the second that written counts
	written    int
	suppressed int
}

// newRequestLog makes ids from the time of the start, so that those of two runs differ.
func newRequestLog(logger *slog.Logger, node uint64, start time.Time) *requestLog {
	return &requestLog{logger: logger, prefix: fmt.Sprintf("n%d-%x-", node, start.UnixMilli())}
}

// id is the caller's request id if it is a harmless one, otherwise a new one.
func (l *requestLog) id(given string) string {
	if validRequestID(given) {
		return given
	}
	return l.prefix + strconv.FormatUint(l.number.Add(1), 10)
}

func validRequestID(id string) bool {
	if id == "" || len(id) > requestIDBytesMax {
		return false
	}
	for i := 0; i < len(id); i++ {
		if c := id[i]; !unreserved(c) && c != ':' && c != '/' && c != '+' && c != '=' && c != '@' && c != ',' {
			return false
		}
	}
	return true
}

func (l *requestLog) debugs() bool { return l.logger.Enabled(context.Background(), slog.LevelDebug) }

// admit says whether another warning may be written now, and how many were not since the last.
func (l *requestLog) admit(now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.written = second, 0
	}
	if l.written == warningsPerSecond {
		l.suppressed++
		return 0, false
	}
	l.written++
	suppressed, l.suppressed = l.suppressed, 0
	return suppressed, true
}

// failure tells of a failure that is not the caller's fault, after admit.
func (l *requestLog) failure(id string, t transport, k method, f *failure, suppressed int) {
	args := []any{"request", id, "transport", transportNames[t], "method", methodNames[k], "reason", reasonName(f.reason)}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.logger.Warn("request failed", args...)
}

// panicked tells of a defect. It is never limited.
func (l *requestLog) panicked(id string, t transport, k method, value any, stack []byte) {
	l.logger.Error("panic in a request handler", "request", id, "transport", transportNames[t], "method", methodNames[k],
		"panic", fmt.Sprint(value), "stack", string(stack))
}
