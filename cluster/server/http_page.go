package server

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/lockstepdb/lockstep/cluster"
)

// pages are the documents outside of the keys.
var pages = map[string]func(*exchange){
	"/":             (*exchange).index,
	"/livez":        (*exchange).livez,
	"/readyz":       (*exchange).readyz,
	"/healthz":      (*exchange).healthz,
	"/openapi.yaml": (*exchange).openapiYAML,
	"/openapi.json": (*exchange).openapiJSON,
	"/docs":         (*exchange).docsRedirect,
	"/docs/":        (*exchange).docs,
}

// servePage answers everything outside of keys and sessions. Queries are ignored: probes and browsers add their own.
func (x *exchange) servePage() {
	serve, ok := pages[x.path]
	if !ok {
		x.problem(problemPath, "Keys are under "+keyPrefix+", the API's description under /docs/.", nil)
		return
	}
	x.method = methodPage
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.allow("GET, HEAD, OPTIONS")
		return
	}
	serve(x)
}

// text answers with a document of its own.
func (x *exchange) text(status int, contentType string, body []byte) {
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h["Cache-Control"] = noCache
	h["X-Content-Type-Options"] = nosniff
	x.header(status)
	if x.r.Method != http.MethodHead {
		x.w.Write(body)
	}
}

const plainText = "text/plain; charset=utf-8"

// livez says that the process serves. It asks nothing of the node, so that losing a quorum gets no process restarted.
func (x *exchange) livez() { x.text(http.StatusOK, plainText, []byte("ok\n")) }

// readyz says whether this node can serve: a leader is known, the node is caught up, and nobody stops it.
func (x *exchange) readyz() {
	if reason := x.s.unready(); reason != "" {
		x.notReady(plainText, []byte(reason+"\n"))
		return
	}
	x.text(http.StatusOK, plainText, []byte("ready\n"))
}

func (x *exchange) notReady(contentType string, body []byte) {
	x.w.Header().Set("Retry-After", "1")
	x.text(http.StatusServiceUnavailable, contentType, body)
}

// health is the body of /healthz.
type health struct {
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Cluster string `json:"cluster"`
	Node    uint64 `json:"node"`
	Role    string `json:"role"`
	Term    uint64 `json:"term"`
	Leader  uint64 `json:"leader"`
	Version string `json:"version"`
}

func (x *exchange) healthz() {
	st := x.s.o.Backend.Status()
	reason := x.s.unready()
	body, err := json.Marshal(health{reason == "", reason, x.s.o.Cluster, st.ID, roleName(st.Role.State), st.Role.Term,
		st.Role.Leader, x.s.o.Version})
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	body = append(body, '\n')
	if reason != "" {
		x.notReady("application/json", body)
		return
	}
	x.text(http.StatusOK, "application/json", body)
}

// unready says why this node is not ready, and nothing when it is.
func (s *Server) unready() string {
	if s.stopping() {
		return "stopping"
	}
	st := s.o.Backend.Status()
	switch {
	case st.Ready:
		return ""
	case st.Role.Leader == 0:
		return "no leader known"
	default:
		return "catching up"
	}
}

// roleName is a node's part as the APIs tell it.
func roleName(s cluster.State) string {
	switch s {
	case cluster.Follower:
		return "follower"
	case cluster.Candidate:
		return "candidate"
	case cluster.PreCandidate:
		return "pre-candidate"
	case cluster.Leader:
		return "leader"
	case cluster.Learner:
		return "learner"
	}
	return "unknown"
}

func leads(st cluster.Status) bool { return st.Role.State == cluster.Leader }

const indexText = `Lockstep

  /v1/{key}      GET, HEAD, PUT, DELETE: everything behind /v1/ is the key
  /sessions      POST opens a session, DELETE /sessions/{session} closes it
  /docs/         the API's description; /openapi.yaml and /openapi.json for programs
  /livez         200 while the process serves
  /readyz        200 while this node can serve operations; /healthz the same as JSON
`

func (x *exchange) index() { x.text(http.StatusOK, plainText, []byte(indexText)) }
