package readers

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// numberBytesMax bounds the length of a number, since making it canonical takes more than linear time.
const numberBytesMax = 1000

// canonical returns the form as EDN text, the same for equal forms and different for others: it is what a history holds as
// a key or a value. Integers lose a plus and the N of big ones, vectors and lists look alike, maps and sets are sorted.
func (f *form) canonical() string {
	switch f.kind {
	case kindAtom:
		return f.text
	case kindKeyword:
		return ":" + f.text
	}
	return string(f.append(nil))
}

func (f *form) append(b []byte) []byte {
	switch f.kind {
	case kindText:
		return appendString(b, f.text)
	case kindKeyword:
		return append(append(b, ':'), f.text...)
	case kindSequence:
		return appendItems(b, "[", f.items, "]")
	case kindTagged:
		return f.items[0].append(append(append(append(b, '#'), f.text...), ' '))
	case kindSet:
		return append(append(append(b, "#{"...), strings.Join(sorted(f.items, 1), " ")...), '}')
	case kindDictionary:
		return append(append(append(b, '{'), strings.Join(sorted(f.items, 2), ", ")...), '}')
	}
	return append(b, f.text...)
}

func appendItems(b []byte, opening string, items []form, closing string) []byte {
	b = append(b, opening...)
	for i := range items {
		if i > 0 {
			b = append(b, ' ')
		}
		b = items[i].append(b)
	}
	return append(b, closing...)
}

// sorted returns the texts of groups of step items in their order.
func sorted(items []form, step int) []string {
	var texts []string
	for i := 0; i < len(items); i += step {
		texts = append(texts, string(appendItems(nil, "", items[i:i+step], "")))
	}
	slices.Sort(texts)
	return texts
}

// appendString writes a string with the escapes of EDN.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		i := strings.IndexRune(escapeMeaning, r)
		switch {
		case i >= 0:
			b = append(b, '\\', escapeLetters[i])
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}

// canonicalChar returns the one text of a character.
func canonicalChar(r rune) string {
	for name, named := range charNames {
		if named == r {
			return `\` + name
		}
	}
	if r < ' ' || r == 0x7f || utf16.IsSurrogate(r) {
		return fmt.Sprintf(`\u%04x`, r)
	}
	return `\` + string(r)
}

// canonicalNumber returns the one text of a number as Clojure prints it: integers of any size, also in hexadecimal as in the
// addresses of objects, ratios, floating-point numbers and decimals. Integers and floating-point numbers are never equal.
func canonicalNumber(word string) (string, bool) {
	if len(word) > numberBytesMax {
		return "", false
	}
	body := strings.TrimPrefix(word, "+")
	negative := strings.HasPrefix(body, "-")
	digits := strings.TrimPrefix(body, "-")
	if allDigits(digits) && (digits[0] != '0' || digits == "0" && !negative) {
		return body, true
	}
	if over, under, ok := strings.Cut(digits, "/"); ok {
		return body, allDigits(over) && allDigits(under) && under[0] != '0'
	}
	if n, ok := integer(strings.TrimSuffix(digits, "N")); ok {
		if negative {
			n.Neg(n)
		}
		return n.String(), true
	}
	if decimal, ok := strings.CutSuffix(digits, "M"); ok {
		_, whole := integer(decimal)
		_, broken := float(decimal)
		return body, whole || broken
	}
	return float(body)
}

// integer reads digits, in hexadecimal after 0x. A leading zero would mean octal to Clojure and nothing to EDN.
func integer(digits string) (*big.Int, bool) {
	if hex, ok := strings.CutPrefix(digits, "0x"); ok && hex != "" && hex[0] != '-' && hex[0] != '+' {
		return new(big.Int).SetString(hex, 16)
	}
	if !allDigits(digits) || digits[0] == '0' && len(digits) > 1 {
		return nil, false
	}
	return new(big.Int).SetString(digits, 10)
}

// float reads a floating-point number and returns its shortest text, which always shows that it is one.
func float(word string) (string, bool) {
	if strings.Trim(word, "0123456789.eE+-") != "" || !strings.ContainsAny(word, ".eE") {
		return "", false
	}
	if digits := strings.TrimPrefix(word, "-"); len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return "", false
	}
	x, err := strconv.ParseFloat(word, 64)
	if err != nil || math.IsInf(x, 0) {
		return "", false
	}
	short := strconv.FormatFloat(x, 'g', -1, 64)
	if !strings.ContainsAny(short, ".e") {
		short += ".0"
	}
	return short, true
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// short returns a text cut for a message.
func short(s string) string { return history.Text(s) }
