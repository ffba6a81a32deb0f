package report

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

const jsonDoc = "../../docs/format/check-report.md"

// example is the history whose report the document shows.
func example() Checked {
	h := &history.History{
		Origin: history.Origin{Format: "lockstep", File: "run.jsonl", Store: "lockstep", Command: "lockstep chaos --seed 7", Seed: 7, HasSeed: true,
			Started: "2026-03-01T12:00:00Z", Revisions: history.Contract},
		Clients: map[int32]string{3: "reader"},
		Operations: []history.Operation{
			{Client: 1, Line: 2, Kind: history.Put, Outcome: history.Done, Existed: history.No, Key: "a", Value: history.Of("v1"), Condition: history.Condition{Kind: history.MustNotExist}, Revision: 1, Invoke: 1000, Return: 2000},
			{Client: 2, Line: 4, Kind: history.Put, Outcome: history.Done, Key: "a", Value: history.Of("v2"), Condition: history.Condition{Kind: history.ValueEquals, Value: history.Of("v1")}, Revision: 2, Invoke: 3000, Return: 4000},
			{Client: 3, Line: 6, Kind: history.Get, Outcome: history.Done, Key: "a", Observed: history.Of("v1"), Revision: 2, KeyRevision: 1, Invoke: 5000, Return: 6000},
			{Client: 1, Line: 8, Kind: history.Put, Outcome: history.Unknown, Key: "b", Value: history.Of("v3"), Invoke: 7000, Return: history.Forever},
			{Client: 2, Line: 10, Kind: history.Delete, Outcome: history.Done, Key: "b", Revision: 4, Invoke: 8000, Return: 9000},
			{Client: 3, Line: 12, Kind: history.Put, Outcome: history.Refused, Key: "\x00\xff", Value: history.Of("v4"), Invoke: 10000, Return: 11000},
		},
	}
	return Checked{
		History: h, Command: "lockstep check --json run.jsonl", Nanoseconds: 1_250_000,
		Result: verdict.Result{
			Verdict: verdict.Violation, Operations: 6, Checked: 5, Unchecked: map[string]int{"refused": 1},
			Keys: []verdict.KeyResult{
				{Key: "a", Operations: 3, Verdict: verdict.Violation, Tier: verdict.Search, Steps: 12, Partial: [][]int32{{0, 1}}, Contradiction: &verdict.Contradiction{
					Kind: verdict.StaleRead, Operations: []int32{0, 1, 2}, Sentence: "get by reader returned v1, which client 2 overwrote before reader asked"}},
				{Key: "b", Operations: 2, Verdict: verdict.Undecided, Steps: 1000, Reason: "the search ended after 1,000 steps; give it more with --budget"},
				{Key: "\x00\xff", Verdict: verdict.Linearizable},
			},
		},
	}
}

func jsonOf(t require.TestingT, all ...Checked) string {
	var b bytes.Buffer
	require.NoError(t, JSON(&b, all))
	return b.String()
}

// The example of the document is what the code writes, and decodes strictly.
func TestJSONIsAsDocumented(t *testing.T) {
	doc, err := os.ReadFile(jsonDoc)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(doc), "```json\n")
	text, _, _ := strings.Cut(rest, "```")
	require.Equal(t, text, jsonOf(t, example()))
	var d document
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&d))
	require.Equal(t, Schema, d.Schema)
	require.Equal(t, "put v2 if it equals v1", d.Histories[0].Keys[0].Contradiction.Operations[1].Call)
	require.Equal(t, []byte("\x00\xff"), d.Histories[0].Keys[2].Key64)
}

// Every field that the code can write has its row in the document.
func TestEveryFieldIsDocumented(t *testing.T) {
	doc, err := os.ReadFile(jsonDoc)
	require.NoError(t, err)
	rows := strings.Join(regexp.MustCompile(`(?m)^\| .*$`).FindAllString(string(doc), -1), "\n")
	for _, v := range []any{document{}, historyReport{}, unchecked{}, keysByVerdict{}, keysByTier{}, keyReport{}, contradictionReport{}, operationReport{}} {
		for i := range reflect.TypeOf(v).NumField() {
			field, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			require.Contains(t, rows, "`"+field+"`", "%T", v)
		}
	}
	for _, kind := range []verdict.Kind{verdict.StaleRead, verdict.FutureRead, verdict.Phantom, verdict.RefusedRead, verdict.LostUpdate, verdict.DoubleCompareAndSet, verdict.ResurrectedDelete,
		verdict.SplitBrain, verdict.RevisionReused, verdict.RevisionBackwards, verdict.RevisionMismatch, verdict.StaleReadImpossible, verdict.Unorderable} {
		require.Contains(t, string(doc), "`"+string(kind)+"`")
	}
}

func TestJSONSpellsOperationsOut(t *testing.T) {
	field := func(o history.Operation) string {
		text, err := json.Marshal(operationOf(&history.History{Operations: []history.Operation{o}}, 0))
		require.NoError(t, err)
		return string(text)
	}
	get := history.Operation{Kind: history.Get, Outcome: history.Done, Return: 5}
	require.Contains(t, field(get), `"observed":null`)
	get.Observed = history.Of("")
	require.Contains(t, field(get), `"observed":""`)
	get.Observed = history.Of("\xff")
	require.NotContains(t, field(get), `"observed":`)
	require.Contains(t, field(get), `"observed64":"/w=="`)
	get.Outcome, get.Return = history.Unknown, history.Forever
	require.Contains(t, field(get), `"return_ns":null`)
	require.NotContains(t, field(get), "observed")

	put := history.Operation{Kind: history.Put, Outcome: history.ConditionFailed, Value: history.Of("v"), Condition: history.Condition{Kind: history.ValueEquals}}
	require.Contains(t, field(put), `"if_value":null`)
	require.NotContains(t, field(put), "observed")
	put.HasObserved = true
	require.Contains(t, field(put), `"observed":null`)
	put.Condition = history.Condition{Kind: history.RevisionEquals}
	require.Contains(t, field(put), `"if_revision":0`)
	put.Condition = history.Condition{Kind: history.MustExist}
	require.Contains(t, field(put), `"if_exists":true`)
}

// No verdict looks better than the gravest thing that a result says.
func TestVerdictIsTheGravest(t *testing.T) {
	require.Contains(t, jsonOf(t), `"verdict": "undecided"`)
	for name, want := range map[string]verdict.Verdict{"violation": verdict.Violation, "undecided": verdict.Undecided, "linearizable": verdict.Linearizable, "torn": verdict.Linearizable,
		"empty": verdict.Undecided, "reasoned": verdict.Undecided, "refused": verdict.Undecided, "whole": verdict.Violation, "bare": verdict.Violation} {
		c := verdicts()[name]
		require.Equal(t, want, c.verdict(), name)
		require.Contains(t, jsonOf(t, c), `"verdict": "`+want.String()+`"`)
	}
	ok := verdicts()["linearizable"]
	require.Contains(t, jsonOf(t, ok, verdicts()["undecided"]), "{\n  \"schema\": \"lockstep-check/1\",\n  \"verdict\": \"undecided\"")
}

// Whatever bytes keys and values are, they come back.
func TestJSONKeepsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := withBytes(t)
		var d document
		decoder := json.NewDecoder(strings.NewReader(jsonOf(t, c)))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&d))
		k := d.Histories[0].Keys[0]
		require.Equal(t, c.Result.Keys[0].Key, back(k.Key, k.Key64))
		o := k.Contradiction.Operations[0]
		require.Equal(t, c.History.Operations[0].Value.Data, back(o.Value, o.Value64))
	})
}

func back(text *string, bytes []byte) string {
	if text != nil {
		return *text
	}
	return string(bytes)
}

// withBytes is a violation whose every name, key, value and text is arbitrary bytes.
func withBytes(t *rapid.T) Checked {
	awkward := rapid.OneOf(rapid.SampledFrom([]string{"", "</script><script>boom()</script>", "]]>", "<!--", "\x00", "\xff\xfe", "\u202e", "\u2028", "absent", `"`, "a\nb", "&amp;", "{{.}}"}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	draw := func(what string) string { return awkward.Draw(t, what) }
	c := example()
	c.Command = draw("command")
	h := c.History
	h.Origin.File, h.Origin.Store, h.Origin.Command, h.Origin.Format, h.Origin.Started = draw("file"), draw("store"), draw("run"), draw("format"), draw("started")
	h.Clients[1] = draw("client")
	key := draw("key")
	for i := range 3 {
		h.Operations[i].Key = key
	}
	h.Operations[0].Value = history.Of(draw("value"))
	h.Operations[2].Observed = h.Operations[0].Value
	c.Result.Keys[0].Key = key
	c.Result.Keys[0].Contradiction.Sentence = draw("sentence")
	c.Result.Keys[1].Reason = draw("reason")
	c.Result.Unchecked = map[string]int{draw("unchecked"): 1}
	h.Marks = []history.Mark{{Kind: history.Fault, Node: draw("node"), Text: draw("text"), From: 1, To: 2}}
	return c
}

func TestStrayResultsAreRefused(t *testing.T) {
	for _, stray := range []func(c *Checked){
		func(c *Checked) { c.History = nil },
		func(c *Checked) { c.Result.Keys[0].Order = []int32{6} },
		func(c *Checked) { c.Result.Keys[0].Partial = [][]int32{{-1}} },
		func(c *Checked) { c.Result.Keys[0].Contradiction.Operations = []int32{6} },
		func(c *Checked) { c.Result.Contradictions = []verdict.Contradiction{{Operations: []int32{99}}} },
	} {
		c := example()
		stray(&c)
		var b bytes.Buffer
		var e *Error
		require.ErrorAs(t, JSON(&b, []Checked{c}), &e)
		require.ErrorAs(t, JUnit(&b, []Checked{c}), &e)
		require.ErrorAs(t, HTML(&b, c), &e)
		require.Empty(t, b.String(), "nothing was written")
	}
}
