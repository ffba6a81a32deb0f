package readers

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// lineBytesMax bounds a line of a log.
const lineBytesMax = 1 << 20

// readLog reads the lines that Jepsen logged of a test of etcd, as porcupine's tests have them:
//
//	INFO  jepsen.util - 3	:invoke	:cas	[1 4]
//
// Fields are apart by tabs or spaces; there are no times. What :fail means differs from history.edn. Of a compare-and-set it
// is a result, since that client says :info where it knows nothing: the value was not the expected one. Of a read, with
// :timed-out, it is an unknown outcome that lets the process go on. Of a write it means that nothing happened.
func readLog(r *bufio.Reader, o Options) (*history.History, error) {
	j, l := newJepsen("jepsen-log", logRules), logLines{r: r}
	for {
		line, err := l.next()
		if errors.Is(err, io.EOF) {
			j.untimed = true
			return j.finish(o)
		}
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			continue
		}
		e, err := l.read(line)
		if err == nil {
			err = j.take(&e)
		}
		if err != nil {
			return nil, err
		}
	}
}

// logLines reads a log line by line.
type logLines struct {
	r       *bufio.Reader
	long    []byte // a line that the reader's buffer does not hold
	line    int
	clock   clock
	values  *scanner
	literal strings.Reader
	buffer  *bufio.Reader
}

// next returns the next line without what is blank at its end, valid until the next call.
func (l *logLines) next() ([]byte, error) {
	l.line++
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.long = append(l.long, part...)
		switch {
		case len(l.long) > lineBytesMax:
			return nil, failAt(l.line, "a line longer than %d bytes", lineBytesMax)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.long) > 0:
			err = nil
		}
		if err != nil {
			return nil, err
		}
		if !utf8.Valid(l.long) {
			return nil, failAt(l.line, "a byte that is not UTF-8")
		}
		return bytes.TrimRight(l.long, " \t\r\n"), nil
	}
}

// cut returns the first field of a line and the rest.
func cut(line string) (field, rest string) {
	line = strings.TrimLeft(line, " \t")
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		return line, ""
	}
	return line[:end], strings.TrimLeft(line[end:], " \t")
}

// read turns a line into an event.
func (l *logLines) read(line []byte) (event, error) {
	rest := string(line)
	for _, word := range [...]string{"INFO", "jepsen.util", "-"} {
		var field string
		if field, rest = cut(rest); field != word {
			return event{}, failAt(l.line, `%s where "INFO  jepsen.util - " was expected to begin the line`, short(field))
		}
	}
	process, rest := cut(rest)
	p, rest := cut(rest)
	f, rest := cut(rest)
	at, err := l.clock.tick(l.line, nil, nil)
	if err != nil {
		return event{}, err
	}
	e := event{line: l.line, at: at}
	if err := l.words(&e, process, p, f); err != nil {
		return event{}, err
	}
	return e, l.value(&e, rest)
}

// words reads the fields that are one word each.
func (l *logLines) words(e *event, process, p, f string) error {
	var forms [3]form
	for i, field := range [...]string{process, p, f} {
		var err error
		if forms[i], err = l.form(field); err != nil {
			return err
		}
	}
	if err := e.who(&forms[0]); err != nil {
		return err
	}
	return e.what(&forms[1], &forms[2])
}

// value reads the last field. The nemesis says what it likes there.
func (l *logLines) value(e *event, s string) error {
	if e.nemesis {
		if s != "nil" {
			e.value = form{kind: kindAtom, line: l.line, text: s}
		}
		return nil
	}
	var err error
	s, reason, _ := strings.Cut(s, "\t")
	if e.value, err = l.form(s); err == nil && reason != "" {
		e.err = form{kind: kindText, line: l.line, text: reason}
	}
	return err
}

// form reads the one form that a field is.
func (l *logLines) form(s string) (form, error) {
	l.literal.Reset(s)
	if l.values == nil {
		l.buffer = bufio.NewReader(&l.literal)
		l.values = newScanner(l.buffer, l.line)
	} else {
		l.buffer.Reset(&l.literal)
		l.values.reset(l.buffer, l.line)
	}
	f, found, err := l.values.next(0)
	switch {
	case err != nil:
		return f, err
	case !found:
		return f, failAt(l.line, "the line ends where a field was expected")
	}
	if l.values.skip(); l.values.ch != eof {
		return f, failAt(l.line, "%s after %s", printed(l.values.ch), short(f.canonical()))
	}
	return f, nil
}
