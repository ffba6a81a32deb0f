package history

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../docs/format/history.md"

// example is the file that docs/format/history.md shows.
func example(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	m := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, m, "the page has no example")
	return string(m[1])
}

func TestTheExampleOfThePage(t *testing.T) {
	h, err := Read(strings.NewReader(example(t)))
	require.NoError(t, err)
	require.Equal(t, &History{
		Origin: Origin{
			Format: "lockstep", Store: "lockstep", Command: "lockstep chaos --seed 7", Seed: 7, HasSeed: true,
			Started: "2026-03-01T12:00:00Z", Revisions: Contract,
		},
		Clients: map[int32]string{1: "writer"},
		Operations: []Operation{
			{Client: 1, Line: 4, Kind: Put, Outcome: Done, Existed: No, Key: "a", Value: Of("v1"), Condition: Condition{Kind: MustNotExist},
				Revision: 1, Invoke: 1000, Return: 4500},
			{Client: 1, Line: 8, Kind: Put, Key: "a", Value: Of("v2"), Invoke: 5100, Return: Forever},
			{Client: 2, Line: 9, Kind: Get, Outcome: Done, Key: "a", Observed: Of("v2"), Revision: 2, KeyRevision: 2, Invoke: 6000, Return: 8000},
			{Client: 2, Line: 14, Kind: Put, Outcome: ConditionFailed, Key: "a", Value: Of("v3"),
				Condition: Condition{Kind: ValueEquals, Value: Of("v1")}, Observed: Of("v2"), HasObserved: true,
				Revision: 2, KeyRevision: 2, Invoke: 10000, Return: 11000},
			{Client: 2, Line: 16, Kind: Delete, Outcome: Done, Existed: Yes, Key: "a", Condition: Condition{Kind: RevisionEquals, Revision: 2},
				Revision: 3, Invoke: 12000, Return: 13000},
			{Client: 2, Line: 19, Kind: Get, Outcome: Done, Stale: true, Key: "\x00\xff", Revision: 3, Invoke: 14000, Return: 15000},
			{Client: 1, Line: 21, Kind: Append, Outcome: Refused, Key: "a", Value: Of("!"), Condition: Condition{Kind: ValueEquals},
				Invoke: 16000, Return: 17000},
		},
		Marks: []Mark{
			{Kind: Leader, Node: "n1", From: 0, To: 5000},
			{Kind: Fault, Node: "n1", From: 5000, To: 9500, Text: "isolated from n2 and n3"},
			{Kind: Leader, Node: "n2", From: 7000, To: 30000},
			{Kind: Note, From: 13500, To: Forever, Text: "now for an odd key"},
		},
	}, h)
}

// The page tables every field, with its shape, and which fields a line must and may have.
func TestThePageHasEveryField(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, table, _ := bytes.Cut(text, []byte("## Fields"))
	holds := map[shape]string{
		wordShape: "(`\"|time)", textShape: `text \|`, valueShape: `text or null \|`, signedShape: `number.*may be negative`,
		unsignedShape: `number`, truthShape: `true or false \|`,
	}
	for f := range fieldsCount {
		if f == fieldEvent {
			continue // what a line is
		}
		row := regexp.MustCompile("(?m)^\\| `" + fields[f].name + "` \\| .*$").Find(table)
		require.Regexp(t, "^[^|]*\\|[^|]*\\| "+holds[fields[f].shape], string(row), fields[f].name)
	}
	for name, form := range map[string]lineForm{
		"header": headerForm, "`invoke`": invokeForm, "`return`": returnForm, "`end`": endForm, "`client`": clientForm,
		"`fault`": markForm, "`leader`": markForm, "`note`": markForm,
	} {
		row := regexp.MustCompile("(?m)^\\| " + name + " \\|(.*)$").FindStringSubmatch(string(text))
		require.NotNil(t, row, name)
		var required, optional fieldSet
		for _, m := range regexp.MustCompile("(\\*\\*)?`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
			found, ok := names.find([]byte(m[2]))
			require.True(t, ok, m[2])
			if m[1] != "" {
				required |= setOf(found.field)
			} else {
				optional |= setOf(found.field)
			}
		}
		require.Equal(t, form.required&^setOf(fieldEvent), required, "%s: %s", name, required)
		require.Equal(t, form.optional, optional, "%s: %s", name, optional)
	}
}

func TestEveryFieldIsFoundByItsName(t *testing.T) {
	for f := range fieldsCount {
		n, ok := names.find([]byte(fields[f].name))
		require.True(t, ok)
		require.Equal(t, f, n.field)
		require.False(t, n.base64)
		n, ok = names.find([]byte(fields[f].name + "64"))
		packed := fields[f].shape == textShape || fields[f].shape == valueShape
		require.Equal(t, packed, ok, fields[f].name)
		require.True(t, !ok || n.base64 && n.field == f)
	}
	for _, name := range []string{"", "Key", "keys", "key6", "key6464", "at64"} {
		_, ok := names.find([]byte(name))
		require.False(t, ok, name)
	}
}

const (
	head   = `{"format":"lockstep-history","version":1,"unit":"ns"}` + "\n"
	invoke = `{"event":"invoke","id":1,"at":5,"client":1,"kind":"put","key":"a","value":"x"}` + "\n"
	cas    = `{"event":"invoke","id":1,"at":5,"client":1,"kind":"put","key":"a","value":"x","if_exists":true}` + "\n"
	get    = `{"event":"invoke","id":1,"at":5,"client":1,"kind":"get","key":"a"}` + "\n"
	fault  = `{"event":"fault","mark":1,"at":5}` + "\n"
)

// Each of these files is wrong in its last line, for the reason beside it.
var wrong = []struct{ file, reason string }{
	// Headers.
	{"", "header is missing"},
	{`{"format":"lockstep-history","versi`, "cut off"},
	{"\n", "middle of an object"},
	{"[]\n", "each line is a JSON object"},
	{"{}\n", "where '\"' belongs"},
	{`{"unit":"ns"}` + "\n", "no lockstep-history file"},
	{invoke, "no lockstep-history file"},
	{`{"format":"other","version":1,"unit":"ns"}` + "\n", "the format other is not lockstep-history"},
	{`{"format":"lockstep-history","version":2,"unit":"ns","colour":{"a":[1]}}` + "\n", "version 2 of lockstep-history is newer than 1"},
	{`{"format":"lockstep-history","version":12.5}` + "\n", "version 12.5 of lockstep-history is newer"},
	{`{"format":"lockstep-history","version":0,"unit":"ns"}` + "\n", "version 0 of lockstep-history does not exist"},
	{`{"format":"lockstep-history","unit":"ns"}` + "\n", "a header without version"},
	{`{"format":"lockstep-history","version":1}` + "\n", "a header without unit"},
	{`{"format":"lockstep-history","version":1,"unit":"ms"}` + "\n", "the unit ms"},
	{`{"format":"lockstep-history","version":1,"unit":"ns","at":1}` + "\n", "a header with at"},
	{`{"format":"lockstep-history","version":1,"unit":"ns","seed":-1}` + "\n", "seed: '-'"},
	{`{"format":"lockstep-history","version":1,"unit":"ns","revisions":"maybe"}` + "\n", "unknown maybe, known are none, hints, contract"},
	{`{"format":"lockstep-history","version":1,"unit":"ns","started":"yesterday"}` + "\n", "no time in RFC 3339"},
	{`{"format":"lockstep-history","version":1,"unit":"ns","colour":"red"}` + "\n", "unknown field colour"},
	// Lines that are none.
	{head + "\n", "middle of an object"},
	{head + `{"event":"note","at":1` + "\n", "middle of an object"},
	{head + `{"event":"note","at":1,}` + "\n", "where '\"' belongs"},
	{head + `{"event":"note" "at":1}` + "\n", "where a comma or a brace belongs"},
	{head + `{"event":"note","at":1}{` + "\n", "behind the object"},
	{head + `{"event":"note","at":1} x`, "behind the object"},
	{head + "nonsense", "each line is a JSON object"},
	{head + "\x00\x00\x00", "each line is a JSON object"},
	{head + head, "a line without event"},
	{head + `{"at":1}` + "\n", "a line without event"},
	{head + `{"event":"jump","at":1}` + "\n", "unknown event jump"},
	{head + `{"event":"header","at":1}` + "\n", "unknown event header"},
	// Fields.
	{head + `{"event":"note","at":1,"At":1}` + "\n", "unknown field At"},
	{head + `{"event":"note","at":1,"at":1}` + "\n", "the field at is there twice"},
	{head + `{"event":"note","at":1,"text":"","text64":""}` + "\n", "the field text64 is there twice"},
	{head + `{"event":"note","at":1,"key":"a"}` + "\n", "a note with key"},
	{head + `{"event":"note","text":"a"}` + "\n", "a note without at"},
	{head + `{"event":"invoke","id":1,"at":5,"kind":"put"}` + "\n", "an invoke without client, key"},
	{head + `{"event":"note","at":"1"}` + "\n", `at: '"'`},
	{head + `{"event":"note","at":null}` + "\n", "at: 'n'"},
	{head + `{"event":"note","at":1.5}` + "\n", "a fraction"},
	{head + `{"event":"note","at":1e3}` + "\n", "an exponent"},
	{head + `{"event":"note","at":01}` + "\n", "a zero in front"},
	{head + `{"event":"note","at":+1}` + "\n", "at: '+'"},
	{head + `{"event":"note","at":9223372036854775808}` + "\n", "does not fit into 64 bits"},
	{head + `{"event":"note","at":-9223372036854775809}` + "\n", "does not fit into 64 bits"},
	{head + `{"event":"note","at":9223372036854775807}` + "\n", "stands for never"},
	{head + `{"event":"note","at":1,"to":9223372036854775807}` + "\n", "stands for never"},
	{head + `{"event":"note","at":18446744073709551616}` + "\n", "a number above 18446744073709551615"},
	{head + `{"event":"note","at":1,"text":7}` + "\n", "text: '7' where a string belongs"},
	{head + `{"event":"note","at":1,"text":null}` + "\n", "text: 'n' where a string belongs"},
	{head + `{"event":"note","at":1,"text":{}}` + "\n", "text: '{' where a string belongs"},
	{head + `{"event":"note","at":1,"text64":"AP8"}` + "\n", "text: a string that is not base64"},
	{head + `{"event":"note","at":1,"text64":"AP9="}` + "\n", "text: a string that is not base64"},
	{head + `{"event":"note","at":1,"text64":"AA\nAA"}` + "\n", "text: a string that is not base64"},
	{head + "{\"event\":\"note\",\"at\":1,\"text\":\"\xff\"}\n", "not UTF-8"},
	{head + "{\"event\":\"note\",\"at\":1,\"text\":\"\\\xff\"}\n", "not UTF-8"},
	{head + "{\"event\":\"note\",\"at\":1,\"text\":\"\x01\"}\n", "control character"},
	{head + `{"event":"note","at":1,"text":"\x"}` + "\n", `the unknown escape \x`},
	{head + `{"event":"note","at":1,"text":"\u12g4"}` + "\n", `the unknown escape \u`},
	{head + `{"event":"note","at":1,"text":"\ud800"}` + "\n", "surrogate"},
	{head + `{"event":"note","at":1,"text":"\ud800\u0041"}` + "\n", "surrogate"},
	{head + `{"event":"note","at":1,"text":"\udc00\ud800"}` + "\n", "surrogate"},
	// Operations.
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"take","key":"a"}` + "\n", "unknown take, known are get, put, delete, append"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"","key":"a"}` + "\n", `kind: unknown ""`},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"transact","key":"a"}` + "\n", "kind: unknown transact"},
	{head + `{"event":"invoke","id":1,"at":5,"client":2147483648,"kind":"get","key":"a"}` + "\n", "client: 2147483648"},
	{head + `{"event":"invoke","id":-1,"at":5,"client":1,"kind":"get","key":"a"}` + "\n", "id: '-'"},
	{head + `{"event":"invoke","id":1,"at":9223372036854775807,"client":1,"kind":"get","key":"a"}` + "\n", "stands for never"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"put","key":"a"}` + "\n", "a put without a value"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"append","key":"a"}` + "\n", "an append without a value"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"put","key":"a","value":null}` + "\n", "value: 'n'"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"get","key":"a","value":""}` + "\n", "a get with a value"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"delete","key":"a","value":""}` + "\n", "a delete with a value"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"get","key":"a","if_exists":true}` + "\n", "a get with a condition"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"delete","key":"a","stale":true}` + "\n", "a stale delete"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"get","key":"a","stale":1}` + "\n", "'1' where true or false belongs"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"get","key":"a","stale":trie}` + "\n", "where true or false belongs"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"delete","key":"a","if_value":nil}` + "\n", "where null belongs"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"delete","key":"a","if_value64":null}` + "\n", "where a string belongs"},
	{head + `{"event":"invoke","id":1,"at":5,"client":1,"kind":"delete","key":"a","if_exists":true,"if_revision":2}` + "\n", "several conditions: if_exists, if_revision"},
	{head + invoke + invoke, "two operations have the id 1"},
	{head + strings.ReplaceAll(invoke, `"id":1`, `"id":9`) + invoke + invoke, "two operations have the id 1"},
	{head + invoke + strings.ReplaceAll(invoke, `"id":1`, `"id":9`) + strings.ReplaceAll(invoke, `"id":1`, `"id":9`), "two operations have the id 9"},
	// Returns.
	{head + `{"event":"return","id":1,"at":7,"outcome":"done"}` + "\n", "operation 1 returns and was not invoked"},
	{head + invoke + `{"event":"return","id":2,"at":7,"outcome":"done"}` + "\n", "operation 2 returns and was not invoked"},
	{head + invoke + `{"event":"return","id":0,"at":7,"outcome":"done"}` + "\n", "operation 0 returns and was not invoked"},
	{head + invoke + strings.Repeat(`{"event":"return","id":1,"at":7,"outcome":"done"}`+"\n", 2), "operation 1 returns twice"},
	{head + invoke + strings.Repeat(`{"event":"return","id":1,"at":7,"outcome":"unknown"}`+"\n", 2), "operation 1 returns twice"},
	{head + invoke + `{"event":"return","id":1,"at":4,"outcome":"done"}` + "\n", "returns at 4, before it was invoked at 5"},
	{head + invoke + `{"event":"return","id":1,"at":4,"outcome":"unknown"}` + "\n", "returns at 4, before it was invoked at 5"},
	{head + invoke + `{"event":"return","id":1,"at":9223372036854775807,"outcome":"done"}` + "\n", "stands for never"},
	{head + invoke + `{"event":"return","id":1,"at":7,"outcome":"ok"}` + "\n", "unknown ok, known are unknown, done, condition-failed, refused"},
	{head + invoke + `{"event":"return","id":1,"at":7,"outcome":"done","value":"x"}` + "\n", "a return with value"},
	{head + invoke + `{"event":"return","id":1,"at":7,"outcome":"done","observed":"x"}` + "\n", "done with an observed value"},
	{head + invoke + `{"event":"return","id":1,"at":7,"outcome":"done","observed":null}` + "\n", "done with an observed value"},
	{head + invoke + `{"event":"return","id":1,"at":7,"outcome":"done","key_revision":3}` + "\n", "done with a key revision"},
	{head + invoke + `{"event":"return","id":1,"at":7,"outcome":"condition-failed"}` + "\n", "a condition failed that the put does not have"},
	{head + cas + `{"event":"return","id":1,"at":7,"outcome":"condition-failed","existed":true}` + "\n", "existed on a failed condition"},
	{head + cas + `{"event":"return","id":1,"at":7,"outcome":"refused","observed":"x"}` + "\n", "the outcome refused with a result"},
	{head + cas + `{"event":"return","id":1,"at":7,"outcome":"refused","observed":null}` + "\n", "the outcome refused with a result"},
	{head + cas + `{"event":"return","id":1,"at":7,"outcome":"unknown","revision":4}` + "\n", "the outcome unknown with a result"},
	{head + cas + `{"event":"return","id":1,"at":7,"outcome":"unknown","key_revision":4}` + "\n", "the outcome unknown with a result"},
	{head + cas + `{"event":"return","id":1,"at":7,"outcome":"unknown","existed":false}` + "\n", "the outcome unknown with a result"},
	{head + get + `{"event":"return","id":1,"at":7,"outcome":"done"}` + "\n", "a get that is done without observed"},
	{head + get + `{"event":"return","id":1,"at":7,"outcome":"done","observed":null,"existed":false}` + "\n", "existed on a get"},
	// Marks and names.
	{head + fault + fault, "two marks have the number 1"},
	{head + `{"event":"fault","mark":0,"at":5}` + "\n", "numbered from 1"},
	{head + `{"event":"fault","mark":1,"at":5,"to":6}` + "\n", "both an end and a number"},
	{head + `{"event":"fault","at":5,"to":4}` + "\n", "ends at 4, before it begins at 5"},
	{head + `{"event":"end","mark":1,"at":5}` + "\n", "mark 1 ends and was not begun"},
	{head + fault + `{"event":"end","mark":1,"at":4}` + "\n", "ends at 4, before it begins at 5"},
	{head + fault + `{"event":"end","mark":1,"at":9223372036854775807}` + "\n", "stands for never"},
	{head + fault + strings.Repeat(`{"event":"end","mark":1,"at":6}`+"\n", 2), "mark 1 ends twice"},
	{head + strings.Repeat(`{"event":"client","client":1,"name":"a"}`+"\n", 2), "client 1 is named twice"},
	{head + `{"event":"client","client":-2147483649,"name":"a"}` + "\n", "client: -2147483649"},
}

func TestReadRefuses(t *testing.T) {
	for _, w := range wrong {
		_, err := Read(strings.NewReader(w.file))
		var bad *FormatError
		require.ErrorAs(t, err, &bad, "%q", w.file)
		require.Contains(t, bad.Reason, w.reason, "%q", w.file)
		lines := strings.Count(strings.TrimSuffix(w.file, "\n"), "\n") + 1
		require.Equal(t, lines, bad.Line, "%q: %v", w.file, err)
	}
}

// What stands before the wrong line is right, or it would hide the reason.
func TestWhatPrecedesTheWrongLineIsRight(t *testing.T) {
	for _, w := range wrong {
		before := w.file[:strings.LastIndex(strings.TrimSuffix(w.file, "\n"), "\n")+1]
		if before == "" {
			continue
		}
		_, err := Read(strings.NewReader(before))
		require.NoError(t, err, "%q", before)
	}
}

func TestFieldsInAnyOrderAndWithSpaces(t *testing.T) {
	file := " {\"unit\" : \"ns\",\t\"version\":1,\"format\":\"lockstep-history\"} \r\n" +
		` { "key" : "\u0061\/\ud83d\ude00", "kind":"put","client":-3,"value64":"eA==","at":-7,"id":0,"event":"invoke","stale":false}` + "\r\n" +
		`{"revision":0,"existed":false,"outcome":"done","at":-7,"id":0,"event":"return"}`
	h, err := Read(strings.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, []Operation{{
		Client: -3, Line: 2, Kind: Put, Outcome: Done, Existed: No, Key: "a/😀", Value: Of("x"), Invoke: -7, Return: -7,
	}}, h.Operations)
	require.True(t, h.Origin.Torn, "the newline is missing")
}

func TestOperationsComeByTime(t *testing.T) {
	var file strings.Builder
	file.WriteString(head)
	for _, line := range []string{
		`{"event":"invoke","id":7,"at":30,"client":1,"kind":"get","key":"c"}`,
		`{"event":"note","at":20,"text":"late"}`,
		`{"event":"invoke","id":8,"at":10,"client":2,"kind":"get","key":"a"}`,
		`{"event":"note","at":10,"text":"early"}`,
		`{"event":"invoke","id":3,"at":10,"client":3,"kind":"get","key":"b"}`,
		`{"event":"return","id":3,"at":10,"outcome":"refused"}`,
		`{"event":"return","id":7,"at":31,"outcome":"done","observed":"x"}`,
		`{"event":"return","id":8,"at":11,"outcome":"done","observed":null}`,
	} {
		file.WriteString(line + "\n")
	}
	h, err := Read(strings.NewReader(file.String()))
	require.NoError(t, err)
	require.Equal(t, []Operation{
		{Client: 2, Line: 4, Kind: Get, Outcome: Done, Key: "a", Invoke: 10, Return: 11},
		{Client: 3, Line: 6, Kind: Get, Outcome: Refused, Key: "b", Invoke: 10, Return: 10},
		{Client: 1, Line: 2, Kind: Get, Outcome: Done, Key: "c", Observed: Of("x"), Invoke: 30, Return: 31},
	}, h.Operations)
	require.Equal(t, "early", h.Marks[0].Text)
	require.Equal(t, "late", h.Marks[1].Text)
}

// A file that is cut anywhere is the file up to its last whole line.
func TestATornFileIsReadUpToTheTear(t *testing.T) {
	file := example(t)
	first := strings.Index(file, "\n")
	for cut := range len(file) {
		h, err := Read(strings.NewReader(file[:cut]))
		if cut < first {
			var bad *FormatError
			require.ErrorAs(t, err, &bad, "cut at %d", cut)
			continue
		}
		require.NoError(t, err, "cut at %d: %q", cut, file[:cut])
		require.Equal(t, file[cut-1] != '\n', h.Origin.Torn, "cut at %d", cut)
		whole := file[:strings.LastIndex(file[:cut], "\n")+1]
		if file[cut] == '\n' {
			whole = file[:cut+1] // only the newline is missing
		}
		want, err := Read(strings.NewReader(whole))
		require.NoError(t, err)
		want.Origin.Torn = h.Origin.Torn
		require.Equal(t, want, h, "cut at %d", cut)
	}
}

func TestLinesAreBounded(t *testing.T) {
	note := func(bytes int) string {
		line := `{"event":"note","at":1,"text":""}` + "\n"
		return strings.Replace(line, `""`, `"`+strings.Repeat("x", bytes-len(line))+`"`, 1)
	}
	h, err := Read(strings.NewReader(head + note(LineBytesMax) + invoke))
	require.NoError(t, err)
	require.Len(t, h.Operations, 1)
	var out bytes.Buffer
	require.NoError(t, Write(&out, h), "what can be read can be written")

	for _, tooLong := range []string{note(LineBytesMax + 1), note(LineBytesMax + 2)[:LineBytesMax+1]} {
		_, err = Read(strings.NewReader(head + tooLong))
		var bad *FormatError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, "line 2: the line has more than 33554432 bytes", bad.Error())
	}

	h.Marks[0].Text += "x"
	var wrong *RecordError
	require.ErrorAs(t, Write(&out, h), &wrong)
}
