package explain

import (
	"math"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// lens is what a set of operations can tell apart. Values that none of them can are one value to it, which keeps the number of
// states small; the set's answer is the same.
type lens struct {
	// values holds, for each value that an operation returned or compares with, until when: the last return of such an
	// operation.
	values map[history.Value]int64
	// revisions holds the same for revisions that conditions, or a contract, compare with.
	revisions map[uint64]int64
	// vague is until when an operation asks whether there is a value, or whether it is not some value.
	vague int64
	// prefixes holds the present values in order, if appends make a beginning of a value as good as the value.
	prefixes []string
	appends  bool
	contract bool
	// other stands for all present values that are not told apart.
	other history.Value
}

// untold stands for all revisions that are not told apart. It is not 0, which fits any.
const untold uint64 = math.MaxUint64

// never is before all times.
const never int64 = math.MinInt64

func newLens(contract, appends bool) *lens {
	return &lens{
		values: map[history.Value]int64{}, revisions: map[uint64]int64{}, vague: never,
		appends: appends, contract: contract,
	}
}

// add takes in one more operation, which is there until the given time.
func (l *lens) add(o model.Op, until int64) {
	if o.Kind == history.Get && o.Outcome == history.Done || o.Outcome == history.ConditionFailed && o.HasObserved {
		l.values[o.Observed] = max(until, l.value(o.Observed))
	}
	c := o.Condition
	switch c.Kind {
	case history.ValueEquals:
		l.values[c.Value] = max(until, l.value(c.Value))
	case history.RevisionEquals:
		l.addRevision(c.Revision, until)
	}
	if l.contract {
		l.addRevision(o.KeyRevision, until)
	}
	if asksPresence(o) {
		l.vague = max(l.vague, until)
	}
}

// addRevision takes in a revision; 0 is that of an absent key.
func (l *lens) addRevision(r uint64, until int64) {
	if r != 0 {
		l.revisions[r] = max(until, l.revision(r))
	}
}

// asksPresence says that the operation tells unlike values apart without naming them both.
func asksPresence(o model.Op) bool {
	switch o.Condition.Kind {
	case history.MustExist, history.MustNotExist:
		return true
	case history.RevisionEquals:
		return true
	case history.ValueEquals:
		if o.Outcome == history.ConditionFailed && !o.HasObserved {
			return true
		}
	}
	return o.Existed != history.NotSaid
}

// finish readies the lens after the last add.
func (l *lens) finish() {
	if l.appends {
		for v := range l.values {
			if v.Present {
				l.prefixes = append(l.prefixes, v.Data)
			}
		}
		slices.Sort(l.prefixes)
	}
	l.other = history.Of("\x00")
	for l.beginning(l.other) {
		l.other.Data += "\x00"
	}
}

func (l *lens) value(v history.Value) int64 {
	if until, ok := l.values[v]; ok {
		return until
	}
	return never
}

func (l *lens) revision(r uint64) int64 {
	if until, ok := l.revisions[r]; ok {
		return until
	}
	return never
}

// beginning says that the value is told apart, or may become such a value by appends.
func (l *lens) beginning(v history.Value) bool {
	if _, ok := l.values[v]; ok || !l.appends {
		return ok
	}
	at, _ := slices.BinarySearch(l.prefixes, v.Data)
	return at < len(l.prefixes) && strings.HasPrefix(l.prefixes[at], v.Data)
}

// see returns the state with all that is not told apart made equal.
func (l *lens) see(s model.State) model.State {
	if s.Value.Present && !l.beginning(s.Value) {
		s.Value = l.other
	}
	s.Revision = l.seeRevision(s.Revision)
	return s
}

func (l *lens) seeRevision(r uint64) uint64 {
	if len(l.revisions) == 0 {
		return 0
	}
	if _, ok := l.revisions[r]; ok || r == 0 {
		return r
	}
	return untold
}

// matters returns until when an effect can make a difference to the operations: never, if it cannot.
//
// Take an order in which a write of unknown outcome has its effect, which nobody can tell from another (its value is not
// returned by or compared with in any of them, nor its revision, and none asks whether there is a value or is not some value).
// Take the write out. Until the next write all results are those of unconditional writes, which fit any state, so they still
// fit; and the next write, being no append, leaves the same state as before. So without the write there is an order, too: if
// there is none, there was none with it. The same holds of the time after the last operation that could tell.
func (l *lens) matters(o model.Op) int64 {
	until := l.vague
	switch {
	case l.appends:
		if len(l.values) > 0 {
			until = history.Forever
		}
	case o.Kind == history.Delete:
		until = max(until, l.value(history.Absent))
	default:
		until = max(until, l.value(o.Value))
	}
	if o.Wrote != 0 {
		until = max(until, l.revision(o.Wrote))
	}
	return until
}
