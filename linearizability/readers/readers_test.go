package readers

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/anishathalye/porcupine"
	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/model"
)

// judge says whether a history is linearizable, by porcupine and the sequential specification alone.
func judge(t testing.TB, h *history.History) bool {
	t.Helper()
	key := model.Key{Initial: h.Origin.Initial, Contract: h.Origin.Revisions == history.Contract}
	machine := porcupine.Model{
		Init: func() any { return key.Start() },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := key.Step(state.(model.State), input.(model.Op))
			return ok, next
		},
		Hash: func(state any) uint64 { return xxhash.Sum64String(state.(model.State).Value.Data) },
	}
	// All keys at once: the first that fails ends the others, some of which may take long.
	var parts [][]porcupine.Operation
	for _, part := range h.Partitions() {
		p, err := model.Prepare(h, part.Operations)
		require.NoError(t, err)
		var ops []porcupine.Operation
		for _, o := range p.Ops {
			ops = append(ops, porcupine.Operation{ClientId: int(o.Client), Input: o, Call: o.Invoke, Return: o.Return})
		}
		parts = append(parts, ops)
	}
	machine.Partition = func([]porcupine.Operation) [][]porcupine.Operation { return parts }
	return porcupine.CheckOperations(machine, nil)
}

// outline prints a history, an operation or a mark a line.
func outline(h *history.History) string {
	var b strings.Builder
	for i := range h.Operations {
		o := &h.Operations[i]
		returned := fmt.Sprint(o.Return)
		if o.Return == history.Forever {
			returned = "forever"
		}
		fmt.Fprintf(&b, "line %d, client %d, key %s: %s [%d, %s]\n", o.Line, o.Client, history.Text(o.Key), o, o.Invoke, returned)
	}
	for _, m := range h.Marks {
		until := fmt.Sprint(m.To)
		if m.To == history.Forever {
			until = "forever"
		}
		fmt.Fprintf(&b, "mark %d: %s [%d, %s]\n", m.Kind, m.Text, m.From, until)
	}
	return b.String()
}

// formatOf returns the format that a file of testdata is in: what its name begins with.
func formatOf(t testing.TB, name string) string {
	for _, f := range Formats {
		if strings.HasPrefix(filepath.Base(name), f+"-") {
			return f
		}
	}
	t.Fatalf("%s begins with no format", name)
	return ""
}

// examples returns the files of testdata, by name.
func examples(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, dir := range []string{"ok", "bad"} {
		names, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
		require.NoError(t, err)
		for _, name := range names {
			files[filepath.ToSlash(name)], err = os.ReadFile(name)
			require.NoError(t, err)
		}
	}
	require.NotEmpty(t, files)
	return files
}

func read1(format, input string) (*history.History, error) {
	return Read(strings.NewReader(input), Options{Format: format, File: "h"})
}

// Each example is read alike by name and by detection, from a slow reader and with Windows' line ends, and is linearizable
// or not as its directory says.
func TestExamples(t *testing.T) {
	seen := map[string]map[string]int{"ok": {}, "bad": {}}
	for name, data := range examples(t) {
		t.Run(name, func(t *testing.T) {
			format := formatOf(t, name)
			seen[strings.Split(name, "/")[1]][format]++
			h, err := Read(bytes.NewReader(data), Options{Format: format, File: name})
			require.NoError(t, err)
			require.Equal(t, name, h.Origin.File)
			auto, err := Read(iotest.OneByteReader(bytes.NewReader(data)), Options{Format: "auto", File: name})
			require.NoError(t, err)
			if format == "maelstrom" && !bytes.Contains(data, []byte(":key-does-not-exist")) && !bytes.Contains(data, []byte(":precondition-failed")) {
				auto.Origin.Format = "maelstrom"
			}
			require.Equal(t, h, auto)
			if h.Operations[0].Kind != history.Transact {
				require.Equal(t, strings.HasPrefix(name, "testdata/ok/"), judge(t, h))
			}
			if format == "lockstep" || format == "etcd-robustness" {
				return // package history is stricter, and JSON has spaces anyway
			}
			windows := "\ufeff" + strings.ReplaceAll(string(data), "\n", " \t\r\n\r\n")
			h2, err := read1(format, windows)
			require.NoError(t, err)
			require.Len(t, h2.Operations, len(h.Operations))
		})
	}
	for _, f := range []string{"lockstep", "jepsen-edn", "jepsen-log", "porcupine-kv", "maelstrom"} {
		require.Positive(t, seen["ok"][f], f)
		require.Positive(t, seen["bad"][f], f)
	}
}

func TestOutlines(t *testing.T) {
	files := examples(t)
	for name, want := range map[string]string{
		"testdata/ok/jepsen-edn-register.edn": `
line 2, client 0, key register: put 1 → done [1000000, 1200000]
line 6, client 1, key register: put 2 if it equals 1 → unknown [2000000, forever]
line 7, client 0, key register: get → 1 [2100000, 2200000]
line 10, client 2, key register: put 9 → refused [7100000, 7200000]
line 14, client 0, key register: get → 2 [9000000, 9100000]
mark 1: start-partition [:isolated {"n1" #{"n2" "n3"}}] [1300000, 8100000]
`,
		"testdata/ok/jepsen-edn-independent.edn": `
line 1, client 0, key "\"a\"": put :red → done [100, 200]
line 2, client 1, key :a: get → absent [150, 151]
line 5, client 0, key :a: put "{:w \"b\", :x 1}" if absent → done [300, 310]
line 7, client 1, key "\"a\"": get → :red [400, 410]
line 9, client 1, key :a: put 5 → unknown [500, forever]
`,
		"testdata/ok/jepsen-log-cas.log": `
line 1, client 0, key register: get → absent [1, 2]
line 3, client 1, key register: put 3 → done [3, 6]
line 4, client 2, key register: put 1 if it equals 4 → condition failed [4, 5]
line 9, client 3, key register: put 4 if it equals 3 → unknown [9, forever]
line 11, client 0, key register: get → unknown [11, forever]
line 13, client 0, key register: get → 4 [13, 14]
mark 1: start "Cut off {:n1 #{:n2}}" [7, forever]
`,
		"testdata/ok/porcupine-kv-append.txt": `
line 1, client 0, key a: get → "" [1, 3]
line 2, client 1, key a: append "x 1 0 y" → done [2, 4]
line 5, client 0, key b: put "say \"hi\"" → done [5, 7]
line 6, client 1, key a: append "x 1 1 y" → unknown [6, forever]
line 8, client 0, key a: get → "x 1 0 yx 1 1 y" [8, 9]
`,
		"testdata/ok/maelstrom-lin-kv.edn": `
line 1, client 0, key 0: get → refused [2100000, 2400000]
line 3, client 1, key 0: put 3 → done [2500000, 2800000]
line 5, client 0, key 0: put 4 if it equals 1 → refused [3000000, 3200000]
line 7, client 1, key 0: put 4 if it equals 3 → unknown [3300000, forever]
line 9, client 0, key 0: get → 4 [8400000, 8500000]
`,
	} {
		h, err := Read(bytes.NewReader(files[name]), Options{Format: formatOf(t, name)})
		require.NoError(t, err, name)
		require.Equal(t, strings.TrimPrefix(want, "\n"), outline(h), name)
		origin := history.Origin{Format: formatOf(t, name)}
		switch origin.Format {
		case "porcupine-kv":
			origin.Initial, origin.Untimed = history.Of(""), true
		case "jepsen-log":
			origin.Untimed = true
		}
		require.Equal(t, origin, h.Origin, name)
	}
}

// What an event means where it is not plain.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct{ name, format, input, want string }{
		{"a process goes on after an unknown outcome", "jepsen-edn", `
			{:process 0, :type :invoke, :f :write, :value 1} {:process 0, :type :info, :f :write, :value :timed-out}
			{:process 0, :type :invoke, :f :read} {:process 0, :type :ok, :f :read, :value 1}`,
			"put 1 → unknown [1, forever]; get → 1 [3, 4]"},
		{"a failed read", "jepsen-edn", `{:process 0, :type :invoke, :f :read, :value nil} {:process 0, :type :fail, :f :read, :value nil, :error :no}`,
			"get → refused [1, 2]"},
		{"a failed compare-and-set", "jepsen-edn", `{:process 0, :type :invoke, :f :cas, :value [1 2]} {:process 0, :type :fail, :f :cas, :value [1 2]}`,
			"put 2 if it equals 1 → refused [1, 2]"},
		{"a failed write in a log", "jepsen-log", "INFO jepsen.util - 0 :invoke :write 1\nINFO jepsen.util - 0 :fail :write 1",
			"put 1 → refused [1, 2]"},
		{"reasons after the value", "jepsen-log", "INFO jepsen.util - 0\t:invoke\t:write\t1\nINFO jepsen.util - 0\t:info\t:write\t1\tindeterminate: no answer",
			"put 1 → unknown [1, forever]"},
		{"keys in a log", "jepsen-log", "INFO jepsen.util - 0\t:invoke\t:cas\t[3 [1 2]]\nINFO jepsen.util - 0\t:ok\t:cas\t[3 [1 2]]",
			"3: put 2 if it equals 1 → done [1, 2]"},
		{"a get that fails", "porcupine-kv", `{:process 0, :type :invoke, :f :get, :key "k", :value nil} {:process 0, :type :fail, :f :get, :key "k", :value nil}`,
			"k: get → refused [1, 2]"},
		{"an append of unknown outcome", "porcupine-kv", `{:process 0, :type :invoke, :f :append, :key "k", :value "v"} {:process 0, :type :info, :f :append, :key "k", :value nil}`,
			"k: append v → unknown [1, forever]"},
		{"times that go back", "jepsen-edn", `
			{:time 50, :process 0, :type :invoke, :f :write, :value 1} {:time 50, :process 0, :type :ok, :f :write, :value 1}
			{:time 20, :process 1, :type :invoke, :f :read} {:time 90, :process 1, :type :ok, :f :read, :value 1}`,
			"put 1 → done [50, 51]; get → 1 [52, 90]"},
		{"times before the start of the run", "jepsen-edn", `{:time -7, :process 0, :type :invoke, :f :write, :value 1}`, "put 1 → unknown [-7, forever]"},
		{"writes of pairs before a read without a key", "jepsen-edn", `
			{:process 0, :type :invoke, :f :write, :value [1 2]} {:process 0, :type :ok, :f :write, :value [1 2]} {:process 0, :type :invoke, :f :read}`,
			"put \"[1 2]\" → done [1, 2]; get → unknown [3, forever]"},
		{"writes of pairs before a read with a key", "jepsen-edn", `
			{:process 0, :type :invoke, :f :write, :value [1 2]} {:process 1, :type :invoke, :f :read, :value [1 nil]} {:process 0, :type :ok, :f :write, :value [1 2]}`,
			"1: put 2 → done [1, 3]; 1: get → unknown [2, forever]"},
		{"nothing but writes of pairs", "jepsen-edn", `{:process 0, :type :invoke, :f :write, :value [1 2]} {:process 0, :type :ok, :f :write, :value (1 2)}`,
			"1: put 2 → done [1, 2]"},
		{"tagged pairs", "jepsen-edn", `{:process 0, :type :invoke, :f :write, :value #jepsen/kv [1 [2 3]]} {:process 0, :type :ok, :f :write, :value #jepsen/kv [1 [2 3]]}`,
			"1: put \"[2 3]\" → done [1, 2]"},
		{"a register of pairs under compare-and-set", "jepsen-edn", `
			{:process 0, :type :invoke, :f :cas, :value [[1 2] [3 4]]} {:process 1, :type :invoke, :f :read}`,
			`put "[3 4]" if it equals "[1 2]" → unknown [1, forever]; get → unknown [2, forever]`},
		{"keys of the client's own", "jepsen-edn", `{:process 0, :type :invoke, :f :read, :node "n1", :exception #object[a.B$c 0x1f "x"], :ext {:a #{1 2}}}`,
			"get → unknown [1, forever]"},
		{"an answer without a value", "jepsen-edn", `{:process 0, :type :invoke, :f :write, :value 1} {:process 0, :type :ok, :f :write}`,
			"put 1 → done [1, 2]"},
		{"discarded forms, commas and comments", "jepsen-edn", "; c\n#_ {:process 9} {:process 0,,:type :invoke ;d\n :f :read #_ #_ a b}", "get → unknown [1, forever]"},
	} {
		h, err := read1(c.format, c.input)
		require.NoError(t, err, c.name)
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(outline(h)), "\n") {
			_, line, _ = strings.Cut(line, "key ")
			got = append(got, strings.TrimPrefix(line, "register: "))
		}
		require.Equal(t, c.want, strings.Join(got, "; "), c.name)
	}
}

func TestNemesis(t *testing.T) {
	act := func(at int, f, value string) string {
		return fmt.Sprintf("{:time %d, :process :nemesis, :type :info, :f :%s, :value %s}\n", at, f, value)
	}
	input := act(1, "kill", ":all") + act(2, "kill", `{"n1" :killed}`) + act(3, "bump-clock", "nil") + act(5, "bump-clock", "9") +
		act(6, "start", "nil") + act(8, "start", "nil") + act(9, "start-clog", "nil") + act(10, "stop-clog", "nil") +
		act(11, "pause", "nil") + act(12, "pause", "nil") + act(13, "strobe", `"`+strings.Repeat("ü", 200)+`"`)
	h, err := read1("jepsen-edn", input)
	require.NoError(t, err)
	require.Equal(t, `mark 1: kill {"n1" :killed} [1, 8]
mark 1: bump-clock [3, 5]
mark 1: start-clog [9, 10]
mark 1: pause [11, forever]
mark 1: strobe "`+strings.Repeat("ü", 96)+`… [13, 13]
`, outline(h))
}

func TestModels(t *testing.T) {
	for _, c := range []struct{ format, model, input, reason string }{
		{"jepsen-edn", "register", "\n{:process 0, :type :invoke, :f :cas, :value [1 2]}", "put 2 if it equals 1 is no operation of the model register"},
		{"jepsen-edn", "cas-register", "\n{:process 0, :type :invoke, :f :cas, :value [1 2]}", ""},
		{"jepsen-edn", "register", "\n{:process 0, :type :invoke, :f :write, :value 1}", ""},
		{"jepsen-edn", "kv", "\n{:process 0, :type :invoke, :f :write, :value 1}", ""},
		{"porcupine-kv", "cas-register", "\n" + `{:process 0, :type :invoke, :f :append, :key "k", :value "v"}`, "append v is no operation of the model cas-register"},
		{"porcupine-kv", "register", "\n" + `{:process 0, :type :invoke, :f :put, :key "k", :value "v"}`, ""},
		{"porcupine-kv", "", "\n" + `{:process 0, :type :invoke, :f :append, :key "k", :value "v"}`, ""},
	} {
		_, err := Read(strings.NewReader(c.input), Options{Format: c.format, Model: c.model, File: "h"})
		if c.reason == "" {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, &Error{File: "h", Line: 2, Reason: c.reason}, err)
	}
	_, err := Read(strings.NewReader(""), Options{Format: "jepsen-edn", Model: "queue", File: "h"})
	require.EqualError(t, err, "h: no model is called queue: name one of register, cas-register, kv")
	_, err = Read(strings.NewReader(""), Options{Format: "csv", File: "h"})
	require.EqualError(t, err, "h: no format is called csv: name one of auto, lockstep, jepsen-edn, jepsen-log, porcupine-kv, etcd-robustness, maelstrom")
	require.ElementsMatch(t, Formats, slices.Collect(maps.Keys(formats)))
	require.ElementsMatch(t, modelNames, slices.Collect(maps.Keys(models)))
}

// An error of the reader is not an Error about the data.
func TestErrorsOfTheReader(t *testing.T) {
	broken := errors.New("broken pipe")
	for name, data := range examples(t) {
		for _, format := range []string{"auto", formatOf(t, name)} {
			_, err := Read(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(data))), Options{Format: format})
			require.ErrorIs(t, err, iotest.ErrTimeout, "%s as %s", name, format)
			_, err = Read(iotest.ErrReader(broken), Options{Format: format})
			require.ErrorIs(t, err, broken, "%s as %s", name, format)
			var bad *Error
			require.False(t, errors.As(err, &bad))
		}
	}
}

func TestManyWritesOfPairs(t *testing.T) {
	var b strings.Builder
	for i := range heldMax {
		fmt.Fprintf(&b, "{:process 0, :type :invoke, :f :write, :value [%d %d]} {:process 0, :type :ok, :f :write, :value [%d %d]}\n", i%7, i, i%7, i)
	}
	h, err := read1("jepsen-edn", b.String())
	require.NoError(t, err)
	require.Len(t, h.Operations, heldMax)
	require.Len(t, h.Partitions(), 7)
	_, err = read1("jepsen-edn", b.String()+"{:process 0, :type :invoke, :f :read}")
	require.EqualError(t, err, fmt.Sprintf("h:%d: :read with a value that is not [key argument], nil, but that in line %d was", heldMax+1, heldMax/2))
}

func TestTimesStayClearOfForever(t *testing.T) {
	for _, at := range []int64{timeMax, -timeMax} {
		h, err := read1("jepsen-edn", fmt.Sprintf("{:time %d, :process 0, :type :invoke, :f :read} {:time %d, :process 0, :type :ok, :f :read, :value nil}", at, at))
		require.NoError(t, err)
		require.Less(t, h.Operations[0].Return, int64(math.MaxInt64))
	}
}
