package e2e

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/scripts/internal/real"
	"github.com/stretchr/testify/require"
)

// example is a command that the documents show, and what they say of its answer.
type example struct{ command, says string }

var (
	// commandForm is an indented line that a reader copies; commentForm is what stands behind or below it.
	commandForm = regexp.MustCompile(`^    ((?:curl|grpcurl|bin/lockstep) .*)$`)
	commentForm = regexp.MustCompile(`^(.*?) +# (.*)$`)
	inlineForm  = regexp.MustCompile("`(curl [^`]*http://[^`]*)`")
	statusForm  = regexp.MustCompile(`\b[1-5]\d\d\b`)
)

// examples are the commands of a text in their order. A line that begins with # belongs to the command above it.
func examples(text string) []example {
	var all []example
	for _, line := range strings.Split(text, "\n") {
		if m := commandForm.FindStringSubmatch(line); m != nil {
			e := example{command: m[1]}
			if c := commentForm.FindStringSubmatch(m[1]); c != nil {
				e = example{c[1], c[2]}
			}
			all = append(all, e)
		} else if rest, ok := strings.CutPrefix(line, "    # "); ok && len(all) > 0 {
			all[len(all)-1].says += " " + rest
		}
		for _, m := range inlineForm.FindAllStringSubmatch(line, -1) {
			all = append(all, example{command: m[1]})
		}
	}
	return all
}

func TestExamplesAreFound(t *testing.T) {
	require.Equal(t, []example{{"curl -i http://a", "201, b"}, {"curl -d debug http://c", ""}, {"bin/lockstep status", " 404"}},
		examples("text\n    curl -i http://a     # 201, b\nsay `curl -d debug http://c` or `make`\n    bin/lockstep status\n    # 404\n    make up\n"))
}

// reader follows the documents: it copies their commands, with its own cluster's addresses and with the numbers that it was given.
type reader struct {
	c       *real.Cluster
	path    string // of the programs
	numbers map[string]string
}

// curlWrapper adds the status to what curl says on stderr.
const curlWrapper = `#!/bin/sh
exec "CURL" "$@" --silent --show-error --write-out '%{stderr}\nstatus=%{http_code}\n'
`

func newReader(t *testing.T, c *real.Cluster) *reader {
	t.Helper()
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed; install it to run the examples of the documents", program)
		}
	}
	curl, err := exec.LookPath("curl")
	require.NoError(t, err)
	dir := t.TempDir()
	wrapper := strings.Replace(curlWrapper, "CURL", curl, 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "curl"), []byte(wrapper), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(binary, filepath.Join(dir, "bin", "lockstep")))
	// The documents are read in the root of a clone: what they name there is there.
	histories, err := filepath.Abs("../../linearizability")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(histories, filepath.Join(dir, "linearizability")))
	return &reader{c: c, path: dir, numbers: map[string]string{}}
}

// mine replaces the addresses of a cluster with default ports, and the numbers that the documents made up.
func (r *reader) mine(command string) string {
	var pairs []string
	for i, n := range r.c.Nodes() {
		for port, address := range map[int]string{8081: n.HTTP, 9081: n.GRPC, 16901: n.Admin} {
			pairs = append(pairs, net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i)), address)
		}
	}
	for theirs, ours := range r.numbers {
		pairs = append(pairs, theirs, ours)
	}
	return strings.NewReplacer(pairs...).Replace(command) // in one pass: an address of ours may look like one of theirs
}

func (r *reader) run(t *testing.T, e example) {
	t.Helper()
	command := r.mine(e.command)
	if strings.HasPrefix(command, "grpcurl") {
		if _, err := exec.LookPath("grpcurl"); err != nil {
			t.Skipf("grpcurl is not installed; install it to run %s", command)
		}
	}
	var out, errs bytes.Buffer
	c := exec.CommandContext(within(t), "bash", "-c", "set -o pipefail; "+command)
	c.Dir, c.Stdout, c.Stderr = r.path, &out, &errs
	c.Env = append(os.Environ(), "LOCKSTEP_ENDPOINTS="+endpoints(r.c), "PATH="+r.path+string(os.PathListSeparator)+os.Getenv("PATH"))
	err := c.Run()
	what := command + "\n" + out.String() + errs.String()
	require.NoError(t, err, what)
	if strings.HasPrefix(command, "curl") {
		judge(t, e, errs.String(), what)
	}
	r.learn(e.says, out.String())
}

// judge compares the status with those that the document names, or asks for success when it names none.
func judge(t *testing.T, e example, errs, what string) {
	t.Helper()
	_, status, found := strings.Cut(errs, "status=")
	require.True(t, found, what)
	status = strings.TrimSpace(status)
	if named := statusForm.FindAllString(e.says, -1); len(named) > 0 {
		require.True(t, slices.Contains(named, status), "the document says %q, and the status is %s: %s", e.says, status, what)
		return
	}
	require.Less(t, status, "400", what)
	require.GreaterOrEqual(t, status, "200", what)
}

// learn notes which session and which tag the cluster gave where the document shows its own.
func (r *reader) learn(says, out string) {
	for _, form := range []struct {
		pattern string
		uses    []string
	}{
		{`"session":"(\d+)"`, []string{"Lockstep-Session: %", "/sessions/%"}},
		{`(?i)etag: "(\d+)"`, []string{`Match: "%"`}},
	} {
		p := regexp.MustCompile(form.pattern)
		theirs, ours := p.FindStringSubmatch(says), p.FindStringSubmatch(out)
		if theirs == nil || ours == nil {
			continue
		}
		for _, use := range form.uses {
			r.numbers[strings.ReplaceAll(use, "%", theirs[1])] = strings.ReplaceAll(use, "%", ours[1])
		}
	}
}

// follow runs the commands in their order; later ones may need earlier ones.
func (r *reader) follow(t *testing.T, all []example) {
	t.Helper()
	for i, e := range all {
		t.Run(strconv.Itoa(i+1)+"-"+strings.Fields(e.command)[0], func(t *testing.T) { r.run(t, e) })
	}
}

// document is a file of the repository.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	require.NoError(t, err)
	return string(text)
}

// What the documents show works word for word.
func TestTheReadmesCommandsWork(t *testing.T) {
	c := start(t, real.Options{Nodes: 3})
	_, text, _ := strings.Cut(document(t, "README.md"), "## Use it\n")
	text, _, _ = strings.Cut(text, "\n## ")
	all := examples(text)
	require.GreaterOrEqual(t, len(all), 10)
	newReader(t, c).follow(t, all)
}

// The examples of the API ask node 1 without -L, so it leads here.
func TestTheCommandsOfTheAPIWork(t *testing.T) {
	c := start(t, real.Options{Nodes: 3})
	_, errs, code := lockstep(t, "transfer-leader", "1", "--endpoint", endpoints(c))
	require.Zero(t, code, errs)
	all := examples(document(t, "docs/api.md"))
	require.GreaterOrEqual(t, len(all), 15)
	newReader(t, c).follow(t, all)
}
