package trace

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryKindHasANameAndRoomForItsNumbers(t *testing.T) {
	seen := map[string]bool{}
	for k := Send; k <= Fail; k++ {
		require.NotEmpty(t, k.String())
		require.False(t, seen[k.String()], k)
		seen[k.String()] = true
		require.LessOrEqual(t, len(k.Fields()), NumbersMax)
	}
	require.Equal(t, "unknown", (Fail + 1).String())
	require.Empty(t, (Fail + 1).Fields())
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		line string
		e    Event
	}{
		{" 14178.103442  send        n1   MsgApp to n3 term 2 index 71 entries 1 packet 9\n",
			Event{At: 14_178_103_442, Kind: Send, Node: 1, Peer: 3, What: "MsgApp", Numbers: [NumbersMax]uint64{2, 71, 1, 0, 9}}},
		{"     0.000001  receive     n3   MsgApp from n1\n", Event{At: 1, Kind: Receive, Node: 3, Peer: 1, What: "MsgApp"}},
		{"     0.000000  crash       n4   power lost\n", Event{Kind: Crash, Node: 4, Text: "power lost"}},
		{"     0.000000  invoke      -    c5 get k1 operation 191\n", Event{Kind: Invoke, Client: 5, What: "get", Text: "k1", Numbers: [NumbersMax]uint64{191}}},
		{"     0.000000  sync        n2   /node/log/1.seg\n", Event{Kind: Disk, Node: 2, What: "sync", Text: "/node/log/1.seg", Numbers: [NumbersMax]uint64{0, 0, 77}}},
		{"     0.000000  role        n2   follower under n1 term 3\n", Event{Kind: Role, Node: 2, Peer: 1, What: "follower", Numbers: [NumbersMax]uint64{3}}},
		{"     0.000000  FAIL        -    state n2 holds another state\n", Event{Kind: Fail, What: "state", Text: "n2 holds another state"}},
	} {
		var b bytes.Buffer
		require.NoError(t, Write(&b, &c.e))
		require.Equal(t, c.line, b.String())
	}
}

// Every field but Text makes another life, and so do the order of events and a number that the kind has.
func TestHash(t *testing.T) {
	one := Event{At: 5, Kind: Send, Node: 1, Peer: 2, What: "MsgApp", Numbers: [NumbersMax]uint64{1, 2, 3}}
	sum := func(events ...Event) uint64 {
		var h Hash
		for i := range events {
			h.Add(&events[i])
		}
		return h.Sum()
	}
	seen := map[uint64]bool{0: true, sum(one): true}
	for _, change := range []func(*Event){
		func(e *Event) { e.At++ }, func(e *Event) { e.Kind = Receive }, func(e *Event) { e.Node = 3 }, func(e *Event) { e.Peer = 3 },
		func(e *Event) { e.Client = 1 }, func(e *Event) { e.What = "MsgAppResp" }, func(e *Event) { e.Numbers[4]++ },
	} {
		other := one
		change(&other)
		require.False(t, seen[sum(other)])
		seen[sum(other)] = true
		require.NotEqual(t, sum(one, other), sum(other, one))
	}
	told := one
	told.Text = "for people"
	require.Equal(t, sum(one), sum(told))
	require.Equal(t, sum(one), sum(one, Event{Kind: Raft, Text: "only made when somebody reads"}))
}

// The same numbers give the same hash on every architecture and in every version of Go.
func TestHashIsForEver(t *testing.T) {
	var h Hash
	h.Add(&Event{At: 1, Kind: Apply, Node: 2, Numbers: [NumbersMax]uint64{3, 4}})
	require.Equal(t, uint64(0x654c3513ac13f4bb), h.Sum())
}

func TestNumber(t *testing.T) {
	e := Event{Kind: State, Numbers: [NumbersMax]uint64{7, 1, 30, 29, 31}}
	require.Equal(t, uint64(30), e.Number("commit"))
	require.Zero(t, e.Number("colour"))
}

// The legend in the guide names every kind and every number.
func TestTheLegendIsComplete(t *testing.T) {
	guide, err := os.ReadFile("../../docs/simulator.md")
	require.NoError(t, err)
	_, legend, ok := strings.Cut(string(guide), "## Read a trace")
	require.True(t, ok)
	legend, _, _ = strings.Cut(legend, "\n## ")
	for k := Send; k <= Fail; k++ {
		require.Contains(t, legend, "`"+k.String()+"`")
		for _, f := range k.Fields() {
			require.Contains(t, legend, "`"+f+"`", k)
		}
	}
}
