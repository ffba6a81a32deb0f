package readers

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// fuzzRead reads anything as one format. It must not panic, an error must have a line of the file, and a history must keep
// what package history promises.
func fuzzRead(f *testing.F, format string) {
	for name, data := range examples(f) {
		if strings.HasPrefix(filepath.Base(name), format) || format == "auto" {
			f.Add(data)
		}
	}
	f.Add([]byte("[{:process 0, :type :invoke, :f :write, :value #_a [1 #{\\a \"\\u0041\"}]}"))
	f.Add([]byte("INFO jepsen.util - 0 :invoke :cas [1 2]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Read(bytes.NewReader(data), Options{Format: format, File: "h"})
		if err == nil {
			fuzzCheck(t, h, bytes.Count(data, []byte("\n"))+1)
			return
		}
		var bad *Error
		if !errors.As(err, &bad) {
			t.Fatalf("%v is no Error", err)
		}
		if bad.Line < 0 || bad.Line > bytes.Count(data, []byte("\n"))+1 || bad.File != "h" || bad.Reason == "" {
			t.Fatalf("an error in line %d: %v", bad.Line, bad)
		}
	})
}

// fuzzCheck checks the invariants of a history.
func fuzzCheck(t *testing.T, h *history.History, lines int) {
	last := int64(math.MinInt64)
	for i := range h.Operations {
		o := &h.Operations[i]
		switch {
		case o.Invoke < last:
			t.Fatalf("operation %d is out of order", i)
		case o.Return < o.Invoke:
			t.Fatalf("operation %d returns before it is invoked", i)
		case o.Kind != history.Transact && (o.Outcome == history.Unknown) != (o.Return == history.Forever):
			t.Fatalf("operation %d: outcome %d, return %d", i, o.Outcome, o.Return)
		case o.Line < 1 || int(o.Line) > lines:
			t.Fatalf("operation %d in line %d of %d", i, o.Line, lines)
		case o.Kind == history.Put && !o.Value.Present:
			t.Fatalf("operation %d puts nothing", i)
		}
		last = o.Invoke
	}
	last = math.MinInt64
	for i, m := range h.Marks {
		if m.From < last || m.To < m.From {
			t.Fatalf("mark %d from %d to %d after one from %d", i, m.From, m.To, last)
		}
		last = m.From
	}
}

func FuzzAuto(f *testing.F)      { fuzzRead(f, "auto") }
func FuzzJepsen(f *testing.F)    { fuzzRead(f, "jepsen-edn") }
func FuzzLog(f *testing.F)       { fuzzRead(f, "jepsen-log") }
func FuzzPorcupine(f *testing.F) { fuzzRead(f, "porcupine-kv") }
func FuzzMaelstrom(f *testing.F) { fuzzRead(f, "maelstrom") }
func FuzzNative(f *testing.F)    { fuzzRead(f, "lockstep") }

// FuzzCanonical: the canonical text of what parses is its own canonical text.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{:a [1 2.5 "x\n" \space #{nil} #inst "2020"]}`, "##NaN", "1/2", "0x1F", "1.5M", `"\ud83d\ude00"`, "#:a{:b 1}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		text, err := canonicalOf(input)
		if err != nil {
			return
		}
		again, err := canonicalOf(text)
		if err != nil || again != text {
			t.Fatalf("%q became %q and then %q, %v", input, text, again, err)
		}
	})
}
