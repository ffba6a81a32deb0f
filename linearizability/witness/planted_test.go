package witness

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// site is a correct history in which a breach is planted. Its revisions are all even, so that odd ones are free.
type site struct {
	*history.History
	r *rand.Rand
}

func newSite(r *rand.Rand, seed uint64) site {
	h := load{seed: seed, clients: 5, keys: 3, operations: 120, ticks: 8, lateTicks: 40, unknown: 5, refused: 8, stale: 15, conditional: 40}.run()
	for i := range h.Operations {
		o := &h.Operations[i]
		o.Revision, o.KeyRevision, o.Condition.Revision = 2*o.Revision, 2*o.KeyRevision, 2*o.Condition.Revision
	}
	return site{h, r}
}

// pick returns an operation that the test accepts, or none.
func (s site) pick(want func(o *history.Operation) bool) int32 {
	var all []int32
	for i := range s.Operations {
		if want(&s.Operations[i]) {
			all = append(all, int32(i))
		}
	}
	if len(all) == 0 {
		return none
	}
	return all[s.r.IntN(len(all))]
}

// writes returns the writes of a key that are done, by revision.
func (s site) writes(key string) []*history.Operation {
	var all []*history.Operation
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Key == key && o.Revision != 0 && changed(o) == certainly {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b *history.Operation) int { return int(a.Revision) - int(b.Revision) })
	return all
}

// unknown says whether a key has writes of unknown outcome.
func (s site) unknown(key string) bool {
	return slices.ContainsFunc(s.Operations, func(o history.Operation) bool { return o.Key == key && hidden(&o) })
}

// previous returns a put and the write that replaced it, both done and the key's only ones in between, such that the test
// accepts them.
func (s site) previous(key string, want func(put, after *history.Operation) bool) (put, after *history.Operation) {
	if s.unknown(key) {
		return nil, nil
	}
	all := s.writes(key)
	for n := 1; n < len(all); n++ {
		if all[n-1].Kind == history.Put && want(all[n-1], all[n]) {
			return all[n-1], all[n]
		}
	}
	return nil, nil
}

func reads(o *history.Operation) bool {
	return o.Kind == history.Get && o.Outcome == history.Done && !o.Stale && o.Revision != 0
}

func stale(o *history.Operation) bool {
	return o.Stale && o.Outcome == history.Done && o.Revision != 0
}

// old makes a read return an earlier value of its key, from before a write that the test accepts.
func (s site) old(o *history.Operation, want func(put, after *history.Operation) bool) bool {
	put, _ := s.previous(o.Key, func(put, after *history.Operation) bool {
		return after.Revision <= o.Revision && want(put, after)
	})
	if put == nil {
		return false
	}
	o.Observed, o.KeyRevision = put.Value, put.Revision
	return true
}

// planted are breaches: each function plants one and returns the operation that commits it, or none.
var planted = []struct {
	name  string
	kind  verdict.Kind
	plant func(s site) int32
}{
	{"two writes of one client have one revision", verdict.RevisionReused, func(s site) int32 {
		return s.sameRevision(func(a, b *history.Operation) bool { return a.Client == b.Client })
	}},
	{"two leaders hand out one revision", verdict.SplitBrain, func(s site) int32 {
		return s.sameRevision(func(a, b *history.Operation) bool { return a.Client != b.Client })
	}},
	{"one revision has two values", verdict.SplitBrain, func(s site) int32 {
		i := s.pick(func(o *history.Operation) bool {
			return reads(o) && o.KeyRevision != 0 && newLedger(s.History).granted(o.KeyRevision) == none
		})
		return s.again(i, func(o *history.Operation) { o.Observed = history.Of("another") })
	}},
	{"one revision has two keys", verdict.SplitBrain, func(s site) int32 {
		i := s.pick(func(o *history.Operation) bool {
			return reads(o) && o.KeyRevision != 0 && newLedger(s.History).granted(o.KeyRevision) == none
		})
		s.Operations = append(s.Operations, history.Operation{Kind: history.Put, Key: "other", Value: history.Of("w"), Return: history.Forever})
		return s.again(i, func(o *history.Operation) { o.Key, o.Observed = "other", history.Of("w") })
	}},
	{"an absent key's revision goes back", verdict.RevisionBackwards, func(s site) int32 {
		floors := newLedger(s.History).floors
		for i := range s.Operations {
			o := &s.Operations[i]
			if reads(o) && len(s.writes(o.Key)) > 0 && floors[i].revision > 2 {
				o.Key, o.Observed, o.KeyRevision, o.Revision = "never", history.Absent, 0, floors[i].revision-1
				return int32(i)
			}
		}
		return none
	}},
	{"a write's revision goes back", verdict.RevisionBackwards, func(s site) int32 {
		floors := newLedger(s.History).floors
		return s.change(func(o *history.Operation) bool {
			i := slices.IndexFunc(s.Operations, func(p history.Operation) bool { return p.Invoke == o.Invoke && p.Client == o.Client })
			if o.Kind != history.Put || o.Outcome != history.Done || floors[i].revision < 20 {
				return false
			}
			o.Key, o.Condition, o.Existed, o.Revision = "never", history.Condition{}, history.NotSaid, floors[i].revision-3
			return true
		})
	}},
	{"a read is old and says so", verdict.StaleRead, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if !reads(o) || !s.old(o, func(_, after *history.Operation) bool { return after.Kind == history.Put && after.Return < o.Invoke }) {
				return false
			}
			o.Revision = o.KeyRevision
			return true
		})
	}},
	{"a read is old at a new revision", verdict.StaleRead, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			return reads(o) && s.old(o, func(_, after *history.Operation) bool { return after.Kind == history.Put })
		})
	}},
	{"a failed condition met what was old", verdict.StaleRead, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			return o.Outcome == history.ConditionFailed && o.Condition.Kind == history.MustNotExist &&
				s.old(o, func(_, after *history.Operation) bool { return after.Kind == history.Put })
		})
	}},
	{"a deleted value comes back", verdict.ResurrectedDelete, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			return reads(o) && s.old(o, func(_, after *history.Operation) bool { return after.Kind == history.Delete })
		})
	}},
	{"a write finds a deleted key", verdict.ResurrectedDelete, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if s.unknown(o.Key) || o.Kind != history.Put || o.Existed != history.No || o.Condition.Kind != history.Always || s.before(o) == nil {
				return false
			}
			o.Existed = history.Yes
			return true
		})
	}},
	{"a write is lost to a read", verdict.LostUpdate, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if !reads(o) || !o.Observed.Present || s.unknown(o.Key) {
				return false
			}
			o.Observed, o.KeyRevision = history.Absent, 0
			return true
		})
	}},
	{"a write is lost to a write", verdict.LostUpdate, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if s.unknown(o.Key) || o.Kind != history.Put || o.Existed != history.Yes || o.Condition.Kind != history.Always {
				return false
			}
			o.Existed = history.No
			return true
		})
	}},
	{"a condition on an old revision holds", verdict.LostUpdate, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			before := s.before(o)
			if o.Kind != history.Put || o.Existed != history.Yes || before == nil || before.Condition.Kind == history.RevisionEquals || s.unknown(o.Key) {
				return false
			}
			put, _ := s.previous(o.Key, func(_, after *history.Operation) bool { return after == before })
			if put == nil {
				return false
			}
			o.Condition = history.Condition{Kind: history.RevisionEquals, Revision: put.Revision}
			return true
		})
	}},
	{"two writes follow one revision", verdict.DoubleCompareAndSet, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if o.Kind != history.Put || o.Outcome != history.ConditionFailed || o.Condition.Kind != history.RevisionEquals {
				return false
			}
			return s.rivalled(o)
		})
	}},
	{"two writes create one key", verdict.DoubleCompareAndSet, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if o.Kind != history.Put || o.Outcome != history.ConditionFailed || o.Condition.Kind != history.MustNotExist || s.unknown(o.Key) {
				return false
			}
			return s.rivalled(o)
		})
	}},
	{"a read names another write of its key", verdict.RevisionMismatch, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			all := s.writes(o.Key)
			if !reads(o) || o.KeyRevision == 0 || s.unknown(o.Key) || all[0].Kind != history.Put || all[0].Revision == o.KeyRevision {
				return false
			}
			o.Observed = all[0].Value
			return true
		})
	}},
	{"a read names a write of another key", verdict.RevisionMismatch, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			l := newLedger(s.History)
			if g := l.granted(o.KeyRevision + 2); reads(o) && o.KeyRevision != 0 && o.Revision > o.KeyRevision && g != none && s.Operations[g].Key != o.Key {
				o.KeyRevision += 2
				return true
			}
			return false
		})
	}},
	{"a read names what is newer than itself", verdict.RevisionMismatch, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if !reads(o) || o.KeyRevision == 0 {
				return false
			}
			o.KeyRevision = o.Revision + 2
			return true
		})
	}},
	{"nobody wrote the value", verdict.Phantom, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			o.KeyRevision, o.Observed = o.Revision-1, history.Of("phantom")
			return reads(o)
		})
	}},
	{"one unknown write is read under two revisions", verdict.Phantom, func(s site) int32 {
		i := s.pick(func(o *history.Operation) bool {
			return reads(o) && o.KeyRevision != 0 && newLedger(s.History).granted(o.KeyRevision) == none
		})
		return s.again(i, func(o *history.Operation) { o.KeyRevision++; o.Revision++ })
	}},
	{"the value was refused", verdict.RefusedRead, func(s site) int32 {
		refused := s.pick(func(o *history.Operation) bool { return o.Kind == history.Put && o.Outcome == history.Refused })
		return s.change(func(o *history.Operation) bool {
			if refused == none || !reads(o) || o.Key != s.Operations[refused].Key {
				return false
			}
			o.KeyRevision, o.Observed = o.Revision-1, s.Operations[refused].Value
			return true
		})
	}},
	{"a read returns what is not yet written", verdict.FutureRead, func(s site) int32 {
		return s.change(func(o *history.Operation) bool { return reads(o) && s.future(o) })
	}},
	{"a read returns what an unknown write has not yet written", verdict.FutureRead, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			u := s.pick(func(w *history.Operation) bool {
				return w.Kind == history.Put && w.Outcome == history.Unknown && w.Key == o.Key && w.Invoke > o.Return
			})
			if !reads(o) || u == none {
				return false
			}
			o.Observed, o.KeyRevision, o.Revision = s.Operations[u].Value, o.Revision+1, o.Revision+1
			return true
		})
	}},
	{"a stale read returns what is not yet written", verdict.StaleReadImpossible, func(s site) int32 {
		return s.change(func(o *history.Operation) bool { return stale(o) && s.future(o) })
	}},
	{"a stale read returns what was gone at its revision", verdict.StaleReadImpossible, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			return stale(o) && s.old(o, func(_, _ *history.Operation) bool { return true })
		})
	}},
	{"a stale read misses a write at its revision", verdict.StaleReadImpossible, func(s site) int32 {
		return s.change(func(o *history.Operation) bool {
			if !stale(o) || !o.Observed.Present || s.unknown(o.Key) {
				return false
			}
			o.Observed, o.KeyRevision = history.Absent, 0
			return true
		})
	}},
}

// change applies a change to some operation that allows it.
func (s site) change(do func(o *history.Operation) bool) int32 {
	for _, i := range s.r.Perm(len(s.Operations)) {
		was := s.Operations[i]
		if do(&s.Operations[i]) {
			return int32(i)
		}
		s.Operations[i] = was
	}
	return none
}

// again adds a changed copy of an operation.
func (s site) again(i int32, do func(o *history.Operation)) int32 {
	if i == none {
		return none
	}
	o := s.Operations[i]
	do(&o)
	s.Operations = append(s.Operations, o)
	return int32(len(s.Operations) - 1)
}

// sameRevision gives one write the revision of another.
func (s site) sameRevision(want func(a, b *history.Operation) bool) int32 {
	wrote := func(o *history.Operation) bool { return o.Revision != 0 && changed(o) == certainly }
	return s.change(func(b *history.Operation) bool {
		if !wrote(b) {
			return false
		}
		for i := range s.Operations {
			if a := &s.Operations[i]; wrote(a) && a.Revision < b.Revision && want(a, b) {
				b.Revision = a.Revision
				return true
			}
		}
		return false
	})
}

// before returns the write of the key before an operation's revision, if a done one.
func (s site) before(o *history.Operation) *history.Operation {
	var last *history.Operation
	for _, w := range s.writes(o.Key) {
		if w.Revision < o.Revision {
			last = w
		}
	}
	return last
}

// rivalled makes a failed condition hold at a free revision, if the key's newest write succeeded on the same condition.
func (s site) rivalled(o *history.Operation) bool {
	o.Revision++
	before := s.before(o)
	if before == nil || before.Condition != o.Condition {
		return false
	}
	o.Outcome, o.KeyRevision, o.Observed, o.HasObserved = history.Done, 0, history.Absent, false
	return true
}

// future makes a read return a value that is written later.
func (s site) future(o *history.Operation) bool {
	for _, w := range s.writes(o.Key) {
		if w.Kind == history.Put && w.Invoke > o.Return {
			o.Observed, o.KeyRevision, o.Revision = w.Value, w.Revision, w.Revision
			return true
		}
	}
	return false
}

func TestContractFindsWhatIsPlanted(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(7, 8))
			sites := max(4, scaled(8))
			tried := 0
			for n := 0; n < 100*sites && tried < sites; n++ {
				h := newSite(r, uint64(n)).History
				require.Empty(t, Contract(h), "before anything is planted")
				s := site{h, r}
				at := p.plant(s)
				if at == none {
					continue
				}
				tried++
				got := Contract(h)
				found := slices.ContainsFunc(got, func(c verdict.Contradiction) bool {
					return c.Kind == p.kind && slices.Contains(c.Operations, at)
				})
				require.True(t, found, "seed %d, operation %d\n%s%+v", n, at, dump(h), got)
			}
			require.Equal(t, sites, tried, "too few sites")
		})
	}
}
