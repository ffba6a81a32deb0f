package history

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanned is the value of one field.
type scanned struct {
	// text is a string without its escapes, or the bytes that base64 stood for. It is valid until the next line.
	text   []byte
	number uint64 // of a signed shape: in two's complement
	truth  bool
	null   bool
}

// scanner takes a line apart: one flat JSON object with the fields of the format, each at most once and of its shape. It
// stands in for encoding/json, which is several times slower, takes the last of two equal fields, matches names without
// regard to case and mends broken strings.
type scanner struct {
	line    []byte
	at      int
	there   fieldSet
	values  [fieldsCount]scanned
	scratch []byte // texts that do not stand in the line as they are
}

// errCut means that the line ends where more must follow, as the last one does when its writer was killed.
var errCut = errors.New("the line ends in the middle of an object")

// named is a field as a line names it.
type named struct {
	name   string
	field  field
	base64 bool
}

// nameTable finds a field by its name, by hash and then linear probing. A map does the same in three times the time, a
// dozen times for each operation.
type nameTable [128]named

// names has all fields; those that may hold any bytes are there a second time, with a name that ends in 64.
var names = func() (t nameTable) {
	for f := range fieldsCount {
		t.add(named{name: fields[f].name, field: f})
		if s := fields[f].shape; s == textShape || s == valueShape {
			t.add(named{name: fields[f].name + "64", field: f, base64: true})
		}
	}
	return t
}()

func nameHash(name []byte) uint {
	if len(name) == 0 {
		return 0
	}
	return uint(len(name))*29 + uint(name[0])*5 + uint(name[len(name)-1])
}

func (t *nameTable) add(n named) {
	i := nameHash([]byte(n.name)) % uint(len(t))
	for t[i].name != "" {
		i = (i + 1) % uint(len(t))
	}
	t[i] = n
}

func (t *nameTable) find(name []byte) (*named, bool) {
	for i := nameHash(name) % uint(len(t)); t[i].name != ""; i = (i + 1) % uint(len(t)) {
		if t[i].name == string(name) {
			return &t[i], true
		}
	}
	return nil, false
}

// scan takes a line apart. The error is errCut or a *RecordError; what was scanned until then stays.
func (s *scanner) scan(line []byte) error {
	s.line, s.at, s.there, s.scratch = line, 0, 0, s.scratch[:0]
	if err := s.expect('{'); err != nil {
		return err
	}
	for {
		if err := s.member(); err != nil {
			return err
		}
		c, err := s.next()
		if err != nil {
			return err
		}
		switch c {
		case ',':
		case '}':
			return s.end()
		default:
			return misfit("byte %d: %q where a comma or a brace belongs", s.at, c)
		}
	}
}

// end says that nothing follows the object.
func (s *scanner) end() error {
	if c, err := s.next(); err == nil {
		return misfit("byte %d: %q behind the object", s.at, c)
	}
	return nil
}

// next returns the next byte that is no space.
func (s *scanner) next() (byte, error) {
	for s.at < len(s.line) {
		c := s.line[s.at]
		s.at++
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, nil
		}
	}
	return 0, errCut
}

func (s *scanner) expect(want byte) error {
	c, err := s.next()
	if err == nil && c != want {
		return misfit("byte %d: %q where %q belongs: each line is a JSON object", s.at, c, want)
	}
	return err
}

// member scans a name and its value.
func (s *scanner) member() error {
	if err := s.expect('"'); err != nil {
		return err
	}
	name, err := s.text()
	if err != nil {
		return err
	}
	n, known := names.find(name)
	if !known {
		return misfit("unknown field %s", Text(string(name)))
	}
	if s.there.has(n.field) {
		return misfit("the field %s is there twice", name)
	}
	if err := s.expect(':'); err != nil {
		return err
	}
	if err := s.value(n); err != nil {
		return err
	}
	s.there |= setOf(n.field)
	return nil
}

// value scans the value of a field.
func (s *scanner) value(n *named) error {
	c, err := s.next()
	if err != nil {
		return err
	}
	v := &s.values[n.field]
	v.null = false
	switch kind := fields[n.field].shape; {
	case kind == unsignedShape:
		err = s.unsigned(v, c)
	case kind == signedShape:
		err = s.signed(v, c)
	case kind == truthShape:
		v.truth = c == 't'
		err = s.literal(c, "true", "false")
	case kind == valueShape && c == 'n' && !n.base64:
		v.null = true
		err = s.literal(c, "null")
	case c != '"':
		err = misfit("%q where a string belongs", c)
	default:
		v.text, err = s.text()
		if err == nil && n.base64 {
			v.text, err = s.unpack(v.text)
		}
	}
	if wrong, ok := err.(*RecordError); ok {
		return misfit("%s: %s", fields[n.field].name, wrong.Reason)
	}
	return err
}

// literal scans the rest of one of the words, whose first byte is c.
func (s *scanner) literal(c byte, words ...string) error {
	for _, word := range words {
		if c != word[0] {
			continue
		}
		n := min(len(word)-1, len(s.line)-s.at)
		if string(s.line[s.at:s.at+n]) != word[1:1+n] {
			break
		}
		s.at += n
		if n < len(word)-1 {
			return errCut
		}
		return nil
	}
	return misfit("%q where %s belongs", c, strings.Join(words, " or "))
}

// unsigned scans a number whose first byte is c.
func (s *scanner) unsigned(v *scanned, c byte) error {
	if c < '0' || c > '9' {
		return misfit("%q where a whole number from 0 on belongs", c)
	}
	n, first := uint64(c-'0'), s.at
	for ; s.at < len(s.line); s.at++ {
		c := s.line[s.at]
		if c < '0' || c > '9' {
			break
		}
		digit := uint64(c - '0')
		if n > (math.MaxUint64-digit)/10 {
			return misfit("a number above %d", uint64(math.MaxUint64))
		}
		n = 10*n + digit
	}
	if s.at == len(s.line) {
		return errCut
	}
	switch c := s.line[s.at]; {
	case s.line[first-1] == '0' && s.at > first:
		return misfit("a number with a zero in front")
	case c == '.' || c == 'e' || c == 'E':
		return misfit("a number with a fraction or an exponent: a whole number belongs there")
	}
	v.number = n
	return nil
}

// signed scans a number whose first byte is c.
func (s *scanner) signed(v *scanned, c byte) error {
	limit, sign := uint64(math.MaxInt64), uint64(1)
	if c == '-' {
		if s.at == len(s.line) {
			return errCut
		}
		c, limit, sign = s.line[s.at], 1<<63, math.MaxUint64
		s.at++
	}
	if err := s.unsigned(v, c); err != nil {
		return err
	}
	if v.number > limit {
		return misfit("a number that does not fit into 64 bits with its sign")
	}
	v.number *= sign
	return nil
}

// text scans a string behind its first quote.
func (s *scanner) text() ([]byte, error) {
	start := s.at
	var escaped, wide, control bool
	for i := start; i < len(s.line); i++ {
		switch c := s.line[i]; {
		case c == '"':
			s.at = i + 1
			raw := s.line[start:i]
			if control || wide && !utf8.Valid(raw) {
				return nil, notText(control)
			}
			if escaped {
				return s.unescape(raw)
			}
			return raw, nil
		case c == '\\':
			escaped = true
			i++ // an escaped quote does not end the string
			wide = wide || i < len(s.line) && s.line[i] >= utf8.RuneSelf
		case c < ' ':
			control = true
		case c >= utf8.RuneSelf:
			wide = true
		}
	}
	return nil, errCut
}

// notText says why a string is none. Replacing the wrong bytes, as is usual elsewhere, would make another value of it.
func notText(control bool) error {
	if control {
		return misfit("a control character in a string, which must be escaped")
	}
	return misfit("a string that is not UTF-8: such bytes belong in base64, into a field whose name ends in 64")
}

// unescape returns what a string with escapes stands for.
func (s *scanner) unescape(raw []byte) ([]byte, error) {
	from := len(s.scratch)
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			s.scratch = append(s.scratch, raw...)
			break
		}
		s.scratch = append(s.scratch, raw[:i]...)
		n, err := s.escape(raw[i+1:])
		if err != nil {
			return nil, err
		}
		raw = raw[i+1+n:]
	}
	return s.scratch[from:], nil
}

// escape appends what one escape stands for and returns how many bytes follow its backslash.
func (s *scanner) escape(raw []byte) (int, error) {
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), raw[0]); i >= 0 {
		s.scratch = append(s.scratch, "\"\\/\b\f\n\r\t"[i])
		return 1, nil
	}
	first, ok := hex4(raw)
	if !ok {
		return 0, misfit("the unknown escape \\%c", raw[0])
	}
	n := 5
	if utf16.IsSurrogate(first) {
		second, ok := rune(0), false
		if len(raw) > n && raw[n] == '\\' {
			second, ok = hex4(raw[n+1:])
		}
		first = utf16.DecodeRune(first, second)
		if !ok || first == utf8.RuneError {
			return 0, misfit("half a surrogate pair: such bytes belong in base64, into a field whose name ends in 64")
		}
		n += 6
	}
	s.scratch = utf8.AppendRune(s.scratch, first)
	return n, nil
}

// hex4 reads the u and four digits of an escape.
func hex4(raw []byte) (r rune, ok bool) {
	if len(raw) < 5 || raw[0] != 'u' {
		return 0, false
	}
	for _, c := range raw[1:5] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unpack decodes base64: the standard alphabet, padded, nothing in between.
func (s *scanner) unpack(text []byte) ([]byte, error) {
	from := len(s.scratch)
	out, err := base64.StdEncoding.Strict().AppendDecode(s.scratch, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") {
		return nil, misfit("a string that is not base64 in the standard alphabet with its padding")
	}
	s.scratch = out
	return out[from:], nil
}
