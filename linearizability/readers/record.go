package readers

import (
	"io"
	"math"
	"strconv"
	"strings"
)

// phase is what an event says of its operation: Jepsen's :type.
type phase string

const (
	phaseInvoke phase = "invoke"
	phaseOk     phase = "ok"   // it took effect
	phaseFail   phase = "fail" // it did not, and never will
	phaseInfo   phase = "info" // nobody knows
)

// event is one line of a history: an operation's call or its completion, or an act of the nemesis.
type event struct {
	line    int
	at      int64 // place or time, as clock gives it
	nemesis bool
	process int32
	phase   phase
	f       string // what is done, without the colon
	value   form
	key     *form // where the format has a field for it
	err     form  // nil if there is none
}

// records reads the maps of a file: one after another, or in one vector or list.
type records struct {
	s       *scanner
	begun   bool
	closing rune // what ends the enclosing vector or list; 0 if there is none
	ended   bool
}

// next returns the next form, or io.EOF.
func (r *records) next() (form, error) {
	if !r.begun {
		r.open()
	}
	for {
		if r.s.skip(); r.s.ch == eof || r.s.ch == ')' || r.s.ch == ']' || r.s.ch == '}' {
			return form{}, r.end()
		}
		if r.ended {
			return form{}, r.s.fail("%s after the bracket that closes the history", printed(r.s.ch))
		}
		r.s.used = 0
		if f, ok, err := r.s.next(0); ok || err != nil {
			return f, err
		}
	}
}

// open enters the vector or list that may hold all records.
func (r *records) open() {
	r.begun = true
	r.s.skip()
	switch r.s.ch {
	case '[':
		r.closing = ']'
	case '(':
		r.closing = ')'
	default:
		return
	}
	r.s.advance()
}

// end says whether the input ends as it should: io.EOF if so.
func (r *records) end() error {
	switch {
	case r.s.err != nil:
		return r.s.err
	case r.s.ch == eof && (r.closing == 0 || r.ended):
		return io.EOF
	case r.s.ch == eof:
		return r.s.fail("the file ends before %q closes the history", r.closing)
	case r.ended || r.s.ch != r.closing:
		return r.s.fail("%q closes nothing", r.s.ch)
	}
	r.ended = true
	r.s.used = 0
	r.s.advance()
	r.s.skip()
	return r.trailing()
}

// trailing checks what follows the closing bracket: nothing may.
func (r *records) trailing() error {
	if r.s.ch != eof {
		return r.s.fail("%s after the bracket that closes the history", printed(r.s.ch))
	}
	return r.end()
}

// clock gives events their times. The order of the lines is the order of the history, because Jepsen appends an invocation
// before it calls and a completion after the answer came, whereas the times are taken a little earlier, and now and then
// not in that order. So each event keeps its time, but at least a nanosecond after the one before it; without times, events
// are counted.
type clock struct {
	begun, timed bool
	last         int64
	indexed      bool
	index        int64
}

// timeMax bounds times, so that they stay clear of history.Forever.
const timeMax = math.MaxInt64 / 2

// tick returns the time of an event whose :time and :index are the forms, nil if there are none.
func (c *clock) tick(line int, time, index *form) (int64, error) {
	if index != nil {
		i, err := number(index, ":index")
		if err != nil {
			return 0, err
		}
		if c.indexed && i <= c.index {
			return 0, failAt(line, ":index %d after :index %d: a history is in the order of its indices", i, c.index)
		}
		c.indexed, c.index = true, i
	}
	switch {
	case c.begun && c.timed != (time != nil):
		return 0, failAt(line, "some events have a :time and some have none")
	case !c.begun:
		c.begun, c.timed, c.last = true, time != nil, -timeMax
	}
	if time == nil {
		c.last = max(c.last, 0) + 1
		return c.last, nil
	}
	at, err := number(time, ":time")
	c.last = max(at, c.last+1)
	return c.last, err
}

// number reads an integer within the bounds of times.
func number(f *form, name string) (int64, error) {
	n, err := strconv.ParseInt(f.text, 10, 64)
	if f.kind != kindAtom || err != nil || n > timeMax || n < -timeMax {
		return 0, failAt(f.line, "%s is %s, which is no integer in range", name, short(f.canonical()))
	}
	return n, nil
}

// fields are the keys of a record that matter. Jepsen's records are open: clients add keys of their own, such as :node or
// :exception, which say nothing about what the operation did.
type fields struct {
	process, phase, f, value, time, index, err, key *form
}

func (r *fields) take(m *form) error {
	for i := 0; i+1 < len(m.items); i += 2 {
		if m.items[i].kind != kindKeyword {
			return failAt(m.items[i].line, "%s is a key of a record, where a keyword was expected", short(m.items[i].canonical()))
		}
		if field := r.named(m.items[i].text); field != nil {
			*field = &m.items[i+1]
		}
	}
	return nil
}

// named returns where the value of a key belongs; nil if nowhere.
func (r *fields) named(name string) **form {
	switch name {
	case "process":
		return &r.process
	case "type":
		return &r.phase
	case "f":
		return &r.f
	case "value":
		return &r.value
	case "time":
		return &r.time
	case "index":
		return &r.index
	case "error":
		return &r.err
	case "key":
		return &r.key
	}
	return nil
}

// read turns a form into an event.
func (c *clock) read(f *form) (event, error) {
	line := f.line
	if f.kind == kindTagged && isRecordTag(f.text) {
		f = &f.items[0]
	}
	if f.kind != kindDictionary {
		return event{}, failAt(line, "%s is no map of an operation", short(f.canonical()))
	}
	var r fields
	if err := r.take(f); err != nil {
		return event{}, err
	}
	at, err := c.tick(line, r.time, r.index)
	if err != nil {
		return event{}, err
	}
	e := event{line: line, at: at, key: r.key, value: form{kind: kindAtom, line: line, text: "nil"}}
	if r.value != nil {
		e.value = *r.value
	}
	if r.err != nil {
		e.err = *r.err
	}
	if err := e.who(r.process); err != nil {
		return event{}, err
	}
	return e, e.what(r.phase, r.f)
}

// isRecordTag says whether a tag is that of Jepsen's record of an operation: jepsen.history.Op and its forerunners.
func isRecordTag(tag string) bool { return lastSegment(tag) == "Op" }

// lastSegment returns the name of a tag without its namespace.
func lastSegment(tag string) string {
	return tag[strings.LastIndexAny(tag, "./")+1:]
}

// who sets the process.
func (e *event) who(process *form) error {
	switch {
	case process == nil:
		return failAt(e.line, "no :process")
	case process.kind == kindKeyword && process.text == "nemesis":
		e.nemesis = true
		return nil
	case process.kind == kindAtom:
		if n, err := strconv.ParseInt(process.text, 10, 32); err == nil && n >= 0 {
			e.process = int32(n)
			return nil
		}
	}
	return failAt(process.line, ":process is %s, which is neither a number from 0 nor :nemesis", short(process.canonical()))
}

// what sets phase and function.
func (e *event) what(p, f *form) error {
	switch {
	case p == nil:
		return failAt(e.line, "no :type")
	case f == nil:
		return failAt(e.line, "no :f")
	case p.kind != kindKeyword || !phase(p.text).known():
		return failAt(p.line, ":type is %s, which is none of :invoke, :ok, :fail, :info", short(p.canonical()))
	case f.kind != kindKeyword:
		return failAt(f.line, ":f is %s, where a keyword was expected", short(f.canonical()))
	}
	e.phase, e.f = phase(p.text), f.text
	return nil
}

func (p phase) known() bool {
	return p == phaseInvoke || p == phaseOk || p == phaseFail || p == phaseInfo
}
