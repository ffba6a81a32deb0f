package zones

import (
	"math"

	"github.com/anishathalye/porcupine"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// byPorcupine asks porcupine. An operation of unknown outcome returns after everything: where its condition does not hold it
// has no effect, and one that never took effect fits at the end.
func byPorcupine(spec model.Key, ops []model.Op) bool {
	m := porcupine.Model{
		Init: func() any { return spec.Start() },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := spec.Step(state.(model.State), input.(model.Op))
			return ok, next
		},
		Equal: func(a, b any) bool { return a == b },
	}
	var operations []porcupine.Operation
	for i, o := range ops {
		// Porcupine orders equal times in its own way, so that they are set apart here: invocations first.
		operation := porcupine.Operation{ClientId: i, Input: o, Call: o.Invoke * 2, Return: math.MaxInt64}
		if o.Outcome != history.Unknown {
			operation.Return = o.Return*2 + 1
		}
		operations = append(operations, operation)
	}
	return porcupine.CheckOperations(m, operations)
}
