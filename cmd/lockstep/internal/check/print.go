package check

import (
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
		fmt.Fprintf(s.Out, "%s: can't be read: %v\n", c.name, c.err)
		return
	}
	fmt.Fprintf(s.Out, "%s: %s (%s, %s)\n", c.name, c.Result.Verdict, counts(c), time.Duration(c.Nanoseconds).Round(time.Millisecond))
	for _, line := range remarks(c) {
		fmt.Fprintln(s.Out, "  "+line)
	}
	s.printKeys(c.Result)
	for i := range c.Result.Contradictions {
		s.printContradiction(c.History, "all keys", &c.Result.Contradictions[i])
	}
	for _, k := range c.Result.Keys {
		if k.Contradiction != nil {
			s.printContradiction(c.History, "key "+keyText(k.Key), k.Contradiction)
		}
	}
}

func counts(c checked) string {
	return fmt.Sprintf("%d operations, %d checked, %d keys", c.Result.Operations, c.Result.Checked, len(c.Result.Keys))
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

// printKeys shows a line for each key, or with Quiet only for those with a problem.
func (s *Settings) printKeys(r verdict.Result) {
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	header := false
	for _, k := range r.Keys {
		if s.Quiet && k.Verdict == verdict.Linearizable {
			continue
		}
		if !header {
			fmt.Fprintln(t, "  KEY\tVERDICT\tTIER\tOPERATIONS\tSTEPS\t")
			header = true
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d\t%d\t%s\n", keyText(k.Key), k.Verdict, k.Tier, k.Operations, k.Steps, k.Reason)
	}
	t.Flush()
}

func keyText(key string) string {
	if key == "" {
		return "(the only one)"
	}
	return history.Text(key)
}

// printContradiction shows the sentence and the operations that it speaks of.
func (s *Settings) printContradiction(h *history.History, where string, c *verdict.Contradiction) {
	fmt.Fprintf(s.Out, "\n  %s, %s: %s\n", where, c.Kind, c.Sentence)
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
		if c.err != nil {
			count["unreadable"]++
			continue
		}
		count[c.Result.Verdict.String()]++
	}
	var parts []string
	for _, name := range []string{"linearizable", "violation", "undecided", "unreadable"} {
		if count[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[name], name))
		}
	}
	fmt.Fprintf(s.Out, "\n%d histories: %s\n", len(all), strings.Join(parts, ", "))
	if skipped := len(s.Files) - len(all); skipped > 0 {
		fmt.Fprintf(s.Out, "%d not checked: interrupted\n", skipped)
	}
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
