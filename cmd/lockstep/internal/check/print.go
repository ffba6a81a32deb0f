package check

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// print shows one file's verdict, its keys, and why it is violated.
func (s *Settings) print(c checked) {
	if c.err != nil {
		fmt.Fprintf(s.Out, "%s: %s\n", c.name, c.Unread)
		return
	}
	fmt.Fprintf(s.Out, "%s: %s (%s, %s)\n", c.name, c.Result.Verdict, counts(c), time.Duration(c.Nanoseconds).Round(time.Millisecond))
	for _, line := range remarks(c) {
		fmt.Fprintln(s.Out, "  "+line)
	}
	s.printKeys(c.Result)
	for i := range c.Result.Contradictions {
		s.printContradiction(c.History, &c.Result.Contradictions[i])
	}
	for _, k := range c.Result.Keys {
		if k.Contradiction != nil {
			s.printContradiction(c.History, k.Contradiction)
		}
	}
}

func counts(c checked) string {
	return fmt.Sprintf("%s, %d checked, %s", amount(c.Result.Operations, "operation"), c.Result.Checked, amount(len(c.Result.Keys), "key"))
}

// amount returns "1 key", "2 keys".
func amount(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// remarks are what a reader should know of a history besides its verdict.
func remarks(c checked) []string {
	var lines []string
	if c.Result.Reason != "" {
		lines = append(lines, c.Result.Reason)
	}
	if c.History.Origin.Torn {
		lines = append(lines, "the file ends in the middle of a record, as it does when its writer was killed; what precedes was checked")
	}
	var reasons []string
	for reason := range c.Result.Unchecked {
		reasons = append(reasons, reason)
	}
	sort.Strings(reasons)
	for _, reason := range reasons {
		lines = append(lines, fmt.Sprintf("%d not checked: %s", c.Result.Unchecked[reason], reason))
	}
	return lines
}

// alikeMax is how many undecided keys of one reason are listed; the rest are counted.
const alikeMax = 10

// printKeys shows a line for each key, or with Quiet only for those with a problem.
func (s *Settings) printKeys(r verdict.Result) {
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	header := false
	alike := map[string]int{}
	var reasons []string
	for _, k := range r.Keys {
		if s.Quiet && k.Verdict == verdict.Linearizable {
			continue
		}
		if k.Verdict == verdict.Undecided {
			if alike[k.Reason] == 0 {
				reasons = append(reasons, k.Reason)
			}
			if alike[k.Reason]++; alike[k.Reason] > alikeMax {
				continue
			}
		}
		if !header {
			fmt.Fprintln(t, "  KEY\tVERDICT\tTIER\tOPERATIONS\tSTEPS\t")
			header = true
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d\t%d\t%s\n", history.Text(k.Key), k.Verdict, k.Tier, k.Operations, k.Steps, k.Reason)
	}
	t.Flush()
	for _, reason := range reasons {
		if more := alike[reason] - alikeMax; more > 0 {
			fmt.Fprintf(s.Out, "  and %s: %s\n", amount(more, "more key"), reason)
		}
	}
}

// printContradiction shows the sentence and the operations that it speaks of.
func (s *Settings) printContradiction(h *history.History, c *verdict.Contradiction) {
	fmt.Fprintf(s.Out, "\n  %s: %s\n", c.Kind, c.Sentence)
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	origin := earliest(h, c.Operations)
	for _, i := range c.Operations {
		o := &h.Operations[i]
		fmt.Fprintf(t, "    %s\t%s\t%s\t%s\n", h.ClientName(o.Client), o, span(h, o, origin), line(o))
	}
	t.Flush()
}

func earliest(h *history.History, indices []int32) int64 {
	first := history.Forever
	for _, i := range indices {
		first = min(first, h.Operations[i].Invoke)
	}
	return first
}

// span shows when an operation was under way, counted from the first that is shown; nothing where the record has no clock.
func span(h *history.History, o *history.Operation, origin int64) string {
	invoke := "+" + time.Duration(o.Invoke-origin).String()
	switch {
	case h.Origin.Untimed:
		return ""
	case o.Return == history.Forever:
		return invoke + " to the end"
	}
	return invoke + " to +" + time.Duration(o.Return-origin).String()
}

func line(o *history.Operation) string {
	if o.Line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d", o.Line)
}

// summary closes the output of several files.
func (s *Settings) summary(all []checked) {
	if len(all) < 2 {
		return
	}
	count := map[string]int{}
	for _, c := range all {
		count[c.standing()]++
	}
	var parts []string
	for _, name := range []string{"linearizable", "violation", "undecided", "unreadable"} {
		if count[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[name], name))
		}
	}
	fmt.Fprintf(s.Out, "\n%d histories: %s\n", len(all), strings.Join(parts, ", "))
}

// standing is what became of a file, in a word.
func (c *checked) standing() string {
	switch {
	case c.err == nil:
		return c.Result.Verdict.String()
	case errors.Is(c.err, errInterrupted):
		return "undecided"
	}
	return "unreadable"
}

// quoted returns a word as a shell takes it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:=+@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
