package readers

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"olympos.io/encoding/edn"
	"pgregory.net/rapid"
)

// canonicalOf reads one form and returns its canonical text.
func canonicalOf(input string) (string, error) {
	s := newScanner(bufio.NewReader(strings.NewReader(input)), 1)
	f, ok, err := s.next(0)
	if err != nil {
		return "", err
	}
	if s.skip(); !ok || s.ch != eof {
		return "", fmt.Errorf("%q is not one form", input)
	}
	return f.canonical(), nil
}

func TestCanonical(t *testing.T) {
	for _, c := range [][]string{ // the first is canonical, the others are equal to it
		{"nil"}, {"true"}, {"false"},
		{"0", "+0", "-0", "0N", "0x0"},
		{"12", "+12", "12N", "0xC", "0xc"},
		{"-7", "-7N"},
		{"123456789012345678901234567890", "123456789012345678901234567890N"},
		{"1.0", "1.", "1e0", "1.00", "10E-1"},
		{"-0.5", "-5e-1"},
		{"1e+21", "1.0E21"},
		{"1.50M"}, {"1.5M"}, {"5M"},
		{"1/2"}, {"-3/4"},
		{"##Inf"}, {"##-Inf"}, {"##NaN"},
		{`"a"`, `"\u0061"`, `"\141"`},
		{`"1"`}, {":1"}, {"a1"}, {`\1`},
		{`"\n\t\r\b\f\"\\"`, "\"\n\t\r\u0008\u000c\\\"\\\\\""},
		{`"é😀"`, `"\u00e9\ud83d\ude00"`},
		{`"\u0001\u007f"`, "\"\x01\x7f\""},
		{`\a`, `\u0061`, `\o141`}, {`\newline`, `\u000a`}, {`\space`}, {`\u`}, {`\o`}, {`\(`}, {`\"`}, {`\é`}, {`\ud800`},
		{":a"}, {":a/b"}, {":a.b/c-d?"}, {"a/b"}, {"+"}, {"-"}, {"-a"}, {"a'"}, {"/"}, {".b"},
		{"[]", "()", "[ , ]", "[#_a]"}, {"[1 [2 :a]]", "(1 (2 :a))", "[1,[2,:a]]", "[1 #_x [2 ;c\n:a #_y]]"},
		{"#{}"}, {"#{:a :b}", "#{:b :a}"}, {"{}"},
		{"{:a 1, :b #{1 2}}", "{:b #{2 1N} :a 1}"}, {`{[1 2] "x", nil 3}`, `{nil 3 (1 2) "x"}`},
		{`#inst "2020-01-01T00:00:00Z"`, `#inst"2020-01-01T00:00:00Z"`}, {`#uuid "f81d4fae"`},
		{"#jepsen.history.Op {:a 1}", "#jepsen.history.Op{:a 1}"}, {"#a #b 1"}, {"#:ns {:a 1}", "#:ns{:a 1}"},
		{`#object [java.lang.Object 31 "x"]`, `#object[java.lang.Object 0x1f "x"]`},
		{"clojure.core$fn__1"}, {"µs"}, {":≠"},
	} {
		for _, input := range c {
			got, err := canonicalOf(input)
			require.NoError(t, err, input)
			require.Equal(t, c[0], got, input)
		}
	}
}

// Lines count from where they begin, also within strings, comments and after every kind of form.
func TestLines(t *testing.T) {
	in := records{s: newScanner(bufio.NewReader(strings.NewReader("1\n\"a\n\nb\" :k\n; c\n\n#_ x {:a\n\n 1}\n\\newline\n#t\n\n[2]")), 1)}
	for _, want := range []int{1, 2, 4, 7, 10, 11} {
		f, err := in.next()
		require.NoError(t, err)
		require.Equal(t, want, f.line)
	}
	_, err := in.next()
	require.ErrorIs(t, err, io.EOF)
}

// value is a form as a Go value of the kind that the module edn returns.
func value() *rapid.Generator[any] {
	words := rapid.StringMatching(`[a-z][a-z0-9.*+!?$%&=<>-]{0,5}(/[a-z]{1,3})?`).Filter(func(s string) bool {
		return s != "nil" && s != "true" && s != "false" && !strings.Contains(s, "//")
	})
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e30, 1e30).AsAny(),
		rapid.String().AsAny(),
		rapid.Custom(func(t *rapid.T) edn.Keyword { return edn.Keyword(words.Draw(t, "keyword")) }).AsAny(),
		rapid.Custom(func(t *rapid.T) edn.Symbol { return edn.Symbol(words.Draw(t, "symbol")) }).AsAny(),
	)
	return rapid.OneOf(leaf, leaf,
		rapid.Custom(func(t *rapid.T) []any { return rapid.SliceOfN(leaf, 0, 4).Draw(t, "vector") }).AsAny(),
		rapid.Custom(func(t *rapid.T) map[any]any {
			return rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`).AsAny(), leaf, 0, 4).Draw(t, "map")
		}).AsAny())
}

// What the module edn writes, this package reads; what is canonical means the same to the module as what was read; it is
// its own canonical text; and it is equal for two values exactly when they are.
func TestCanonicalAgreesWithModule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := value().Draw(t, "a"), value().Draw(t, "b")
		texts := [2]string{}
		for i, v := range []any{a, b} {
			written, err := edn.Marshal(v)
			require.NoError(t, err)
			texts[i], err = canonicalOf(string(written))
			require.NoError(t, err, "%s", written)
			again, err := canonicalOf(texts[i])
			require.NoError(t, err)
			require.Equal(t, texts[i], again)
			var direct, through any
			require.NoError(t, edn.Unmarshal(written, &direct))
			require.NoError(t, edn.UnmarshalString(texts[i], &through), texts[i])
			require.Equal(t, direct, through, "%s as %s", written, texts[i])
		}
		require.Equal(t, reflect.DeepEqual(a, b), texts[0] == texts[1], "%s and %s", texts[0], texts[1])
	})
}
