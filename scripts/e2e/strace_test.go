package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/scripts/internal/real"
	"github.com/stretchr/testify/require"
)

// tracedKeys is how many writes are followed. Each is told apart by its key, which stands in the log as it is.
const tracedKeys = 25

// The trace of the system calls of three real nodes shows, for every write: on a majority of the nodes the write of its entry to
// the log, then an fdatasync of that file that began after it and returned 0, and only then the answer to the client.
func TestAcknowledgedMeansSyncedOnAQuorum(t *testing.T) {
	long(t)
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed; install it to trace the system calls of real nodes")
	}
	if out, err := exec.Command("strace", "-f", "-o", os.DevNull, "/bin/true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here (%s); allow ptrace to run this", strings.TrimSpace(string(out)))
	}
	dir := t.TempDir()
	nodes := startTraced(t, dir, 3)
	writeTraced(t, nodes)
	for _, n := range nodes {
		n.stop(t)
	}
	var traces []trace
	for i := range nodes {
		traces = append(traces, readTrace(t, filepath.Join(dir, fmt.Sprintf("trace-%d", i+1))))
	}
	judgeTraces(t, traces)
}

// traced is a node below strace.
type traced struct {
	http    string
	command *exec.Cmd
	alive   *os.File
}

// stop closes the pipe that the node watches: a signal would reach strace, which would leave the node alone.
func (n *traced) stop(t *testing.T) {
	require.NoError(t, n.alive.Close())
	require.NoError(t, n.command.Wait())
}

func startTraced(t *testing.T, dir string, count int) []*traced {
	ports, err := real.FreePorts(count)
	require.NoError(t, err)
	var peers []string
	for i := range count {
		peers = append(peers, "--peer", fmt.Sprintf("%d=127.0.0.1:%d,http=127.0.0.1:%d,grpc=127.0.0.1:%d", i+1, ports.Peer+i, ports.HTTP+i, ports.GRPC+i))
	}
	var nodes []*traced
	for i := range count {
		theirs, ours, err := os.Pipe()
		require.NoError(t, err)
		at := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port+i) }
		args := []string{"-ff", "-ttt", "-T", "-s", "4096", "-e", "trace=write,pwrite64,pwritev,fdatasync,fsync,sendto,sendmsg,writev", "-o", filepath.Join(dir, fmt.Sprintf("trace-%d", i+1)),
			binary, "serve", "--cluster", "traced", "--node", strconv.Itoa(i + 1), "--data-dir", filepath.Join(dir, fmt.Sprintf("node-%d", i+1)), "--exit-with-parent-fd", "3",
			"--http-address", at(ports.HTTP), "--grpc-address", at(ports.GRPC), "--peer-address", at(ports.Peer), "--admin-address", at(ports.Admin)}
		n := &traced{http: at(ports.HTTP), command: exec.Command("strace", append(args, peers...)...), alive: ours}
		n.command.ExtraFiles = []*os.File{theirs}
		require.NoError(t, n.command.Start())
		theirs.Close()
		t.Cleanup(func() { ours.Close(); _ = n.command.Wait() })
		nodes = append(nodes, n)
	}
	return nodes
}

func tracedKey(k int) string { return fmt.Sprintf("traced-key-%04d", k) }

// writeTraced writes one key after the other; the client follows redirects to the leader.
func writeTraced(t *testing.T, nodes []*traced) {
	for _, n := range nodes {
		eventually(t, "it is ready", func() bool {
			r, err := http.Get("http://" + n.http + "/readyz")
			if err != nil {
				return false
			}
			r.Body.Close()
			return r.StatusCode == http.StatusOK
		})
	}
	for k := range tracedKeys {
		store := real.HTTP(nodes[k%len(nodes)].http)
		eventually(t, "the write is acknowledged", func() bool {
			outcome, _ := store.Put(within(t), tracedKey(k), "v")
			return outcome == real.Done
		})
		store.Close()
	}
}

// call is one system call. Times are microseconds since the epoch.
type call struct {
	name       string
	fd         int
	begin, end int64
	result     string
	key        string // the traced key in its data, if any
	answer     bool   // it sends the HTTP answer 201
}

// trace is a node's calls by key and by descriptor.
type trace struct {
	writes  map[string][]call // pwrite64 and the like, by the key in their data
	syncs   []call
	answers []call
}

var (
	lineForm = regexp.MustCompile(`^(\d+)\.(\d{6}) (\w+)\((\d+)[,)](.*)$`)
	tailForm = regexp.MustCompile(` = (-?\w+).*<(\d+)\.(\d{6})>$`)
	keyForm  = regexp.MustCompile(`traced-key-\d{4}`)
)

// readTrace reads the files that -ff made, one for each thread, so that no line is torn into two.
func readTrace(t *testing.T, prefix string) trace {
	names, err := filepath.Glob(prefix + ".*")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	tr := trace{writes: map[string][]call{}}
	for _, name := range names {
		f, err := os.Open(name)
		require.NoError(t, err)
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if c, ok := parseCall(lines.Text()); ok {
				tr.add(c)
			}
		}
		require.NoError(t, lines.Err())
		f.Close()
	}
	return tr
}

func (tr *trace) add(c call) {
	switch {
	case c.name == "fdatasync" || c.name == "fsync":
		tr.syncs = append(tr.syncs, c)
	case c.answer:
		tr.answers = append(tr.answers, c)
	case c.key != "" && strings.HasPrefix(c.name, "pwrite"):
		tr.writes[c.key] = append(tr.writes[c.key], c)
	}
}

// parseCall reads a line like: 1700000000.123456 fdatasync(9) = 0 <0.000321>
func parseCall(line string) (call, bool) {
	head := lineForm.FindStringSubmatch(line)
	tail := tailForm.FindStringSubmatch(line)
	if head == nil || tail == nil {
		return call{}, false
	}
	fd, err := strconv.Atoi(head[4])
	if err != nil {
		return call{}, false
	}
	begin := micros(head[1], head[2])
	return call{
		name: head[3], fd: fd, begin: begin, end: begin + micros(tail[2], tail[3]), result: tail[1],
		key: keyForm.FindString(head[5]), answer: strings.Contains(head[5], `"HTTP/1.1 201 `),
	}, true
}

func micros(seconds, fraction string) int64 {
	s, _ := strconv.ParseInt(seconds, 10, 64) // digits, by the expression
	f, _ := strconv.ParseInt(fraction, 10, 64)
	return s*1_000_000 + f
}

// synced is when the key's entry was durable on the node: the end of the first good sync of the file that began after the
// write had ended. 0: never.
func (tr trace) synced(key string) int64 {
	best := int64(0)
	for _, w := range tr.writes[key] {
		for _, s := range tr.syncs {
			if s.fd == w.fd && s.begin >= w.end && s.result == "0" && (best == 0 || s.end < best) {
				best = s.end
			}
		}
	}
	return best
}

// judgeTraces pairs each key with its answer. Writes went one after the other, so the k-th 201 of all nodes is the k-th key's;
// those of other requests (readyz) are 200.
func judgeTraces(t *testing.T, traces []trace) {
	acknowledged := acknowledgements(traces)
	require.GreaterOrEqual(t, len(acknowledged), tracedKeys)
	for k := range tracedKeys {
		key := tracedKey(k)
		durable := 0
		for _, tr := range traces {
			if at := tr.synced(key); at != 0 && at <= acknowledged[k]+clockSlack {
				durable++
			}
		}
		require.GreaterOrEqual(t, durable, len(traces)/2+1, "%s was acknowledged at %d; synced at %v", key, acknowledged[k], syncTimes(traces, key))
	}
}

// clockSlack covers that strace rounds a call's beginning and its duration, each to a microsecond.
const clockSlack = 2

func syncTimes(traces []trace, key string) []string {
	var all []string
	for _, tr := range traces {
		all = append(all, time.UnixMicro(tr.synced(key)).Format("05.000000"))
	}
	return all
}

// acknowledgements are the times of all answers to creating writes, in order.
func acknowledgements(traces []trace) []int64 {
	var times []int64
	for _, tr := range traces {
		for _, a := range tr.answers {
			times = append(times, a.begin)
		}
	}
	slices.Sort(times)
	return times
}

// The judgment must be able to fail: a sync that began before the write had ended, of another file, or that failed does not count.
func TestTraceJudgment(t *testing.T) {
	for _, c := range []struct {
		name string
		sync string
		want int64
	}{
		{"good", "100.000200 fdatasync(9) = 0 <0.000050>", 100_000250},
		{"began too early", "100.000100 fdatasync(9) = 0 <0.000500>", 0},
		{"another file", "100.000200 fdatasync(8) = 0 <0.000050>", 0},
		{"failed", "100.000200 fdatasync(9) = -1 EIO (Input/output error) <0.000050>", 0},
	} {
		tr := trace{writes: map[string][]call{}}
		for _, line := range []string{`100.000100 pwrite64(9, "..traced-key-0001..", 64, 4096) = 64 <0.000050>`, c.sync} {
			parsed, ok := parseCall(line)
			require.True(t, ok, line)
			tr.add(parsed)
		}
		require.Equal(t, c.want, tr.synced("traced-key-0001"), c.name)
	}
	answer, ok := parseCall(`100.000300 write(11, "HTTP/1.1 201 Created\r\n", 22) = 22 <0.000010>`)
	require.True(t, ok)
	require.True(t, answer.answer)
}
