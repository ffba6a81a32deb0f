package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"time"
)

const (
	// readBufferBytes is how much Read asks for at once.
	readBufferBytes = 64 << 10
	// internedMax bounds how many strings an interner knows at a time.
	internedMax = 1 << 16
)

// Read reads a whole file in the native format. It skips nothing: a line, a field or a value that the format does not have
// is a *FormatError. Only the last line may be unfinished, as the death of its writer leaves it: then Origin.Torn is set.
// Other errors are those of r.
//
// It takes about 250 bytes of memory for an operation, and its value. Equal keys share their bytes.
func Read(r io.Reader) (*History, error) {
	d := decoder{in: bufio.NewReaderSize(r, readBufferBytes), builder: NewBuilder(Origin{})}
	for {
		err := d.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, d.placed(err)
		}
	}
	if d.lines == 0 || d.lines == 1 && d.torn && d.builder.origin.Format == "" {
		return nil, &FormatError{Line: 1, Reason: "the header is missing or cut off"}
	}
	h := d.builder.History()
	h.Origin.Torn = d.torn
	return h, nil
}

// decoder reads lines into a builder.
type decoder struct {
	in           *bufio.Reader
	long         []byte // a line that the buffer does not hold
	lines        int
	torn         bool // the last line had no newline
	scanner      scanner
	keys, values interner
	builder      *Builder
}

// placed adds the line to an error that lies in the line.
func (d *decoder) placed(err error) error {
	var wrong *RecordError
	switch {
	case errors.As(err, &wrong):
		return &FormatError{d.lines, wrong.Reason}
	case err == errCut:
		return &FormatError{d.lines, err.Error()}
	}
	return err
}

// next reads a line and adds what it says.
func (d *decoder) next() error {
	line, err := d.line()
	if err != nil {
		return err
	}
	err = d.scanner.scan(line)
	if d.lines == 1 {
		err = d.header(line, err)
	} else if err == nil {
		err = d.event()
	}
	if err == errCut && d.torn {
		return nil // and io.EOF follows
	}
	return err
}

// line returns the next line, valid until the one after it.
func (d *decoder) line() ([]byte, error) {
	part, err := d.in.ReadSlice('\n')
	d.long = d.long[:0]
	for err == bufio.ErrBufferFull && len(d.long)+len(part) <= LineBytesMax {
		d.long = append(d.long, part...)
		part, err = d.in.ReadSlice('\n')
	}
	if len(d.long) > 0 {
		d.long = append(d.long, part...)
		part = d.long
	}
	if len(part) == 0 && err != nil {
		return nil, err
	}
	d.lines++
	switch {
	case len(part) > LineBytesMax || err == bufio.ErrBufferFull:
		return nil, misfit("the line has more than %d bytes", LineBytesMax)
	case err == io.EOF:
		d.torn = true
	case err != nil:
		return nil, err
	}
	return part, nil
}

// fits says whether the line has all the fields that its form requires and no others.
func (s *scanner) fits(what string, form lineForm) error {
	if missing := form.required &^ s.there; missing != 0 {
		return misfit("%s without %s", what, missing)
	}
	if extra := s.there &^ (form.required | form.optional); extra != 0 {
		return misfit("%s with %s, which does not belong there", what, extra)
	}
	return nil
}

// header takes the first line, of which scan said err.
func (d *decoder) header(line []byte, err error) error {
	s := &d.scanner
	if v := newerVersion(line); v != "" {
		return misfit("version %s of %s is newer than %d, the newest that this program reads", v, FormatName, FormatVersion)
	}
	switch {
	case err != nil:
		return err
	case !s.there.has(fieldFormat):
		return misfit("this is no %s file: its first line must be the header, with format and version", FormatName)
	case string(s.values[fieldFormat].text) != FormatName:
		return misfit("the format %s is not %s", Text(string(s.values[fieldFormat].text)), FormatName)
	}
	if err := s.fits("a header", headerForm); err != nil {
		return err
	}
	if v := s.values[fieldVersion].number; v != FormatVersion {
		return misfit("version %d of %s does not exist", v, FormatName)
	}
	if unit := s.values[fieldUnit].text; string(unit) != timeUnit {
		return misfit("the unit %s: times must be in %s", Text(string(unit)), timeUnit)
	}
	return d.origin()
}

// newerVersion returns the version of a header that is too new to be understood, even if the rest of it is not either.
func newerVersion(line []byte) string {
	var h struct {
		Format  string
		Version json.Number
	}
	if json.Unmarshal(line, &h) != nil || h.Format != FormatName {
		return ""
	}
	if v, err := h.Version.Float64(); err != nil || v <= FormatVersion {
		return ""
	}
	return h.Version.String()
}

// origin takes the header's fields.
func (d *decoder) origin() error {
	s := &d.scanner
	o := Origin{
		Format: "lockstep", Store: s.string(fieldStore), Command: s.string(fieldCommand), Started: s.string(fieldStarted),
		HasSeed: s.there.has(fieldSeed), Initial: s.valueOf(fieldInitial),
	}
	if o.HasSeed {
		o.Seed = s.values[fieldSeed].number
	}
	if s.there.has(fieldRevisions) {
		r, err := s.word(fieldRevisions, revisionsNames[:])
		if err != nil {
			return err
		}
		o.Revisions = Revisions(r)
	}
	if s.there.has(fieldStarted) {
		if _, err := time.Parse(time.RFC3339, o.Started); err != nil {
			return misfit("started: %s is no time in RFC 3339", Text(o.Started))
		}
	}
	d.builder.origin = o
	return nil
}

// string returns a field's text, empty if it is not there.
func (s *scanner) string(f field) string {
	if !s.there.has(f) {
		return ""
	}
	return string(s.values[f].text)
}

// valueOf returns a field's value, absent if it is not there.
func (s *scanner) valueOf(f field) Value {
	if !s.there.has(f) || s.values[f].null {
		return Absent
	}
	return Of(string(s.values[f].text))
}

// word returns which of the names a field holds.
func (s *scanner) word(f field, names []string) (int, error) {
	for i, name := range names {
		if name != "" && name == string(s.values[f].text) {
			return i, nil
		}
	}
	known := strings.TrimPrefix(strings.Join(names, ", "), ", ")
	return 0, misfit("%s: unknown %s, known are %s", fields[f].name, Text(string(s.values[f].text)), known)
}

// event takes a line behind the header.
func (d *decoder) event() error {
	s := &d.scanner
	if !s.there.has(fieldEvent) {
		return misfit("a line without event")
	}
	switch event := string(s.values[fieldEvent].text); event {
	case "invoke":
		return d.invoke()
	case "return":
		return d.returns()
	case "fault", "leader", "note":
		return d.mark(event)
	case "end":
		return d.end()
	case "client":
		return d.name()
	default:
		return misfit("unknown event %s", Text(event))
	}
}

func (d *decoder) invoke() error {
	s := &d.scanner
	if err := s.fits("an invoke", invokeForm); err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	kind, err := s.word(fieldKind, kindNames[:])
	if err != nil {
		return err
	}
	condition, err := d.condition()
	if err != nil {
		return err
	}
	o := Operation{
		Client: client, Line: int32(min(d.lines, math.MaxInt32)), Kind: Kind(kind), Condition: condition,
		Key: d.keys.intern(s.values[fieldKey].text), Value: d.value(fieldValue),
		Stale: s.there.has(fieldStale) && s.values[fieldStale].truth,
	}
	return d.builder.Invoke(s.values[fieldID].number, &o, int64(s.values[fieldAt].number))
}

func (s *scanner) client() (int32, error) {
	n := int64(s.values[fieldClient].number)
	if int64(int32(n)) != n {
		return 0, misfit("client: %d does not fit into 32 bits with its sign", n)
	}
	return int32(n), nil
}

// value returns a field's value like valueOf; equal values share their bytes.
func (d *decoder) value(f field) Value {
	s := &d.scanner
	if !s.there.has(f) || s.values[f].null {
		return Absent
	}
	return Of(d.values.intern(s.values[f].text))
}

func (d *decoder) condition() (c Condition, err error) {
	s := &d.scanner
	there := s.there & setOf(fieldIfExists, fieldIfValue, fieldIfRevision)
	switch there {
	case 0:
	case setOf(fieldIfExists):
		c.Kind = MustNotExist
		if s.values[fieldIfExists].truth {
			c.Kind = MustExist
		}
	case setOf(fieldIfValue):
		c = Condition{Kind: ValueEquals, Value: d.value(fieldIfValue)}
	case setOf(fieldIfRevision):
		c = Condition{Kind: RevisionEquals, Revision: s.values[fieldIfRevision].number}
	default:
		return c, misfit("several conditions: %s", there)
	}
	return c, nil
}

func (d *decoder) returns() error {
	s := &d.scanner
	if err := s.fits("a return", returnForm); err != nil {
		return err
	}
	outcome, err := s.word(fieldOutcome, outcomeNames[:])
	if err != nil {
		return err
	}
	o := Operation{Outcome: Outcome(outcome), Observed: d.value(fieldObserved), HasObserved: s.there.has(fieldObserved)}
	if s.there.has(fieldRevision) {
		o.Revision = s.values[fieldRevision].number
	}
	if s.there.has(fieldKeyRevision) {
		o.KeyRevision = s.values[fieldKeyRevision].number
	}
	if s.there.has(fieldExisted) {
		o.Existed = No
		if s.values[fieldExisted].truth {
			o.Existed = Yes
		}
	}
	id := s.values[fieldID].number
	if i, ok := d.builder.find(id); ok && d.builder.at(i).Kind == Get && o.Outcome == Done && !o.HasObserved {
		return misfit("a get that is done without observed: null stands for an absent key")
	}
	return d.builder.Return(id, &o, int64(s.values[fieldAt].number))
}

func (d *decoder) mark(event string) error {
	s := &d.scanner
	if err := s.fits("a "+event, markForm); err != nil {
		return err
	}
	kind, err := s.word(fieldEvent, markNames[:])
	if err != nil {
		return err
	}
	m := Mark{Kind: MarkKind(kind), From: int64(s.values[fieldAt].number), To: Forever, Node: s.string(fieldNode), Text: s.string(fieldText)}
	if s.there.has(fieldTo) {
		m.To = int64(s.values[fieldTo].number)
		if err := checkTime(m.To); err != nil {
			return err
		}
	}
	id := uint64(0)
	if s.there.has(fieldMark) {
		id = s.values[fieldMark].number
		if id == 0 {
			return misfit("the mark 0: they are numbered from 1")
		}
	}
	return d.builder.Mark(id, m)
}

func (d *decoder) end() error {
	s := &d.scanner
	if err := s.fits("an end", endForm); err != nil {
		return err
	}
	return d.builder.End(s.values[fieldMark].number, int64(s.values[fieldAt].number))
}

func (d *decoder) name() error {
	s := &d.scanner
	if err := s.fits("a client", clientForm); err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	return d.builder.Name(client, s.string(fieldName))
}

// interner lets equal strings share their bytes. It forgets all that it knows when that gets too much, so that a file in
// which no two are equal costs little more.
type interner struct{ known map[string]string }

func (n *interner) intern(text []byte) string {
	if s, ok := n.known[string(text)]; ok {
		return s
	}
	if n.known == nil {
		n.known = make(map[string]string)
	} else if len(n.known) == internedMax {
		clear(n.known)
	}
	s := string(text)
	n.known[s] = s
	return s
}
