package timeline

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/sim/trace"
)

func collect(most int, events []trace.Event) *Collector {
	c := &Collector{most: most}
	for i := range events {
		e := events[i]
		c.Add(&e)
		e = trace.Event{} // the event is the collector's no longer
	}
	return c
}

func TestCollectorKeepsAllThereIsRoomFor(t *testing.T) {
	var events []trace.Event
	for i := range 10 {
		events = append(events, trace.Event{At: int64(i), Kind: trace.Raft})
	}
	for _, most := range []int{10, 11, 0} {
		c := collect(most, events)
		require.Equal(t, events, c.Events())
		require.Zero(t, c.Missing())
	}
}

func TestCollectorKeepsTheLastEventsAndWhatHolds(t *testing.T) {
	events := []trace.Event{
		{At: 0, Kind: trace.Start, Node: 1},
		{At: 1, Kind: trace.State, Node: 1, Numbers: [6]uint64{1}},
		{At: 2, Kind: trace.Fault, What: "lose", Numbers: [6]uint64{0}},
		{At: 3, Kind: trace.Fault, What: "slow", Numbers: [6]uint64{1}},
		{At: 4, Kind: trace.Invoke, Client: 1, Numbers: [6]uint64{7}},
		{At: 5, Kind: trace.Heal, What: "lose", Numbers: [6]uint64{0}},
		{At: 6, Kind: trace.State, Node: 1, Numbers: [6]uint64{2}},
		{At: 7, Kind: trace.Invoke, Client: 1, Numbers: [6]uint64{8}},
		{At: 8, Kind: trace.Send, Node: 1, Peer: 2},
		{At: 9, Kind: trace.Return, Client: 1, Numbers: [6]uint64{7}},
		{At: 10, Kind: trace.Send, Node: 1, Peer: 2},
		{At: 11, Kind: trace.Send, Node: 1, Peer: 2},
		{At: 12, Kind: trace.Fail},
	}
	c := collect(3, events)
	var at []int64
	for _, e := range c.Events() {
		at = append(at, e.At)
	}
	require.Equal(t, []int64{0, 3, 6, 7, 10, 11, 12}, at)
	require.EqualValues(t, 6, c.Missing())
}

func TestCollectorOfAWholeLifeIsBounded(t *testing.T) {
	in := lived(t, 5, 20e9)
	c := collect(500, in.Events)
	kept := c.Events()
	require.Less(t, len(kept), 700)
	require.EqualValues(t, len(in.Events)-len(kept), c.Missing())
	require.Equal(t, in.Events[len(in.Events)-500:], kept[len(kept)-500:])
	require.Equal(t, stateOf(in.Events, in.Plan.Nodes), stateOf(kept, in.Plan.Nodes), "where the nodes stand in the end does not depend on what was left out")
}
