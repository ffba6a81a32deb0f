package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]Duration{"0s": 0, "1.5s": 1_500_000_000, "20ms": 20_000_000, "1us": 1000, "999ns": 999, "60s": 60_000_000_000, "1.000000001s": 1_000_000_001} {
		got, err := ParseDuration(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text, want.String())
	}
	for _, bad := range []string{"", "s", "1", "1h", "1.5", "-1s", "1..5s", "1.0000000001s", "99999999999s", "1.xs"} {
		_, err := ParseDuration(bad)
		require.ErrorContains(t, err, "is no time", bad)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(DurationMax)).Draw(t, "d"))
		back, err := ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, back)
	})
}

// What is drawn is valid, says the same when it is read back, and is the same each time.
func TestDrawnPlansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, profile := rapid.Uint64().Draw(t, "seed"), rapid.SampledFrom(Profiles).Draw(t, "profile")
		p, err := Draw(seed, profile)
		require.NoError(t, err)
		again, err := Draw(seed, profile)
		require.NoError(t, err)
		require.Equal(t, p, again)
		b, err := Encode(p)
		require.NoError(t, err)
		back, err := Decode(b)
		require.NoError(t, err)
		twice, err := Encode(back)
		require.NoError(t, err)
		require.Equal(t, string(b), string(twice))
	})
}

func TestPlansThatAreWrongSaySo(t *testing.T) {
	for what, change := range map[string]func(*Plan){
		"nodes":          func(p *Plan) { p.Nodes = 0 },
		"version 2":      func(p *Plan) { p.Version = 2 },
		"clients":        func(p *Plan) { p.Clients.Count = ClientsMax + 1 },
		"needs a key":    func(p *Plan) { p.Operations[0] = Operation{Client: 1, Do: Put, Number: 1} },
		"unknown action": func(p *Plan) { p.Operations[0] = Operation{Client: 1, Do: "dance", Number: 1} },
		"unknown fault":  func(p *Plan) { p.Faults = []Fault{{Do: "gremlin"}} },
		"needs a node":   func(p *Plan) { p.Faults = []Fault{{Do: Crash, Node: "9"}} },
		"needs a period": func(p *Plan) { p.Faults = []Fault{{Do: Storm, Node: Any}} },
		"an operation":   func(p *Plan) { p.Faults = []Fault{{Do: DiskError, Node: Any, Nth: 1, Op: OpRecovery}} },
		"no part":        func(p *Plan) { p.Faults = []Fault{{Do: SwapDisks, Node: Any, Part: PartTail}} },
		"a peer":         func(p *Plan) { p.Faults = []Fault{{Do: SwapDisks, Node: "1", Peer: "1"}} },
		"no stays":       func(p *Plan) { p.Faults = []Fault{{Do: Wipe, Node: Any, Stays: true}} },
		"lease_reads off": func(p *Plan) {
			p.Node.LeaseReads = true
			p.Faults = []Fault{{Do: ClockJump, Node: Any, Latency: 1}}
		},
		"ppm from 1":         func(p *Plan) { p.Faults = []Fault{{Do: Lose}} },
		"number 1;":          func(p *Plan) { p.Operations[1].Number, p.Operations[0].Number = 1, 1 },
		"a tick":             func(p *Plan) { p.Node.Tick = 1 },
		"election_ticks":     func(p *Plan) { p.Node.ElectionTicks = 1 },
		"segment_bytes":      func(p *Plan) { p.Node.SegmentBytes = 1 },
		"none is below 0":    func(p *Plan) { p.Node.Inflight = -1 },
		"peer \"77\"":        func(p *Plan) { p.Faults = []Fault{{Do: OneWay, Node: Any, Peer: "77"}} },
		"peer \"leader\"":    func(p *Plan) { p.Faults = []Fault{{Do: OneWay, Node: Any, Peer: Leader}} },
		"message \"MsgFoo\"": func(p *Plan) { p.Faults = []Fault{{Do: Lose, PPM: 5, Message: "MsgFoo"}} },
		"each at most once":  func(p *Plan) { p.Faults = []Fault{{Do: Partition, Groups: [][]int{{1, 2}, {2}}}} },
		"a period of 1ns":    func(p *Plan) { p.Faults = []Fault{{Do: Flap, Node: Any, Period: 1}} },
		"0 <= least <= most": func(p *Plan) { p.Disk.SyncMin, p.Disk.SyncMax = 2, 1 },
	} {
		p, err := Draw(1, "standard")
		require.NoError(t, err)
		change(p)
		require.ErrorContains(t, p.Validate(), what)
	}
	_, err := Draw(1, "wild")
	require.ErrorContains(t, err, "unknown profile")
	_, err = Decode(nil)
	require.ErrorContains(t, err, "empty")
	_, err = Decode([]byte("version: 1\n---\nversion: 1\n"))
	require.ErrorContains(t, err, "one document")
	_, err = Decode([]byte("version: 1\nnoodles: 3\n"))
	require.ErrorContains(t, err, "noodles")
	_, err = Decode([]byte("version: 1\nsafety: soon\n"))
	require.ErrorContains(t, err, "line 2")
}
