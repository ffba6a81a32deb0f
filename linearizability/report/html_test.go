package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

func htmlOf(t require.TestingT, c Checked) string {
	var b bytes.Buffer
	require.NoError(t, HTML(&b, c))
	return b.String()
}

// has fails without printing the whole page.
func has(t *testing.T, page, want string) {
	t.Helper()
	require.True(t, strings.Contains(page, want), "the page lacks %q", want)
}

// embedded returns the record that a page holds.
func embedded(t require.TestingT, page string) (r record) {
	_, rest, ok := strings.Cut(page, `<script type="application/json" id="record">`)
	require.True(t, ok)
	text, _, _ := strings.Cut(rest, "</script>")
	require.NoError(t, json.Unmarshal([]byte(text), &r))
	return r
}

func TestPageSaysWhy(t *testing.T) {
	page := htmlOf(t, example())
	for _, want := range []string{
		">Violation</h1>", "Get by reader returned v1, which client 2 overwrote before reader asked.", "stale read", "found by search", "lockstep check --json run.jsonl",
		"lockstep chaos --seed 7", "not checked: 1 refused", "1 key undecided:", "The search ended after 1,000 steps; give it more with --budget. (b)", "1.25 ms",
		"<code>put v2 if it equals v1</code>", ">2,000 ns<", ">2, key 1<",
	} {
		has(t, page, want)
	}
	require.False(t, strings.Contains(htmlOf(t, verdicts()["linearizable"]), "undecided:</b>"))
	has(t, htmlOf(t, verdicts()["torn"]), "ends in the middle of a record")
	has(t, htmlOf(t, verdicts()["refused"]), "This is not a pass.")
	has(t, htmlOf(t, verdicts()["undecided"]), "1 of 12 keys was not decided. This is not a pass.")
}

// The pages of a simulated life name its moments alike, so this one does not count from the first invocation. A history that is not from a
// file has no lines.
func TestASimulatedLife(t *testing.T) {
	h, placed, next := stuck()
	page := htmlOf(t, verdict1(h, placed, next))
	has(t, page, ">599 µs<")
	has(t, page, "Times count from the first invocation.")
	has(t, page, ">Line</th>")

	h.Origin.Store, h.Origin.Seed, h.Origin.HasSeed = "lockstep", 7, true
	for i := range h.Operations {
		h.Operations[i].Line = 0
	}
	page = htmlOf(t, verdict1(h, placed, next))
	has(t, page, ">600 µs<")
	has(t, page, "Times are those of the simulation.")
	require.False(t, strings.Contains(page, ">Line</th>"))
	require.EqualValues(t, 1_000, embedded(t, page).Ops.Invoke[0])

	h.Origin.Started = "2026-01-02T03:04:05Z" // by a clock: real nodes under drawn faults
	has(t, htmlOf(t, verdict1(h, placed, next)), ">599 µs<")
}

// A page has no element, attribute or script that a key, a value or a name brought along.
func TestPageHoldsAnyBytes(t *testing.T) {
	shape := func(page string) string {
		root, err := html.Parse(strings.NewReader(page))
		require.NoError(t, err)
		var b strings.Builder
		var walk func(n *html.Node)
		walk = func(n *html.Node) {
			if n.Type == html.ElementNode || n.Type == html.CommentNode {
				b.WriteString(n.Data)
				for _, a := range n.Attr {
					b.WriteString(" " + a.Key)
				}
				b.WriteString("\n")
			}
			for child := n.FirstChild; child != nil; child = child.NextSibling {
				walk(child)
			}
		}
		walk(root)
		return b.String()
	}
	want := shape(htmlOf(t, example()))
	rapid.Check(t, func(t *rapid.T) {
		c := withBytes(t)
		for _, text := range []*string{&c.History.Origin.Store, &c.History.Origin.Command, &c.History.Origin.Format, &c.History.Origin.Started, &c.Command} {
			*text += "x" // an empty one has no place in the page
		}
		page := htmlOf(t, c)
		require.True(t, utf8.ValidString(page))
		require.Equal(t, want, shape(page))
		r := embedded(t, page)
		require.Equal(t, name(c.Result.Keys[0].Key, textBytesMax), r.Keys[0].Name)
	})
}

// Nothing in a page points out of it.
func TestPageIsSelfContained(t *testing.T) {
	page := htmlOf(t, violated(smallRun))
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "href", "src", "srcset", "action", "data", "poster":
				require.Regexp(t, `^(#|data:,$)`, a.Val, n.Data)
			case "style", "onclick", "onload", "onerror":
				t.Errorf("%s has %s, which the policy forbids", n.Data, a.Key)
			}
		}
	}
	for _, way := range []string{"@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "innerHTML", "eval("} {
		require.False(t, strings.Contains(page, way), way)
	}
	has(t, page, "default-src &#39;none&#39;")
}

type brokenWriter struct{}

var errBroken = errors.New("disk full")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorsAreReturned(t *testing.T) {
	c := example()
	require.ErrorIs(t, HTML(brokenWriter{}, c), errBroken)
	require.ErrorIs(t, JSON(brokenWriter{}, []Checked{c}), errBroken)
	require.ErrorIs(t, JUnit(brokenWriter{}, []Checked{c}), errBroken)
}

// A large history is cut, and what is cut is counted.
func TestPageSaysWhatItLeavesOut(t *testing.T) {
	c := violated(run{clients: 8, keys: 20, operations: 50_000})
	r := embedded(t, htmlOf(t, c))
	require.Len(t, r.Ops.Index, operationsMax)
	require.Equal(t, len(c.History.Operations), r.Total)
	held := 0
	for _, k := range r.Keys {
		held += k.Held
		switch k.Verdict {
		case "violation", "undecided":
			require.Equal(t, k.All, k.Held, k.Name)
		default:
			require.Less(t, k.Held, k.All, k.Name)
		}
	}
	require.Equal(t, operationsMax, held)
	p := recordOf(c, violationsOf(c))
	require.Len(t, p.notes, 1, "said once")
	m := regexp.MustCompile(`^This page holds 20,000 of ([\d,]+) operations, by all 8 clients: all ([\d,]+) on keys with a violation, all ([\d,]+) on undecided keys, ` +
		`([\d,]+) of ([\d,]+) on the other keys\. The others are in the file only\.$`).FindStringSubmatch(p.notes[0])
	require.NotNil(t, m, p.notes[0])
	var n [6]int
	for i := 1; i < len(m); i++ {
		var err error
		n[i], err = strconv.Atoi(strings.ReplaceAll(m[i], ",", ""))
		require.NoError(t, err)
	}
	require.Equal(t, r.Total, n[1])
	require.Equal(t, r.Total, n[2]+n[3]+n[5])
	require.Equal(t, operationsMax, n[2]+n[3]+n[4])
	last := int64(0)
	for i, k := range r.Ops.Key {
		if r.Keys[k].Verdict == "linearizable" {
			last = max(last, r.Ops.Invoke[i])
		}
	}
	require.Greater(t, last, r.Ops.Invoke[0]+(c.History.Operations[len(c.History.Operations)-1].Invoke-c.History.Operations[0].Invoke)*9/10, "the sample spans the history")
}

// Clients that take turns are all seen about as often, and one that was hardly there is not lost.
func TestSampleIsNotPeriodic(t *testing.T) {
	const clients = 20
	h := &history.History{}
	for i := range 100_000 {
		h.Operations = append(h.Operations, history.Operation{Client: int32(i % clients), Kind: history.Kind(1 + i/clients%2), Outcome: history.Done, Key: "k",
			Value: history.Value{Present: i/clients%2 == 1}, Invoke: int64(i), Return: int64(i)})
	}
	h.Operations[77_777].Client = 400
	c := judged(h)
	r := recordOf(c, nil)
	require.Equal(t, []string{"This page holds 20,000 of 100,000 operations, by all 21 clients. The others are in the file only."}, r.notes)
	require.Len(t, r.Ops.Index, operationsMax)
	held, kinds := map[int32]int{}, map[int32]int{}
	for n := range r.Ops.Index {
		held[r.Ops.Client[n]]++
		kinds[r.Ops.Kind[n]]++
	}
	require.Len(t, held, clients+1)
	for client, n := range held {
		if client < clients {
			require.InDelta(t, operationsMax/clients, n, 100, "client %d", client)
		}
	}
	require.InDelta(t, operationsMax/2, kinds[1], 300)
	require.Equal(t, r.Ops.Index, recordOf(c, nil).Ops.Index, "the same page each time")

	for i := range h.Operations {
		h.Operations[i].Client = int32(i / 2)
	}
	r = recordOf(c, nil)
	require.Len(t, r.Ops.Index, operationsMax)
	require.Regexp(t, `^This page holds 20,000 of 100,000 operations, by 1\d,\d{3} of 50,000 clients\. `, r.notes[0])
}

// transactional is a run of etcd's transactions: a range that misses a put, and what only reads.
func transactional() Checked {
	step := func(client int32, s history.Step, revision uint64, at int64, pairs ...history.Pair) history.Operation {
		return history.Operation{Client: client, Kind: history.Transact, Outcome: history.Done, Key: "all keys", Revision: revision, Invoke: at, Return: at + 10_000,
			Transaction: &history.Transaction{Kind: history.Steps, Then: []history.Step{s}, Answered: true, Succeeded: true, Results: []history.StepResult{{Pairs: pairs, Count: int64(len(pairs))}}}}
	}
	all := history.Step{Kind: history.Get, Key: "a", End: "b"}
	return checked(&history.History{Origin: history.Origin{Format: "etcd-robustness", File: "operations.json", Revisions: history.Contract}, Operations: []history.Operation{
		step(1, history.Step{Kind: history.Put, Key: "ab", Value: "p"}, 2, 0),
		step(2, history.Step{Kind: history.Put, Key: "ab", Value: "q"}, 3, 20_000),
		step(1, all, 2, 40_000, history.Pair{Key: "ab", Value: "p", Revision: 2}),
	}})
}

// The label of all keys is no key.
func TestTransactionsHaveNoKey(t *testing.T) {
	c := transactional()
	require.Equal(t, verdict.Violation, c.Result.Verdict)
	page := htmlOf(t, c)
	has(t, page, "<span>all keys</span>")
	require.False(t, strings.Contains(page, "key <code>"))
	r := embedded(t, page)
	require.Equal(t, "all keys", r.Keys[0].Name)
	require.True(t, r.Keys[0].Group)
	require.Equal(t, []int32{0, 0, 1}, r.Ops.ReadOnly, "only the range reads only")
	s, text := junitOf(t, c)
	require.Equal(t, "all keys", s.Suites[0].Cases[0].Name)
	require.Contains(t, text, ". client 2: all keys: put ab=q")
	c.Result.Reason, c.Result.Keys[0] = "x", verdict.KeyResult{Key: "all keys", Verdict: verdict.Linearizable}
	s, _ = junitOf(t, c)
	require.NotEqual(t, s.Suites[0].Cases[0].Name, s.Suites[0].Cases[1].Name)

	h, _, _ := stuck()
	for i := range h.Operations {
		h.Operations[i].Key = "all keys"
	}
	has(t, htmlOf(t, checked(h)), "key <code>&#34;all keys&#34;</code>")
}

// untimed is the stale read of stuck in a record without a clock.
func untimed() Checked {
	h, _, _ := stuck()
	h.Origin.Untimed = true
	for i := range h.Operations {
		h.Operations[i].Invoke, h.Operations[i].Return = int64(2*i+2), int64(2*i+3)
	}
	return checked(h)
}

func TestPlacesInARecord(t *testing.T) {
	c := untimed()
	page := htmlOf(t, c)
	for _, want := range []string{">#2<", ">#3<", ">#6<", ">#7<", "Times are places in the record."} {
		has(t, page, want)
	}
	require.NotRegexp(t, `\d (ns|µs|ms)<`, page)
	r := embedded(t, page)
	require.True(t, r.Untimed)
	require.Equal(t, []int64{2, 4, 6}, r.Ops.Invoke)
	s, _ := junitOf(t, c)
	require.Contains(t, s.Suites[0].Cases[0].Failure.Text, "invoked at #6, returned at #7")
}

func TestPageBoundsCardsKeysAndMarks(t *testing.T) {
	h := run{clients: 2, keys: 3, operations: 10}.history()
	c := judged(h)
	c.Result.Keys = nil
	for i := range keysMax + 7 {
		k := verdict.KeyResult{Key: fmt.Sprintf("key %05d", i), Verdict: verdict.Linearizable, Operations: 1}
		if i >= keysMax-53 {
			k.Verdict = verdict.Violation
		}
		c.Result.Keys = append(c.Result.Keys, k)
	}
	for range marksMax + 5 {
		h.Marks = append(h.Marks, history.Mark{Kind: history.Note, Text: "n"})
	}
	page := htmlOf(t, c)
	has(t, page, "10 more violations are not drawn here")
	has(t, page, "9 marks of faults, leaders or notes beyond 2,000 are in the file only.")
	r := embedded(t, page)
	require.Equal(t, 7, r.KeysLeft)
	require.Len(t, r.Cards, cardsMax)
	bad := 0
	for _, k := range r.Keys {
		if k.Verdict == "violation" {
			bad++
		}
	}
	require.Equal(t, 60, bad, "keys with problems are never left out for others")
	require.Equal(t, history.Fault, r.Marks[0].Kind)
}

func TestWindow(t *testing.T) {
	h := run{clients: 40, keys: 1, operations: 20_000}.history()
	found := stale(h, "account/0")
	x := verdict.Contradiction{Operations: found}
	w := windowAround(h, partitions(h), &x)
	from, to := span(h, found)
	require.Less(t, w.From, from)
	require.Greater(t, w.To, to)
	require.Equal(t, found, w.Operations[:3])
	clients := map[int32]bool{}
	for _, i := range w.Operations {
		o := &h.Operations[i]
		require.LessOrEqual(t, o.Invoke, w.To)
		require.GreaterOrEqual(t, o.Return, w.From)
		clients[o.Client] = true
	}
	require.LessOrEqual(t, len(clients), 3+windowClientsMax)
	within := 0
	for i := range h.Operations {
		if w.touches(&h.Operations[i]) {
			within++
		}
	}
	require.Equal(t, within, len(w.Operations)+w.Left, "all are counted")
	require.Empty(t, windowAround(h, partitions(h), &verdict.Contradiction{}).Operations)
}

func TestPartialOrderSaysWhatIsStuck(t *testing.T) {
	h, placed, next := stuck()
	o := partial(h, []int32{0, 1, 2}, placed)
	require.Equal(t, "v2", o.State)
	require.Equal(t, 3, o.Total)
	require.Equal(t, []blocked{{next, false}}, o.Blocked)

	o = partial(h, []int32{0, 1, 2}, []int32{0})
	require.Equal(t, "v1", o.State)
	require.Equal(t, []blocked{{1, true}}, o.Blocked, "the get has to wait for the second put")

	o = partial(h, []int32{0, 1, 2}, []int32{2})
	require.Empty(t, o.State, "what is no order gets no state")
	require.Empty(t, o.Blocked)

	h.Operations[1].Outcome, h.Operations[1].Return = history.Unknown, history.Forever
	o = partial(h, []int32{0, 1, 2}, []int32{0})
	require.Equal(t, []blocked{{2, true}}, o.Blocked, "an unknown put need not come")
}

func TestOrdersAreBounded(t *testing.T) {
	h, placed, _ := stuck()
	k := verdict.KeyResult{Key: "x", Verdict: verdict.Violation}
	for range ordersMax + 3 {
		k.Partial = append(k.Partial, placed[:1])
	}
	k.Partial = append(k.Partial, placed)
	places := placesMax
	list, left := orders(h, &k, []int32{0, 1, 2}, &places)
	require.Len(t, list, ordersMax)
	require.Equal(t, 4, left)
	require.Equal(t, placed, list[0].Operations, "the longest first")
	require.Equal(t, placesMax-ordersMax-1, places)
	places = 1
	list, left = orders(h, &k, []int32{0, 1, 2}, &places)
	require.Empty(t, list)
	require.Equal(t, ordersMax+4, left)
}

func TestTimesKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64().Draw(t, "start")
		var ops []*history.Operation
		for _, d := range rapid.SliceOfN(rapid.Int64Range(0, 1<<rapid.IntRange(1, 50).Draw(t, "bits")), 2, 12).Draw(t, "times") {
			if start > math.MaxInt64-d-1 {
				continue
			}
			ops = append(ops, &history.Operation{Invoke: start + d, Return: history.Forever})
		}
		c := clockFor(start, false, ops)
		for _, a := range ops {
			for _, b := range ops {
				x, y := c.text(a.Invoke), c.text(b.Invoke)
				require.Equal(t, a.Invoke == b.Invoke, x == y, "%s and %s", x, y)
				require.Equal(t, a.Invoke < b.Invoke, value(t, x) < value(t, y))
			}
		}
	})
}

func value(t require.TestingT, text string) float64 {
	n, err := strconv.ParseFloat(strings.ReplaceAll(strings.Fields(text)[0], ",", ""), 64)
	require.NoError(t, err)
	return n
}

func TestTexts(t *testing.T) {
	for nanoseconds, want := range map[int64]string{0: "not measured", 812: "812 ns", 12_345: "12.3 µs", 999_600: "1 ms", 2_000_000_000: "2 s", 59_990_000_000: "60 s", 250_000_000_000: "4 min 10 s"} {
		require.Equal(t, want, took(nanoseconds))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567: "1,234,567"} {
		require.Equal(t, want, thousands(n))
	}
	require.Equal(t, "plain", name("plain", 0))
	require.Equal(t, `""`, name("", 0))
	require.Equal(t, "abc… (6 bytes)", name("abcdef", 3))
	require.Equal(t, "Why not? Yes.", sentence("why not? Yes"))
	require.Equal(t, "a\ufffdb\ufffd\ufffd", clean("a\nb\u202e\xff"))
	require.Equal(t, int64(math.MaxInt64), since(math.MaxInt64, -5))
	require.Equal(t, int64(math.MinInt64), since(math.MinInt64+3, 5))
	require.Equal(t, int64(7), since(12, 5))
}

// Text stands out from its ground by the ratio that WCAG 2.2 asks for (1.4.3: 4.5 for text, 1.4.11: 3 for shapes), in both schemes.
func TestContrast(t *testing.T) {
	schemes := strings.SplitN(pageCSS, "prefers-color-scheme: dark", 2)
	require.Len(t, schemes, 2)
	for i, css := range schemes {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(css, -1) {
			if colour[m[1]] == "" {
				colour[m[1]] = m[2]
			}
		}
		for _, pair := range []struct {
			text, ground string
			least        float64
		}{
			{"ink", "ground", 7}, {"ink", "surface", 7}, {"ink", "sunken", 7}, {"soft", "ground", 4.5}, {"soft", "surface", 4.5}, {"soft", "sunken", 4.5}, {"accent", "surface", 4.5},
			{"bad", "bad-ground", 4.5}, {"bad", "surface", 4.5}, {"good", "good-ground", 4.5}, {"good", "surface", 4.5}, {"open", "open-ground", 4.5}, {"open", "surface", 4.5}, {"open", "ground", 4.5},
			{"ink", "bad-ground", 7}, {"ink", "read-ground", 4.5}, {"write-ink", "write", 4.5}, {"write-ink", "delete", 4.5}, {"surface", "bad", 4.5}, {"surface", "ink", 7},
			{"read", "surface", 3}, {"write", "surface", 3}, {"delete", "surface", 3}, {"line", "surface", 3}, {"fault", "surface", 3},
		} {
			got := contrast(t, colour[pair.text], colour[pair.ground])
			require.GreaterOrEqual(t, got, pair.least, "scheme %d: %s on %s", i, pair.text, pair.ground)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of an sRGB colour.
func luminance(t *testing.T, colour string) float64 {
	require.Len(t, colour, 7)
	rgb, err := strconv.ParseUint(colour[1:], 16, 32)
	require.NoError(t, err)
	part := func(shift int) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
