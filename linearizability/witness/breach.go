package witness

import (
	"cmp"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// breachesMax bounds the breaches that Contract returns. A broken store breaks its promises thousands of times, and a hundred
// tell the story.
const breachesMax = 100

// breaches gathers what was found: one breach for each accused operation.
type breaches struct {
	history *history.History
	found   []breach
	accused map[int32]bool
	blame   map[int32]bool
}

// breach is a contradiction and the time at which the last of its operations returned, or was invoked if it never did.
type breach struct {
	complete int64
	accused  int32
	verdict.Contradiction
}

// accuse adds a breach, unless the operation is accused already. others are the operations that refute it; none and
// repetitions among them do not count.
func (b *breaches) accuse(kind verdict.Kind, op int32, sentence string, others ...int32) {
	if b.accusedOf(op) {
		return
	}
	b.excuse(op)
	ops := append([]int32{op}, others...)
	ops = slices.DeleteFunc(ops, func(i int32) bool { return i == none })
	slices.Sort(ops)
	ops = slices.Compact(ops)
	one := breach{accused: op, Contradiction: verdict.Contradiction{Kind: kind, Operations: ops, Sentence: sentence}}
	for _, i := range ops {
		o := &b.history.Operations[i]
		if one.complete = max(one.complete, o.Invoke); o.Return != history.Forever {
			one.complete = max(one.complete, o.Return)
		}
	}
	b.found = append(b.found, one)
	if len(b.found) >= 8*breachesMax {
		b.cut()
	}
}

// cut keeps the first breaches.
func (b *breaches) cut() {
	slices.SortFunc(b.found, func(x, y breach) int {
		return cmp.Or(cmp.Compare(x.complete, y.complete), cmp.Compare(x.accused, y.accused))
	})
	b.found = b.found[:min(len(b.found), breachesMax)]
}

// accusedOf says whether an operation is accused, or excused from being so.
func (b *breaches) accusedOf(op int32) bool { return b.accused[op] }

// excuse keeps an operation from being accused: what is wrong with it is told.
func (b *breaches) excuse(op int32) {
	if b.accused == nil {
		b.accused = map[int32]bool{}
	}
	b.accused[op] = true
}

// blamed says whether an operation was asked about before. A revision that is too high by mistake makes all later ones look
// old; one breach tells of it.
func (b *breaches) blamed(op int32) bool {
	if b.blame == nil {
		b.blame = map[int32]bool{}
	}
	was := b.blame[op]
	b.blame[op] = true
	return was
}

func (b *breaches) contradictions() []verdict.Contradiction {
	b.cut()
	var all []verdict.Contradiction
	for _, one := range b.found {
		all = append(all, one.Contradiction)
	}
	return all
}
