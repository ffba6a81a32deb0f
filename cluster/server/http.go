package server

import (
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/kv/kvpb"
)

// sessionsPath is where sessions are opened, and closed below it. It is outside of /v1/, where every path is a key.
const sessionsPath = "/sessions"

// Names of headers, as net/http writes them.
const (
	headerRevision       = "Lockstep-Revision"
	headerCreateRevision = "Lockstep-Create-Revision"
	headerVersion        = "Lockstep-Version"
	headerSession        = "Lockstep-Session"
	headerSequence       = "Lockstep-Sequence"
	headerAcknowledged   = "Lockstep-Acknowledged"
	headerNonce          = "Lockstep-Nonce"
	headerRequestID      = "X-Request-Id"
)

// Header values that many responses share. Nobody changes them.
var (
	octetStream = []string{"application/octet-stream"}
	noCache     = []string{"no-cache"}
	nosniff     = []string{"nosniff"}
)

// exchange is one HTTP request on its way to its response.
type exchange struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	path   string // raw
	query  string // raw
	id     string
	start  time.Time
	method method
	status int // 0 until the response's header is written
	in     int // bytes of key and value
	out    int // bytes of value
}

// ServeHTTP answers one request of the public address. There is no mux: it would clean paths, and keys are not paths.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.RequestURI
	if target == "" { // a request that came by no connection
		target = r.URL.RequestURI()
	}
	x := exchange{s: s, w: w, r: r, start: time.Now(), method: methodOther}
	x.path, x.query = splitTarget(target)
	x.id = s.log.id(r.Header.Get(headerRequestID))
	w.Header()[headerRequestID] = []string{x.id}
	s.metrics.inflight[overHTTP].Inc()
	defer x.finish()
	x.route()
}

func (x *exchange) route() {
	if x.cors() {
		return
	}
	switch {
	case strings.HasPrefix(x.path, keyPrefix):
		x.serveKey()
	case x.path == sessionsPath:
		x.serveSessions()
	case strings.HasPrefix(x.path, sessionsPath+"/"):
		x.serveSession(x.path[len(sessionsPath)+1:])
	default:
		x.servePage()
	}
}

// finish counts and logs, and turns a panic into a 500 where that is still possible.
func (x *exchange) finish() {
	abort := false
	if v := recover(); v != nil {
		abort = x.recovered(v)
	}
	m := x.s.metrics
	m.inflight[overHTTP].Dec()
	took := time.Since(x.start)
	m.count(overHTTP, x.method, httpCodeIndex(x.status), 1)
	m.observe(overHTTP, x.method, took)
	m.received[overHTTP].Add(float64(x.in))
	m.sent[overHTTP].Add(float64(x.out))
	if x.s.log.debugs() {
		x.s.log.logger.Debug("request", "request", x.id, "transport", "http", "method", x.r.Method, "path", x.path,
			"status", x.status, "took", took, "in", x.in, "out", x.out, "remote", x.r.RemoteAddr)
	}
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// recovered says whether the connection must be closed, the only way to tell a client that half a response is no response.
func (x *exchange) recovered(v any) (abort bool) {
	if v == http.ErrAbortHandler {
		return true
	}
	x.s.log.panicked(x.id, overHTTP, x.method, v, debug.Stack())
	if x.status != 0 {
		return true
	}
	x.problem(problemInternal, "", nil)
	return false
}

// header starts the response.
func (x *exchange) header(status int) {
	x.status = status
	x.w.WriteHeader(status)
}

// allow answers a method that the path does not take: OPTIONS with the list, others with 405.
func (x *exchange) allow(list string) {
	x.w.Header().Set("Allow", list)
	if x.r.Method == http.MethodOptions {
		x.header(http.StatusNoContent)
		return
	}
	x.problem(problemMethod, "", nil)
}

// Methods and headers that a CORS preflight allows and exposes.
const (
	corsMethods = "GET, HEAD, PUT, DELETE, POST"
	corsHeaders = "Content-Type, If-Match, If-None-Match, Lockstep-Session, Lockstep-Sequence, Lockstep-Acknowledged, Lockstep-Nonce, X-Request-Id"
	corsExposes = "ETag, Location, Retry-After, Lockstep-Revision, Lockstep-Create-Revision, Lockstep-Version, Lockstep-Session, X-Request-Id"
)

// cors adds the headers for an allowed origin, and says whether it answered a preflight.
func (x *exchange) cors() bool {
	allowed := x.s.o.CORSOrigins
	if len(allowed) == 0 {
		return false
	}
	h := x.w.Header()
	h.Add("Vary", "Origin")
	origin := x.r.Header.Get("Origin")
	if origin == "" || !slices.Contains(allowed, origin) && !slices.Contains(allowed, "*") {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", corsExposes)
	if x.r.Method != http.MethodOptions || x.r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", "600")
	x.header(http.StatusNoContent)
	return true
}

// redirects says whether a write that this node cannot take itself is redirected rather than forwarded.
func (s *Server) redirects() bool { return s.o.Writes != WritesForward }

// refusesReads says whether this node must not serve linearizable reads.
func (s *Server) refusesReads() bool {
	return !s.o.FollowerReads && !leads(s.o.Backend.Status())
}

// fail answers with a failure: 307 to the leader where the operation is one for the leader and redirects are on.
func (x *exchange) fail(f *failure, leader uint64, detail string) {
	x.s.metrics.failed(f)
	if f.status >= 500 {
		if suppressed, ok := x.s.log.admit(time.Now()); ok {
			x.s.log.failure(x.id, overHTTP, x.method, f, suppressed)
		}
	}
	var hint *kvpb.LeaderHint
	if f.status >= 500 || f == failOverloaded {
		hint = x.s.hint(leader)
	}
	if f == failNotLeader && hint.GetHttpAddress() != "" && hint.GetNode() != x.s.node() && (x.s.redirects() || x.method == methodGet || x.method == methodHead) {
		x.redirect(hint)
		return
	}
	x.problem(f.problem(), detail, hint)
}

// redirect sends the client to the leader, with path and query as they came.
func (x *exchange) redirect(hint *kvpb.LeaderHint) {
	location := "http://" + hint.HttpAddress + redirectPath(x.path)
	if x.query != "" {
		location += "?" + x.query
	}
	x.w.Header().Set("Location", location)
	x.problem(problemRedirect, "Send the same request to the address in Location. Nothing was done here.", hint)
}
