package readers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// formBytesMax bounds one record: what is longer is not a record of an operation, but a file of another kind.
	formBytesMax = 4 << 20
	// nestingMax bounds how deep collections lie in each other, and with it the stack.
	nestingMax = 100
	// internedMax bounds the table of words that are kept once.
	internedMax = 4096
)

// kind is what a form is.
type kind uint8

const (
	kindAtom     kind = iota // nil, booleans, numbers, characters, symbols: told apart by their text
	kindText                 // a string
	kindKeyword              // its name is the text without the colon
	kindSequence             // a vector or a list, which are equal in EDN when their items are
	kindSet
	kindDictionary // items are key, value, key, value
	kindTagged     // text is the tag, the one item what it tags
)

// form is one value of EDN (extensible data notation, the edn-format specification), as Clojure prints it.
type form struct {
	kind  kind
	line  int
	text  string // canonical for atoms, the contents of strings
	items []form
}

// isNil says that the form is nil.
func (f *form) isNil() bool { return f.kind == kindAtom && f.text == "nil" }

// pair returns the items of a sequence of two.
func (f *form) pair() (first, second *form, ok bool) {
	if f.kind != kindSequence || len(f.items) != 2 {
		return nil, nil, false
	}
	return &f.items[0], &f.items[1], true
}

// eof stands for the end of the input among runes.
const eof rune = -1

// scanner reads forms one after another and knows the line of each, which the module olympos.io/encoding/edn does not tell.
// The tests have that module for an oracle.
type scanner struct {
	r    *bufio.Reader
	ch   rune // the rune under the reader, or eof
	line int  // of ch
	used int  // bytes read since the form began
	err  error

	token    []byte // of the word or string under way
	pending  []form // items of the collections under way
	interned map[string]string
}

// newScanner returns a scanner whose first line is number line.
func newScanner(r *bufio.Reader, line int) *scanner {
	s := &scanner{interned: map[string]string{}}
	s.reset(r, line)
	return s
}

// reset makes the scanner read another input.
func (s *scanner) reset(r *bufio.Reader, line int) {
	s.r, s.line, s.err, s.ch, s.used = r, line, nil, 0, 0
	s.advance()
}

// advance goes to the next rune. After an error, which it keeps, there are none.
func (s *scanner) advance() {
	if s.ch == '\n' {
		s.line++
	}
	if s.err != nil {
		s.ch = eof
		return
	}
	r, size, err := s.r.ReadRune()
	s.used += size
	switch {
	case err != nil:
		s.ch = eof
		if !errors.Is(err, io.EOF) {
			s.err = err
		}
	case r == utf8.RuneError && size == 1:
		s.ch, s.err = eof, s.fail("a byte that is not UTF-8")
	case s.used > formBytesMax:
		s.ch, s.err = eof, s.fail("a record longer than %d bytes", formBytesMax)
	default:
		s.ch = r
	}
}

// fail returns an error at the line under the reader.
func (s *scanner) fail(format string, args ...any) error { return failAt(s.line, format, args...) }

// failAt returns an error at a line.
func failAt(line int, format string, args ...any) error {
	return &Error{Line: line, Reason: fmt.Sprintf(format, args...)}
}

// skip passes over what separates forms.
func (s *scanner) skip() {
	for {
		switch {
		case s.ch == ';':
			for s.ch != '\n' && s.ch != eof {
				s.advance()
			}
		case s.ch == ',' || s.ch != eof && s.ch < 128 && unicode.IsSpace(s.ch):
			s.advance()
		default:
			return
		}
	}
}

// next reads a form. ok is false where there is none: at the end, before a closing bracket, and after a discarded form.
func (s *scanner) next(depth int) (f form, ok bool, err error) {
	s.skip()
	f.line = s.line
	if depth > nestingMax {
		return f, false, s.fail("collections nested more than %d deep", nestingMax)
	}
	switch s.ch {
	case eof, ')', ']', '}':
		return f, false, s.err
	case '(':
		return s.collect(f, kindSequence, ')', depth)
	case '[':
		return s.collect(f, kindSequence, ']', depth)
	case '{':
		return s.collect(f, kindDictionary, '}', depth)
	case '"':
		f.kind = kindText
		f.text, err = s.str()
	case '\\':
		f.text, err = s.char()
	case '#':
		return s.dispatch(f, depth)
	default:
		err = s.word(&f)
	}
	if err == nil {
		err = s.err
	}
	return f, err == nil, err
}

// collect reads what is between brackets.
func (s *scanner) collect(f form, k kind, closing rune, depth int) (form, bool, error) {
	f.kind = k
	base := len(s.pending)
	defer func() { s.pending = s.pending[:base] }()
	s.advance()
	for {
		item, ok, err := s.next(depth + 1)
		switch {
		case err != nil:
			return f, false, err
		case ok:
			s.pending = append(s.pending, item)
			continue
		}
		s.skip()
		switch s.ch {
		case closing:
			s.advance()
			f.items = slices.Clone(s.pending[base:])
			err := s.whole(&f)
			return f, err == nil, err
		case ')', ']', '}':
			return f, false, s.fail("%q closes what line %d opened with another bracket", s.ch, f.line)
		case eof:
			if s.err != nil {
				return f, false, s.err
			}
			return f, false, s.fail("the file ends within what line %d opened: %q is missing", f.line, closing)
		}
	}
}

// whole checks a collection that was read to its end.
func (s *scanner) whole(f *form) error {
	if s.err != nil {
		return s.err
	}
	switch f.kind {
	case kindDictionary:
		if len(f.items)%2 != 0 {
			return failAt(f.line, "a map with a key that has no value")
		}
		return distinct(f.items, 2)
	case kindSet:
		return distinct(f.items, 1)
	}
	return nil
}

// fewMax bounds how many items are compared each with each, which is faster than a table for the keywords of a record.
const fewMax = 16

// distinct checks that every step-th item is another one.
func distinct(items []form, step int) error {
	if len(items) > fewMax*step || !allWords(items, step) {
		return distinctByText(items, step)
	}
	for i := step; i < len(items); i += step {
		for j := 0; j < i; j += step {
			if items[i].text == items[j].text && items[i].kind == items[j].kind {
				return twice(&items[i])
			}
		}
	}
	return nil
}

// allWords says that none of every step-th item has items of its own, so that kind and text are all of it.
func allWords(items []form, step int) bool {
	for i := 0; i < len(items); i += step {
		switch items[i].kind {
		case kindSequence, kindSet, kindDictionary, kindTagged:
			return false
		}
	}
	return true
}

// distinctByText is distinct for many items or deep ones.
func distinctByText(items []form, step int) error {
	seen := make(map[string]bool, len(items)/step)
	for i := 0; i < len(items); i += step {
		key := items[i].canonical()
		if seen[key] {
			return twice(&items[i])
		}
		seen[key] = true
	}
	return nil
}

func twice(f *form) error { return failAt(f.line, "%s is there twice", short(f.canonical())) }

// dispatch reads what begins with a hash: a set, a discarded form, a symbolic number or a tag and its form.
func (s *scanner) dispatch(f form, depth int) (form, bool, error) {
	s.advance()
	switch {
	case s.ch == '{':
		return s.collect(f, kindSet, '}', depth)
	case s.ch == '_':
		s.advance()
		if _, err := s.operand(depth, "#_"); err != nil {
			return f, false, err
		}
		return f, false, nil
	case s.ch == '#':
		return s.symbolic(f)
	case !startsWord(s.ch) && s.ch != ':':
		return f, false, s.fail("# before %s", printed(s.ch))
	}
	f.kind = kindTagged
	f.text = s.chars()
	item, err := s.operand(depth, "the tag #"+f.text)
	f.items = []form{item}
	return f, err == nil, err
}

// operand reads the form that must follow.
func (s *scanner) operand(depth int, after string) (form, error) {
	for {
		item, ok, err := s.next(depth + 1)
		if err != nil || ok {
			return item, err
		}
		s.skip()
		switch s.ch {
		case eof, ')', ']', '}':
			return item, s.fail("no form after %s", after)
		}
	}
}

// symbolic reads ##Inf, ##-Inf or ##NaN.
func (s *scanner) symbolic(f form) (form, bool, error) {
	s.advance()
	switch name := s.chars(); name {
	case "Inf", "-Inf", "NaN":
		f.text = "##" + name
		return f, s.err == nil, s.err
	default:
		return f, false, s.fail("##%s is no number", short(name))
	}
}

// word reads a keyword, a symbol or a number.
func (s *scanner) word(f *form) error {
	if s.ch == ':' {
		f.kind = kindKeyword
		s.advance()
		f.text = s.chars()
		if strings.Trim(f.text, ":") == "" {
			return s.fail("a keyword without a name")
		}
		return nil
	}
	if !startsWord(s.ch) {
		return s.fail("%s where a form was expected", printed(s.ch))
	}
	f.text = s.chars()
	if !startsNumber(f.text) {
		return nil
	}
	number, ok := canonicalNumber(f.text)
	if !ok {
		return s.fail("%s is no number", short(f.text))
	}
	f.text = number
	return nil
}

// chars reads the characters of a word.
func (s *scanner) chars() string {
	s.token = s.token[:0]
	for continuesWord(s.ch) {
		s.token = utf8.AppendRune(s.token, s.ch)
		s.advance()
	}
	return s.intern()
}

// intern returns the token as a string, the same one for the same word as long as the table has room. Numbers are left out:
// times and indices would fill it.
func (s *scanner) intern() string {
	if len(s.token) == 0 || s.token[0] <= '9' || len(s.token) > 32 {
		return string(s.token)
	}
	if known, ok := s.interned[string(s.token)]; ok {
		return known
	}
	word := string(s.token)
	if len(s.interned) < internedMax {
		s.interned[word] = word
	}
	return word
}

func startsWord(r rune) bool {
	return continuesWord(r) && r != ':' && r != '#' && r != '\''
}

func continuesWord(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	case r < 128:
		return r > 0 && strings.ContainsRune(".*+!-_?$%&=<>/:#'|", r)
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsSymbol(r) || unicode.IsMark(r)
}

func startsNumber(word string) bool {
	if len(word) > 1 && (word[0] == '-' || word[0] == '+') {
		word = word[1:]
	}
	return word[0] >= '0' && word[0] <= '9'
}

// printed returns a rune for a message.
func printed(r rune) string {
	if r == eof {
		return "the end of the file"
	}
	return fmt.Sprintf("%q", r)
}
