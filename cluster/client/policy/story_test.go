package policy

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

const millisecond = 1_000_000

// story drives one Client by the lines of a file in testdata. Times are written in milliseconds.
type story struct {
	client     *Client
	now        int64
	random     uint64
	operations map[string]*Operation
}

func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.command(t, d)
		})
	})
}

func (s *story) command(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "client":
		return s.begin(t, d)
	case "time":
		s.now = argument(t, d, "at") * millisecond
		return ""
	case "random":
		s.random = uint64(argument(t, d, "ms")) * millisecond
		return ""
	case "start":
		return s.start(t, d)
	case "answer":
		return s.answer(t, d)
	case "wake":
		name := d.CmdArgs[0].Key
		return s.told(name, s.client.Wake(s.now, s.random, s.operations[name]))
	case "expire":
		name := d.CmdArgs[0].Key
		return s.told(name, s.client.Expired(s.now, s.operations[name], d.HasArg("unsent")))
	case "add-node":
		n, ok := s.client.AddNode()
		return fmt.Sprintf("node %d %v\n", n, ok)
	case "locate":
		return fmt.Sprintf("%v\n", s.client.Locate(s.now))
	case "located":
		s.client.Located(s.now, int(argument(t, d, "leader")))
		return ""
	case "close":
		return fmt.Sprintf("close session %d\n", s.client.Close())
	}
	t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

func (s *story) begin(t *testing.T, d *datadriven.TestData) string {
	config := Config{Nodes: 3, Sessions: !d.HasArg("sessionless"), Identity: 7, BackoffMin: 10 * millisecond,
		BackoffMax: 80 * millisecond, AttemptTime: 1000 * millisecond, InFlightMax: 8, WaitingMax: 1}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "nodes":
			config.Nodes = int(argument(t, d, "nodes"))
		case "attempts":
			config.AttemptsMax = int(argument(t, d, "attempts"))
		case "in-flight":
			config.InFlightMax = int(argument(t, d, "in-flight"))
		}
	}
	client, err := New(config)
	if err != nil {
		return err.Error() + "\n"
	}
	*s = story{client: client, operations: map[string]*Operation{}}
	return ""
}

func (s *story) start(t *testing.T, d *datadriven.TestData) string {
	op := &Operation{Kind: Read}
	for _, a := range d.CmdArgs[1:] {
		switch a.Key {
		case "write":
			op.Kind = Write
		case "sessionless":
			op.Sessionless = true
		case "deadline":
			op.Deadline = argument(t, d, "deadline") * millisecond
		case "pin":
			op.Pinned, op.Node = true, int(argument(t, d, "pin"))
		}
	}
	name := d.CmdArgs[0].Key
	s.operations[name] = op
	return s.told(name, s.client.Start(s.now, s.random, op))
}

func (s *story) answer(t *testing.T, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	op := s.operations[name]
	attempt, a := op.attempt, Answer{}
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "attempt":
			attempt = uint32(argument(t, d, "attempt"))
		case "done":
			a.Outcome = Done
		case "lost":
			a = LostAnswer()
		case "unsent":
			a = UnsentAnswer()
		case "refused":
			a.Outcome, a.Reason = Refused, reasonNamed(t, arg.Vals[0])
		case "unknown":
			a.Outcome, a.Reason = Unknown, ReasonOutcomeUnknown
		case "leader":
			a.Hinted, a.Leader = true, int(argument(t, d, "leader"))
		case "term":
			a.Term = uint64(argument(t, d, "term"))
		case "session":
			a.Session = uint64(argument(t, d, "session"))
		case "window":
			a.Window = uint64(argument(t, d, "window"))
		case "retry-after":
			a.RetryAfter = argument(t, d, "retry-after") * millisecond
		default:
			t.Fatalf("%s: unknown argument %s", d.Pos, arg.Key)
		}
	}
	return s.told(name, s.client.Answered(s.now, s.random, op, attempt, a))
}

// told prints a decision, and those of the operations that may go on because of it.
func (s *story) told(name string, d Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", name, printed(d))
	for op := s.client.Ready(); op != nil; op = s.client.Ready() {
		fmt.Fprintf(&b, "%s: %s\n", s.nameOf(op), printed(s.client.Wake(s.now, s.random, op)))
	}
	return b.String()
}

func (s *story) nameOf(op *Operation) string {
	names := make([]string, 0, len(s.operations))
	for name := range s.operations {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if s.operations[name] == op {
			return name
		}
	}
	return "?"
}

func printed(d Decision) string {
	switch d.Action {
	case Send:
		text := fmt.Sprintf("send attempt %d to node %d", d.Attempt, d.Node)
		if d.Sequence != 0 {
			text += fmt.Sprintf(" session %d sequence %d acknowledged %d", d.Session, d.Sequence, d.Acknowledged)
		}
		return text + fmt.Sprintf(", give up at %d", d.At/millisecond)
	case Open:
		return fmt.Sprintf("open session, attempt %d to node %d, nonce %x, give up at %d", d.Attempt, d.Node, d.Nonce, d.At/millisecond)
	case Wait:
		return fmt.Sprintf("wait until %d", d.At/millisecond)
	case Park:
		return "park"
	case Finish:
		text := "finish " + d.Outcome.String()
		if d.Outcome != Done {
			text += ": " + d.Reason.String()
		}
		if d.Late {
			text += ", out of time"
		}
		return text + fmt.Sprintf(" (%d attempts)", d.Attempt)
	}
	return "nothing"
}

func argument(t *testing.T, d *datadriven.TestData, name string) int64 {
	var n int64
	d.ScanArgs(t, name, &n)
	return n
}

func reasonNamed(t *testing.T, name string) Reason {
	for reason, known := range reasonNames {
		if strings.ReplaceAll(known, " ", "-") == name {
			return reason
		}
	}
	require.Failf(t, "unknown reason", "%q", name)
	return 0
}
