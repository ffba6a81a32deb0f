package timeline

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// unpacked is what a page holds, read the way its script does.
type unpacked struct {
	record
	events []trace.Event
}

func unpack(t require.TestingT, data string) unpacked {
	packed, err := base64.StdEncoding.DecodeString(data)
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	all, err := io.ReadAll(z)
	require.NoError(t, err)
	r := bytes.NewReader(all)
	next := func() uint64 {
		n, err := binary.ReadUvarint(r)
		require.NoError(t, err)
		return n
	}
	head := make([]byte, next())
	_, err = io.ReadFull(r, head)
	require.NoError(t, err)
	var u unpacked
	require.NoError(t, json.Unmarshal(head, &u.record))
	u.events = make([]trace.Event, u.Count)
	u.heads(t, r, next)
	u.numbers(t, next)
	require.Zero(t, r.Len(), "nothing is left over")
	return u
}

func (u *unpacked) heads(t require.TestingT, r io.ByteReader, next func() uint64) {
	at := int64(0)
	for i := range u.events {
		n, err := binary.ReadVarint(r)
		require.NoError(t, err)
		at += n
		u.events[i].At = at
	}
	columns := []func(e *trace.Event, n uint64){
		func(e *trace.Event, n uint64) { e.Kind = trace.Kind(n) }, func(e *trace.Event, n uint64) { e.Node = n }, func(e *trace.Event, n uint64) { e.Peer = n },
		func(e *trace.Event, n uint64) { e.Client = int(n) }, func(e *trace.Event, n uint64) { e.What = u.Strings[n] }, func(e *trace.Event, n uint64) { e.Text = u.Strings[n] },
	}
	for _, set := range columns {
		for i := range u.events {
			set(&u.events[i], next())
		}
	}
}

func (u *unpacked) numbers(t require.TestingT, next func() uint64) {
	for k, packed := range u.Kinds {
		for _, field := range packed.Fields {
			for i := range u.events {
				if int(u.events[i].Kind) != k {
					continue
				}
				n := next()
				if n%2 == 1 {
					big, err := strconv.ParseUint(u.Big[n/2], 16, 64)
					require.NoError(t, err)
					require.GreaterOrEqual(t, big, uint64(exactMax))
					n = big
				} else {
					n /= 2
				}
				for f, name := range u.events[i].Kind.Fields() {
					if name == field {
						u.events[i].Numbers[f] = n
					}
				}
			}
		}
	}
}

var holds = regexp.MustCompile(`<script type="application/json" id="record">"([A-Za-z0-9+/=]*)"</script>`)

func dataOf(t require.TestingT, page []byte) string {
	found := holds.FindSubmatch(page)
	require.NotNil(t, found)
	return string(found[1])
}

func smallPlan() *plan.Plan {
	return &plan.Plan{Nodes: 3, Spares: 1, Clients: plan.Clients{Count: 2}, Safety: 60e9, Faults: []plan.Fault{
		{At: 5, For: 70, Do: plan.Crash, Node: plan.Leader}, {At: 6, For: 10e9, Do: plan.Lose, PPM: 300_000, Message: "MsgAppResp"},
		{At: 7, For: 100, Do: plan.Partition, Groups: [][]int{{1, 2}, {3}}},
	}}
}

// Whatever the events are, what the page holds is what they were, but for hashes of the disk, and texts cut and cleaned.
func TestEventsSurviveThePage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at, in := int64(0), &Input{Plan: smallPlan()}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			at += rapid.Int64Range(0, 1<<40).Draw(t, "passed")
			e := trace.Event{At: at, Kind: trace.Kind(rapid.IntRange(1, int(trace.Fail)).Draw(t, "kind")), Node: rapid.Uint64Range(0, 9).Draw(t, "node"),
				Peer: rapid.Uint64Range(0, 9).Draw(t, "peer"), Client: rapid.IntRange(0, 64).Draw(t, "client"),
				What: rapid.SampledFrom([]string{"", "MsgApp", "</script>", "写"}).Draw(t, "what"), Text: rapid.StringN(0, 50, 200).Draw(t, "text")}
			for f, name := range e.Kind.Fields() {
				if n := rapid.Uint64().Draw(t, name); e.Kind != trace.Disk || name != "hash" {
					e.Numbers[f] = n
				}
			}
			in.Events = append(in.Events, e)
		}
		var b bytes.Buffer
		require.NoError(t, Write(&b, in))
		got := unpack(t, dataOf(t, b.Bytes()))
		for i := range in.Events {
			want := in.Events[i]
			want.What, want.Text = clean(want.What), clean(want.Text)
			require.Equal(t, want, got.events[i])
		}
	})
}

func TestHashesOfTheDiskStayOut(t *testing.T) {
	e := trace.Event{Kind: trace.Disk, Node: 1, What: "write", Numbers: [6]uint64{4096, 512, 1 << 60}}
	got := unpack(t, dataOf(t, pageBytes(t, &Input{Plan: smallPlan(), Events: []trace.Event{e}})))
	e.Numbers[2] = 0
	require.Equal(t, []trace.Event{e}, got.events)
	require.Empty(t, got.Big)
}

const evil = "</script><script>boom()</script><!--\u202e\x00\xff\"'&\u2028"

func TestNoTextEscapes(t *testing.T) {
	in := &Input{Title: evil, Plan: smallPlan(), Replay: evil, Version: evil, TraceHash: evil, Report: "javascript:boom()", Failure: &Failure{evil, evil, 3},
		Events: []trace.Event{{Kind: trace.Raft, What: evil, Text: evil}, {Kind: trace.Invoke, Client: 1, What: evil, Text: evil}}}
	page := string(pageBytes(t, in))
	require.Equal(t, 2, strings.Count(page, "<script"), "the data and the page's own")
	require.Equal(t, 2, strings.Count(page, "</script>"))
	require.NotContains(t, page, "boom()</")
	require.NotContains(t, page, `href="javascript:`)
	require.NotContains(t, page, "\u202e")
	require.Contains(t, page, "&lt;/script&gt;")
	got := unpack(t, dataOf(t, []byte(page)))
	require.Equal(t, "</script><script>boom()</script><!--\ufffd\ufffd\ufffd\"'&\u2028", got.events[0].Text)
	require.Empty(t, got.Report, "only a page beside this one is linked")
}

func TestThePageLoadsNothing(t *testing.T) {
	page := string(pageBytes(t, &Input{Plan: smallPlan()}))
	require.NotRegexp(t, `(?i)\b(src|href)="(https?:)?//`, page)
	require.NotRegexp(t, `url\(|@import|fetch\(|XMLHttpRequest|innerHTML|\beval\(`, page)
	require.Contains(t, page, "default-src &#39;none&#39;")
}

func TestLongTextsAreCutAndTooManyCounted(t *testing.T) {
	long := strings.Repeat("é", textBytesMax)
	in := &Input{Plan: smallPlan(), Events: []trace.Event{{Kind: trace.Raft, Text: long}}}
	got := unpack(t, dataOf(t, pageBytes(t, in)))
	require.Equal(t, strings.Repeat("é", textBytesMax/2)+"…", got.events[0].Text)
	require.Zero(t, got.TextsSkipped)

	texts := newTexts()
	for i := range textsBytesMax/textBytesMax + 10 {
		texts.place(strconv.Itoa(i) + strings.Repeat("x", textBytesMax))
	}
	require.Positive(t, texts.skipped)
	require.LessOrEqual(t, texts.bytes, textsBytesMax+len("…"))
}

func TestAPlanIsNeeded(t *testing.T) {
	require.ErrorContains(t, Write(io.Discard, &Input{}), "no plan")
}

func TestFaultsEndWhenTheyHealOrTheirTimeIsOver(t *testing.T) {
	in := &Input{Plan: smallPlan(), Events: []trace.Event{
		{At: 5, Kind: trace.Fault, Node: 2, What: "crash", Text: "for 70ns", Numbers: [6]uint64{0}},
		{At: 6, Kind: trace.Fault, What: "lose", Numbers: [6]uint64{1}},
		{At: 7, Kind: trace.Fault, What: "partition", Numbers: [6]uint64{2}},
		{At: 8, Kind: trace.Heal, What: "lose", Numbers: [6]uint64{1}},
		{At: 9, Kind: trace.Heal, What: "everything"},
		{At: 9, Kind: trace.Fault, What: "unheard-of", Text: "for ever", Numbers: [6]uint64{99}},
	}}
	require.Equal(t, []fault{
		{Kind: "crash", Node: 2, From: 0, To: -1, Until: 75, Says: "for 70ns"},
		{Kind: "lose", From: 1, To: 3, Says: "30% of MsgAppResp, for 10s"},
		{Kind: "partition", From: 2, To: -1, Says: "n1 n2 | n3, for 100ns"},
		{Kind: "unheard-of", From: 5, To: -1, Says: "for ever"},
	}, faultsOf(in))
}

// judged is an input of three calls, of which the check found two to contradict each other.
func judged() *Input {
	in := &Input{Plan: smallPlan(), Report: "report.html", History: &history.History{Operations: []history.Operation{
		{Client: 1, Kind: history.Put, Key: "k1", Value: history.Of("v1"), Outcome: history.Done, Invoke: 10, Return: 20},
		{Client: 2, Kind: history.Get, Key: "k1", Outcome: history.Done, Invoke: 30, Return: 40},
	}}, Events: []trace.Event{
		{At: 10, Kind: trace.Invoke, Client: 1, What: "put", Text: "k1", Numbers: [6]uint64{1}},
		{At: 20, Kind: trace.Return, Client: 1, What: "done", Numbers: [6]uint64{1}},
		{At: 25, Kind: trace.Invoke, Client: 2, What: "transfer", Numbers: [6]uint64{2}},
		{At: 30, Kind: trace.Invoke, Client: 2, What: "get", Text: "k1", Numbers: [6]uint64{3}},
		{At: 40, Kind: trace.Return, Client: 2, What: "done", Numbers: [6]uint64{3}},
		{At: 41, Kind: trace.Return, Client: 2, What: "refused", Text: "no leader", Numbers: [6]uint64{2}},
	}}
	in.Verdict = &verdict.Result{Verdict: verdict.Violation, Keys: []verdict.KeyResult{
		{Key: "j", Verdict: verdict.Violation},
		{Key: "k1", Verdict: verdict.Violation, Contradiction: &verdict.Contradiction{Operations: []int32{0, 1, 7}, Sentence: "the get misses v1"}},
	}}
	return in
}

func TestCallsAreJoinedWithTheHistory(t *testing.T) {
	r, _ := recordOf(judged())
	require.Equal(t, []operation{
		{Number: 1, Client: 1, Action: "put", Key: "k1", Invoke: 0, Return: 1, Outcome: "done", Call: "put v1", Result: "done"},
		{Number: 2, Client: 2, Action: "transfer", Invoke: 2, Return: 5, Outcome: "refused", Result: "no leader"},
		{Number: 3, Client: 2, Action: "get", Key: "k1", Invoke: 3, Return: 4, Outcome: "done", Call: "get", Result: "absent"},
	}, r.Operations)
	require.Equal(t, []contradiction{{Sentence: "the get misses v1", Operations: []int{0, 2}, Card: 2, Left: 1}}, r.Contradictions)
}

func TestTheFailureIsAnEvent(t *testing.T) {
	in := judged()
	in.Failure = &Failure{"liveness", "stuck", 42}
	r, _ := recordOf(in)
	require.Equal(t, &failure{"liveness", "stuck", 42, -1}, r.Failure)
	in.Events = append(in.Events, trace.Event{At: 43, Kind: trace.Fail, What: "liveness", Text: "stuck"})
	r, _ = recordOf(in)
	require.Equal(t, &failure{"liveness", "stuck", 43, 6}, r.Failure)
	require.Contains(t, string(pageBytes(t, in)), "Failed: liveness")
}
