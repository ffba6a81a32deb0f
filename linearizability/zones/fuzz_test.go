package zones

import (
	"strconv"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// fuzzBytes is how many bytes make an operation, and fuzzOperationsMax how many operations are decoded.
const (
	fuzzBytes         = 6
	fuzzOperationsMax = 9
)

// decode makes a history of any bytes. Everything that the model takes can arise, also what no store would return.
func decode(b []byte) (model.Key, []model.Op) {
	var spec model.Key
	if len(b) > 0 {
		spec.Contract = b[0]&1 != 0
		if b[0]&2 != 0 {
			spec.Initial = history.Of("0")
		}
		b = b[1:]
	}
	var ops []model.Op
	for ; len(b) >= fuzzBytes && len(ops) < fuzzOperationsMax; b = b[fuzzBytes:] {
		ops = append(ops, decodeOperation(len(ops), b))
	}
	return spec, ops
}

func decodeOperation(i int, b []byte) model.Op {
	value := func(code byte) history.Value {
		if code%8 == 7 {
			return history.Absent
		}
		return history.Of(strconv.Itoa(int(code % 8)))
	}
	o := &history.Operation{
		Kind:      []history.Kind{history.Get, history.Put, history.Put, history.Delete}[b[0]%4],
		Outcome:   []history.Outcome{history.Done, history.Done, history.Unknown, history.ConditionFailed}[b[0]>>2%4],
		Existed:   []history.Existed{history.NotSaid, history.NotSaid, history.Yes, history.No}[b[0]>>4%4],
		Condition: history.Condition{Kind: history.ConditionKind(b[1] % 5), Value: value(b[1] >> 3), Revision: uint64(b[5] % 8)},
		Value:     history.Of(strconv.Itoa(i)), Observed: value(b[2]),
		Invoke: int64(b[3] % 16), Return: int64(b[3]%16 + b[4]%16),
		Revision: uint64(b[5] >> 3 % 8), KeyRevision: uint64(b[4] >> 4 % 8),
	}
	if b[2]>>4 == 15 { // rarely a value again
		o.Value = history.Of(strconv.Itoa(int(b[2] % 8)))
	}
	o.HasObserved = o.Outcome == history.ConditionFailed && b[2]&8 != 0
	switch {
	case o.Kind == history.Get:
		o.Outcome = history.Done
	case o.Outcome == history.Unknown:
		o.Return, o.Existed = history.Forever, history.NotSaid
	}
	op := model.Op{Operation: o}
	if o.Writes() {
		op.Wrote = o.Revision
	}
	return op
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2, 1, 0})                     // put 0, get 0
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 0, 0, 0, 0, 4, 1, 0})   // stale read
	f.Add([]byte{2, 1, 3, 0, 0, 1, 0, 1, 3, 0, 2, 1, 0})                     // two compare-and-sets of the initial value
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 3 + 32, 0, 0, 2, 1, 0, 0, 0, 0, 4, 1}) // a deleted value comes back
	f.Fuzz(func(t *testing.T, b []byte) {
		spec, ops := decode(b)
		(&oracle{}).mustJudge(t, spec, ops)
	})
}
