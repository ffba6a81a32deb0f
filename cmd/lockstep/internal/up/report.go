package up

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report is where the user sees what happens.
type report interface {
	// waiting is called now and then until ready.
	waiting(forWhom []string)
	ready(p Plan, leader uint64)
	event(e Event)
}

// jsonReport prints one line when ready and one for each event after that.
type jsonReport struct {
	out     io.Writer
	started bool
	early   []Event // before ready, which is to be the first line
}

func (r *jsonReport) waiting([]string) {}

func (r *jsonReport) ready(p Plan, leader uint64) {
	r.line(struct {
		Nodes  []Node `json:"nodes"`
		Leader uint64 `json:"leader"`
	}{p.Nodes, leader})
	r.started = true
	for _, e := range r.early {
		r.line(e)
	}
	r.early = nil
}

// earlyEventsMax bounds the events kept until the first line: a node that dies every two seconds is told often enough.
const earlyEventsMax = 1000

func (r *jsonReport) event(e Event) {
	switch {
	case r.started:
		r.line(e)
	case len(r.early) < earlyEventsMax:
		r.early = append(r.early, e)
	}
}

func (r *jsonReport) line(v any) {
	// A broken pipe has ended the process by SIGPIPE; there is nobody left to tell.
	_ = json.NewEncoder(r.out).Encode(v)
}

// textReport prints for people.
type textReport struct {
	out     io.Writer
	restart bool
	command string // how the user calls this binary
	dots    bool   // a line of dots is open
	waited  string
}

func (r *textReport) waiting(forWhom []string) {
	who := strings.Join(forWhom, ", ")
	if who != r.waited {
		r.endDots()
		fmt.Fprintf(r.out, "waiting for %s ", who)
		r.waited, r.dots = who, true
	}
	fmt.Fprint(r.out, ".")
}

func (r *textReport) endDots() {
	if r.dots {
		fmt.Fprintln(r.out)
	}
	r.dots = false
}

func (r *textReport) event(e Event) {
	r.endDots()
	r.waited = ""
	fmt.Fprintf(r.out, "%s  %s\n", e.Time.Format("15:04:05"), e.sentence())
}

func (e Event) sentence() string {
	after := (time.Duration(e.AfterMillis) * time.Millisecond).Round(100 * time.Millisecond)
	switch e.Kind {
	case EventLeader:
		return fmt.Sprintf("node %d leads (term %d)", e.Node, e.Term)
	case EventNoLeader:
		return "no leader: " + e.Reason
	case EventStarted:
		return fmt.Sprintf("node %d started again (pid %d)", e.Node, e.PID)
	case EventDown:
		return fmt.Sprintf("node %d down (pid %d): %s", e.Node, e.PID, e.Reason)
	case EventBack:
		return fmt.Sprintf("node %d back after %v", e.Node, after)
	case EventNotReady:
		return fmt.Sprintf("node %d not ready: %s", e.Node, e.Reason)
	case EventReady:
		return fmt.Sprintf("node %d ready again after %v", e.Node, after)
	case EventGivenUp:
		return fmt.Sprintf("node %d is not started again: %s", e.Node, e.Reason)
	case EventStopping:
		return "stopping all nodes"
	case EventStopped:
		return "stopped; the data stays"
	}
	return string(e.Kind)
}

func (r *textReport) ready(p Plan, _ uint64) {
	r.endDots()
	fmt.Fprintf(r.out, "\nLockstep cluster %s: %s, data in %s\n\n", p.Cluster, count(len(p.Nodes), "node"), p.Dir)
	t := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tROLE\tPID\tHTTP\tGRPC\tPEER\tADMIN\tLOG")
	for _, n := range p.Nodes {
		pid := "-"
		if n.PID != 0 {
			pid = strconv.Itoa(n.PID)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\thttp://%s\t%s\t%s\thttp://%s\t%s\n", n.ID, n.Role, pid, n.HTTP, n.GRPC, n.Peer, n.Admin, logName(n.Dir))
	}
	t.Flush()
	fmt.Fprint(r.out, r.examples(p.running()))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// examples are lines to copy; a test runs them as they stand.
func (r *textReport) examples(p Plan) string {
	first, last := p.Nodes[0], p.Nodes[len(p.Nodes)-1]
	var b strings.Builder
	fmt.Fprintf(&b, "\nTry:\n")
	fmt.Fprintf(&b, "  curl -L -X PUT --data-binary 'hello' http://%s/v1/greeting\n", last.HTTP)
	fmt.Fprintf(&b, "  curl -i http://%s/v1/greeting\n", first.HTTP)
	fmt.Fprintf(&b, "  %s kv get greeting%s\n", r.command, endpointFlag(p))
	fmt.Fprintf(&b, "  %s status%s\n", r.command, endpointFlag(p))
	fmt.Fprintf(&b, "  grpcurl -plaintext -d '{\"key\":\"Z3JlZXRpbmc=\"}' %s lockstep.kv.v1.KV/Get\n", first.GRPC)
	fmt.Fprintf(&b, "\nKill a node and read again:\n")
	for _, n := range p.Nodes {
		fmt.Fprintf(&b, "  kill -9 %d    # node %d\n", n.PID, n.ID)
	}
	then := "It comes back by itself. "
	if !r.restart {
		then = ""
	}
	fmt.Fprintf(&b, "\n%sCtrl-C stops all; the next start finds the data again.\n\n", then)
	return b.String()
}

// endpointFlag names the nodes when client commands would not find them by default.
func endpointFlag(p Plan) string {
	addresses := make([]string, len(p.Nodes))
	for i, n := range p.Nodes {
		addresses[i] = n.GRPC
	}
	if addresses[0] == loopback(DefaultPorts.GRPC) {
		return ""
	}
	return " --endpoint " + strings.Join(addresses, ",")
}
