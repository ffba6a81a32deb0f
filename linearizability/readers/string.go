package readers

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string, the opening quote under the reader, and returns its contents.
func (s *scanner) str() (string, error) {
	begun := s.line
	s.advance()
	s.token = s.token[:0]
	for s.ch != '"' {
		switch s.ch {
		case eof:
			if s.err != nil {
				return "", s.err
			}
			return "", s.fail("the file ends within the string that line %d opened", begun)
		case '\\':
			if err := s.escape(); err != nil {
				return "", err
			}
		default:
			s.token = utf8.AppendRune(s.token, s.ch)
			s.advance()
		}
	}
	s.advance()
	return string(s.token), nil
}

// escapes are the letters after a backslash, and what they stand for.
const (
	escapeLetters = `tnrbf"\`
	escapeMeaning = "\t\n\r\b\f\"\\"
)

// escape reads an escape sequence of a string into the token.
func (s *scanner) escape() error {
	s.advance()
	if i := strings.IndexRune(escapeLetters, s.ch); i >= 0 && s.ch > 0 {
		s.token = append(s.token, escapeMeaning[i])
		s.advance()
		return nil
	}
	switch {
	case s.ch == 'u':
		s.advance()
		r, err := s.unicode()
		s.token = utf8.AppendRune(s.token, r)
		return err
	case s.ch >= '0' && s.ch <= '7':
		digits := ""
		for len(digits) < 3 && s.ch >= '0' && s.ch <= '7' {
			digits += string(s.ch)
			s.advance()
		}
		n, _ := strconv.ParseUint(digits, 8, 16)
		s.token = utf8.AppendRune(s.token, rune(n))
		return nil
	}
	if s.err != nil {
		return s.err
	}
	return s.fail("a backslash before %s in a string", printed(s.ch))
}

// unicode reads the four digits after \u, and a second escape where two surrogates make up one character.
func (s *scanner) unicode() (rune, error) {
	high, err := s.digits()
	if err != nil || !utf16.IsSurrogate(high) {
		return high, err
	}
	if s.ch == '\\' {
		s.advance()
		if s.ch == 'u' {
			s.advance()
			low, err := s.digits()
			if r := utf16.DecodeRune(high, low); err != nil || r != utf8.RuneError {
				return r, err
			}
		}
	}
	return 0, s.fail("half of a surrogate pair in a string")
}

// digits reads four hexadecimal digits.
func (s *scanner) digits() (rune, error) {
	var n rune
	for range 4 {
		d := strings.IndexRune("0123456789abcdef", s.ch|0x20)
		if d < 0 || s.ch < '0' {
			return 0, s.fail(`\u without four hexadecimal digits`)
		}
		n = n<<4 | rune(d)
		s.advance()
	}
	return n, nil
}

// charNames are the characters that Clojure prints by name.
var charNames = map[string]rune{
	"newline": '\n', "space": ' ', "tab": '\t', "return": '\r', "backspace": '\b', "formfeed": '\f',
}

// char reads a character and returns its canonical text.
func (s *scanner) char() (string, error) {
	s.advance()
	if s.ch == eof || s.ch <= ' ' {
		if s.err != nil {
			return "", s.err
		}
		return "", s.fail("a backslash before %s", printed(s.ch))
	}
	s.token = utf8.AppendRune(s.token[:0], s.ch)
	wordy := continuesWord(s.ch)
	s.advance()
	for wordy && continuesWord(s.ch) {
		s.token = utf8.AppendRune(s.token, s.ch)
		s.advance()
	}
	name := string(s.token)
	r, size := utf8.DecodeRuneInString(name)
	if size == len(name) {
		return canonicalChar(r), nil
	}
	if r, ok := charNames[name]; ok {
		return canonicalChar(r), nil
	}
	if n, err := strconv.ParseUint(name[1:], 16, 16); err == nil && name[0] == 'u' && len(name) == 5 {
		return canonicalChar(rune(n)), nil
	}
	if n, err := strconv.ParseUint(name[1:], 8, 16); err == nil && name[0] == 'o' && n <= 0o377 {
		return canonicalChar(rune(n)), nil
	}
	return "", s.fail(`\%s is no character`, short(name))
}
