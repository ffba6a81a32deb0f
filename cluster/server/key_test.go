package server

import (
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
)

// weirdTargets are request targets and the keys they mean.
var weirdTargets = []struct{ target, key string }{
	{"/v1/a//b", "a//b"}, {"/v1//", "/"}, {"/v1//a", "/a"}, {"/v1///", "//"}, {"/v1/a/", "a/"}, {"/v1/..", ".."}, {"/v1/.", "."},
	{"/v1/../x", "../x"}, {"/v1/a/../b", "a/../b"}, {"/v1/a/./b", "a/./b"}, {"/v1/a/..", "a/.."}, {"/v1/../../etc/passwd", "../../etc/passwd"},
	{"/v1/%2F", "/"}, {"/v1/a%2Fb", "a/b"}, {"/v1/a%2fb", "a/b"}, {"/v1/%2E%2E", ".."}, {"/v1/%2e%2e/x", "../x"}, {"/v1/%00", "\x00"},
	{"/v1/%25", "%"}, {"/v1/%2525", "%25"}, {"/v1/%FF%fe", "\xff\xfe"}, {"/v1/\xff", "\xff"}, {"/v1/a+b", "a+b"}, {"/v1/a%20b", "a b"},
	{"/v1/a;b=c,d", "a;b=c,d"}, {"/v1/%3F", "?"}, {"/v1/a%23b", "a#b"}, {"/v1/a#b", "a#b"}, {"/v1/~!$&'()*:@=_-.", "~!$&'()*:@=_-."},
	{"/v1/v1/x", "v1/x"}, {"/v1/k?", "k"}, {"/v1/k?consistency=stale", "k"}, {"/v1/a\"<>^`{|}\\", "a\"<>^`{|}\\"},
	{"http://other.example/v1/abs", "abs"}, {"http://other.example/v1/a//b", "a//b"}, {"http://other.example/v1/a%2Fb?consistency=stale", "a/b"},
	{"HTTPS://u@other.example:1/v1/..", ".."}, {"/v1/http://x/y", "http://x/y"},
}

func TestWeirdKeys(t *testing.T) {
	g := start(t, nil)
	for _, c := range weirdTargets {
		t.Run(c.target, func(t *testing.T) {
			path, _, _ := strings.Cut(c.target, "?")
			r, body := g.send("PUT "+path, "", c.target)
			require.Less(t, r.StatusCode, 300, body)
			item, _, found := g.node.machine.Get([]byte(c.key))
			require.True(t, found, "the key is %q", c.key)
			require.Equal(t, c.target, string(item.Value))
			r, body = g.send("GET "+c.target, "", "-")
			require.Equal(t, 200, r.StatusCode, body)
			require.Equal(t, c.target, body)
			r, _ = g.send("GET /v1/"+EscapeKey([]byte(c.key)), "", "-")
			require.Equal(t, 200, r.StatusCode)
			r, _ = g.send("DELETE "+path, "", "-")
			require.Equal(t, 204, r.StatusCode)
			_, _, found = g.node.machine.Get([]byte(c.key))
			require.False(t, found)
		})
	}
}

// A redirect leads to the same key with clients that resolve it by RFC 3986 and remove dot segments.
func TestWeirdKeysThroughRedirects(t *testing.T) {
	leader := start(t, nil)
	follower := start(t, nil)
	follower.node.follow(leader.http)
	for _, c := range weirdTargets {
		path, _, _ := strings.Cut(c.target, "?")
		r, body := follower.send("PUT "+path, "", c.target)
		require.Equal(t, 307, r.StatusCode, body)
		d := problemOf(t, r, body)
		require.Equal(t, problemTypes+"redirect", d.Type)
		require.Equal(t, uint64(2), d.Leader.Node)
		require.Equal(t, effectNone, d.Effect)

		// The way of a client that takes Location as it is, and that of net/http, which resolves it.
		location := r.Header.Get("Location")
		require.True(t, strings.HasPrefix(location, "http://"+leader.http+"/v1/"), location)
		resolved, err := (&url.URL{Scheme: "http", Host: follower.http}).Parse(location)
		require.NoError(t, err)
		for _, target := range []string{strings.TrimPrefix(location, "http://"+leader.http), resolved.RequestURI()} {
			r, body = leader.send("PUT "+target, "", c.target)
			require.Less(t, r.StatusCode, 300, body)
			item, _, found := leader.node.machine.Get([]byte(c.key))
			require.True(t, found, "%s, redirected to %s, wrote %q", c.target, target, c.key)
			require.Equal(t, c.target, string(item.Value))
			r, _ = leader.send("DELETE "+target, "", "-")
			require.Equal(t, 204, r.StatusCode)
		}
		if redirectSafe(path) && strings.HasPrefix(path, "/") {
			require.Equal(t, "http://"+leader.http+path, location, "a path that survives is kept byte for byte")
		}
	}
	_, revision, _ := follower.node.machine.Get([]byte("x"))
	require.Zero(t, revision, "the follower wrote nothing")
}

func TestNetHTTPFollowsRedirects(t *testing.T) {
	leader := start(t, nil)
	follower := start(t, nil)
	follower.node.follow(leader.http)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, key := range []string{"a", "a//b", "a/../b", "/", "\x00", "a#b?c", "a%2Fb", "..."} {
		q, err := http.NewRequest("PUT", "http://"+follower.http+"/v1/"+EscapeKey([]byte(key)), strings.NewReader("v"+key))
		require.NoError(t, err)
		r, err := client.Do(q)
		require.NoError(t, err)
		r.Body.Close()
		require.Equal(t, 201, r.StatusCode, key)
		item, _, found := leader.node.machine.Get([]byte(key))
		require.True(t, found, key)
		require.Equal(t, "v"+key, string(item.Value))
	}
}

func TestCurlFollowsRedirects(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	leader := start(t, nil)
	follower := start(t, nil)
	follower.node.follow(leader.http)
	for _, c := range []struct{ path, key string }{{"a", "a"}, {"x//y", "x//y"}, {"a/../b", "a/../b"}, {"a%2Fb", "a/b"}, {"%00", "\x00"}, {"a/./c/", "a/./c/"}} {
		out, err := exec.Command(curl, "-sS", "-L", "--path-as-is", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}",
			"-T", "-", "http://"+follower.http+"/v1/"+c.path).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, "201", string(out), c.path)
		_, _, found := leader.node.machine.Get([]byte(c.key))
		require.True(t, found, "curl wrote %q", c.key)
	}
}

func TestFollowerWrites(t *testing.T) {
	for _, c := range []struct {
		writes        string
		status        int
		leaderAddress string
	}{{WritesAuto, 307, "127.0.0.1:9"}, {WritesRedirect, 307, "127.0.0.1:9"}, {WritesForward, 201, "127.0.0.1:9"}, {WritesAuto, 503, ""}} {
		g := start(t, func(o *Options) { o.Writes = c.writes })
		g.node.follow(c.leaderAddress)
		for _, line := range []string{"PUT /v1/a%2Fb", "DELETE /v1/a%2Fb", "POST /sessions", "DELETE /sessions/1"} {
			r, body := g.send(line, "", "v")
			if c.status == 201 {
				require.Contains(t, []int{201, 204, 410}, r.StatusCode, "done here by forwarding")
				continue
			}
			require.Equal(t, c.status, r.StatusCode, body)
			d := problemOf(t, r, body)
			require.Equal(t, "NOT_LEADER", d.Reason)
			if c.status == 307 {
				_, path, _ := strings.Cut(line, " ")
				require.Equal(t, "http://127.0.0.1:9"+path, r.Header.Get("Location"))
			}
		}
		r, _ := g.send("GET /v1/k?consistency=linearizable", "", "-")
		require.NotEqual(t, 307, r.StatusCode, "a follower serves reads itself")
	}
}

func TestFollowerReadsOff(t *testing.T) {
	g := start(t, func(o *Options) { o.FollowerReads, o.Writes = false, WritesForward })
	g.put("k", "v")
	r, _ := g.send("GET /v1/k", "", "-")
	require.Equal(t, 200, r.StatusCode, "the leader serves")
	g.node.follow("127.0.0.1:9")
	r, _ = g.send("GET /v1/k?consistency=linearizable", "", "-")
	require.Equal(t, 307, r.StatusCode)
	require.Equal(t, "http://127.0.0.1:9/v1/k?consistency=linearizable", r.Header.Get("Location"))
	r, _ = g.send("HEAD /v1/k", "", "-")
	require.Equal(t, 307, r.StatusCode)
	r, _ = g.send("GET /v1/k?consistency=stale", "", "-")
	require.Equal(t, 200, r.StatusCode)
	g.node.set(func(s *cluster.Status) { s.Role.Leader = 0 })
	r, _ = g.send("GET /v1/k", "", "-")
	require.Equal(t, 503, r.StatusCode)
}

// A read is made after the node released it, not before.
func TestReadSeesWhatWasAppliedBeforeItsRelease(t *testing.T) {
	g := start(t, nil)
	g.node.hold(true)
	answer := make(chan string)
	go func() {
		_, body := g.send("GET /v1/k", "", "-")
		answer <- body
	}()
	eventually(t, "queued", func() bool { return g.node.queued() == 1 })
	data := kv.AppendBatch(nil, kv.BatchID{Node: 1, Epoch: 1, Sequence: 1}, []*kv.Command{{Kind: kv.Put, Key: []byte("k"), Value: []byte("new")}})
	_, _, err := g.node.machine.Apply(1, data, nil)
	require.NoError(t, err)
	g.node.hold(false)
	require.Equal(t, "new", <-answer)
}

func FuzzKey(f *testing.F) {
	for _, c := range weirdTargets {
		f.Add([]byte(c.key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		path := keyPrefix + EscapeKey(key)
		require.True(t, len(key) == 0 || redirectSafe(path) || string(key) == "." || string(key) == "..")
		u, err := url.ParseRequestURI(path)
		require.NoError(t, err)
		gotPath, query := splitTarget(u.RequestURI())
		require.Equal(t, path, gotPath)
		require.Empty(t, query)
		got, err := appendKey(nil, gotPath[len(keyPrefix):])
		require.NoError(t, err)
		require.Equal(t, string(key), string(got))
	})
}

// Whatever a target is, a redirect of it means the same key, for a client that resolves it as well.
func FuzzTarget(f *testing.F) {
	for _, c := range weirdTargets {
		f.Add(c.target)
	}
	f.Add("%")
	f.Add("://")
	f.Fuzz(func(t *testing.T, target string) {
		path, query := splitTarget(target)
		require.NotContains(t, path, "?")
		require.LessOrEqual(t, len(path)+len(query), len(target)+1)
		if !strings.HasPrefix(path, keyPrefix) {
			return
		}
		key, err := appendKey(nil, path[len(keyPrefix):])
		if err != nil || len(key) == 0 || string(key) == "." || string(key) == ".." {
			return
		}
		location, err := url.Parse("http://follower.example/")
		require.NoError(t, err)
		location, err = location.Parse("http://leader.example:1" + redirectPath(path))
		require.NoError(t, err)
		redirected, _ := splitTarget(location.RequestURI())
		require.True(t, strings.HasPrefix(redirected, keyPrefix), redirected)
		got, err := appendKey(nil, redirected[len(keyPrefix):])
		require.NoError(t, err)
		require.Equal(t, string(key), string(got))
	})
}
