package history

import (
	"container/heap"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// writerBufferBytes is how much a Writer gathers before it writes.
const writerBufferBytes = 64 << 10

// AppendHeader appends the first line of a file. It and its siblings append one line with its newline, or return dst as it
// was and a *RecordError. Apart from dst they allocate nothing.
func AppendHeader(dst []byte, o *Origin) ([]byte, error) {
	if err := checkOrigin(o); err != nil {
		return dst, err
	}
	line := append(dst, `{"format":"`+FormatName+`","version":`...)
	line = strconv.AppendUint(line, FormatVersion, 10)
	line = appendWord(line, `,"unit":`, timeUnit)
	for _, f := range [...]struct{ name, text string }{{"store", o.Store}, {"command", o.Command}} {
		if f.text != "" {
			line = appendText(line, f.name, f.text)
		}
	}
	if o.HasSeed {
		line = appendUnsigned(line, `,"seed":`, o.Seed)
	}
	if o.Started != "" {
		line = appendText(line, "started", o.Started)
	}
	line = appendWord(line, `,"revisions":`, revisionsNames[o.Revisions])
	if o.Initial.Present {
		line = appendText(line, "initial", o.Initial.Data)
	}
	return ended(dst, line)
}

// AppendInvoke appends the invocation of an operation: the fields of o that its call has. No other operation of the file may
// have the number id.
func AppendInvoke(dst []byte, id uint64, o *Operation, at int64) ([]byte, error) {
	if err := checkCall(o); err != nil {
		return dst, err
	}
	if err := checkTime(at); err != nil {
		return dst, err
	}
	line := appendUnsigned(dst, `{"event":"invoke","id":`, id)
	line = appendSigned(line, `,"at":`, at)
	line = appendSigned(line, `,"client":`, int64(o.Client))
	line = appendWord(line, `,"kind":`, kindNames[o.Kind])
	line = appendText(line, "key", o.Key)
	if o.Value.Present {
		line = appendText(line, "value", o.Value.Data)
	}
	line = appendCondition(line, &o.Condition)
	if o.Stale {
		line = append(line, `,"stale":true`...)
	}
	return ended(dst, line)
}

func appendCondition(line []byte, c *Condition) []byte {
	switch c.Kind {
	case MustNotExist:
		return append(line, `,"if_exists":false`...)
	case MustExist:
		return append(line, `,"if_exists":true`...)
	case ValueEquals:
		return appendValue(line, "if_value", c.Value)
	case RevisionEquals:
		return appendUnsigned(line, `,"if_revision":`, c.Revision)
	}
	return line
}

// AppendReturn appends the return of an operation: the fields of o that its result has. Kind and Condition are read, too,
// and must be those of the call. Of an operation of unknown outcome, at is when the client stopped waiting.
func AppendReturn(dst []byte, id uint64, o *Operation, at int64) ([]byte, error) {
	if o.Kind == 0 || int(o.Kind) >= len(kindNames) {
		return dst, checkCall(o)
	}
	if err := checkResult(o); err != nil {
		return dst, err
	}
	if err := checkTime(at); err != nil {
		return dst, err
	}
	line := appendUnsigned(dst, `{"event":"return","id":`, id)
	line = appendSigned(line, `,"at":`, at)
	line = appendWord(line, `,"outcome":`, outcomeNames[o.Outcome])
	if o.HasObserved || o.Kind == Get && o.Outcome == Done {
		line = appendValue(line, "observed", o.Observed)
	}
	if o.Revision != 0 {
		line = appendUnsigned(line, `,"revision":`, o.Revision)
	}
	if o.KeyRevision != 0 {
		line = appendUnsigned(line, `,"key_revision":`, o.KeyRevision)
	}
	switch o.Existed {
	case No:
		line = append(line, `,"existed":false`...)
	case Yes:
		line = append(line, `,"existed":true`...)
	}
	return ended(dst, line)
}

// AppendMark appends a mark. One that a later AppendEnd ends has To = Forever and a number that no other mark of the file
// has; 0 is no number.
func AppendMark(dst []byte, id uint64, m *Mark) ([]byte, error) {
	if err := checkMark(id, m); err != nil {
		return dst, err
	}
	line := append(dst, `{"event":"`...)
	line = append(line, markNames[m.Kind]...)
	line = append(line, '"')
	if id != 0 {
		line = appendUnsigned(line, `,"mark":`, id)
	}
	line = appendSigned(line, `,"at":`, m.From)
	if m.To != Forever {
		line = appendSigned(line, `,"to":`, m.To)
	}
	if m.Node != "" {
		line = appendText(line, "node", m.Node)
	}
	if m.Text != "" {
		line = appendText(line, "text", m.Text)
	}
	return ended(dst, line)
}

// AppendEnd appends the end of a mark.
func AppendEnd(dst []byte, id uint64, at int64) ([]byte, error) {
	if id == 0 {
		return dst, misfit("mark 0 ends: 0 is no number")
	}
	if err := checkTime(at); err != nil {
		return dst, err
	}
	line := appendUnsigned(dst, `{"event":"end","mark":`, id)
	return ended(dst, appendSigned(line, `,"at":`, at))
}

// AppendName appends a client's name. Each client can be named once.
func AppendName(dst []byte, client int32, name string) ([]byte, error) {
	line := appendSigned(dst, `{"event":"client","client":`, int64(client))
	return ended(dst, appendText(line, "name", name))
}

// ended closes a line that began where dst ends.
func ended(dst, line []byte) ([]byte, error) {
	line = append(line, '}', '\n')
	if n := len(line) - len(dst); n > LineBytesMax {
		return dst, misfit("a line of %d bytes, and %d is the most", n, LineBytesMax)
	}
	return line, nil
}

func appendSigned(line []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(line, name...), n, 10)
}

func appendUnsigned(line []byte, name string, n uint64) []byte {
	return strconv.AppendUint(append(line, name...), n, 10)
}

// appendWord appends a string that needs no escape.
func appendWord(line []byte, name, word string) []byte {
	line = append(line, name...)
	line = append(line, '"')
	line = append(line, word...)
	return append(line, '"')
}

func appendValue(line []byte, name string, v Value) []byte {
	if v.Present {
		return appendText(line, name, v.Data)
	}
	line = append(line, `,"`...)
	line = append(line, name...)
	return append(line, `":null`...)
}

// appendText appends a field with a string, or with its bytes in base64 if it is not valid UTF-8, which JSON can't hold.
func appendText(line []byte, name, text string) []byte {
	line = append(line, `,"`...)
	line = append(line, name...)
	if !utf8.ValidString(text) {
		line = append(line, `64":"`...)
		return append(base64Append(line, text), '"')
	}
	line = append(line, `":"`...)
	return append(appendEscaped(line, text), '"')
}

// base64Append encodes in pieces, since the library takes bytes and a conversion of the whole would allocate.
func base64Append(line []byte, text string) []byte {
	var piece [3 * 64]byte // a multiple of 3, so that only the last piece is padded
	for len(text) > 0 {
		n := copy(piece[:], text)
		line = base64.StdEncoding.AppendEncode(line, piece[:n])
		text = text[n:]
	}
	return line
}

// appendEscaped appends valid UTF-8 as JSON wants it within quotes. It escapes what must be and nothing else.
func appendEscaped(line []byte, text string) []byte {
	const digits = "0123456789abcdef"
	plain := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		line = append(line, text[plain:i]...)
		plain = i + 1
		switch c {
		case '"', '\\':
			line = append(line, '\\', c)
		case '\n':
			line = append(line, '\\', 'n')
		case '\t':
			line = append(line, '\\', 't')
		default:
			line = append(line, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(line, text[plain:]...)
}

// Writer writes a file event by event. It gathers lines and writes them when there are enough, or by Flush. It is not safe
// for concurrent use; linearizability.Recorder is. The first error stays: every later call returns it and writes nothing.
// It checks each event for itself, and not that numbers are used once: Read does.
type Writer struct {
	w   io.Writer
	buf []byte
	err error
}

// NewWriter starts a file with its header.
func NewWriter(w io.Writer, o Origin) (*Writer, error) {
	buf, err := AppendHeader(nil, &o)
	return &Writer{w: w, buf: buf, err: err}, err
}

// Invoke writes the invocation of an operation: see AppendInvoke.
func (w *Writer) Invoke(id uint64, o *Operation, at int64) error {
	if w.err == nil {
		w.buf, w.err = AppendInvoke(w.buf, id, o, at)
	}
	return w.spill()
}

// Return writes the return of an operation: see AppendReturn.
func (w *Writer) Return(id uint64, o *Operation, at int64) error {
	if w.err == nil {
		w.buf, w.err = AppendReturn(w.buf, id, o, at)
	}
	return w.spill()
}

// Mark writes a mark: see AppendMark.
func (w *Writer) Mark(id uint64, m Mark) error {
	if w.err == nil {
		w.buf, w.err = AppendMark(w.buf, id, &m)
	}
	return w.spill()
}

// End writes the end of a mark that was written with a number.
func (w *Writer) End(id uint64, at int64) error {
	if w.err == nil {
		w.buf, w.err = AppendEnd(w.buf, id, at)
	}
	return w.spill()
}

// Name writes a client's name.
func (w *Writer) Name(client int32, name string) error {
	if w.err == nil {
		w.buf, w.err = AppendName(w.buf, client, name)
	}
	return w.spill()
}

func (w *Writer) spill() error {
	if w.err != nil || len(w.buf) < writerBufferBytes {
		return w.err
	}
	return w.Flush()
}

// Flush writes what was gathered.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

// Write writes a whole history: the names of clients, then the events by time. Of an operation of unknown outcome there is
// only the invocation. Transactions are refused, as is everything else that breaks what History and Operation say of
// themselves: the error then wraps a *RecordError.
func Write(w io.Writer, h *History) error {
	out, err := NewWriter(w, h.Origin)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	for _, client := range slices.Sorted(maps.Keys(h.Clients)) {
		if err := out.Name(client, h.Clients[client]); err != nil {
			return fmt.Errorf("name of client %d: %w", client, err)
		}
	}
	e := events{h: h, out: out}
	for i := range h.Operations {
		if err := e.invoke(i); err != nil {
			return err
		}
	}
	if err := e.until(Forever); err != nil {
		return err
	}
	return out.Flush()
}

// events brings the events of a history into the order of their times. It is a heap of the operations that have yet to
// return, the next one first.
type events struct {
	h       *History
	out     *Writer
	pending []int32 // indices into h.Operations
	marks   int     // written so far
}

func (e *events) Len() int { return len(e.pending) }

func (e *events) Less(i, j int) bool {
	a, b := e.pending[i], e.pending[j]
	if x, y := e.h.Operations[a].Return, e.h.Operations[b].Return; x != y {
		return x < y
	}
	return a < b
}

func (e *events) Swap(i, j int) { e.pending[i], e.pending[j] = e.pending[j], e.pending[i] }
func (e *events) Push(i any)    { e.pending = append(e.pending, i.(int32)) }

func (e *events) Pop() any {
	last := e.pending[len(e.pending)-1]
	e.pending = e.pending[:len(e.pending)-1]
	return last
}

// invoke writes the invocation of operation i after all that precedes it. Operations that touch overlap, so that an
// invocation comes before the returns at the same time.
func (e *events) invoke(i int) error {
	o := &e.h.Operations[i]
	if err := e.until(o.Invoke); err != nil {
		return err
	}
	if err := e.check(o); err != nil {
		return fmt.Errorf("operation %d: %w", i, err)
	}
	if err := e.out.Invoke(uint64(i)+1, o, o.Invoke); err != nil {
		return fmt.Errorf("operation %d: %w", i, err)
	}
	if o.Outcome != Unknown {
		heap.Push(e, int32(i))
	}
	return nil
}

func (e *events) check(o *Operation) error {
	switch {
	case o.Outcome == Unknown && o.Return != Forever:
		return misfit("an unknown outcome with a return at %d", o.Return)
	case o.Outcome != Unknown && o.Return == Forever:
		return misfit("an outcome without a return")
	case o.Return < o.Invoke:
		return misfit("a return at %d, before the invocation at %d", o.Return, o.Invoke)
	}
	return checkResult(o)
}

// until writes the returns before a time and the marks that begin no later.
func (e *events) until(at int64) error {
	for {
		more, returns := e.marks < len(e.h.Marks) && e.h.Marks[e.marks].From <= at, e.Len() > 0
		switch {
		case more && !(returns && e.h.Operations[e.pending[0]].Return < e.h.Marks[e.marks].From):
			if err := e.out.Mark(0, e.h.Marks[e.marks]); err != nil {
				return fmt.Errorf("mark %d: %w", e.marks, err)
			}
			e.marks++
		case returns && e.h.Operations[e.pending[0]].Return < at:
			i := heap.Pop(e).(int32)
			if err := e.out.Return(uint64(i)+1, &e.h.Operations[i], e.h.Operations[i].Return); err != nil {
				return fmt.Errorf("operation %d: %w", i, err)
			}
		default:
			return nil
		}
	}
}
