package explain

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// decode makes operations of any bytes, sensible or not: eight bytes each.
func decode(data []byte) *history.History {
	const operationBytes, operationsMax = 8, 12
	h := &history.History{}
	if len(data) > 0 {
		h.Origin.Revisions = history.Revisions(data[0] % 3)
		if data[0]&4 != 0 {
			h.Origin.Initial = history.Of("v1")
		}
		data = data[1:]
	}
	v := func(b byte) history.Value {
		return []history.Value{{}, history.Of("v1"), history.Of("v2"), history.Of(""), history.Of("v"), history.Of("\x00")}[b%6]
	}
	for ; len(data) >= operationBytes && len(h.Operations) < operationsMax; data = data[operationBytes:] {
		o := history.Operation{
			Client: int32(data[0] % 4), Kind: history.Kind(data[0] >> 4 % 7), Outcome: history.Outcome(data[1] % 4),
			Existed: history.Existed(data[1] >> 4 % 3), Stale: data[1] > 250,
			Value: v(data[2]), Observed: v(data[2] >> 4), HasObserved: data[2]&8 != 0,
			Condition: history.Condition{Kind: history.ConditionKind(data[3] % 6), Value: v(data[3] >> 4), Revision: uint64(data[4] % 6)},
			Revision:  uint64(data[4] >> 4), KeyRevision: uint64(data[5] % 8),
			Invoke: int64(data[6]), Return: int64(data[6]) + int64(int8(data[7])),
		}
		if o.Outcome == history.Unknown {
			o.Return = history.Forever
		}
		if o.Kind == history.Transact {
			o.Transaction = &history.Transaction{}
		}
		if data[5]&8 != 0 {
			o.Key = "k"
		}
		h.Operations = append(h.Operations, o)
	}
	h.Sort()
	return h
}

// Key takes anything without a panic, says something and names operations that exist.
func FuzzKey(f *testing.F) {
	f.Add([]byte("\x000000000010000000200000003"), []byte{1, 0})
	f.Add([]byte("\x01\x20\x01\x01\x00\x10\x00\x00\x05\x10\x01\x10\x00\x00\x00\x09\x05"), []byte{})
	f.Fuzz(func(t *testing.T, data, set []byte) {
		h := decode(data)
		spec, p, err := prepare(h)
		if err != nil {
			return
		}
		var conflict []int32
		for _, b := range set {
			conflict = append(conflict, int32(int8(b)))
		}
		got := Key(h, spec, p, conflict)
		require.NotEmpty(t, got.Kind)
		require.NotEmpty(t, got.Sentence)
		var alone []model.Op
		for _, i := range got.Operations {
			require.GreaterOrEqual(t, i, int32(0))
			require.Less(t, int(i), len(h.Operations))
		}
		for at, i := range p.Index {
			for _, j := range got.Operations {
				if i == j {
					alone = append(alone, p.Ops[at])
				}
			}
		}
		if len(p.Ops) <= 6 && sensible(p.Ops) && !linearizable(spec, p.Ops) {
			require.False(t, linearizable(spec, alone), "%s\n%s", got.Sentence, dump(h))
		}
	})
}

// sensible says that no operation ends before it begins.
func sensible(ops []model.Op) bool {
	for _, o := range ops {
		if o.Return < o.Invoke {
			return false
		}
	}
	return true
}
