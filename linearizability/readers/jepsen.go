package readers

import (
	"bufio"
	"errors"
	"io"
	"math"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// registerKey is what the only key of a history without keys is called.
const registerKey = "register"

// shape is where the key of an operation stands.
type shape uint8

const (
	undecided shape = iota
	single          // there is one register, and :value is the argument
	keyed           // :value is [key argument], as jepsen.independent has it
)

// heldMax bounds how many events wait for one that shows the shape. After nothing but writes of pairs, the pairs are keys
// with values: a register of pairs that nobody reads is less likely.
const heldMax = 10_000

// jepsen makes a history of Jepsen's events on registers: reads, writes and compare-and-sets.
//
// How an outcome is taken. :ok took effect. :info is unknown: it may take effect at any later time, and so may what never
// completes. Jepsen gives the thread a new process then; a process that goes on all the same does no harm. :fail did not
// happen and says nothing, which is how Jepsen's own checker (knossos) and with it Maelstrom's take it: they drop such
// operations. So a compare-and-set that fails is refused, although the reason may be that the value was another one. The
// logs of porcupine's tests differ there: see readLog.
type jepsen struct {
	untimed bool // see history.Origin.Untimed
	journal
	nemesis nemesis

	format    string
	reference int // the line that decided the shape
	shape     shape
	held      []event // what came before the shape was known
	rules     rules
}

// rules say how :fail is taken.
type rules uint8

const (
	jepsenRules rules = iota
	maelstromRules
	logRules
)

func newJepsen(format string, r rules) *jepsen {
	return &jepsen{format: format, rules: r, journal: newJournal(), nemesis: nemesis{lasting: map[string]int{}}}
}

// readJepsen reads a history.edn.
func readJepsen(r *bufio.Reader, o Options) (*history.History, error) {
	return newJepsen("jepsen-edn", jepsenRules).readAll(r, o)
}

// readMaelstrom reads the history.edn of Maelstrom's lin-kv. Its clients complete an operation with :fail if the error is
// definite, and reads with any error, and otherwise with :info; its values are [key argument]. A read that fails since the
// key does not exist is refused, as for Maelstrom's own checker.
func readMaelstrom(r *bufio.Reader, o Options) (*history.History, error) {
	j := newJepsen("maelstrom", maelstromRules)
	j.shape = keyed
	return j.readAll(r, o)
}

func (j *jepsen) readAll(r *bufio.Reader, o Options) (*history.History, error) {
	in, c := records{s: newScanner(r, 1)}, clock{}
	for {
		f, err := in.next()
		if errors.Is(err, io.EOF) {
			j.untimed = !c.timed
			return j.finish(o)
		}
		if err != nil {
			return nil, err
		}
		e, err := c.read(&f)
		if err == nil {
			err = j.take(&e)
		}
		if err != nil {
			return nil, err
		}
	}
}

// finish returns the history.
func (j *jepsen) finish(o Options) (*history.History, error) {
	if j.shape == undecided && len(j.held) > 0 {
		if err := j.decide(keyed, j.held[0].line); err != nil {
			return nil, err
		}
	}
	h := &history.History{
		Origin:     history.Origin{Format: j.format, File: o.File, Revisions: history.NoRevisions, Untimed: j.untimed},
		Operations: j.operations,
		Marks:      j.nemesis.marks,
	}
	if len(h.Operations)+len(h.Marks) == 0 {
		return nil, failAt(0, "there is no operation in it")
	}
	h.Sort()
	return h, nil
}

// take takes the next event.
func (j *jepsen) take(e *event) error {
	if e.line > math.MaxInt32 {
		return failAt(0, "more than %d lines", math.MaxInt32)
	}
	if e.nemesis {
		value := ""
		if !e.value.isNil() {
			value = e.value.canonical()
		}
		j.nemesis.note(e.f, value, e.at)
		return nil
	}
	if err := e.register(); err != nil {
		return err
	}
	if j.shape != undecided {
		return j.apply(e)
	}
	if s := e.shape(); s != undecided {
		if err := j.decide(s, e.line); err != nil {
			return err
		}
		return j.apply(e)
	}
	if j.held = append(j.held, *e); len(j.held) == heldMax {
		return j.decide(keyed, e.line)
	}
	return nil
}

// decide sets the shape and takes what was held back.
func (j *jepsen) decide(s shape, line int) error {
	j.shape, j.reference = s, line
	for i := range j.held {
		if err := j.apply(&j.held[i]); err != nil {
			return err
		}
	}
	j.held = nil
	return nil
}

// shape says what an event shows of the shape of the history. A write of a pair shows nothing: it may be a key and a value.
func (e *event) shape() shape {
	first, second, isPair := e.value.pair()
	switch {
	case isTuple(&e.value):
		return keyed
	case e.phase != phaseInvoke:
		return undecided
	case e.f == "read":
		if isPair {
			return keyed
		}
		return single
	case !isPair:
		return single
	case e.f == "cas":
		return shapeOfCas(first, second)
	}
	return undecided
}

// shapeOfCas tells [key [old new]] from [old new].
func shapeOfCas(first, second *form) shape {
	if _, _, nested := second.pair(); !nested {
		return single
	}
	if first.kind != kindSequence {
		return keyed
	}
	return undecided
}

// isTuple says whether a value is tagged as a key and a value.
func isTuple(f *form) bool {
	if f.kind != kindTagged {
		return false
	}
	name := lastSegment(f.text)
	_, _, isPair := f.items[0].pair()
	return isPair && (name == "MapEntry" || name == "Tuple" || name == "tuple" || name == "kv")
}

// split returns key and argument of an event.
func (j *jepsen) split(e *event) (string, *form, error) {
	if j.shape == single {
		if isTuple(&e.value) {
			return "", nil, j.misshapen(e, "a value with a key", "had none")
		}
		return registerKey, &e.value, nil
	}
	v := &e.value
	if isTuple(v) {
		v = &v.items[0]
	}
	key, argument, isPair := v.pair()
	if !isPair {
		return "", nil, j.misshapen(e, "a value that is not [key argument]", "was")
	}
	return key.canonical(), argument, nil
}

func (j *jepsen) misshapen(e *event, this, that string) error {
	if j.reference == 0 {
		return failAt(e.line, ":%s with %s: %s", e.f, this, short(e.value.canonical()))
	}
	return failAt(e.line, ":%s with %s, %s, but that in line %d %s", e.f, this, short(e.value.canonical()), j.reference, that)
}

// apply takes an event of a client in a history of known shape.
func (j *jepsen) apply(e *event) error {
	if e.phase == phaseInvoke {
		o, err := j.call(e)
		if err != nil {
			return err
		}
		return j.invoke(e, o)
	}
	o, err := j.complete(e)
	if err != nil {
		return err
	}
	if !names(o, e.f) {
		return failAt(e.line, "process %d completes :%s, but invoked %s in line %d", e.process, e.f, o.Call(), o.Line)
	}
	switch e.phase {
	case phaseOk:
		return j.done(o, e)
	case phaseFail:
		return j.failed(o, e)
	}
	settle(o, history.Unknown, e.at)
	return nil
}

// names says whether a function is that of an operation.
func names(o *history.Operation, f string) bool {
	switch f {
	case "read":
		return o.Kind == history.Get
	case "write":
		return o.Kind == history.Put && o.Condition.Kind == history.Always
	}
	return o.Kind == history.Put && o.Condition.Kind == history.ValueEquals
}

// call returns the operation that an invocation asks for.
func (j *jepsen) call(e *event) (history.Operation, error) {
	o := history.Operation{Kind: history.Put}
	key, argument, err := j.split(e)
	if err != nil {
		return o, err
	}
	o.Key = key
	switch e.f {
	case "read":
		o.Kind = history.Get
		if !argument.isNil() {
			return o, failAt(e.line, "a read is invoked with %s, where nil was expected", short(argument.canonical()))
		}
		return o, nil
	case "write":
		o.Value, err = e.written(argument)
		return o, err
	}
	expected, replacement, isPair := argument.pair()
	if !isPair {
		return o, failAt(e.line, ":cas with %s, where [old new] was expected", short(argument.canonical()))
	}
	o.Condition = history.Condition{Kind: history.ValueEquals, Value: valueOf(expected)}
	o.Value, err = e.written(replacement)
	return o, err
}

// valueOf returns what a form stands for: nil is an absent key.
func valueOf(f *form) history.Value {
	if f.isNil() {
		return history.Absent
	}
	return history.Of(f.canonical())
}

// written returns the value that an operation writes.
func (e *event) written(f *form) (history.Value, error) {
	if f.isNil() {
		return history.Absent, failAt(e.line, ":%s of nil, which stands for a key that does not exist", e.f)
	}
	return valueOf(f), nil
}

// done takes a completion that says :ok.
func (j *jepsen) done(o *history.Operation, e *event) error {
	if o.Kind != history.Get {
		if err := j.same(o, e); err != nil {
			return err
		}
		settle(o, history.Done, e.at)
		return nil
	}
	key, argument, err := j.split(e)
	if err != nil {
		return err
	}
	if key != o.Key {
		return failAt(e.line, "process %d completes an operation on key %s, but invoked one on %s in line %d", e.process, short(key), short(o.Key), o.Line)
	}
	o.Observed = valueOf(argument)
	settle(o, history.Done, e.at)
	return nil
}

// same checks that a completion repeats what was invoked. One without a value may leave it out.
func (j *jepsen) same(o *history.Operation, e *event) error {
	if e.value.isNil() {
		return nil
	}
	again, err := j.call(e)
	if err != nil {
		return err
	}
	if again.Key != o.Key || again.Value != o.Value || again.Condition != o.Condition {
		return failAt(e.line, "process %d completes :%s with %s, but invoked %s on %s in line %d",
			e.process, e.f, short(e.value.canonical()), o.Call(), short(o.Key), o.Line)
	}
	return nil
}

// failed takes a completion that says :fail.
func (j *jepsen) failed(o *history.Operation, e *event) error {
	switch {
	case j.rules == logRules && o.Kind == history.Get:
		settle(o, history.Unknown, e.at)
		return nil
	case o.Kind != history.Get && j.timedOut(e):
		return failAt(e.line, ":%s failed by a timeout, which leaves unknown whether it took effect: :info was expected", e.f)
	case j.rules == logRules && o.Condition.Kind == history.ValueEquals:
		settle(o, history.ConditionFailed, e.at)
		return j.same(o, e)
	}
	settle(o, history.Refused, e.at)
	return nil
}

// timedOut says whether an event that says :fail gives a reason that contradicts it. Logs have the reason for a value.
func (j *jepsen) timedOut(e *event) bool {
	switch j.rules {
	case logRules:
		return e.value.kind == kindKeyword && indefinite(&e.value)
	case maelstromRules:
		return indefinite(&e.err)
	}
	return false
}

// indefinite says whether an error leaves open what happened: a keyword, or a vector that begins with one, or with the
// number that Maelstrom gives to timeouts (0) and crashes (13).
func indefinite(err *form) bool {
	if err.kind == kindSequence && len(err.items) > 0 {
		err = &err.items[0]
		if err.kind == kindAtom && (err.text == "0" || err.text == "13") {
			return true
		}
	}
	if err.kind != kindKeyword {
		return false
	}
	switch err.text {
	case "timeout", "timed-out", "net-timeout", "crash":
		return true
	}
	return false
}

// workloads names the tests whose operations people may take for those of a register.
var workloads = map[string]string{
	"txn": "transactions (list-append, rw-register)", "append": "list-append", "r": "rw-register", "w": "rw-register",
	"add": "sets and counters", "inc": "counters", "dec": "counters", "transfer": "bank",
	"enqueue": "queues", "dequeue": "queues", "drain": "queues", "send": "kafka", "poll": "kafka", "assign": "kafka",
	"acquire": "locks", "release": "locks", "broadcast": "broadcast", "echo": "echo", "generate": "unique ids",
	"get": "the porcupine-kv format", "put": "the porcupine-kv format",
}

// register checks that an event is about a register.
func (e *event) register() error {
	switch e.f {
	case "read", "write", "cas":
		return nil
	}
	if workload, ok := workloads[e.f]; ok {
		return failAt(e.line, ":f is :%s, which belongs to %s; only :read, :write and :cas of registers can be checked", e.f, workload)
	}
	return failAt(e.line, ":f is :%s; only :read, :write and :cas of registers can be checked", e.f)
}
