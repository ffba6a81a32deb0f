package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// gauge sums a metric's series.
func gauge(t testing.TB, g *rig, name string) float64 {
	families, err := g.registry.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.Metric {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// admin asks the admin address.
func (g *rig) admin(method, path, body string, headers ...string) (*http.Response, string) {
	g.t.Helper()
	q, err := http.NewRequest(method, g.adminURL+path, strings.NewReader(body))
	require.NoError(g.t, err)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Do(q)
	require.NoError(g.t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(g.t, err)
	return r, string(text)
}

func TestMetrics(t *testing.T) {
	g := start(t, nil)
	g.put("secretkey", "12345")
	g.send("GET /v1/secretkey", "", "-")
	g.send("BREW /v1/secretkey", "", "-")
	g.send("GET /nowhere", "", "-")
	g.node.refuse(cluster.ReasonOverloaded)
	g.send("GET /v1/secretkey", "", "-")
	g.node.force(cluster.Reply{Outcome: cluster.Unknown})
	g.kv().Put(background(t), &kvpb.PutRequest{Key: []byte("secretkey")})
	p := g.pipeline()
	p.send(&kvpb.Operation{Id: 1, Kind: opPut, Key: []byte("secretkey")}, &kvpb.Operation{Id: 2})
	p.receive(2)
	_, text := g.admin("GET", "/metrics", "")
	for _, line := range []string{
		`lockstep_requests_total{code="201",method="put",transport="http"} 1`,
		`lockstep_requests_total{code="200",method="get",transport="http"} 1`,
		`lockstep_requests_total{code="405",method="other",transport="http"} 1`,
		`lockstep_requests_total{code="404",method="other",transport="http"} 1`,
		`lockstep_requests_total{code="429",method="get",transport="http"} 1`,
		`lockstep_requests_total{code="ABORTED",method="put",transport="grpc"} 1`,
		`lockstep_requests_total{code="ABORTED",method="put",transport="pipeline"} 1`,
		`lockstep_requests_total{code="INVALID_ARGUMENT",method="other",transport="pipeline"} 1`,
		`lockstep_request_failures_total{reason="overloaded"} 1`,
		`lockstep_request_failures_total{reason="outcome_unknown"} 2`,
		`lockstep_request_bytes_total{transport="http"} 32`,
		`lockstep_response_bytes_total{transport="http"} 5`,
		`lockstep_request_duration_seconds_count{method="put",transport="http"} 1`,
		`lockstep_pipeline_streams 1`,
		`lockstep_requests_in_flight{transport="http"} 0`,
		`lockstep_pipeline_message_operations_count 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.NotContains(t, text, "secret")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	r, _ := g.admin("GET", "/metrics", "", "Accept", "application/openmetrics-text; version=1.0.0")
	require.Contains(t, r.Header.Get("Content-Type"), "openmetrics")
}

// However clients vary what they send, the number of series stays within what this package names itself.
func TestCardinality(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry())
	require.NoError(t, err)
	for status := range 1000 {
		m.count(overHTTP, methodGet, httpCodeIndex(status), 1)
	}
	for code := range 100 {
		m.count(overGRPC, methodGet, codeIndex(statusError(codes.Code(code))), 1)
	}
	series := make(chan prometheus.Metric, 1000)
	m.requests.Collect(series)
	require.LessOrEqual(t, len(series), len(httpCodes)+17)
	require.Less(t, len(httpCodes), codesMax)
	for _, full := range []string{"", "/", "x", "/a/b", "/lockstep.kv.v1.KV/Nope", "/lockstep.kv.v1.KV"} {
		require.Equal(t, methodOther, methodOf(full))
	}
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	r := prometheus.NewRegistry()
	_, err := newMetrics(r)
	require.NoError(t, err)
	_, err = newMetrics(r)
	require.Error(t, err)
}

func TestAdmin(t *testing.T) {
	g := start(t, nil)
	_, text := g.admin("GET", "/raft", "")
	var d raftDocument
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	require.Equal(t, "leader", d.Role)
	require.Len(t, d.Members, 2)
	require.Len(t, d.Peers, 1)
	_, text = g.admin("GET", "/log-level", "")
	require.Equal(t, "info\n", text)
	r, text := g.admin("PUT", "/log-level", "debug\n")
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, "debug\n", text)
	require.Equal(t, slog.LevelDebug, g.level.Level())
	r, _ = g.admin("PUT", "/log-level", "loud")
	require.Equal(t, 400, r.StatusCode)
	require.Equal(t, slog.LevelDebug, g.level.Level())
	for path, want := range map[string]string{"/": "/metrics", "/livez": "ok", "/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile"} {
		r, text := g.admin("GET", path, "")
		require.Equal(t, 200, r.StatusCode)
		require.Contains(t, text, want)
	}
	r, _ = g.admin("GET", "/nothing", "")
	require.Equal(t, 404, r.StatusCode)
	r, _ = g.send("GET /metrics", "", "-")
	require.Equal(t, 404, r.StatusCode, "not on the public address")
}

func TestOptions(t *testing.T) {
	node := newOneNode(t)
	for name, o := range map[string]Options{
		"Backend":        {},
		"Writes":         {Backend: node, Writes: "maybe"},
		"HeaderBytesMax": {Backend: node, HeaderBytesMax: 100},
		"KeyBytesMax":    {Backend: node, KeyBytesMax: -1},
		"RequestTimeout": {Backend: node, RequestTimeout: 1},
		"MessageBytes":   {Backend: node, MessageBytesMax: 10},
		"ResponseBytes":  {Backend: node, ResponseBytes: 4 << 20},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, name)
	}
	s, err := New(Options{Backend: node})
	require.NoError(t, err)
	require.Error(t, s.Start(Listeners{}))
	require.Equal(t, WritesAuto, s.o.Writes)
}

func TestFailedListenerIsTold(t *testing.T) {
	s, err := New(Options{Backend: newOneNode(t)})
	require.NoError(t, err)
	l := Listeners{HTTP: listen(t), GRPC: listen(t)}
	require.NoError(t, s.Start(l))
	l.HTTP.Close()
	require.ErrorContains(t, <-s.Failed(), "http")
	require.NoError(t, s.Stop(background(t)))
	require.Error(t, s.Start(Listeners{HTTP: listen(t), GRPC: listen(t)}))
}

func statusError(c codes.Code) error { return status.Error(c, "x") }
