package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const adminIndex = `Lockstep, admin

  /metrics        Prometheus, OpenMetrics on request
  /raft           this node's view of the cluster, as JSON
  /log-level      GET shows it, PUT debug, info, warn or error sets it
  /debug/pprof/   profiles
  /livez          200 while the process serves
`

// AdminHandler answers what the admin address does.
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, plainText, []byte(adminIndex)) })
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, plainText, []byte("ok\n")) })
	mux.HandleFunc("GET /raft", s.raft)
	if s.o.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	}
	if s.o.LogLevel != nil {
		mux.HandleFunc("GET /log-level", s.getLogLevel)
		mux.HandleFunc("PUT /log-level", s.putLogLevel)
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func answer(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Write(body)
}

func answerJSON(w http.ResponseWriter, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // structs of strings and numbers
	}
	answer(w, "application/json", append(body, '\n'))
}

// raftDocument is the body of /raft.
type raftDocument struct {
	Cluster  string           `json:"cluster"`
	Node     uint64           `json:"node"`
	Epoch    uint64           `json:"epoch"`
	Role     string           `json:"role"`
	Term     uint64           `json:"term"`
	Leader   uint64           `json:"leader"`
	Ready    bool             `json:"ready"`
	First    uint64           `json:"first_index"`
	Last     uint64           `json:"last_index"`
	Commit   uint64           `json:"commit_index"`
	Applied  uint64           `json:"applied_index"`
	Snapshot uint64           `json:"snapshot_index"`
	Pending  int              `json:"pending_proposals"`
	Reads    int              `json:"pending_reads"`
	DiskLow  bool             `json:"disk_low"`
	Members  []memberDocument `json:"members"`
	Removed  []uint64         `json:"removed"`
	Peers    []peerDocument   `json:"peers"`
}

type memberDocument struct {
	Node    uint64 `json:"node"`
	Learner bool   `json:"learner"`
	Peer    string `json:"peer"`
	HTTP    string `json:"http"`
	GRPC    string `json:"grpc"`
}

type peerDocument struct {
	Node    uint64 `json:"node"`
	State   string `json:"state"`
	Match   uint64 `json:"match"`
	Next    uint64 `json:"next"`
	Learner bool   `json:"learner"`
}

func (s *Server) raft(w http.ResponseWriter, _ *http.Request) {
	st := s.o.Backend.Status()
	d := raftDocument{Cluster: s.o.Cluster, Node: st.ID, Epoch: st.Epoch, Role: roleName(st.Role.State), Term: st.Role.Term,
		Leader: st.Role.Leader, Ready: s.unready() == "", First: st.FirstIndex, Last: st.LastIndex, Commit: st.Commit,
		Applied: st.Applied, Snapshot: st.Snapshot, Pending: st.Pending, Reads: st.Reads, DiskLow: st.DiskLow,
		Members: memberDocuments(st.Membership), Removed: append([]uint64{}, st.Membership.Removed...), Peers: []peerDocument{}}
	for _, p := range st.Peers {
		d.Peers = append(d.Peers, peerDocument{p.ID, p.State, p.Match, p.Next, p.Learner})
	}
	answerJSON(w, d)
}

func memberDocuments(m cluster.Membership) []memberDocument {
	out := []memberDocument{}
	for _, one := range m.Members {
		out = append(out, memberDocument{one.ID, one.Learner, one.Peer, one.HTTP, one.GRPC})
	}
	return out
}

func (s *Server) getLogLevel(w http.ResponseWriter, _ *http.Request) {
	answer(w, plainText, []byte(strings.ToLower(s.o.LogLevel.Level().String())+"\n"))
}

// logLevelBytesMax bounds the body of PUT /log-level.
const logLevelBytesMax = 64

func (s *Server) putLogLevel(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, logLevelBytesMax))
	var level slog.Level
	if err == nil {
		err = level.UnmarshalText([]byte(strings.TrimSpace(string(body))))
	}
	if err != nil {
		http.Error(w, "expected debug, info, warn or error", http.StatusBadRequest)
		return
	}
	s.o.LogLevel.Set(level)
	s.o.Logger.Info("log level changed", "level", strings.ToLower(level.String()))
	s.getLogLevel(w, r)
}
