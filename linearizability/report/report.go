// Package report writes what a check found: HTML as a page for people, JSON for programs, JUnit for build servers.
//
// All three say the same of the same Checked. The page shows one history; the documents hold any number of them.
//
// Nothing is shown as better than it is: the verdict of a history is the gravest of what the result says of it and of its
// keys, and a history in which nothing was checked never counts as passed. Keys, values and names are arbitrary bytes: they
// arrive in every document as text that reads back, and none of them can become markup, script or a broken document. What a
// page leaves out for its size it counts and names.
package report

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// Checked is one history with its verdict. It is only read.
type Checked struct {
	History *history.History
	Result  verdict.Result
	// Command reproduces the check: "lockstep check --html report.html run.jsonl".
	Command string
	// Nanoseconds that the check took.
	Nanoseconds int64
	// Unread says why there is no history: the file could not be read, or the check ended before it came to it. History is
	// then empty but for Origin.File. Empty: it was read.
	Unread string
}

// Error is a result that does not belong to its history. Nothing was written.
type Error struct {
	File   string
	Reason string
}

// Error returns file and reason.
func (e *Error) Error() string { return e.File + ": " + e.Reason }

// file returns the name that reports give the history.
func (c Checked) file() string {
	switch c.History.Origin.File {
	case "", "-":
		return "standard input"
	}
	return c.History.Origin.File
}

// validate refuses results that name operations which the history does not have.
func (c Checked) validate() error {
	if c.History == nil {
		return &Error{File: "report", Reason: "there is no history to report on"}
	}
	for i := range c.Result.Keys {
		k := &c.Result.Keys[i]
		lists := append([][]int32{k.Order}, k.Partial...)
		if k.Contradiction != nil {
			lists = append(lists, k.Contradiction.Operations)
		}
		if err := c.validateIndices("key "+history.Text(k.Key), lists...); err != nil {
			return err
		}
	}
	for _, x := range c.Result.Contradictions {
		if err := c.validateIndices(string(x.Kind), x.Operations); err != nil {
			return err
		}
	}
	return nil
}

func (c Checked) validateIndices(what string, lists ...[]int32) error {
	for _, list := range lists {
		for _, i := range list {
			if i < 0 || int(i) >= len(c.History.Operations) {
				return &Error{File: c.file(), Reason: fmt.Sprintf("the result of %s names operation %d of %d", what, i, len(c.History.Operations))}
			}
		}
	}
	return nil
}

func validateAll(all []Checked) error {
	for _, c := range all {
		if err := c.validate(); err != nil {
			return err
		}
	}
	return nil
}

// verdict returns the gravest verdict that the result states anywhere. A history in which nothing was checked is undecided.
func (c Checked) verdict() verdict.Verdict {
	v := c.Result.Verdict
	for i := range c.Result.Keys {
		v = v.Worse(c.Result.Keys[i].Verdict)
	}
	if len(c.Result.Contradictions) > 0 {
		v = verdict.Violation
	}
	if c.Result.Checked == 0 || c.Result.Reason != "" || c.Unread != "" {
		v = v.Worse(verdict.Undecided)
	}
	return v
}

// reason says why the history as a whole is not decided; empty if it is, or if its keys say so.
func (c Checked) reason() string {
	switch {
	case c.Unread != "":
		return c.Unread
	case c.Result.Reason != "":
		return c.Result.Reason
	case len(c.History.Operations) == 0:
		return "the history holds no operation"
	case c.Result.Checked == 0:
		return "none of the operations has a result that an order must explain"
	}
	return ""
}

// counts are the keys of a result by what was decided and by whom.
type counts struct {
	verdicts [verdict.Violation + 1]int
	tiers    [verdict.Search + 1]int
	steps    int64
}

func (c Checked) counts() counts {
	var n counts
	for i := range c.Result.Keys {
		k := &c.Result.Keys[i]
		n.verdicts[k.Verdict]++
		n.tiers[k.Tier]++
		n.steps += k.Steps
	}
	return n
}

// idle says that a key has no operation that an order must explain, so that its verdict means nothing.
func idle(k *verdict.KeyResult) bool { return k.Verdict == verdict.Linearizable && k.Operations == 0 }

// name returns bytes as text that is valid everywhere: whole if it reads well, quoted as in Go if not, and cut behind limit
// bytes (0: never). Other bytes have another name unless they are cut.
func name(s string, limit int) string {
	cut := limit > 0 && len(s) > limit
	length := len(s)
	if cut {
		s = s[:limit]
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		s = fmt.Sprintf("%q", s)
	}
	if cut {
		s += fmt.Sprintf("… (%s bytes)", thousands(int64(length)))
	}
	return s
}

// groups are the labels that stand for all keys of transactions: no keys of the store, and so not written like keys.
type groups map[string]bool

func groupsOf(h *history.History) groups {
	g := groups{}
	for i := range h.Operations {
		if h.Operations[i].Kind == history.Transact {
			g[h.Operations[i].Key] = true
		}
	}
	return g
}

// name returns a key as the function of that name does, and a label as it is.
func (g groups) name(key string, limit int) string {
	if g[key] {
		return clean(key)
	}
	return name(key, limit)
}

// clean returns text from outside, such as a file's name, as one line of valid UTF-8 without control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// plural returns "1 key", "2 keys", "1,000 keys".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(int64(n)) + " " + noun + "s"
}

// thousands groups the digits of a number by commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
