package native

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/stretchr/testify/require"
)

// server answers with a list of statuses, the last one for ever, and remembers what it was asked.
type server struct {
	mu       sync.Mutex
	statuses []int
	header   map[string]string
	body     string
	asked    []*http.Request
	bodies   []string
	address  string
}

func serve(t *testing.T, statuses ...int) *server {
	s := &server{statuses: statuses, header: map[string]string{}}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.address = strings.TrimPrefix(h.URL, "http://")
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/sessions" {
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"session":"5","window":256,"revision":17}`)
		return
	}
	body, _ := io.ReadAll(r.Body) // a body that breaks off shows as another one
	s.asked, s.bodies = append(s.asked, r), append(s.bodies, string(body))
	status := s.statuses[0]
	if len(s.statuses) > 1 {
		s.statuses = s.statuses[1:]
	}
	for k, v := range s.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(status)
	io.WriteString(w, s.body)
}

func (s *server) client(t *testing.T, sessions bool) driver.Client {
	c := newHTTP([]driver.Addresses{{HTTP: s.address}}, sessions)
	t.Cleanup(func() { c.Close() })
	return c
}

func do(t *testing.T, c driver.Client, o history.Operation) history.Operation {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	r, _ := c.Do(ctx, o, 0) // the outcome says all
	return r
}

var write = history.Operation{Kind: history.Put, Key: "a/b c", Value: history.Of("v")}

func TestAnswersBecomeResults(t *testing.T) {
	s := serve(t, 200)
	s.header = map[string]string{"Lockstep-Revision": "9", "ETag": `"7"`}
	s.body = "value"
	read := history.Operation{Kind: history.Get, Key: "k"}
	c := s.client(t, false)
	require.Equal(t, history.Operation{Outcome: history.Done, Revision: 9, KeyRevision: 7, Observed: history.Of("value")}, do(t, c, read))
	require.Equal(t, history.Operation{Outcome: history.Done, Revision: 9, Existed: history.Yes}, do(t, c, write))
	s.statuses = []int{201}
	require.Equal(t, history.Operation{Outcome: history.Done, Revision: 9, Existed: history.No}, do(t, c, write))
	s.statuses = []int{412}
	require.Equal(t, history.Operation{Outcome: history.ConditionFailed, Revision: 9, KeyRevision: 7}, do(t, c, write))
	s.header = map[string]string{"Lockstep-Revision": "9"}
	require.Equal(t, history.Operation{Outcome: history.ConditionFailed, Revision: 9, HasObserved: true}, do(t, c, write))
	s.statuses = []int{404}
	require.Equal(t, history.Operation{Outcome: history.Done, Revision: 9}, do(t, c, read))
	require.Equal(t, "/v1/a%2Fb%20c", s.asked[1].URL.EscapedPath())
}

func TestConditionsAreHeaders(t *testing.T) {
	s := serve(t, 200)
	c := s.client(t, false)
	for header, condition := range map[[2]string]history.Condition{
		{"If-None-Match", "*"}: {Kind: history.MustNotExist},
		{"If-Match", "*"}:      {Kind: history.MustExist},
		{"If-Match", `"7"`}:    {Kind: history.RevisionEquals, Revision: 7},
	} {
		o := write
		o.Condition = condition
		do(t, c, o)
		require.Equal(t, header[1], s.asked[len(s.asked)-1].Header.Get(header[0]))
	}
	do(t, c, history.Operation{Kind: history.Get, Key: "k", Stale: true})
	require.Equal(t, "stale", s.asked[len(s.asked)-1].URL.Query().Get("consistency"))
}

// What was refused is tried again; what may have taken effect only within a session, under the same number.
func TestWhatIsTriedAgain(t *testing.T) {
	s := serve(t, 503, 429, 201)
	require.Equal(t, history.Done, do(t, s.client(t, false), write).Outcome)
	require.Len(t, s.asked, 3)

	s = serve(t, 504, 201)
	require.Equal(t, history.Unknown, do(t, s.client(t, false), write).Outcome)
	require.Len(t, s.asked, 1)

	s = serve(t, 504, 503, 201)
	require.Equal(t, history.Done, do(t, s.client(t, true), write).Outcome)
	require.Len(t, s.asked, 3)
	for i, r := range s.asked {
		require.Equal(t, "5", r.Header.Get("Lockstep-Session"))
		require.Equal(t, "1", r.Header.Get("Lockstep-Sequence"))
		require.Equal(t, "1", r.Header.Get("Lockstep-Acknowledged"))
		require.Equal(t, "v", s.bodies[i])
	}
}

// A later refusal does not speak for an earlier attempt.
func TestWhatMayHaveTakenEffectStaysUnknown(t *testing.T) {
	require.Equal(t, history.Unknown, do(t, serve(t, 504, 503).client(t, true), write).Outcome)
	require.Equal(t, history.Refused, do(t, serve(t, 410).client(t, true), write).Outcome)
	require.Equal(t, history.Unknown, do(t, serve(t, 504, 410).client(t, true), write).Outcome)
	c := newHTTP([]driver.Addresses{{HTTP: "127.0.0.1:1"}}, false)
	require.Equal(t, history.Refused, do(t, c, write).Outcome)
}

func TestRedirectsAreFollowed(t *testing.T) {
	leader, follower := serve(t, 201), serve(t, 307)
	follower.header["Location"] = "http://" + leader.address + "/v1/k"
	require.Equal(t, history.Done, do(t, follower.client(t, true), write).Outcome)
	require.Equal(t, []string{"v"}, leader.bodies)
	require.Equal(t, "1", leader.asked[0].Header.Get("Lockstep-Sequence"))
}

// Numbers that are done with are acknowledged, and a session that is gone is replaced.
func TestNumbersGoOn(t *testing.T) {
	s := serve(t, 201, 201, 410, 201)
	c := s.client(t, true)
	for _, want := range []string{"1", "2", "3", "1"} {
		do(t, c, write)
		last := s.asked[len(s.asked)-1]
		require.Equal(t, want, last.Header.Get("Lockstep-Sequence"))
		require.Equal(t, want, last.Header.Get("Lockstep-Acknowledged"))
	}
}
