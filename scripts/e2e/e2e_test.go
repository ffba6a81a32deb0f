// Package e2e tests the real binary as users run it: what `lockstep up` promises, the command line against a running
// cluster, and what the processes ask of the operating system. The big story of kills and restarts is in scripts/story.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/scripts/internal/real"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what has to happen; it is no measurement.
const patience = time.Minute

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "lockstep-e2e")
		if err == nil {
			defer os.RemoveAll(dir)
			binary, err = real.Build(dir)
		}
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			return 1
		}
		return m.Run()
	}())
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// long skips what starts real processes where time is short.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts real processes and takes seconds; run without -short (make test)")
	}
}

func start(t *testing.T, o real.Options) *real.Cluster {
	t.Helper()
	long(t)
	o.Binary = binary
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "data")
	}
	c, err := real.Start(within(t), o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// lockstep runs a command and returns what it printed and its exit code.
func lockstep(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return lockstepIn(t, nil, "", args...)
}

func lockstepIn(t *testing.T, env []string, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.CommandContext(within(t), binary, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	err := c.Run()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func endpoints(c *real.Cluster) string {
	var all []string
	for _, n := range c.Nodes() {
		all = append(all, n.GRPC)
	}
	return strings.Join(all, ",")
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 20*time.Millisecond, what)
}

// The command line against a running cluster, values of any bytes included.
func TestCommands(t *testing.T) {
	c := start(t, real.Options{Nodes: 3})
	env := []string{"LOCKSTEP_ENDPOINTS=" + endpoints(c)}
	expect := func(code int, stdout string, args ...string) string {
		t.Helper()
		out, errs, got := lockstepIn(t, env, "from\x00stdin\n", args...)
		require.Equal(t, code, got, "%v: %s", args, errs)
		if stdout != "*" {
			require.Equal(t, stdout, out, args)
		}
		if code != 0 {
			require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		}
		return out
	}
	expect(1, "", "kv", "get", "a")
	expect(0, "revision 1\n", "kv", "put", "a", "one")
	expect(0, "one", "kv", "get", "a")
	expect(0, "one", "kv", "get", "a", "--stale", "--endpoint", c.Nodes()[c.Leader()-1].GRPC)
	expect(0, "revision 2\n", "kv", "put", "a", "-")
	expect(0, "from\x00stdin\n", "kv", "get", "a")
	file := filepath.Join(t.TempDir(), "value")
	require.NoError(t, os.WriteFile(file, []byte("of a file"), 0o600))
	expect(0, "revision 3\n", "kv", "put", "a", "--file", file)
	require.Contains(t, expect(0, "*", "kv", "get", "a", "--json"), `{"key":"YQ==","found":true,"value":"b2YgYSBmaWxl","revision":3,"create_revision":1,"mod_revision":3,"version":3}`)
	expect(0, "revision 4\n", "kv", "put", "--hex", "00ff", "c0de")
	expect(0, "c0de\n", "kv", "get", "--hex", "00ff")
	expect(1, "", "kv", "cas", "a", "x", "--if-absent")
	expect(1, "", "kv", "cas", "a", "x", "--if-revision", "2")
	expect(0, "revision 5\n", "kv", "cas", "a", "x", "--if-revision", "3")
	expect(1, "", "kv", "del", "a", "--if-revision", "3")
	expect(0, "deleted (revision 6)\n", "kv", "del", "a")
	expect(0, "it did not exist (revision 6)\n", "kv", "del", "a")
	require.Contains(t, expect(0, "*", "status"), "leader")
	require.Contains(t, expect(0, "*", "member", "list"), "voter")
	expect(1, "", "member", "promote", "9")
	expect(64, "", "kv", "put", strings.Repeat("k", 2000), "v")

	to := c.Leader()%3 + 1
	out := expect(0, "*", "transfer-leader", strconv.FormatUint(to, 10), "--json")
	require.Contains(t, out, `"leader":`+strconv.FormatUint(to, 10))
	expect(0, "*", "transfer-leader")
}

// Status asks every member, from any one of them; a dead one is a line, not a failure.
func TestStatus(t *testing.T) {
	c := start(t, real.Options{Nodes: 3, Args: []string{"--no-restart"}})
	out, errs, code := lockstep(t, "status", "--json", "--endpoint", c.Nodes()[0].GRPC)
	require.Zero(t, code, errs)
	var s struct {
		Leader uint64
		Nodes  []struct {
			Node  uint64
			Error string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	require.Equal(t, c.Leader(), s.Leader)
	require.Len(t, s.Nodes, 3)

	require.NoError(t, c.Kill(2))
	require.NoError(t, c.Kill(3))
	eventually(t, "no leader is known", func() bool {
		out, _, code = lockstep(t, "status", "--endpoint", endpoints(c))
		return code == 1
	})
	require.Contains(t, out, "no answer")
	_, errs, code = lockstep(t, "kv", "put", "a", "b", "--endpoint", c.Nodes()[0].GRPC, "--timeout", "1s")
	require.Contains(t, []int{2, 69}, code, errs)
}

// A node that dies is told, restarted and told again; --no-restart leaves it.
func TestUpRestartsADeadNode(t *testing.T) {
	c := start(t, real.Options{Nodes: 3})
	victim := c.Leader()%3 + 1
	old := c.Nodes()[victim-1].PID
	mark := c.Mark()
	require.NoError(t, c.Kill(victim))
	e, err := c.Await(within(t), mark, func(e real.Event) bool { return e.Event == "down" && e.Node == victim })
	require.NoError(t, err)
	require.Equal(t, "killed by signal 9 (killed)", e.Reason)
	require.Equal(t, old, e.PID)
	e, err = c.Await(within(t), mark, func(e real.Event) bool { return e.Event == "back" && e.Node == victim })
	require.NoError(t, err)
	require.GreaterOrEqual(t, e.After, int64(2000), "a dead node stays down for 2 s")
	require.NotEqual(t, old, c.Nodes()[victim-1].PID)

	code, err := c.Stop(within(t))
	require.NoError(t, err)
	require.Zero(t, code)
	for _, n := range c.Nodes() {
		require.False(t, alive(n.PID))
	}
}

// The nodes end with `up`, however it dies, paused ones included.
func TestNodesEndWithUp(t *testing.T) {
	c := start(t, real.Options{Nodes: 3})
	require.NoError(t, c.Signal(3, syscall.SIGSTOP))
	t.Cleanup(func() { _ = c.Signal(3, syscall.SIGCONT) })
	c.KillUp()
	for _, n := range c.Nodes() {
		eventually(t, "the node ends", func() bool { return !alive(n.PID) })
	}
}

// One `up` a directory; `down` stops it, and only it.
func TestDown(t *testing.T) {
	c := start(t, real.Options{Nodes: 1})
	_, errs, code := lockstep(t, append([]string{"up", "--dir", c.Dir}, c.Ports.Args()...)...)
	require.Equal(t, 69, code)
	require.Contains(t, errs, "another `lockstep up` (pid "+strconv.Itoa(c.PID())+") uses "+c.Dir)
	out, errs, code := lockstep(t, "down", "--dir", c.Dir)
	require.Zero(t, code, errs)
	require.Equal(t, "stopped (pid "+strconv.Itoa(c.PID())+")\n", out)
	require.False(t, alive(c.Nodes()[0].PID))
	out, _, code = lockstep(t, "down", "--dir", c.Dir)
	require.Zero(t, code)
	require.Contains(t, out, "nothing runs on")
}

// A port in use gets one line, and nothing is touched.
func TestUpTouchesNothingWhenAPortIsInUse(t *testing.T) {
	ports, err := real.FreePorts(3)
	require.NoError(t, err)
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.Peer+2)))
	require.NoError(t, err)
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "data")
	_, errs, code := lockstep(t, append([]string{"up", "--dir", dir}, ports.Args()...)...)
	require.Equal(t, 69, code)
	require.Equal(t, "lockstep: "+l.Addr().String()+" (peers of node 3) is in use; stop what uses it, or choose other ports with --peer-port\n", errs)
	require.NoFileExists(t, dir)
}

// Data of another cluster is refused, and nothing is touched.
func TestUpRefusesAnotherClustersData(t *testing.T) {
	one := start(t, real.Options{Nodes: 1})
	two := start(t, real.Options{Nodes: 1})
	for _, c := range []*real.Cluster{one, two} {
		_, err := c.Stop(within(t))
		require.NoError(t, err)
	}
	require.NoError(t, os.RemoveAll(two.Nodes()[0].Dir))
	require.NoError(t, os.CopyFS(two.Nodes()[0].Dir, os.DirFS(one.Nodes()[0].Dir)))
	before := tree(t, two.Dir)
	_, errs, code := lockstep(t, append([]string{"up", "--dir", two.Dir}, two.Ports.Args()...)...)
	require.Equal(t, 65, code, errs)
	require.Contains(t, errs, "holds node 1 of cluster up-")
	require.Equal(t, before, tree(t, two.Dir))
}

// tree is every file below dir with its contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		files[name] = string(text)
		return err
	}))
	return files
}

// The data is found again, also under other ports.
func TestUpFindsItsDataAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := start(t, real.Options{Nodes: 3, Dir: dir})
	_, errs, code := lockstep(t, "kv", "put", "kept", "value", "--endpoint", endpoints(c))
	require.Zero(t, code, errs)
	_, err := c.Stop(within(t))
	require.NoError(t, err)

	again := start(t, real.Options{Nodes: 3, Dir: dir})
	require.NotEqual(t, c.Ports, again.Ports)
	for _, n := range again.Nodes() {
		out, errs, code := lockstep(t, "kv", "get", "kept", "--endpoint", n.GRPC)
		require.Zero(t, code, errs)
		require.Equal(t, "value", out)
	}
}

// A node that comes back without its directory would break promises that it gave: it is refused, and its log says what to do.
func TestAWipedNodeIsRefused(t *testing.T) {
	c := start(t, real.Options{Nodes: 3})
	victim := c.Nodes()[c.Leader()%3]
	mark := c.Mark()
	require.NoError(t, os.Rename(victim.Dir, victim.Dir+".lost"))
	require.NoError(t, c.Kill(victim.ID))
	e, err := c.Await(within(t), mark, func(e real.Event) bool { return e.Event == "down" && strings.Contains(e.Reason, "code 65") })
	require.NoError(t, err)
	require.Contains(t, e.Reason, "remove the member and add it under a new id")
	_, err = c.Await(within(t), mark, func(e real.Event) bool { return e.Event == "given_up" && e.Node == victim.ID })
	require.NoError(t, err)
	log, err := os.ReadFile(filepath.Join(victim.Dir, "node.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "its directory was lost")
	_, errs, code := lockstep(t, "kv", "put", "a", "b", "--endpoint", endpoints(c))
	require.Zero(t, code, errs)

	// The two that are left are a majority: the next start serves with them.
	_, errs, code = lockstep(t, "down", "--dir", c.Dir)
	require.Zero(t, code, errs)
	again := start(t, real.Options{Nodes: 3, Dir: c.Dir, Ports: c.Ports})
	_, err = again.Await(within(t), 0, func(e real.Event) bool { return e.Event == "given_up" && e.Node == victim.ID })
	require.NoError(t, err)
	for _, n := range again.Nodes() {
		if n.ID != victim.ID {
			out, errs, code := lockstep(t, "kv", "get", "a", "--endpoint", n.GRPC)
			require.Zero(t, code, errs)
			require.Equal(t, "b", out)
		}
	}
}

// What the configuration file says has to happen: the store that this project follows ignored the data directory and the listen
// host without a word.
func TestTheConfigurationFileTakesEffect(t *testing.T) {
	long(t)
	ports, err := real.FreePorts(1)
	require.NoError(t, err)
	dir := t.TempDir()
	data := filepath.Join(dir, "elsewhere", "data")
	file := filepath.Join(dir, "lockstep.yaml")
	address := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	require.NoError(t, os.WriteFile(file, []byte("cluster: filed\nnode: 7\ndata-dir: "+data+
		"\nhttp-address: "+address(ports.HTTP)+"\ngrpc-address: "+address(ports.GRPC)+"\npeer-address: "+address(ports.Peer)+
		"\nadmin-address: \"\"\nlog: {format: json}\nkv: {value-bytes-max: 8}\n"), 0o600))
	var log bytes.Buffer
	node := exec.Command(binary, "serve", "--config", file)
	node.Stderr = &log
	require.NoError(t, node.Start())
	eventually(t, "it is ready", func() bool {
		r, err := http.Get("http://" + address(ports.HTTP) + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	require.DirExists(t, data)
	out, errs, code := lockstep(t, "status", "--json", "--endpoint", address(ports.GRPC))
	require.Zero(t, code, errs)
	require.Contains(t, out, `"node":7`)
	require.Contains(t, out, `"cluster":"filed"`)
	_, errs, code = lockstep(t, "kv", "put", "k", "nine bytes", "--endpoint", address(ports.GRPC))
	require.Equal(t, 64, code, errs)

	out, errs, code = lockstep(t, "wal", "dump", data)
	require.Zero(t, code, errs)
	require.Contains(t, out, `cluster "filed" node 7`)

	require.NoError(t, node.Process.Signal(syscall.SIGTERM))
	require.NoError(t, node.Wait())
	require.Contains(t, log.String(), `"msg":"listening"`)
	_, errs, code = lockstep(t, "serve", "--config", file, "--node", "8")
	require.Equal(t, 65, code)
	require.Contains(t, errs, "belongs to node 7")
}

// What `up` prints to be copied works as it stands, and so does the text around it.
func TestUpForPeople(t *testing.T) {
	long(t)
	ports, err := real.FreePorts(3)
	require.NoError(t, err)
	up := exec.Command(binary, append([]string{"up", "--dir", filepath.Join(t.TempDir(), "data")}, ports.Args()...)...)
	out, err := up.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, up.Start())
	t.Cleanup(func() {
		_ = up.Process.Signal(syscall.SIGINT)
		_ = up.Wait()
	})
	text := readUntil(t, out, "finds the data again.")
	require.Regexp(t, `(?m)^1 +(leader|follower) +\d+ +http://127.0.0.1:`+strconv.Itoa(ports.HTTP), text)
	require.Equal(t, 3, strings.Count(text, "kill -9 "))
	for _, line := range tryLines(text) {
		program := strings.Fields(line)[0]
		t.Run(filepath.Base(program)+"-"+strings.Fields(line)[1], func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				t.Skipf("%s is not installed; install it to run the example that uses it", program)
			}
			answer, err := exec.CommandContext(within(t), "/bin/sh", "-c", line).CombinedOutput()
			require.NoError(t, err, string(answer))
			if strings.Contains(line, "curl -i") || strings.Contains(line, "kv get") {
				require.Contains(t, string(answer), "hello")
			}
		})
	}
	require.NoError(t, up.Process.Signal(syscall.SIGINT))
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	require.NoError(t, up.Wait())
	require.Contains(t, string(rest), "stopped; the data stays")
}

func readUntil(t *testing.T, r io.Reader, end string) string {
	t.Helper()
	var text strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(text.String(), end) {
		n, err := r.Read(buffer)
		text.Write(buffer[:n])
		require.NoError(t, err, text.String())
	}
	return text.String()
}

func tryLines(text string) []string {
	_, text, _ = strings.Cut(text, "Try:\n")
	text, _, _ = strings.Cut(text, "\n\n")
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}
