package history

import (
	"fmt"
	"strings"
	"time"
)

const (
	// FormatName is what the header of a file in the native format calls it.
	FormatName = "lockstep-history"
	// FormatVersion is the version that Write writes and the newest that Read reads.
	FormatVersion = 1
	// LineBytesMax bounds a line of a file, its newline included.
	LineBytesMax = 32 << 20
)

// FormatError is a file that is not in the native format, or not in a version of it that this program knows.
type FormatError struct {
	Line   int // from 1
	Reason string
}

// Error returns line and reason.
func (e *FormatError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// RecordError is an event that a history can't hold: its fields contradict each other, or events before it.
type RecordError struct{ Reason string }

// Error returns the reason.
func (e *RecordError) Error() string { return e.Reason }

func misfit(format string, args ...any) error { return &RecordError{fmt.Sprintf(format, args...)} }

// The names that the format gives to what are numbers here. An empty name is one that it does not have.
var (
	kindNames      = [...]string{Get: "get", Put: "put", Delete: "delete", Append: "append"}
	outcomeNames   = [...]string{Unknown: "unknown", Done: "done", ConditionFailed: "condition-failed", Refused: "refused"}
	revisionsNames = [...]string{NoRevisions: "none", Hints: "hints", Contract: "contract"}
	markNames      = [...]string{Fault: "fault", Leader: "leader", Note: "note"}
)

// aKind returns a kind's name with its article.
func aKind(k Kind) string {
	if k == Append {
		return "an append"
	}
	return "a " + kindNames[k]
}

// timeUnit is the only unit of time.
const timeUnit = "ns"

// field is a field of a line.
type field uint8

const (
	fieldEvent field = iota
	fieldID
	fieldAt
	fieldClient
	fieldKind
	fieldKey
	fieldValue
	fieldIfExists
	fieldIfValue
	fieldIfRevision
	fieldStale
	fieldOutcome
	fieldObserved
	fieldRevision
	fieldKeyRevision
	fieldExisted
	fieldMark
	fieldTo
	fieldNode
	fieldText
	fieldName
	fieldFormat
	fieldVersion
	fieldUnit
	fieldStore
	fieldCommand
	fieldSeed
	fieldStarted
	fieldRevisions
	fieldInitial
	fieldsCount
)

// shape is what a field holds.
type shape uint8

const (
	wordShape     shape = iota // a string out of a few
	textShape                  // a string; or bytes in base64, under the name followed by 64
	valueShape                 // as textShape, or null for absent
	signedShape                // -2^63 to 2^63-1
	unsignedShape              // 0 to 2^64-1
	truthShape                 // true or false
)

// fields are the names and shapes, which docs/format/history.md tables.
var fields = [fieldsCount]struct {
	name  string
	shape shape
}{
	fieldEvent:       {"event", wordShape},
	fieldID:          {"id", unsignedShape},
	fieldAt:          {"at", signedShape},
	fieldClient:      {"client", signedShape},
	fieldKind:        {"kind", wordShape},
	fieldKey:         {"key", textShape},
	fieldValue:       {"value", textShape},
	fieldIfExists:    {"if_exists", truthShape},
	fieldIfValue:     {"if_value", valueShape},
	fieldIfRevision:  {"if_revision", unsignedShape},
	fieldStale:       {"stale", truthShape},
	fieldOutcome:     {"outcome", wordShape},
	fieldObserved:    {"observed", valueShape},
	fieldRevision:    {"revision", unsignedShape},
	fieldKeyRevision: {"key_revision", unsignedShape},
	fieldExisted:     {"existed", truthShape},
	fieldMark:        {"mark", unsignedShape},
	fieldTo:          {"to", signedShape},
	fieldNode:        {"node", textShape},
	fieldText:        {"text", textShape},
	fieldName:        {"name", textShape},
	fieldFormat:      {"format", wordShape},
	fieldVersion:     {"version", unsignedShape},
	fieldUnit:        {"unit", wordShape},
	fieldStore:       {"store", textShape},
	fieldCommand:     {"command", textShape},
	fieldSeed:        {"seed", unsignedShape},
	fieldStarted:     {"started", wordShape},
	fieldRevisions:   {"revisions", wordShape},
	fieldInitial:     {"initial", valueShape},
}

// fieldSet is a set of fields.
type fieldSet uint32

func setOf(members ...field) (s fieldSet) {
	for _, f := range members {
		s |= 1 << f
	}
	return s
}

func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }

// String lists the names.
func (s fieldSet) String() string {
	var names []string
	for f := range fieldsCount {
		if s.has(f) {
			names = append(names, fields[f].name)
		}
	}
	return strings.Join(names, ", ")
}

// lineForm says which fields a line must and may have.
type lineForm struct{ required, optional fieldSet }

var markForm = lineForm{setOf(fieldEvent, fieldAt), setOf(fieldMark, fieldTo, fieldNode, fieldText)}

var (
	headerForm = lineForm{setOf(fieldFormat, fieldVersion, fieldUnit),
		setOf(fieldStore, fieldCommand, fieldSeed, fieldStarted, fieldRevisions, fieldInitial)}
	invokeForm = lineForm{setOf(fieldEvent, fieldID, fieldAt, fieldClient, fieldKind, fieldKey),
		setOf(fieldValue, fieldIfExists, fieldIfValue, fieldIfRevision, fieldStale)}
	returnForm = lineForm{setOf(fieldEvent, fieldID, fieldAt, fieldOutcome),
		setOf(fieldObserved, fieldRevision, fieldKeyRevision, fieldExisted)}
	endForm    = lineForm{setOf(fieldEvent, fieldMark, fieldAt), 0}
	clientForm = lineForm{setOf(fieldEvent, fieldClient, fieldName), 0}
)

// checkOrigin says why an origin can't be written.
func checkOrigin(o *Origin) error {
	if int(o.Revisions) >= len(revisionsNames) {
		return misfit("revisions of kind %d", o.Revisions)
	}
	if o.Started != "" {
		if _, err := time.Parse(time.RFC3339, o.Started); err != nil {
			return misfit("started %q is no time in RFC 3339", o.Started)
		}
	}
	return checkValue("initial", o.Initial)
}

func checkValue(name string, v Value) error {
	if !v.Present && v.Data != "" {
		return misfit("%s is absent and has data", name)
	}
	return nil
}

// checkCall says why what an operation asks for makes no sense. It is on the path of every recorded call, so that nothing
// here may allocate unless it fails.
func checkCall(o *Operation) error {
	switch {
	case o.Kind == Transact:
		return misfit("a transaction: this format has operations on one key only")
	case o.Kind == 0 || int(o.Kind) >= len(kindNames):
		return misfit("an operation of kind %d", o.Kind)
	case o.Transaction != nil:
		return misfit("%s with a transaction", aKind(o.Kind))
	case o.Stale && o.Kind != Get:
		return misfit("a stale %s: only a get can be stale", kindNames[o.Kind])
	case (o.Kind == Put || o.Kind == Append) != o.Value.Present:
		if o.Value.Present {
			return misfit("%s with a value", aKind(o.Kind))
		}
		return misfit("%s without a value", aKind(o.Kind))
	case o.Kind == Get && o.Condition.Kind != Always:
		return misfit("a get with a condition")
	}
	if err := checkValue("the value", o.Value); err != nil {
		return err
	}
	return checkCondition(&o.Condition)
}

func checkCondition(c *Condition) error {
	switch {
	case c.Kind > RevisionEquals:
		return misfit("a condition of kind %d", c.Kind)
	case c.Kind != ValueEquals && c.Value != Absent:
		return misfit("a condition with a value that it does not use")
	case c.Kind != RevisionEquals && c.Revision != 0:
		return misfit("a condition with a revision that it does not use")
	}
	return checkValue("the condition's value", c.Value)
}

// checkResult says why a result does not fit its call. Of the call it reads kind and condition.
func checkResult(o *Operation) error {
	switch o.Outcome {
	case Unknown, Refused:
		if o.Observed != Absent || o.HasObserved || o.Existed != NotSaid || o.Revision != 0 || o.KeyRevision != 0 {
			return misfit("the outcome %s with a result", outcomeNames[o.Outcome])
		}
	case ConditionFailed:
		return checkFailed(o)
	case Done:
		return checkDone(o)
	default:
		return misfit("an outcome of kind %d", o.Outcome)
	}
	return nil
}

func checkFailed(o *Operation) error {
	switch {
	case o.Condition.Kind == Always:
		return misfit("a condition failed that the %s does not have", kindNames[o.Kind])
	case o.Existed != NotSaid:
		return misfit("existed on a failed condition: observed says what it met")
	case !o.HasObserved && o.Observed != Absent:
		return misfit("a failed condition with an observed value that does not count")
	}
	return checkValue("the observed value", o.Observed)
}

func checkDone(o *Operation) error {
	switch {
	case o.Existed > Yes:
		return misfit("existed of kind %d", o.Existed)
	case o.Kind == Get && o.Existed != NotSaid:
		return misfit("existed on a get: observed says what it met")
	case o.Kind != Get && (o.HasObserved || o.Observed != Absent):
		return misfit("%s that is done with an observed value", aKind(o.Kind))
	case o.Kind != Get && o.KeyRevision != 0:
		return misfit("%s that is done with a key revision: its revision is the key's", aKind(o.Kind))
	}
	return checkValue("the observed value", o.Observed)
}

// checkTime says whether a time is one at which something can happen.
func checkTime(at int64) error {
	if at == Forever {
		return misfit("the time %d, which stands for never", at)
	}
	return nil
}

// checkMark says why a mark can't be written.
func checkMark(id uint64, m *Mark) error {
	switch {
	case m.Kind == 0 || int(m.Kind) >= len(markNames):
		return misfit("a mark of kind %d", m.Kind)
	case m.To < m.From:
		return misfit("a %s that ends at %d, before it begins at %d", markNames[m.Kind], m.To, m.From)
	case id != 0 && m.To != Forever:
		return misfit("a %s with both an end and a number to end it by", markNames[m.Kind])
	}
	return checkTime(m.From)
}
