package witness

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// tally counts keys.
type tally struct{ keys, accepted, unprepared int }

// judgeKeys runs Key on every key, and replays each order that it accepts.
func (c *tally) judgeKeys(t *testing.T, h *history.History) {
	spec := model.Key{Initial: h.Origin.Initial, Contract: h.Origin.Revisions == history.Contract}
	for _, part := range h.Partitions() {
		p, err := model.Prepare(h, part.Operations)
		if err != nil {
			c.unprepared++
			continue
		}
		c.keys++
		order, ok := Key(spec, p.Ops)
		if !ok {
			continue
		}
		c.accepted++
		require.NoError(t, spec.Replay(p.Ops, order), "%s", dump(h))
	}
}

func TestKeyAcceptsACorrectStore(t *testing.T) {
	for _, c := range []struct {
		name  string
		share float64 // of the keys that Key must accept at least
		set   func(l *load)
	}{
		{"lockstep", 0.9999, func(l *load) { l.rich, l.repeated, l.mute, l.initial = false, false, 0, history.Absent }},
		{"failed conditions do not tell the value", 0.99, func(l *load) {
			l.rich, l.repeated, l.mute, l.initial, l.blindFailures = false, false, 0, history.Absent, true
		}},
		{"some clients act on stale reads", 0.995, func(l *load) { l.rich, l.repeated, l.mute = false, false, 0 }},
		{"values repeat", 0.99, func(l *load) { l.rich, l.repeated, l.mute = false, true, 0 }},
		{"appends and compare-and-set", 0.98, func(l *load) { l.rich, l.repeated, l.mute = true, false, 0 }},
		{"deletes do not tell", 0.95, func(l *load) { l.rich, l.repeated, l.mute = true, false, 0 }},
		{"results that tell little", 0.5, func(l *load) { l.repeated, l.mute = false, 40 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(5, 6))
			var count tally
			for n := range scaled(800) {
				l := randomLoad(r, uint64(n))
				l.blindFailures = false
				c.set(&l)
				h := l.run()
				h.Origin.Revisions = []history.Revisions{history.Hints, history.Contract}[n%2]
				if c.name == "deletes do not tell" {
					silence(h)
				}
				count.judgeKeys(t, h)
			}
			t.Logf("%+v", count)
			require.GreaterOrEqual(t, float64(count.accepted), c.share*float64(count.keys))
		})
	}
}

// silence makes deletes not say whether they found the key.
func silence(h *history.History) {
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Kind == history.Delete {
			o.Existed = history.NotSaid
		}
	}
}

// TestKeyAcceptsOnlyWhatReplays judges histories that need not have an order.
func TestKeyAcceptsOnlyWhatReplays(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var count tally
	for n := range scaled(8000) {
		h := smallLoad(r, uint64(n)).run()
		h.Origin.Revisions = []history.Revisions{history.Hints, history.Contract}[n%2]
		mutate(r, h)
		count.judgeKeys(t, h)
	}
	t.Logf("%+v", count)
	require.Greater(t, count.accepted, count.keys/10)
	require.Less(t, count.accepted, count.keys*9/10)
}

func TestKey(t *testing.T) {
	loose := func(o history.Operation) history.Operation { o.Revision, o.KeyRevision = 0, 0; return o }
	for _, c := range []struct {
		name  string
		b     *builder
		order []int32 // nil: not accepted
	}{
		{"by revision, against time", contract().add(1, put("v1", 7)).at(1, 9).add(2, put("v2", 3)).at(2, 9).add(3, get("v1", 7, 7)).at(3, 9), []int32{1, 0, 2}},
		{"reads of one revision stand by invocation", contract().add(1, get("v1", 5, 5)).at(3, 9).add(2, get("v1", 5, 5)).at(2, 9).add(3, put("v1", 5)).at(1, 9), []int32{2, 1, 0}},
		{"real time counts", contract().add(1, put("v1", 7)).at(1, 2).add(2, put("v2", 3)).at(3, 4), nil},
		{"to touch is to overlap", contract().add(1, put("v1", 7)).at(1, 3).add(2, put("v2", 3)).at(3, 4), []int32{1, 0}},
		{"values count", contract().add(1, put("v1", 7)).add(2, get("v2", 7, 7)), nil},
		{"conditions count", contract().add(1, put("v1", 7)).add(2, when(put("v2", 8), ifAbsent)), nil},
		{"an unknown write that was read", contract().add(1, lost(put("v1", 0))).add(2, get("v1", 5, 6)).add(3, put("v2", 8)), []int32{0, 1, 2}},
		{"an unknown write that nobody saw", contract().add(1, lost(put("v1", 0))).add(2, nothing(6)), []int32{1}},
		{"an unknown write that a write met", contract().add(1, lost(put("v1", 0))).add(2, existed(put("v2", 6), history.Yes)), []int32{0, 1}},
		{"an unknown delete between", contract().add(1, put("v1", 4)).add(2, lost(del(0))).add(2, lost(del(0))).add(3, nothing(6)), []int32{0, 1, 3}},
		{"unknown deletes, the particular one first", contract().add(1, put("v1", 4)).add(2, lost(del(0))).add(2, lost(when(del(0), ifRevision(4)))).add(3, nothing(6)).
			add(1, put("v2", 7)).add(3, nothing(9)), []int32{0, 2, 3, 4, 1, 5}},
		{"unknown deletes, the particular one too late", contract().add(1, put("v1", 4)).add(2, lost(del(0))).add(3, nothing(6)).add(2, lost(when(del(0), ifRevision(4)))), []int32{0, 1, 2}},
		{"an unknown delete that came later", contract().add(1, put("v1", 4)).add(3, nothing(6)).add(2, lost(del(0))), nil},
		{"an unknown delete within", contract().add(1, put("v1", 4)).add(3, nothing(6)).at(20, 40).add(2, lost(del(0))), []int32{0, 2, 1}},
		{"an unknown delete below an unknown write", contract().add(1, put("v1", 4)).add(2, lost(del(0))).add(1, lost(when(put("v2", 0), ifAbsent))).add(3, get("v2", 8, 8)), []int32{0, 1, 2, 3}},
		{"a read without any revision", contract().add(1, put("v1", 4)).add(2, loose(get("v1", 0, 0))).add(1, put("v2", 5)), []int32{0, 1, 2}},
		{"a read without any revision, misfit", contract().add(1, put("v1", 4)).add(1, put("v2", 5)).add(2, loose(get("v1", 0, 0))), nil},
		{"nothing found without any revision", contract().add(2, nothing(0)).add(1, put("v1", 4)).add(1, del(5)).add(2, nothing(0)), []int32{0, 1, 2, 3}},
		{"reads without any revision wait for each other", contract().add(1, put("v2", 4)).at(1, 50).add(1, put("v1", 5)).at(2, 50).add(1, put("v2", 6)).at(3, 50).
			add(2, loose(get("v1", 0, 0))).at(20, 21).add(2, loose(get("v2", 0, 0))).at(22, 23), []int32{0, 1, 3, 2, 4}},
		{"a write without revision", contract().add(1, put("v1", 0)), nil},
		{"a delete that found nothing", contract().add(1, put("v1", 4)).add(1, del(5)).add(2, nothing(5)).add(3, existed(del(5), history.No)), []int32{0, 1, 2, 3}},
		{"a delete that does not tell and found nothing", contract().add(1, put("v1", 4)).add(1, del(5)).add(2, nothing(6)).add(3, existed(del(6), history.NotSaid)), []int32{0, 1, 2, 3}},
		{"a transaction", contract().add(1, history.Operation{Kind: history.Transact, Outcome: history.Done, Revision: 3}), nil},
		{"a revision beyond all bounds", contract().add(1, put("v1", 1<<63)), nil},
		{"nothing at all", contract(), []int32{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &c.b.h
			h.Origin.Revisions = history.Hints
			all := make([]int32, len(h.Operations))
			for i := range all {
				all[i] = int32(i)
			}
			p, err := model.Prepare(h, all)
			require.NoError(t, err)
			order, ok := Key(model.Key{}, p.Ops)
			require.Equal(t, c.order != nil, ok)
			if ok {
				require.Equal(t, c.order, order)
				require.NoError(t, model.Key{}.Replay(p.Ops, order))
			}
		})
	}
}

// TestKeyGivesUpInTime has a key on which every place could try every spare operation.
func TestKeyGivesUpInTime(t *testing.T) {
	b := contract()
	for range 20000 {
		b.add(1, lost(when(del(0), ifRevision(1<<40))))
	}
	b.add(1, put("v1", 4)).add(2, nothing(6))
	ops := make([]model.Op, 0, len(b.h.Operations))
	for i := range b.h.Operations {
		ops = append(ops, model.Op{Operation: &b.h.Operations[i], Wrote: b.h.Operations[i].Revision})
	}
	p, ok := byRevision.arrange(ops)
	require.True(t, ok)
	w := walk{ops: ops, plan: p, state: model.State{}, latest: -1, probes: 100}
	require.False(t, w.run())
	require.Equal(t, -1, w.probes, "it stops when the probes are used up")
}
