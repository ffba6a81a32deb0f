package shrink

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fake lives nothing: a plan fails if it says so. It takes some lives ahead of those that it judges, as a pool does.
func fake(ahead int, fails func(*plan.Plan) *fleet.Failure) Lives {
	return func(ctx context.Context, lives iter.Seq[fleet.Life]) iter.Seq2[fleet.Report, error] {
		return func(yield func(fleet.Report, error) bool) {
			next, stop := iter.Pull(lives)
			defer stop()
			var waiting []fleet.Life
			for {
				for len(waiting) < ahead {
					l, ok := next()
					if !ok {
						break
					}
					waiting = append(waiting, l)
				}
				if len(waiting) == 0 {
					return
				}
				r, err := judged(ctx, waiting[0], fails)
				waiting = waiting[1:]
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

func judged(ctx context.Context, l fleet.Life, fails func(*plan.Plan) *fleet.Failure) (fleet.Report, error) {
	if ctx.Err() != nil {
		return fleet.Report{}, ctx.Err()
	}
	p := l.Plan
	if err := p.Validate(); err != nil {
		return fleet.Report{}, err
	}
	r := fleet.Report{Seed: p.Seed, Failure: fails(p)}
	if l.Hits {
		for i, f := range p.Faults {
			r.Hits = append(r.Hits, fleet.Hit{Fault: i, Node: 1, At: int64(f.At)})
		}
	}
	return r, nil
}

// small draws a plan that is lived, or not lived, quickly.
func small(t *rapid.T) *plan.Plan {
	p, err := plan.Draw(rapid.Uint64().Draw(t, "seed"), "standard")
	require.NoError(t, err)
	p.Operations = p.Operations[:rapid.IntRange(0, 12).Draw(t, "operations")]
	p.Faults = p.Faults[:min(len(p.Faults), rapid.IntRange(0, 8).Draw(t, "faults"))]
	return p
}

// needs is what a made-up bug takes to show.
type needs struct {
	faults              map[plan.Kind]int // at least so many of each
	puts, clients       int
	nodes               int
	loss, duplicates    bool
	pipeline, heartbeat int
}

func (n *needs) met(p *plan.Plan) bool {
	count := map[plan.Kind]int{}
	for _, f := range p.Faults {
		count[f.Do]++
	}
	for k, least := range n.faults {
		if count[k] < least {
			return false
		}
	}
	puts, clients := 0, map[int]bool{}
	for _, o := range p.Operations {
		if o.Do == plan.Put {
			puts++
			clients[o.Client] = true
		}
	}
	return puts >= n.puts && len(clients) >= n.clients && p.Nodes >= n.nodes && p.Clients.Pipeline >= n.pipeline && p.Node.HeartbeatTicks >= n.heartbeat &&
		(!n.loss || p.Network.LossPPM > 0) && (!n.duplicates || p.Network.DuplicatePPM > 0)
}

// drawNeeds draws what a plan has.
func drawNeeds(t *rapid.T, p *plan.Plan) *needs {
	n := &needs{faults: map[plan.Kind]int{}, nodes: rapid.IntRange(1, p.Nodes).Draw(t, "nodes")}
	for _, f := range p.Faults {
		if f.Do != plan.Storm && f.Do != plan.Flap && rapid.IntRange(0, 3).Draw(t, "needed") == 0 {
			n.faults[f.Do]++
		}
	}
	puts, clients := 0, map[int]bool{}
	for _, o := range p.Operations {
		if o.Do == plan.Put {
			puts++
			clients[o.Client] = true
		}
	}
	n.puts, n.clients = rapid.IntRange(0, puts).Draw(t, "puts"), rapid.IntRange(0, len(clients)).Draw(t, "clients")
	n.loss = p.Network.LossPPM > 0 && rapid.Bool().Draw(t, "loss")
	n.pipeline = rapid.IntRange(1, p.Clients.Pipeline).Draw(t, "pipeline")
	n.heartbeat = rapid.IntRange(1, p.Node.HeartbeatTicks).Draw(t, "heartbeat")
	return n
}

func failing(fails func(*plan.Plan) bool) func(*plan.Plan) *fleet.Failure {
	return func(p *plan.Plan) *fleet.Failure {
		if fails(p) {
			return &fleet.Failure{Kind: "state", Message: "it shows"}
		}
		return nil
	}
}

// What a made-up bug needs is left, and nothing else.
func TestWhatIsNeededIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := small(t)
		n := drawNeeds(t, p)
		before := keyOf(p)
		r, err := Shrink(t.Context(), p, fake(rapid.IntRange(1, 5).Draw(t, "ahead"), failing(n.met)), Options{})
		require.NoError(t, err)
		require.True(t, r.Minimal)
		got, want := map[plan.Kind]int{}, n.faults
		for _, f := range r.Plan.Faults {
			got[f.Do]++
			require.True(t, f.Node == "" || f.Node.Node() > 0, "%v has no fixed target", f)
			require.Zero(t, f.For)
			require.LessOrEqual(t, f.Nth, 1)
		}
		require.Equal(t, want, got)
		require.Len(t, r.Plan.Operations, max(n.puts, n.clients))
		require.Equal(t, max(1, n.clients), r.Plan.Clients.Count)
		require.Equal(t, n.nodes, r.Plan.Nodes)
		require.Zero(t, r.Plan.Spares)
		require.Equal(t, n.loss, r.Plan.Network.LossPPM > 0)
		require.Zero(t, r.Plan.Network.DuplicatePPM)
		if n.pipeline > 1 {
			require.Equal(t, p.Clients.Pipeline, r.Plan.Clients.Pipeline)
		}
		require.Zero(t, r.Plan.Safety)
		require.Equal(t, livenessMin, r.Plan.Liveness)
		for i, o := range r.Plan.Operations {
			require.Equal(t, i+1, o.Number)
			require.Equal(t, "k1", o.Key)
		}
		require.Equal(t, before, keyOf(p), "the plan that was given has changed")
	})
}

// A failure that comes and goes at random, like most: what is left still fails, and without any one thing it does not.
func TestNothingMoreCanGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, salt, share := small(t), rapid.Uint64().Draw(t, "salt"), rapid.Uint64Range(2, 6).Draw(t, "share")
		whole := keyOf(p)
		fails := func(p *plan.Plan) bool { return keyOf(p) == whole || (keyOf(p)^salt)%share == 0 }
		r, err := Shrink(t.Context(), p, fake(3, failing(fails)), Options{})
		require.NoError(t, err)
		require.True(t, r.Minimal)
		require.True(t, fails(r.Plan))
		for _, smaller := range oneLess(r.Plan) {
			if smaller.Validate() == nil {
				require.False(t, fails(smaller))
			}
		}
		again, err := Shrink(t.Context(), p, fake(1, failing(fails)), Options{})
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

// oneLess returns the plans from which one thing is gone.
func oneLess(p *plan.Plan) (all []*plan.Plan) {
	for i := range p.Faults {
		all = append(all, changed(p, func(p *plan.Plan) { p.Faults = slices.Delete(p.Faults, i, i+1) }))
	}
	for i := range p.Operations {
		all = append(all, changed(p, func(p *plan.Plan) { p.Operations = slices.Delete(p.Operations, i, i+1) }))
	}
	for n := 1; n <= p.Nodes+p.Spares; n++ {
		all = append(all, withoutNode(p, n, 0))
	}
	for c := 1; c <= p.Clients.Count; c++ {
		all = append(all, withoutClient(p, c, 0))
	}
	return all
}

func drawn(t *testing.T, seed uint64) *plan.Plan {
	t.Helper()
	p, err := plan.Draw(seed, "standard")
	require.NoError(t, err)
	return p
}

// A failure of another kind does not count.
func TestTheWayItFailsStays(t *testing.T) {
	p := drawn(t, 3)
	p.Operations = p.Operations[:30]
	all := len(p.Operations)
	lives := fake(2, func(p *plan.Plan) *fleet.Failure {
		switch {
		case len(p.Faults) == 0:
			return &fleet.Failure{Kind: "state"}
		case len(p.Operations) < all:
			return &fleet.Failure{Kind: "linearizability", Contradiction: "lost-update"}
		}
		return &fleet.Failure{Kind: "linearizability", Contradiction: "stale-read"}
	})
	r, err := Shrink(t.Context(), p, lives, Options{})
	require.NoError(t, err)
	require.Len(t, r.Plan.Faults, 1)
	require.Len(t, r.Plan.Operations, all)
	require.Equal(t, "stale-read", r.Report.Failure.Contradiction)
}

// What comes after the failure goes first, with the time for it.
func TestTheRestIsCutOff(t *testing.T) {
	p := drawn(t, 3)
	r, err := Shrink(t.Context(), p, fake(1, func(p *plan.Plan) *fleet.Failure { return &fleet.Failure{Kind: "state", At: 10_000_500_000} }), Options{Tries: 4})
	require.NoError(t, err)
	require.Equal(t, plan.Duration(10_001_000_000), r.Plan.Safety)
	require.NotEmpty(t, r.Plan.Operations)
	for _, o := range r.Plan.Operations {
		require.Less(t, o.At, 10*second+millisecond)
	}
	require.False(t, r.Minimal)
}

// Where a plan without something passes under its own seed, others are tried.
func TestOtherSeeds(t *testing.T) {
	p := drawn(t, 3)
	lives := fake(2, failing(func(c *plan.Plan) bool { return c.Seed == 2 || c.Seed == p.Seed && len(c.Faults) == len(p.Faults) }))
	r, err := Shrink(t.Context(), p, lives, Options{})
	require.NoError(t, err)
	require.Len(t, r.Plan.Faults, len(p.Faults))
	r, err = Shrink(t.Context(), p, lives, Options{Seeds: 2})
	require.NoError(t, err)
	require.Empty(t, r.Plan.Faults)
	require.EqualValues(t, 2, r.Plan.Seed)
	require.True(t, r.Minimal)
}

// A fault that is too short to do anything but shift what the rest meets goes, if any of many seeds can do without it.
func TestAFaultThatHardlyLasts(t *testing.T) {
	lives := fake(2, failing(func(c *plan.Plan) bool { return c.Seed == 4*slightSeeds || len(c.Faults) > 0 }))
	r, err := Shrink(t.Context(), drawn(t, 3), lives, Options{Seeds: 4})
	require.NoError(t, err)
	require.Empty(t, r.Plan.Faults)
	r, err = Shrink(t.Context(), drawn(t, 3), lives, Options{Seeds: 3})
	require.NoError(t, err)
	require.Len(t, r.Plan.Faults, 1)
	require.True(t, r.Minimal)
}

func TestBounds(t *testing.T) {
	always := failing(func(*plan.Plan) bool { return true })
	var told []Progress
	o := Options{Tries: 3, Progress: func(p Progress) { told = append(told, p) }}
	r, err := Shrink(t.Context(), drawn(t, 3), fake(4, always), o)
	require.NoError(t, err)
	require.Equal(t, 3, r.Tries)
	require.False(t, r.Minimal)
	require.Len(t, told, 3)
	require.Equal(t, r.Plan, told[2].Plan)

	// What was reached when the time is over counts.
	ctx, cancel := context.WithCancel(t.Context())
	o = Options{Progress: func(p Progress) {
		if len(p.Plan.Faults) == 0 {
			cancel()
		}
	}}
	r, err = Shrink(ctx, drawn(t, 3), fake(4, always), o)
	require.NoError(t, err)
	require.Empty(t, r.Plan.Faults)
	require.NotEmpty(t, r.Plan.Operations)
	require.False(t, r.Minimal)
}

func TestWhatCannotBeShrunk(t *testing.T) {
	_, err := Shrink(t.Context(), drawn(t, 3), fake(1, failing(func(*plan.Plan) bool { return false })), Options{})
	require.ErrorIs(t, err, ErrPasses)
	broken := func(context.Context, iter.Seq[fleet.Life]) iter.Seq2[fleet.Report, error] {
		return func(yield func(fleet.Report, error) bool) { yield(fleet.Report{}, errors.New("no paper")) }
	}
	_, err = Shrink(t.Context(), drawn(t, 3), broken, Options{})
	require.EqualError(t, err, "no paper")
}

// Taking a node away names the others anew, wherever they are named.
func TestANodeLess(t *testing.T) {
	p := drawn(t, 1)
	p.Nodes, p.Spares = 3, 1
	p.Faults = []plan.Fault{
		{Do: plan.Crash, Node: "2"}, {Do: plan.Crash, Node: "3"}, {Do: plan.OneWay, Node: "1", Peer: "2"}, {Do: plan.OneWay, Node: "4", Peer: "1"},
		{Do: plan.Partition, Groups: [][]int{{1, 2}, {3, 4}}}, {Do: plan.Crash, Node: plan.Leader},
	}
	p.Operations = []plan.Operation{{Client: 1, Do: plan.Remove, Node: 2, Number: 1}, {Client: 1, Do: plan.AddMember, Node: 4, Number: 2}, {Client: 1, Do: plan.Put, Key: "k", Number: 3}}
	c := withoutNode(p, 2, 0)
	require.NoError(t, c.Validate())
	require.Equal(t, []plan.Fault{
		{Do: plan.Crash, Node: "2"}, {Do: plan.OneWay, Node: "3", Peer: "1"}, {Do: plan.Partition, Groups: [][]int{{1}, {2, 3}}}, {Do: plan.Crash, Node: plan.Leader},
	}, c.Faults)
	require.Equal(t, []plan.Operation{{Client: 1, Do: plan.AddMember, Node: 3, Number: 2}, {Client: 1, Do: plan.Put, Key: "k", Number: 3}}, c.Operations)
	require.Equal(t, [2]int{2, 1}, [2]int{c.Nodes, c.Spares})
	require.Equal(t, [2]int{3, 0}, [2]int{withoutNode(p, 4, 0).Nodes, withoutNode(p, 4, 0).Spares})
	require.Equal(t, [][]int{{1, 2}, {3, 4}}, p.Faults[4].Groups)

	// Another one suffers what it did.
	c = withoutNode(p, 2, 1)
	require.NoError(t, c.Validate())
	require.Equal(t, []plan.Fault{
		{Do: plan.Crash, Node: "1"}, {Do: plan.Crash, Node: "2"}, {Do: plan.OneWay, Node: "1", Peer: "1"}, {Do: plan.OneWay, Node: "3", Peer: "1"},
		{Do: plan.Partition, Groups: [][]int{{1}, {2, 3}}}, {Do: plan.Crash, Node: plan.Leader},
	}, c.Faults)
	require.Equal(t, 1, c.Operations[0].Node)
}
