package faults

import (
	"testing"

	"github.com/lockstepdb/lockstep/chaos/network"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func shape(t *rapid.T) Shape {
	return Shape{Seed: rapid.Uint64().Draw(t, "seed"), Nodes: rapid.IntRange(2, plan.NodesMax).Draw(t, "nodes"), Clients: 8, Kinds: Kinds(),
		For: plan.Duration(rapid.Int64Range(1, 90).Draw(t, "for")) * second}
}

// What is drawn is valid, is the same each time, ends in time, and says the same when it is read back.
func TestDrawnPlansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := shape(t)
		p := Draw(s)
		require.NoError(t, p.Validate())
		require.Equal(t, p, Draw(s))
		for _, f := range p.Faults {
			require.LessOrEqual(t, f.At+f.For, p.Safety)
		}
		text, err := Encode(p)
		require.NoError(t, err)
		back, err := Decode(text)
		require.NoError(t, err)
		twice, err := Encode(back)
		require.NoError(t, err)
		require.Equal(t, string(text), string(twice))
	})
}

// Each kind comes before one comes twice.
func TestEveryKindIsDealt(t *testing.T) {
	p := Draw(Shape{Seed: 1, Nodes: 3, Clients: 4, Kinds: Kinds(), For: 600 * second})
	met := map[plan.Kind]bool{}
	for _, f := range p.Faults[:len(Kinds())+5] { // those of a pair may come from the next deck
		met[f.Do] = true
	}
	for _, k := range Kinds() {
		require.True(t, met[k], k)
	}
	require.Empty(t, Draw(Shape{Seed: 1, Nodes: 3, For: 600 * second}).Faults)
}

// The simulator takes what it knows of a plan.
func TestPlansForTheSimulator(t *testing.T) {
	for seed := range uint64(10) {
		p := Draw(Shape{Seed: seed, Nodes: 2 + int(seed%6), Clients: 8, Kinds: Kinds(), For: 60 * second})
		s, left, err := p.Sim()
		require.NoError(t, err)
		require.Len(t, s.Faults, len(p.Faults)-left)
		text, err := plan.Encode(s)
		require.NoError(t, err)
		_, err = plan.Decode(text)
		require.NoError(t, err)
		for _, f := range s.Faults {
			require.Contains(t, plan.Kinds(), f.Do)
		}
	}
}

// And its plans are taken here, as they are.
func TestPlansOfTheSimulator(t *testing.T) {
	for seed := range uint64(10) {
		drawn, err := plan.Draw(seed, "standard")
		require.NoError(t, err)
		text, err := plan.Encode(drawn)
		require.NoError(t, err)
		p, err := Decode(text)
		require.NoError(t, err)
		require.Equal(t, drawn.Nodes, p.Nodes)
		require.Equal(t, drawn.Safety, p.Safety)
		require.Equal(t, drawn.Node.LeaseReads, p.Node.LeaseReads)
		require.Len(t, p.Faults, len(drawn.Faults))
		for i := range p.Faults {
			require.Equal(t, drawn.Faults[i], p.Faults[i].Fault)
		}
	}
}

func TestPlansThatAreWrongSaySo(t *testing.T) {
	const head = "version: 1\nseed: 1\nprofile: chaos\nnodes: 3\nsafety: 10s\n"
	for text, want := range map[string]string{
		head + "noodles: 3\n":                                       "noodles",
		"version: 2\nnodes: 3\nsafety: 1s\n":                        "version 2",
		"version: 1\nnodes: 9\nsafety: 1s\n":                        "nodes",
		"version: 1\nnodes: 3\n":                                    "safety",
		head + "faults:\n- {at: 1s, do: gremlin}\n":                 "unknown fault",
		head + "faults:\n- {at: 1s, do: storm}\n":                   "a period",
		head + "faults:\n- {at: 1s, do: slow}\n":                    "a latency",
		head + "faults:\n- {at: 1s, do: bandwidth}\n":               "bytes_per_second",
		head + "faults:\n- {at: 1s, do: partition}\n":               "groups",
		head + "faults:\n- {at: 1s, do: client-dies}\n":             "a client",
		head + "faults:\n- {at: 1s, do: isolate, how: badly}\n":     "how",
		head + "faults:\n- {at: 1s, do: isolate, node: somebody}\n": "somebody",
		"version: 1\nprofile: standard\nnodes: 3\nsafety: 1s\n":     "clients",
		"version: [": "plan",
	} {
		_, err := Decode([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestLists(t *testing.T) {
	all, err := Parse("all")
	require.NoError(t, err)
	require.Equal(t, Kinds(), all)
	for list, want := range map[string][]plan.Kind{
		"none":            nil,
		"pause":           {plan.Pause},
		"kill,-crash-all": {plan.Crash, Minority, plan.Storm},
		" wipe , rot":     {Wipe, Rot},
		"stop,pause,rot":  {plan.Pause, Stop, Rolling, Rot},
		"partition,-isolate,-one-way,-ring,-flap": {plan.Partition},
	} {
		kinds, err := Parse(list)
		require.NoError(t, err)
		require.ElementsMatch(t, want, kinds, list)
	}
	without, err := Parse("-disk")
	require.NoError(t, err)
	require.Len(t, without, len(Kinds())-3)
	_, err = Parse("kill,gremlin")
	require.ErrorContains(t, err, `unknown fault "gremlin"`)
}

// links are the directions between nodes that are cut.
func links(w network.Weather) map[[2]int]bool {
	cut := map[[2]int]bool{}
	for l, c := range w {
		if c.Cut {
			cut[[2]int{l.From, l.To}] = true
		}
	}
	return cut
}

func TestWhatIsCut(t *testing.T) {
	fault := func(f plan.Fault) *Fault { return &Fault{Fault: f} }
	require.Equal(t, map[[2]int]bool{{1, 2}: true, {2, 1}: true, {2, 3}: true, {3, 2}: true}, links(weatherOf(fault(plan.Fault{Do: plan.Isolate}), 2, 3)))
	require.Equal(t, map[[2]int]bool{{2, 1}: true, {2, 3}: true}, links(weatherOf(fault(plan.Fault{Do: plan.OneWay}), 2, 3)))
	require.Equal(t, map[[2]int]bool{{2, 3}: true}, links(weatherOf(fault(plan.Fault{Do: plan.OneWay, Peer: "3"}), 2, 3)))
	require.Equal(t, map[[2]int]bool{{0, 2}: true, {2, 0}: true}, links(weatherOf(fault(plan.Fault{Do: plan.ClientCut}), 2, 3)))
	halves := links(weatherOf(fault(plan.Fault{Do: plan.Partition, Groups: [][]int{{1, 2}, {3, 4}}}), 0, 5))
	require.False(t, halves[[2]int{1, 2}])
	require.True(t, halves[[2]int{2, 3}] && halves[[2]int{3, 2}])
	require.True(t, halves[[2]int{5, 1}] && halves[[2]int{4, 5}], "a node in no group is alone")

	refuse := fault(plan.Fault{Do: plan.Isolate})
	refuse.How = Refuse
	w := weatherOf(refuse, 1, 3)
	require.Empty(t, links(w))
	require.True(t, w[network.Link{From: 2, To: 1}].Refuse)
}

// In a ring everybody hears two neighbours, and of three nodes the middle one hears both.
func TestRings(t *testing.T) {
	require.Equal(t, map[[2]int]bool{{1, 3}: true, {3, 1}: true}, links(weatherOf(&Fault{Fault: plan.Fault{Do: plan.Ring}}, 0, 3)))
	for n := 4; n <= plan.NodesMax; n++ {
		cut := links(weatherOf(&Fault{Fault: plan.Fault{Do: plan.Ring}}, 0, n))
		for a := 1; a <= n; a++ {
			heard := 0
			for b := 1; b <= n; b++ {
				if a != b && !cut[[2]int{b, a}] {
					heard++
				}
			}
			require.Equal(t, 2, heard, "node %d of %d", a, n)
		}
	}
}
