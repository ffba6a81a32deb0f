package readers

import "github.com/lockstepdb/lockstep/linearizability/history"

// journal makes operations of invocations and completions.
type journal struct {
	operations []history.Operation
	open       map[int32]int // process to the operation that it waits for, as an index
	keys       map[string]string
}

func newJournal() journal {
	return journal{open: map[int32]int{}, keys: map[string]string{}}
}

// invoke adds an operation, unknown until it completes.
func (j *journal) invoke(e *event, o history.Operation) error {
	if i, busy := j.open[e.process]; busy {
		return failAt(e.line, "process %d invokes :%s while what it invoked in line %d has not completed", e.process, e.f, j.operations[i].Line)
	}
	o.Client, o.Line, o.Invoke = e.process, int32(e.line), e.at
	o.Outcome, o.Return = history.Unknown, history.Forever
	o.Key = j.key(o.Key)
	j.open[e.process] = len(j.operations)
	j.operations = append(j.operations, o)
	return nil
}

// complete returns the operation that an event completes. The journal keeps it.
func (j *journal) complete(e *event) (*history.Operation, error) {
	i, busy := j.open[e.process]
	if !busy {
		return nil, failAt(e.line, "process %d completes :%s, but invoked nothing", e.process, e.f)
	}
	delete(j.open, e.process)
	return &j.operations[i], nil
}

// key returns the one copy of a key.
func (j *journal) key(key string) string {
	if known, ok := j.keys[key]; ok {
		return known
	}
	j.keys[key] = key
	return key
}

// settle gives an operation its outcome.
func settle(o *history.Operation, outcome history.Outcome, at int64) {
	o.Outcome, o.Return = outcome, at
	if outcome == history.Unknown {
		o.Return = history.Forever
	}
}
