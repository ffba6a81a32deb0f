// Package witness is the first tier: where results carry revisions it orders the operations by them and verifies the order.
//
// Start with Key, which decides one key or nothing, and with Contract for a store that promises its revisions.
//
// # Model
//
// A revision is a hint. A write stands at the revision that it was given. A result that changed nothing stands behind the
// newest write that it can have seen. Operations of unknown outcome stand where somebody read what they wrote; one that
// nobody is known to have read is used only where a result does not fit without it.
//
// # Guarantees
//
// Key verifies what it returns in full, as model.Key.Replay does: values, conditions and real time. Its yes is a proof and
// its no says nothing. Contract accuses only if no correct store could have given these results, whatever the operations of
// unknown outcome did; it does not find every breach. Both take O(n log n) time for n operations.
package witness

import (
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// Key orders one key's operations by their revisions and verifies the order. ok means that the order, as indices into ops, is
// a linearization; false decides nothing.
func Key(spec model.Key, ops []model.Op) (order []int32, ok bool) {
	for _, by := range []rule{byRevision, byWrite} {
		p, ok := by.arrange(ops)
		if !ok {
			return nil, false
		}
		w := walk{spec: spec, ops: ops, plan: p, state: spec.Start(), latest: -1 << 63, probes: probesEach * (len(ops) + 1)}
		if w.run() {
			return w.order, true
		}
	}
	return nil, false
}

// rule is how hints become places.
type rule uint8

const (
	// byRevision trusts the store's revision of each result: results between two writes stand by it.
	byRevision rule = iota
	// byWrite uses it only to find the write that a result saw: results between two writes stand by time of invocation, which
	// never contradicts real time among them. Results without any revision have no place.
	byWrite
)

// place is where an operation stands: by rank, then by invocation, then by index.
type place struct {
	rank   uint64 // twice the revision, and one more for what comes behind the write of that revision
	invoke int64
	op     int32
}

// plan is an order before it is verified.
type plan struct {
	places []place
	loose  []int32 // results without a place, by time of invocation
	spare  []int32 // operations of unknown outcome that nobody is known to have read, the most particular first
}

// revisionMax is the largest revision that a rank can hold.
const revisionMax = 1<<63 - 1

// arrange gives the operations their places. It fails if a write that is done has no revision.
func (r rule) arrange(ops []model.Op) (plan, bool) {
	p := plan{places: make([]place, 0, len(ops))}
	for i, o := range ops {
		at := int32(i)
		revision, behind, fixed := r.stands(o)
		switch {
		case o.Kind == history.Transact || revision > revisionMax:
			return plan{}, false
		case fixed:
			p.places = append(p.places, place{revision<<1 | behind, o.Invoke, at})
		case o.Outcome == history.Unknown:
			p.spare = append(p.spare, at)
		case changed(o.Operation) == certainly:
			return plan{}, false
		default:
			p.loose = append(p.loose, at)
		}
	}
	slices.SortFunc(p.places, comparePlaces)
	if r == byWrite {
		p.gather()
	}
	slices.SortStableFunc(p.spare, func(a, b int32) int { return particular(ops[b]) - particular(ops[a]) })
	slices.SortFunc(p.loose, func(a, b int32) int { return order(ops[a].Invoke, ops[b].Invoke, a, b) })
	return p, true
}

// stands returns an operation's revision, and 1 for behind if it stands behind the write of that revision.
func (r rule) stands(o model.Op) (revision, behind uint64, fixed bool) {
	switch {
	case o.Outcome == history.Unknown:
		return o.Wrote, 0, o.Wrote != 0
	case changed(o.Operation) == certainly:
		return o.Wrote, 0, o.Wrote != 0
	case changed(o.Operation) == perhaps && o.Wrote != 0:
		return o.Wrote, 0, true
	case r == byWrite && o.KeyRevision != 0:
		return o.KeyRevision, 1, true
	case o.Revision != 0:
		return o.Revision, 1, true
	case o.KeyRevision != 0:
		return o.KeyRevision, 1, true
	}
	return 0, 1, r == byRevision // no write had happened, if revisions count from 1
}

// particular ranks operations of unknown outcome by how few states they can take effect in: those that fit everywhere are kept
// for places where nothing else fits.
func particular(o model.Op) int {
	switch o.Condition.Kind {
	case history.Always:
		return 0
	case history.MustExist, history.MustNotExist:
		return 1
	}
	return 2
}

// gather moves each result to the rank of the write before it, and sorts them there by invocation.
func (p *plan) gather() {
	rank := uint64(1)
	for i := range p.places {
		if p.places[i].rank&1 == 0 {
			rank = p.places[i].rank | 1
		} else {
			p.places[i].rank = rank
		}
	}
	slices.SortFunc(p.places, comparePlaces)
}

func comparePlaces(a, b place) int {
	if a.rank != b.rank {
		if a.rank < b.rank {
			return -1
		}
		return 1
	}
	return order(a.invoke, b.invoke, a.op, b.op)
}

// order compares times, then indices.
func order(a, b int64, i, j int32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return int(i) - int(j)
}
