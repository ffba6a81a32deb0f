package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// The elements and attributes that Jenkins, GitLab, GitHub actions and Azure Pipelines have in common. A case has no time:
// keys are not timed one by one, and a zero would be a claim.
type (
	junitSuites struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		junitTotals
		Suites []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name string `xml:"name,attr"`
		junitTotals
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitTotals struct {
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Time     string `xml:"time,attr"` // in seconds
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		Failure *junitDetail `xml:"failure"`
		Error   *junitDetail `xml:"error"`
		Skipped *junitDetail `xml:"skipped"`
	}
	junitDetail struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes a test suite for each history with a test case for each key. A violation is a failure. An undecided key is an
// error: build servers count skipped cases among those that are well, and an undecided key is not known to be. Only a key
// without anything to check is skipped.
func JUnit(w io.Writer, all []Checked) error {
	if err := validateAll(all); err != nil {
		return err
	}
	suites := junitSuites{Name: "lockstep check"}
	var nanoseconds int64
	for _, c := range all {
		s := junitSuiteOf(c)
		suites.Suites = append(suites.Suites, s)
		suites.add(s.junitTotals)
		nanoseconds += c.Nanoseconds
	}
	suites.Time = seconds(nanoseconds)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suites); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitSuiteOf(c Checked) junitSuite {
	s := junitSuite{Name: clean(c.file()), Properties: junitProperties(c)}
	s.Time = seconds(c.Nanoseconds)
	s.Cases = append(s.Cases, junitWhole(c)...)
	groups := groupsOf(c.History)
	for i := range c.Result.Keys {
		x := junitKey(c, groups, &c.Result.Keys[i])
		if groups[c.Result.Keys[i].Key] && len(s.Cases) > 0 && s.Cases[0].Name == x.Name {
			x.Name += " (transactions)" // the case of the whole history has the name
		}
		s.Cases = append(s.Cases, x)
	}
	for _, x := range s.Cases {
		s.add(x.totals())
	}
	return s
}

// junitWhole returns the cases that concern no single key. There is one whenever the keys alone would look better than the
// history is.
func junitWhole(c Checked) []junitCase {
	var cases []junitCase
	for i, x := range c.Result.Contradictions {
		cases = append(cases, junitCase{
			Name:    fmt.Sprintf("all keys: %s %d", x.Kind, i+1),
			Class:   clean(c.file()),
			Failure: junitFailure(c, &x),
		})
	}
	worst := verdict.Linearizable
	for i := range c.Result.Keys {
		worst = worst.Worse(c.Result.Keys[i].Verdict)
	}
	if len(cases) > 0 || worst.Worse(c.verdict()) == worst {
		return cases
	}
	x := junitCase{Name: "all keys", Class: clean(c.file())}
	detail := &junitDetail{Type: c.verdict().String(), Message: clean(c.reason())}
	if detail.Message == "" {
		detail.Message = "the verdict on the history is " + c.verdict().String()
	}
	if c.verdict() == verdict.Violation {
		x.Failure = detail
	} else {
		x.Error = detail
	}
	return append(cases, x)
}

func junitKey(c Checked, groups groups, k *verdict.KeyResult) junitCase {
	x := junitCase{Name: groups.name(k.Key, 0), Class: clean(c.file())}
	switch {
	case k.Verdict == verdict.Violation:
		x.Failure = junitFailure(c, k.Contradiction)
	case k.Verdict == verdict.Undecided:
		x.Error = &junitDetail{Type: k.Verdict.String(), Message: clean(undecidedReason(k))}
	case idle(k):
		x.Skipped = &junitDetail{Message: "none of its operations has a result that an order must explain"}
	}
	return x
}

func junitFailure(c Checked, x *verdict.Contradiction) *junitDetail {
	if x == nil {
		return &junitDetail{Type: string(verdict.Unorderable), Message: unexplained}
	}
	var text strings.Builder
	text.WriteString("\n")
	groups := groupsOf(c.History)
	for n, i := range x.Operations {
		o := &c.History.Operations[i]
		key := "key " + name(o.Key, 0)
		if groups[o.Key] {
			key = groups.name(o.Key, 0)
		}
		fmt.Fprintf(&text, "%d. %s: %s: %s, invoked at %s, %s%s\n", n+1, clean(c.History.ClientName(o.Client)), key,
			clean(o.String()), c.instant(o.Invoke), c.returned(o), inLine(o))
	}
	if c.Command != "" {
		fmt.Fprintf(&text, "again: %s\n", clean(c.Command))
	}
	return &junitDetail{Type: string(x.Kind), Message: clean(x.Sentence), Text: text.String()}
}

// instant returns a time of the history, or a place in a record without a clock.
func (c Checked) instant(t int64) string {
	if c.History.Origin.Untimed {
		return fmt.Sprintf("#%d", t)
	}
	return fmt.Sprintf("%d ns", t)
}

func (c Checked) returned(o *history.Operation) string {
	if o.Return == history.Forever {
		return "never returned"
	}
	return "returned at " + c.instant(o.Return)
}

func inLine(o *history.Operation) string {
	if o.Line == 0 {
		return ""
	}
	return fmt.Sprintf(", line %d", o.Line)
}

func junitProperties(c Checked) []junitProperty {
	o := c.History.Origin
	ps := []junitProperty{
		{"verdict", c.verdict().String()},
		{"operations", strconv.Itoa(c.Result.Operations)},
		{"checked", strconv.Itoa(c.Result.Checked)},
	}
	for _, u := range uncheckedOf(c) {
		ps = append(ps, junitProperty{"unchecked: " + clean(u.Reason), strconv.Itoa(u.Operations)})
	}
	if o.HasSeed {
		ps = append(ps, junitProperty{"seed", strconv.FormatUint(o.Seed, 10)})
	}
	if o.Torn {
		ps = append(ps, junitProperty{"torn", "true"})
	}
	for _, p := range []junitProperty{{"format", o.Format}, {"store", o.Store}, {"run", o.Command}, {"again", c.Command}} {
		if p.Value != "" {
			ps = append(ps, junitProperty{p.Name, clean(p.Value)})
		}
	}
	return ps
}

func (t *junitTotals) add(other junitTotals) {
	t.Tests += other.Tests
	t.Failures += other.Failures
	t.Errors += other.Errors
	t.Skipped += other.Skipped
}

func (x junitCase) totals() junitTotals {
	t := junitTotals{Tests: 1}
	switch {
	case x.Failure != nil:
		t.Failures = 1
	case x.Error != nil:
		t.Errors = 1
	case x.Skipped != nil:
		t.Skipped = 1
	}
	return t
}

func seconds(nanoseconds int64) string { return fmt.Sprintf("%.6f", float64(nanoseconds)/1e9) }

// unexplained stands where a violation comes without a contradiction.
const unexplained = "no order explains the results of this key, and no smaller set of operations was found that contradicts itself"

// undecidedReason returns the reason of an undecided key, never empty.
func undecidedReason(k *verdict.KeyResult) string {
	if k.Reason == "" {
		return "it was not decided, and no reason is given"
	}
	return k.Reason
}

// unchecked counts the operations that constrain nothing for one reason.
type unchecked struct {
	Reason     string `json:"reason"`
	Operations int    `json:"operations"`
}

// uncheckedOf returns the counts by reason, the largest first.
func uncheckedOf(c Checked) []unchecked {
	list := []unchecked{}
	for reason, n := range c.Result.Unchecked {
		list = append(list, unchecked{reason, n})
	}
	slices.SortFunc(list, func(a, b unchecked) int {
		if a.Operations != b.Operations {
			return b.Operations - a.Operations
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return list
}
