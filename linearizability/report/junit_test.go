package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

func junitOf(t require.TestingT, all ...Checked) (junitSuites, string) {
	var b bytes.Buffer
	require.NoError(t, JUnit(&b, all))
	var s junitSuites
	require.NoError(t, xml.Unmarshal(b.Bytes(), &s))
	return s, b.String()
}

func TestJUnit(t *testing.T) {
	s, text := junitOf(t, example(), verdicts()["linearizable"])
	require.Equal(t, junitTotals{Tests: 15, Failures: 1, Errors: 1, Skipped: 1, Time: "0.013596"}, s.junitTotals)
	require.Len(t, s.Suites, 2)
	suite := s.Suites[0]
	require.Equal(t, "run.jsonl", suite.Name)
	require.Equal(t, junitTotals{Tests: 3, Failures: 1, Errors: 1, Skipped: 1, Time: "0.001250"}, suite.junitTotals)

	a, b, c := suite.Cases[0], suite.Cases[1], suite.Cases[2]
	require.Equal(t, "a", a.Name)
	require.Equal(t, "run.jsonl", a.Class)
	require.Equal(t, "get by reader returned v1, which client 2 overwrote before reader asked", a.Failure.Message)
	require.Equal(t, "stale-read", a.Failure.Type)
	require.Contains(t, a.Failure.Text, "2. client 2: key a: put v2 if it equals v1 → done, invoked at 3000 ns, returned at 4000 ns, line 4\n")
	require.Contains(t, a.Failure.Text, "again: lockstep check --json run.jsonl")
	require.Contains(t, b.Error.Message, "--budget")
	require.Equal(t, `"\x00\xff"`, c.Name)
	require.NotNil(t, c.Skipped, "nothing to check is not a pass")
	require.Contains(t, text, `<property name="seed" value="7">`)
	require.Contains(t, text, `<property name="unchecked: refused" value="1">`)
	require.Equal(t, 0, s.Suites[1].Failures+s.Suites[1].Errors+s.Suites[1].Skipped)
}

// A build server never sees a history as passed that is not linearizable.
func TestJUnitNeverPassesForNothing(t *testing.T) {
	for name, c := range verdicts() {
		s, _ := junitOf(t, c)
		require.Equal(t, c.verdict() == verdict.Linearizable, s.Failures+s.Errors == 0, name)
		require.Equal(t, c.verdict() == verdict.Violation, s.Failures > 0, name)
		require.NotZero(t, s.Tests, name)
	}
	s, _ := junitOf(t, verdicts()["reasoned"])
	require.Equal(t, "the file has transactions, which no tier checks", s.Suites[0].Cases[0].Error.Message)
}

func TestJUnitNamesLongKeysApart(t *testing.T) {
	c := judged(smallRun.history())
	long := strings.Repeat("k", 60)
	c.Result.Keys[0].Key, c.Result.Keys[1].Key = long+"1", long+"2"
	s, _ := junitOf(t, c)
	require.Equal(t, long+"1", s.Suites[0].Cases[0].Name)
	require.Equal(t, long+"2", s.Suites[0].Cases[1].Name)
}

// The totals are those of the cases, and the document is well-formed XML, whatever the bytes.
func TestJUnitHoldsAnyBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := withBytes(t)
		s, text := junitOf(t, c)
		require.True(t, utf8.ValidString(text))
		decoder := xml.NewDecoder(bytes.NewReader([]byte(text)))
		for {
			if _, err := decoder.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		names := map[string]bool{}
		sum := junitTotals{Time: s.Time}
		for _, x := range s.Suites[0].Cases {
			sum.add(x.totals())
			names[x.Name] = true
		}
		require.Equal(t, s.junitTotals, sum)
		require.Len(t, names, len(c.Result.Keys), "names are distinct")
		got, err := strconv.Unquote(s.Suites[0].Cases[0].Name)
		if err != nil {
			got = s.Suites[0].Cases[0].Name
		}
		require.Equal(t, c.Result.Keys[0].Key, got, "names read back")
	})
}

// A file without a history stands in both documents, and keeps them from passing.
func TestUnreadFiles(t *testing.T) {
	const why = "broken.edn:3: :process is x, which is neither a number from 0 nor :nemesis"
	c := Checked{History: &history.History{Origin: history.Origin{File: "broken.edn"}}, Unread: why, Result: verdict.Result{Reason: why}}
	for _, result := range []verdict.Result{c.Result, {}, {Verdict: verdict.Linearizable, Checked: 1}} {
		c.Result = result
		s, text := junitOf(t, verdicts()["linearizable"], c)
		require.Equal(t, 1, s.Errors)
		require.Zero(t, s.Failures+s.Skipped)
		require.Equal(t, "broken.edn", s.Suites[1].Name)
		require.Len(t, s.Suites[1].Cases, 1)
		require.Equal(t, "all keys", s.Suites[1].Cases[0].Name)
		require.Equal(t, why, s.Suites[1].Cases[0].Error.Message)
		require.Contains(t, text, `<property name="verdict" value="undecided">`)

		var d document
		require.NoError(t, json.Unmarshal([]byte(jsonOf(t, verdicts()["linearizable"], c)), &d))
		require.Equal(t, verdict.Undecided, d.Verdict)
		require.Equal(t, verdict.Linearizable, d.Histories[0].Verdict)
		require.Equal(t, verdict.Undecided, d.Histories[1].Verdict)
		require.Equal(t, "broken.edn", d.Histories[1].File)
		require.Equal(t, why, d.Histories[1].Reason)
	}
}
