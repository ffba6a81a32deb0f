package model

import "github.com/lockstepdb/lockstep/linearizability/history"

// Prepared is a partition ready for checking.
type Prepared struct {
	Ops []Op
	// Index leads back: Ops[i] is History.Operations[Index[i]].
	Index []int32
	// Guess is set when several operations may have written a revision that somebody met or that a condition asks for, so that one of them
	// was chosen, or none: an order that is found is a proof all the same, but that none is found proves nothing. It says which revision.
	Guess string
}

// Prepare selects the operations of a partition that constrain, and finds out the revisions of writes of unknown outcome that
// somebody met. The error is always nil; PrepareStore has some.
func Prepare(h *history.History, indices []int32) (Prepared, error) {
	p := Prepared{Ops: make([]Op, 0, len(indices)), Index: make([]int32, 0, len(indices))}
	unknown, asks := false, false
	for _, i := range indices {
		o := &h.Operations[i]
		if !o.Constrains() {
			continue
		}
		op := Op{Operation: o}
		if o.Outcome == history.Done && o.Writes() {
			op.Wrote = o.Revision
		}
		unknown = unknown || o.Outcome == history.Unknown
		asks = asks || o.Condition.Kind == history.RevisionEquals
		p.Ops = append(p.Ops, op)
		p.Index = append(p.Index, i)
	}
	if unknown && h.Origin.Revisions != history.NoRevisions {
		p.resolve(h.Origin.Initial)
	}
	if asks {
		p.doubt(h.Origin.Initial)
	}
	return p, nil
}
