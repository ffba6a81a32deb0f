package sim

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lockstepdb/lockstep/sim/fleet"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// printFailure shows a failure: the seed, what was violated, the command that shows it again, and where to look.
func (s *Settings) printFailure(f fleet.Found) {
	printFailure(s.Out, fmt.Sprintf("seed %d", f.Seed), f)
	fmt.Fprintln(s.Out) // the summary, or another one, follows
}

func printFailure(out io.Writer, what string, f fleet.Found) {
	fmt.Fprintf(out, "%s failed: %s\n  %s%s\n  replay: %s\n", what, f.Kind, f.Message, when(&f.Failure), f.Replay)
	if f.Dir != "" {
		fmt.Fprintf(out, "  see %s\n", f.Dir)
	}
}

// when says the time of a failure, if it is known.
func when(f *fleet.Failure) string {
	if f.At == 0 {
		return ""
	}
	return fmt.Sprintf(", at %.6f s", float64(f.At)/1e9)
}

// printSummary shows what a run did and found.
func (s *Settings) printSummary(sum *fleet.Summary) {
	wall := max(sum.Wall.Seconds(), 1e-9)
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("seeds", "%s, from %d on, profile %s, %s", grouped(sum.Seeds), sum.From, sum.Profile, count(uint64(sum.Workers), "worker"))
	row("time", "%.1f s, %.1f seeds/s", wall, float64(sum.Seeds)/wall)
	if cpu := sum.CPU.Seconds(); cpu > 0 {
		row("CPU", "%.1f s, %.1f seeds/s per core", cpu, float64(sum.Seeds)/cpu)
	}
	row("simulated", "%v, %s times real time", sum.Simulated.Round(time.Second), grouped(uint64(sum.Simulated.Seconds()/wall)))
	row("events", "%s, %s/s", grouped(sum.Events), grouped(uint64(float64(sum.Events)/wall)))
	row("operations", "%s: %s", grouped(uint64(sum.Operations)), listed(sum.Outcomes))
	row("twice", "%s lived in two processes each, to compare", count(uint64(sum.Twice), "seed"))
	row("slowest", "seed %d, %.2f s", sum.Slowest, sum.SlowestTime.Seconds())
	t.Flush()
	printTables(s.Out, sum)
	fmt.Fprintf(s.Out, "\n%s\n", s.verdict(sum))
}

// printTables shows the faults and the probes.
func printTables(out io.Writer, sum *fleet.Summary) {
	fmt.Fprintf(out, "\nfaults injected: %s\n", grouped(uint64(sum.Injected)))
	columns(out, faults(sum), 4)
	fmt.Fprintf(out, "\nprobes reached: %d\n", len(sum.Probes))
	columns(out, sum.Probes, 2)
	missed := sum.Unreached()
	if len(missed) == 0 {
		return
	}
	fmt.Fprintf(out, "\nprobes not reached: %d\n", len(missed))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range missed {
		title := p.Title
		if p.Seldom {
			title += " (seldom)"
		}
		fmt.Fprintf(t, "  %s\t%s\n", p.Name, title)
	}
	t.Flush()
}

// verdict is the last line: whether all is well, and where to look.
func (s *Settings) verdict(sum *fleet.Summary) string {
	switch {
	case sum.Counts.Failures > 0:
		return fmt.Sprintf("FAILED: %d of %s", sum.Counts.Failures, count(sum.Seeds, "seed"))
	case sum.Interrupted:
		return fmt.Sprintf("interrupted: %s passed", count(sum.Seeds, "seed"))
	}
	return fmt.Sprintf("passed: %s; see %s for seed %d", count(sum.Seeds, "seed"), s.last(), sum.Last())
}

// printOne shows what came of one life.
func (s *Settings) printOne(sum *fleet.Summary, r *fleet.Recording) {
	out := s.Out
	if s.Trace {
		out = s.Errs // standard output is the trace
	}
	what := s.what()
	for _, f := range sum.Failures {
		printFailure(out, what, f)
		return
	}
	verdict := "passed"
	switch {
	case sum.Interrupted:
		verdict = fmt.Sprintf("interrupted, nothing failed until %v", sum.Simulated.Round(time.Millisecond))
	case r.Until > 0:
		verdict = fmt.Sprintf("nothing failed until %v", r.Until)
	}
	fmt.Fprintf(out, "%s: %s, trace hash %s\n", what, verdict, fleet.Hash(sum.TraceHash()))
	fmt.Fprintf(out, "  %v simulated, %s, %s: %s\n", sum.Simulated.Round(time.Millisecond), count(sum.Events, "event"), count(uint64(sum.Operations), "operation"), listed(sum.Outcomes))
	fmt.Fprintf(out, "  %s: %s\n", count(uint64(sum.Injected), "fault"), listed(sum.Faults))
	if r.Dir != "" {
		fmt.Fprintf(out, "  see %s\n", r.Dir)
	}
}

// printAside says that another plan of the seed stays where it is.
func (s *Settings) printAside() {
	out := s.Out
	if s.Trace {
		out = s.Errs
	}
	kept := filepath.Join(s.Dir, s.name(), fleet.PlanName)
	fmt.Fprintf(out, "  under this version seed %d is another plan (or of another profile); the one that failed is kept: `%s --plan %s`\n", s.Seed, s.Command, quoted(kept))
}

// printBefore says whether the life is the one that was kept before.
func (s *Settings) printBefore(before *fleet.Kept, hash uint64) {
	out := s.Out
	if s.Trace {
		out = s.Errs
	}
	same := before.TraceHash == fleet.Hash(hash)
	switch now := version(); {
	case before.Version != now && same:
		fmt.Fprintf(out, "  the code has changed (%s, now %s); the life is still the same as the one that was kept\n", before.Version, now)
	case before.Version != now:
		fmt.Fprintf(out, "  the code has changed (%s, now %s), and so has the life: trace hash %s was kept\n", before.Version, now, before.TraceHash)
	case !same:
		fmt.Fprintf(out, "  the life is not the one that was kept: trace hash %s; has the code changed within %s?\n", before.TraceHash, now)
	}
}

// faults counts each kind there is, so that one which was never injected shows.
func faults(sum *fleet.Summary) map[string]int {
	all := maps.Clone(sum.Faults)
	for _, k := range plan.Kinds() {
		all[string(k)] += 0
	}
	return all
}

// columns shows counts by name, the largest first, in several columns.
func columns(out io.Writer, counts map[string]int, across int) {
	names := byCount(counts)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := (len(names) + across - 1) / across
	for i := range rows {
		var cells []string
		for j := i; j < len(names); j += rows {
			cells = append(cells, "  "+names[j], grouped(uint64(counts[names[j]])))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
}

func listed(counts map[string]int) string {
	var parts []string
	for _, name := range byCount(counts) {
		parts = append(parts, name+" "+grouped(uint64(counts[name])))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// byCount returns the names, the most frequent first.
func byCount(counts map[string]int) []string {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	return names
}

// count writes "1 seed" or "12,345 seeds".
func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// grouped writes 1234567 as 1,234,567.
func grouped(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
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
