package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/stretchr/testify/require"
)

// raw sends bytes over a connection of its own and reads one response, so that nothing on this side cleans anything.
func (g *rig) raw(request string) (*http.Response, string) {
	g.t.Helper()
	return rawTo(g.t, g.http, request)
}

func rawTo(t testing.TB, address, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusRequestHeaderFieldsTooLarge { // the server closes with bytes unread, which may cut its answer short
		require.NoError(t, err)
	}
	return r, string(body)
}

// send sends a request with lines of headers and, unless it is "-", a body with its length.
func (g *rig) send(line, headers, body string) (*http.Response, string) {
	g.t.Helper()
	request := line + " HTTP/1.1\r\nHost: x\r\n"
	for h := range strings.SplitSeq(headers, "\n") {
		if h = strings.TrimSpace(h); h != "" {
			request += h + "\r\n"
		}
	}
	if body != "-" {
		request += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	} else {
		request += "\r\n"
	}
	return g.raw(request)
}

func (g *rig) put(key, value string) *http.Response {
	g.t.Helper()
	r, body := g.send("PUT /v1/"+key, "", value)
	require.Less(g.t, r.StatusCode, 300, body)
	return r
}

// problemOf decodes a problem and checks what all have.
func problemOf(t testing.TB, r *http.Response, body string) document {
	t.Helper()
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"), body)
	var d document
	require.NoError(t, json.Unmarshal([]byte(body), &d), body)
	require.Equal(t, r.StatusCode, d.Status)
	require.NotEmpty(t, d.Title)
	require.Equal(t, r.Header.Get("X-Request-Id"), d.RequestID)
	return d
}

// keyStatuses run one after the other against one node, with keys of at most 16 bytes and values of at most 32.
var keyStatuses = []struct {
	name, line, headers, body string
	status                    int
	slug                      string // of the problem
}{
	{"create", "PUT /v1/new", "", "v", 201, ""},
	{"overwrite", "PUT /v1/new", "", "w", 200, ""},
	{"empty value", "PUT /v1/empty", "", "", 201, ""},
	{"get", "GET /v1/there", "", "-", 200, ""},
	{"get stale", "GET /v1/there?consistency=stale", "", "-", 200, ""},
	{"get linearizable", "GET /v1/there?consistency=linearizable", "", "-", 200, ""},
	{"head", "HEAD /v1/there", "", "-", 200, ""},
	{"delete", "DELETE /v1/new", "", "-", 204, ""},
	{"delete absent", "DELETE /v1/new", "", "-", 204, ""},
	{"get absent", "GET /v1/absent", "", "-", 404, "key-not-found"},
	{"head absent", "HEAD /v1/absent", "", "-", 404, ""},
	{"empty key", "GET /v1/", "", "-", 400, "invalid"},
	{"consistency", "GET /v1/there?consistency=eventual", "", "-", 400, "invalid"},
	{"misspelt parameter", "GET /v1/there?consistancy=stale", "", "-", 400, "invalid"},
	{"query on a write", "PUT /v1/there?x=1", "", "v", 400, "invalid"},
	{"key too long", "GET /v1/" + strings.Repeat("k", 17), "", "-", 414, "key-too-long"},
	{"escaped key fits", "PUT /v1/" + strings.Repeat("%6B", 16), "", "v", 201, ""},
	{"escaped key too long", "PUT /v1/" + strings.Repeat("%6B", 17), "", "v", 414, "key-too-long"},
	{"value fits", "PUT /v1/there", "", strings.Repeat("v", 32), 200, ""},
	{"value too long", "PUT /v1/there", "", strings.Repeat("v", 33), 413, "value-too-long"},
	{"chunked", "PUT /v1/chunked", "Transfer-Encoding: chunked", "-", 201, ""},
	{"no length", "PUT /v1/there", "", "-", 411, "length-required"},
	{"range", "PUT /v1/there", "Content-Range: bytes 0-0/9", "v", 400, "invalid"},
	{"coding", "PUT /v1/there", "Content-Encoding: gzip", "v", 415, "content-coding"},
	{"identity coding", "PUT /v1/there", "Content-Encoding: identity", "v", 200, ""},
	{"method", "POST /v1/there", "", "v", 405, "method-not-allowed"},
	{"patch", "PATCH /v1/there", "", "v", 405, "method-not-allowed"},
	{"options", "OPTIONS /v1/there", "", "-", 204, ""},
	{"path", "GET /v2/there", "", "-", 404, "path-not-found"},
	{"no key prefix", "GET /v1", "", "-", 404, "path-not-found"},
	{"must not exist fails", "PUT /v1/there", "If-None-Match: *", "v", 412, "condition-failed"},
	{"must not exist", "PUT /v1/fresh", "If-None-Match: *", "v", 201, ""},
	{"must exist fails", "PUT /v1/fresh2", "If-Match: *", "v", 412, "condition-failed"},
	{"must exist", "PUT /v1/fresh", "If-Match: *", "v", 200, ""},
	{"wrong revision", "PUT /v1/there", `If-Match: "99999"`, "v", 412, "condition-failed"},
	{"foreign tag", "PUT /v1/there", `If-Match: "abc"`, "v", 412, "condition-failed"},
	{"zero tag on an absent key", "PUT /v1/fresh3", `If-Match: "0"`, "v", 412, "condition-failed"},
	{"weak tag", "PUT /v1/there", `If-Match: W/"1"`, "v", 412, "condition-failed"},
	{"tags", "PUT /v1/there", `If-Match: "1", "2"`, "v", 400, "invalid"},
	{"no tag", "PUT /v1/there", `If-Match: 1`, "v", 400, "invalid"},
	{"empty tags", "PUT /v1/there", `If-Match: ,`, "v", 400, "invalid"},
	{"none-match tag on a write", "PUT /v1/there", `If-None-Match: "1"`, "v", 400, "invalid"},
	{"both", "PUT /v1/there", "If-None-Match: *\nIf-Match: *", "v", 400, "invalid"},
	{"conditional delete fails", "DELETE /v1/there", `If-Match: "99999"`, "-", 412, "condition-failed"},
	{"session alone", "PUT /v1/there", "Lockstep-Session: 1", "v", 400, "invalid"},
	{"sequence alone", "PUT /v1/there", "Lockstep-Sequence: 1", "v", 400, "invalid"},
	{"acknowledged alone", "PUT /v1/there", "Lockstep-Acknowledged: 1", "v", 400, "invalid"},
	{"signed session", "PUT /v1/there", "Lockstep-Session: +1\nLockstep-Sequence: 1", "v", 400, "invalid"},
	{"zero sequence", "PUT /v1/there", "Lockstep-Session: 1\nLockstep-Sequence: 0", "v", 400, "invalid"},
	{"two sessions", "PUT /v1/there", "Lockstep-Session: 1\nLockstep-Session: 1\nLockstep-Sequence: 1", "v", 400, "invalid"},
	{"acknowledged above", "PUT /v1/there", "Lockstep-Session: 1\nLockstep-Sequence: 1\nLockstep-Acknowledged: 2", "v", 400, "invalid"},
	{"unknown session", "PUT /v1/there", "Lockstep-Session: 9\nLockstep-Sequence: 1", "v", 410, "session-expired"},
	{"headers too long", "GET /v1/there", "X: " + strings.Repeat("x", 64<<10), "-", 431, ""},
	{"no escape", "GET /v1/a%2", "", "-", 400, ""},
	{"no hexadecimal", "GET /v1/a%zz", "", "-", 400, ""},
}

func TestKeyStatuses(t *testing.T) {
	g := start(t, func(o *Options) { o.KeyBytesMax, o.ValueBytesMax = 16, 32 })
	g.put("there", "value") // revision 1
	for _, c := range keyStatuses {
		t.Run(c.name, func(t *testing.T) {
			g := *g
			g.t = t
			var r *http.Response
			var body string
			if c.headers == "Transfer-Encoding: chunked" {
				r, body = g.raw(c.line + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
			} else {
				r, body = g.send(c.line, c.headers, c.body)
			}
			require.Equal(t, c.status, r.StatusCode, body)
			if c.slug != "" {
				d := problemOf(t, r, body)
				require.Equal(t, problemTypes+c.slug, d.Type)
				require.Equal(t, effectNone, d.Effect)
			}
			if c.status == 405 || c.name == "options" {
				require.Equal(t, keyMethods, r.Header.Get("Allow"))
			}
		})
	}
	r, body := g.send("GET /v1/chunked", "", "-")
	require.Equal(t, "abc", body, r.Status)
}

func TestChunkedBodyTooLong(t *testing.T) {
	g := start(t, func(o *Options) { o.ValueBytesMax = 4 })
	r, body := g.raw("PUT /v1/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")
	require.Equal(t, 413, r.StatusCode)
	problemOf(t, r, body)
	require.Zero(t, g.inflight.used.Load(), "bytes in flight are given back")
}

func TestBodyIsNotAskedForWhenItIsTooLong(t *testing.T) {
	g := start(t, func(o *Options) { o.ValueBytesMax = 4 })
	r, _ := g.raw("PUT /v1/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	require.Equal(t, 413, r.StatusCode, "not 100")
}

func TestSlowBody(t *testing.T) {
	g := start(t, func(o *Options) { o.BodyTimeout = 50 * time.Millisecond })
	r, body := g.raw("PUT /v1/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
	require.Equal(t, 400, r.StatusCode)
	problemOf(t, r, body)
	r, _ = g.send("GET /v1/k", "", "-")
	require.Equal(t, 404, r.StatusCode, "nothing was written")
}

func TestResultHeaders(t *testing.T) {
	g := start(t, nil)
	h := func(r *http.Response) [4]string {
		return [4]string{r.Header.Get("ETag"), r.Header.Get(headerRevision), r.Header.Get(headerCreateRevision), r.Header.Get(headerVersion)}
	}
	require.Equal(t, [4]string{`"1"`, "1", "1", "1"}, h(g.put("a", "x")))
	require.Equal(t, [4]string{`"2"`, "2", "2", "1"}, h(g.put("b", "x")))
	require.Equal(t, [4]string{`"3"`, "3", "1", "2"}, h(g.put("a", "yy")))
	r, body := g.send("GET /v1/b", "", "-")
	require.Equal(t, [4]string{`"2"`, "3", "2", "1"}, h(r))
	require.Equal(t, "x", body)
	require.Equal(t, "application/octet-stream", r.Header.Get("Content-Type"))
	require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
	r, body = g.send("HEAD /v1/a", "", "-")
	require.Equal(t, [4]string{`"3"`, "3", "1", "2"}, h(r))
	require.Equal(t, int64(2), r.ContentLength)
	require.Empty(t, body)
	r, body = g.send("GET /v1/c", "", "-")
	require.Equal(t, [4]string{"", "3", "", ""}, h(r))
	require.Equal(t, uint64(3), problemOf(t, r, body).Revision)
	r, body = g.send("PUT /v1/a", `If-Match: "1"`, "z")
	require.Equal(t, 412, r.StatusCode)
	require.Equal(t, [4]string{`"3"`, "3", "1", "2"}, h(r))
	require.Equal(t, uint64(3), *problemOf(t, r, body).ModRevision)
	r, body = g.send("PUT /v1/c", `If-Match: "1"`, "z")
	require.Equal(t, [4]string{"", "3", "", ""}, h(r))
	require.Zero(t, *problemOf(t, r, body).ModRevision)
	r, _ = g.send("DELETE /v1/a", `If-Match: "3"`, "-")
	require.Equal(t, 204, r.StatusCode)
	require.Equal(t, [4]string{"", "4", "", ""}, h(r))
	r, _ = g.send("DELETE /v1/a", "", "-")
	require.Equal(t, "4", r.Header.Get(headerRevision), "deleting an absent key changes no revision")
}

func TestReadPreconditions(t *testing.T) {
	g := start(t, nil)
	g.put("a", "x")
	g.put("a", "y") // mod revision 2
	for _, c := range []struct {
		headers string
		status  int
	}{
		{`If-None-Match: "2"`, 304}, {`If-None-Match: W/"2"`, 304}, {`If-None-Match: "1", W/"9" , "2"`, 304},
		{"If-None-Match: \"1\"\nIf-None-Match: \"2\"", 304}, {`If-None-Match: *`, 304}, {`If-None-Match: "1"`, 200},
		{`If-None-Match: "02"`, 200}, {`If-None-Match: "a,b"`, 200}, {`If-None-Match: 2`, 400}, {`If-None-Match: "2`, 400},
		{`If-Match: "2"`, 200}, {`If-Match: W/"2"`, 412}, {`If-Match: "1", "2"`, 200}, {`If-Match: *`, 200}, {`If-Match: "1"`, 412},
		{"If-Match: \"1\"\nIf-None-Match: \"2\"", 412}, {"If-Match: \"2\"\nIf-None-Match: \"2\"", 304},
		{`If-None-Match: *, "2"`, 400}, {`If-None-Match: "2" "3"`, 400}, {"If-None-Match: " + strings.Repeat(`"7",`, 65), 400},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r, body := g.send(method+" /v1/a", c.headers, "-")
			require.Equal(t, c.status, r.StatusCode, "%s %s", method, c.headers)
			if c.status == 304 {
				require.Equal(t, `"2"`, r.Header.Get("ETag"))
				require.Empty(t, body)
			}
		}
	}
	r, _ := g.send("GET /v1/absent", "If-Match: *", "-")
	require.Equal(t, 412, r.StatusCode)
	r, _ = g.send("GET /v1/absent", "If-None-Match: *", "-")
	require.Equal(t, 404, r.StatusCode)
}

func TestFailures(t *testing.T) {
	g := start(t, nil)
	unknown := cluster.Reply{Outcome: cluster.Unknown, Reason: cluster.ReasonExpired}
	refused := func(r cluster.Reason) cluster.Reply { return cluster.Reply{Outcome: cluster.Refused, Reason: r} }
	for _, c := range []struct {
		reply  cluster.Reply
		line   string
		status int
		slug   string
		effect effect
		retry  string
	}{
		{refused(cluster.ReasonNoLeader), "PUT", 503, "no-leader", effectNone, "1"},
		{refused(cluster.ReasonNoLeader), "GET", 503, "no-leader", effectNone, "1"},
		{refused(cluster.ReasonTransferring), "PUT", 503, "no-leader", effectNone, "1"},
		{refused(cluster.ReasonStopping), "PUT", 503, "stopping", effectNone, "1"},
		{refused(cluster.ReasonSuperseded), "PUT", 503, "superseded", effectNone, "1"},
		{refused(cluster.ReasonCanceled), "PUT", 503, "deadline", effectNone, "1"},
		{refused(cluster.ReasonExpired), "GET", 503, "deadline", effectNone, "1"},
		{refused(cluster.ReasonOverloaded), "PUT", 429, "overloaded", effectNone, "1"},
		{refused(cluster.ReasonOverloaded), "GET", 429, "overloaded", effectNone, "1"},
		{refused(cluster.ReasonDataFull), "PUT", 507, "data-full", effectNone, "5"},
		{refused(cluster.ReasonDiskFull), "PUT", 507, "disk-full", effectNone, "5"},
		{refused(cluster.ReasonInvalid), "PUT", 400, "invalid", effectNone, ""},
		{unknown, "PUT", 504, "outcome-unknown", effectUnknown, ""},
		{unknown, "DELETE", 504, "outcome-unknown", effectUnknown, ""},
		{unknown, "GET", 503, "deadline", effectNone, "1"},
		{cluster.Reply{Outcome: cluster.Unknown, Reason: cluster.ReasonConnectionLost}, "PUT", 504, "outcome-unknown", effectUnknown, ""},
		{cluster.Reply{Outcome: cluster.Unknown, Reason: cluster.ReasonSnapshotSkipped}, "PUT", 504, "outcome-unknown", effectUnknown, ""},
		{cluster.Reply{}, "PUT", 504, "outcome-unknown", effectUnknown, ""}, // a Backend that forgot the outcome
	} {
		g.node.force(c.reply)
		r, body := g.send(c.line+" /v1/k", "", "v")
		require.Equal(t, c.status, r.StatusCode, body)
		d := problemOf(t, r, body)
		require.Equal(t, problemTypes+c.slug, d.Type)
		require.Equal(t, c.effect, d.Effect)
		require.Equal(t, c.retry, r.Header.Get("Retry-After"))
		if c.status != 400 {
			require.Equal(t, &leaderDocument{Node: 1, Term: 7, HTTP: "127.0.0.1:2", GRPC: "127.0.0.1:3"}, d.Leader)
		}
	}
}

func TestInflightBytes(t *testing.T) {
	g := start(t, func(o *Options) { o.KeyBytesMax, o.ValueBytesMax, o.InflightBytesMax = 8, 16, 24 })
	g.node.hold(true)
	answer := make(chan int)
	go func() {
		r, _ := g.send("PUT /v1/a", "", strings.Repeat("v", 16))
		answer <- r.StatusCode
	}()
	eventually(t, "the first is queued", func() bool { return g.node.queued() == 1 })
	r, body := g.send("PUT /v1/b", "", strings.Repeat("v", 16))
	require.Equal(t, 429, r.StatusCode, body)
	r, body = g.raw("PUT /v1/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
	require.Equal(t, 429, r.StatusCode, body)
	g.node.hold(false)
	require.Equal(t, 201, <-answer)
	require.Zero(t, g.inflight.used.Load())
}

// A client that goes away leaves its write to the node; neither its bytes nor its accounts may go before Done.
func TestClientGoesAway(t *testing.T) {
	g := start(t, nil)
	g.node.hold(true)
	conn, err := net.Dial("tcp", g.http)
	require.NoError(t, err)
	_, err = io.WriteString(conn, "PUT /v1/gone HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nkept")
	require.NoError(t, err)
	eventually(t, "queued", func() bool { return g.node.queued() == 1 })
	conn.Close()
	eventually(t, "the handler returned", func() bool { return strings.Contains(g.logged.String(), "OUTCOME_UNKNOWN") })
	require.Equal(t, int64(4), g.inflight.used.Load())
	for i := range 50 { // calls that would reuse the buffers
		r, _ := g.send(fmt.Sprintf("GET /v1/x%d?consistency=stale", i), "", "-")
		require.Equal(t, 404, r.StatusCode)
	}
	g.node.hold(false)
	eventually(t, "applied", func() bool { return g.inflight.used.Load() == 0 })
	r, body := g.send("GET /v1/gone", "", "-")
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, "kept", body)
}

// A node that never answers does not keep clients for ever.
func TestNodeHangs(t *testing.T) {
	g := start(t, func(o *Options) { o.RequestTimeout = 20 * time.Millisecond })
	g.node.hold(true)
	r, body := g.send("PUT /v1/k", "", "v")
	require.Equal(t, 504, r.StatusCode, body)
	r, body = g.send("GET /v1/k", "", "-")
	require.Equal(t, 503, r.StatusCode, body)
}

func TestDeadlineReachesTheNode(t *testing.T) {
	g := start(t, func(o *Options) { o.RequestTimeout = time.Minute })
	deadlines := make(chan int64, 1)
	g.node.answerBy(func(r *Request) (cluster.Reply, bool) {
		deadlines <- r.DeadlineNanos
		return cluster.Reply{}, false
	})
	before := g.node.Now()
	g.put("k", "v")
	deadline := <-deadlines
	require.GreaterOrEqual(t, deadline, before+int64(time.Minute))
	require.LessOrEqual(t, deadline, g.node.Now()+int64(time.Minute))
}

func TestPanicIsToldAndLogged(t *testing.T) {
	g := start(t, nil)
	machine := g.node.machine
	g.node.machine = nil
	r, body := g.send("GET /v1/k", "X-Request-Id: abc", "-")
	require.Equal(t, 500, r.StatusCode)
	require.Equal(t, problemTypes+"internal", problemOf(t, r, body).Type)
	require.Contains(t, g.logged.String(), "request=abc")
	require.Contains(t, g.logged.String(), "http_key.go")
	g.node.machine = machine
}

func TestSessions(t *testing.T) {
	g := start(t, nil)
	nonce := "Lockstep-Nonce: 000102030405060708090a0b0c0d0e0f"
	r, body := g.send("POST /sessions", nonce, "")
	require.Equal(t, 201, r.StatusCode, body)
	id := r.Header.Get(headerSession)
	var opened struct {
		Session string
		Window  int
	}
	require.NoError(t, json.Unmarshal([]byte(body), &opened))
	require.Equal(t, id, opened.Session)
	require.Equal(t, 4, opened.Window)
	require.Equal(t, "/sessions/"+id, r.Header.Get("Location"))
	r, _ = g.send("POST /sessions", nonce, "")
	require.Equal(t, id, r.Header.Get(headerSession), "the same nonce opens one session")
	r, _ = g.send("POST /sessions", "", "")
	require.NotEqual(t, id, r.Header.Get(headerSession))

	write := func(line, body string, sequence, acknowledged int) (*http.Response, string) {
		return g.send(line, fmt.Sprintf("Lockstep-Session: %s\nLockstep-Sequence: %d\nLockstep-Acknowledged: %d", id, sequence, acknowledged), body)
	}
	first, _ := write("PUT /v1/k", "v", 1, 0)
	require.Equal(t, 201, first.StatusCode)
	again, _ := write("PUT /v1/k", "v", 1, 0)
	require.Equal(t, 201, again.StatusCode)
	require.Equal(t, first.Header.Get("ETag"), again.Header.Get("ETag"))
	r, body = write("PUT /v1/k", "other", 1, 0)
	require.Equal(t, 409, r.StatusCode)
	require.Equal(t, problemTypes+"sequence-reused", problemOf(t, r, body).Type)
	r, body = write("PUT /v1/k", "v", 100, 0)
	require.Equal(t, 409, r.StatusCode)
	require.Equal(t, problemTypes+"sequence-out-of-window", problemOf(t, r, body).Type)
	r, _ = write("DELETE /v1/k", "-", 3, 3)
	require.Equal(t, 204, r.StatusCode)
	r, body = write("PUT /v1/k", "v", 1, 0)
	require.Equal(t, 409, r.StatusCode)
	require.Equal(t, problemTypes+"sequence-acknowledged", problemOf(t, r, body).Type)
	r, _ = g.send("DELETE /sessions/"+id, "", "-")
	require.Equal(t, 204, r.StatusCode)
	r, body = g.send("DELETE /sessions/"+id, "", "-")
	require.Equal(t, 410, r.StatusCode)
	require.Equal(t, problemTypes+"session-expired", problemOf(t, r, body).Type)

	for line, status := range map[string]int{"GET /sessions": 405, "PUT /sessions/1": 405, "DELETE /sessions/x": 400,
		"DELETE /sessions/": 400, "DELETE /sessions/0": 400, "POST /sessions?x": 400} {
		r, body := g.send(line, "", "")
		require.Equal(t, status, r.StatusCode, line)
		problemOf(t, r, body)
	}
	for _, bad := range []string{"Lockstep-Nonce: 00", "Lockstep-Nonce: " + strings.Repeat("g", 32)} {
		r, _ := g.send("POST /sessions", bad, "")
		require.Equal(t, 400, r.StatusCode)
	}
}

func TestPagesAndProbes(t *testing.T) {
	g := start(t, nil)
	get := func(path string) (int, string) {
		r, body := g.send("GET "+path, "", "-")
		return r.StatusCode, body
	}
	for path, want := range map[string]string{"/": "/v1/{key}", "/livez": "ok", "/readyz": "ready", "/healthz?verbose": `"ready":true`,
		"/openapi.yaml": "openapi: 3.1", "/openapi.json": `{"openapi":"3.1.0"`, "/docs/": "<!doctype html>"} {
		status, body := get(path)
		require.Equal(t, 200, status, path)
		require.Contains(t, body, want)
	}
	r, _ := g.send("GET /docs", "", "-")
	require.Equal(t, "/docs/", r.Header.Get("Location"))
	r, _ = g.send("POST /livez", "", "")
	require.Equal(t, 405, r.StatusCode)

	g.node.set(func(s *cluster.Status) { s.Ready = false })
	status, body := get("/readyz")
	require.Equal(t, 503, status)
	require.Equal(t, "catching up\n", body)
	g.node.set(func(s *cluster.Status) { s.Role.Leader = 0 })
	status, body = get("/healthz")
	require.Equal(t, 503, status)
	require.Contains(t, body, `"reason":"no leader known"`)
	status, _ = get("/livez")
	require.Equal(t, 200, status, "losing the leader is nothing to restart a process for")
	g.node.set(func(s *cluster.Status) { s.Ready = true })
	close(g.node.stopping)
	status, body = get("/readyz")
	require.Equal(t, 503, status)
	require.Equal(t, "stopping\n", body)
}

func TestRequestIDs(t *testing.T) {
	g := start(t, nil)
	r, _ := g.send("GET /livez", "X-Request-Id: abc-1", "-")
	require.Equal(t, "abc-1", r.Header.Get("X-Request-Id"))
	seen := map[string]bool{}
	for _, bad := range []string{"", "a b", "a\x7fb", `a"b`, strings.Repeat("x", 129), "ü"} {
		r, _ := g.send("GET /livez", "X-Request-Id: "+bad, "-")
		id := r.Header.Get("X-Request-Id")
		if r.StatusCode == 200 {
			require.True(t, strings.HasPrefix(id, "n1-"), id)
			require.False(t, seen[id])
			seen[id] = true
		}
	}
	require.NotEmpty(t, seen)
}

func TestLogsHaveNoKeys(t *testing.T) {
	g := start(t, nil)
	g.node.refuse(cluster.ReasonNoLeader)
	r, _ := g.send("PUT /v1/secretkey", "X-Request-Id: id-7", "secretvalue")
	require.Equal(t, 503, r.StatusCode)
	require.Contains(t, g.logged.String(), "request=id-7")
	require.NotContains(t, g.logged.String(), "secret")
	g.level.Set(slog.LevelDebug)
	r, _ = g.send("PUT /v1/secretkey", "", "secretvalue")
	require.Equal(t, 503, r.StatusCode)
	require.Contains(t, g.logged.String(), "/v1/secretkey")
	require.NotContains(t, g.logged.String(), "secretvalue")
}

func TestWarningsAreLimited(t *testing.T) {
	l := newRequestLog(nil, 1, time.Time{})
	second := time.Unix(100, 0)
	for range warningsPerSecond {
		_, ok := l.admit(second)
		require.True(t, ok)
	}
	for range 3 {
		_, ok := l.admit(second)
		require.False(t, ok)
	}
	suppressed, ok := l.admit(second.Add(time.Second))
	require.True(t, ok)
	require.Equal(t, 3, suppressed)
}

func TestCORS(t *testing.T) {
	g := start(t, func(o *Options) { o.CORSOrigins = []string{"https://a.example"} })
	preflight := "Access-Control-Request-Method: PUT\nOrigin: "
	r, _ := g.send("OPTIONS /v1/k", preflight+"https://a.example", "-")
	require.Equal(t, 204, r.StatusCode)
	require.Equal(t, "https://a.example", r.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, r.Header.Get("Access-Control-Allow-Headers"), "If-Match")
	r, _ = g.send("OPTIONS /v1/k", preflight+"https://b.example", "-")
	require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Origin", r.Header.Get("Vary"))
	r, _ = g.send("GET /v1/k", "Origin: https://a.example", "-")
	require.Equal(t, 404, r.StatusCode)
	require.Contains(t, r.Header.Get("Access-Control-Expose-Headers"), "ETag")

	off := start(t, nil)
	r, _ = off.send("OPTIONS /v1/k", preflight+"https://a.example", "-")
	require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"))
	any := start(t, func(o *Options) { o.CORSOrigins = []string{"*"} })
	r, _ = any.send("GET /v1/k", "Origin: https://c.example", "-")
	require.Equal(t, "https://c.example", r.Header.Get("Access-Control-Allow-Origin"))
}
