package linearizability

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// miss is a result of a transaction that is older than another one which was done before it was asked. That alone is a
// contradiction: revisions only grow, over the whole store and for each key.
type miss struct {
	result, missed int32 // indices into the prepared operations
}

// newest are the operations with the newest revisions among those that are done.
type newest struct {
	any   int32 // -1: none
	byKey map[string]int32
}

// firstMiss returns the miss of the transaction that was asked first.
func firstMiss(ops []model.Op) (miss, bool) {
	var done, asked []int32
	for i := range ops {
		if tells(&ops[i]) {
			done, asked = append(done, int32(i)), append(asked, int32(i))
		}
	}
	slices.SortStableFunc(done, func(a, b int32) int { return cmp.Compare(ops[a].Return, ops[b].Return) })
	slices.SortStableFunc(asked, func(a, b int32) int { return cmp.Compare(ops[a].Invoke, ops[b].Invoke) })
	seen := newest{any: -1, byKey: map[string]int32{}}
	for _, i := range asked {
		for ; len(done) > 0 && ops[done[0]].Return < ops[i].Invoke; done = done[1:] {
			seen.add(ops, done[0])
		}
		if m, ok := seen.missedBy(ops, i); ok {
			return m, true
		}
	}
	return miss{}, false
}

// tells says that an operation has a result with the revision at which it was evaluated.
func tells(o *model.Op) bool {
	t := o.Transaction
	return o.Outcome != history.Unknown && t.Answered && t.Failure == history.NoFailure && t.Kind == history.Steps && o.Revision != 0
}

func (n *newest) add(ops []model.Op, i int32) {
	if n.any < 0 || ops[i].Revision > ops[n.any].Revision {
		n.any = i
	}
	for _, key := range written(&ops[i]) {
		if j, there := n.byKey[key]; !there || ops[i].Revision > ops[j].Revision {
			n.byKey[key] = i
		}
	}
}

// missedBy returns what a result is older than. A key that it shows says more than the revision of the store.
func (n *newest) missedBy(ops []model.Op, i int32) (miss, bool) {
	o := &ops[i]
	for _, p := range shown(o) {
		if w, there := n.byKey[p.Key]; there && p.Revision != 0 && uint64(p.Revision) < ops[w].Revision {
			return miss{i, w}, true
		}
	}
	if n.any < 0 || ops[n.any].Revision <= o.Revision {
		return miss{}, false
	}
	m := miss{i, n.any}
	// The revision may come from a read. A write says what is missing.
	for w := range ops {
		x := &ops[w]
		if !tells(x) || x.Return >= o.Invoke || x.Revision <= o.Revision || len(written(x)) == 0 {
			continue
		}
		best := &ops[m.missed]
		if len(written(best)) == 0 || x.Revision < best.Revision {
			m.missed = int32(w)
		}
	}
	return m, true
}

// written returns the keys that an operation certainly wrote; for a deletion of several its first key, which stands for them.
func written(o *model.Op) []string {
	var keys []string
	for i, s := range o.Transaction.Ran() {
		if s.Kind == history.Put || s.Kind == history.Delete && i < len(o.Transaction.Results) && o.Transaction.Results[i].Deleted > 0 {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// shown returns the pairs that an operation read at the present.
func shown(o *model.Op) []history.Pair {
	var pairs []history.Pair
	for i, s := range o.Transaction.Ran() {
		if s.Kind == history.Get && s.Revision == 0 && i < len(o.Transaction.Results) {
			pairs = append(pairs, o.Transaction.Results[i].Pairs...)
		}
	}
	return pairs
}

// missSentence explains a violation by a miss.
func (k *keyCheck) missSentence(m miss) verdict.Contradiction {
	o, w := &k.p.Ops[m.result], &k.p.Ops[m.missed]
	why := verdict.Contradiction{Kind: verdict.RevisionBackwards, Operations: []int32{k.p.Index[m.result], k.p.Index[m.missed]}}
	slices.Sort(why.Operations)
	asked, by := k.h.ClientName(o.Client), k.h.ClientName(w.Client)
	if len(written(w)) == 0 {
		why.Sentence = fmt.Sprintf("%s, but %s by %s had shown revision %d before %s asked", k.got(o), w.Call(), by, w.Revision, asked)
		return why
	}
	if len(written(o)) == 0 {
		why.Kind = verdict.StaleRead
	}
	why.Sentence = fmt.Sprintf("%s, which misses %s by %s (revision %d), done before %s asked", k.got(o), w.Call(), by, w.Revision, asked)
	return why
}

// got tells an operation with its result: "get a by client 1 (revision 3) returned a=2 at revision 2".
func (k *keyCheck) got(o *model.Op) string {
	text := o.Call() + " by " + k.h.ClientName(o.Client)
	if o.Revision != 0 {
		text += fmt.Sprintf(" (revision %d)", o.Revision)
	}
	if result := o.Result(); result != "done" {
		return text + " returned " + result
	}
	return text + " was done"
}
