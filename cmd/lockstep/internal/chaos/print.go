package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/lockstepdb/lockstep/chaos/run"
	"github.com/lockstepdb/lockstep/chaos/workload"
)

// print shows what a run did and found.
func (s *Settings) print(r *run.Result, dir string) {
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	total := r.Load.Total
	row("seed", "%d, %d nodes, lease reads %v", r.Options.Plan.Seed, r.Options.Plan.Nodes, r.Options.Plan.Node.LeaseReads)
	row("load", "%.0f s, %s operations, %s keys read back", r.Length.Seconds(), grouped(total.All()), grouped(r.KeysRead))
	row("throughput", "%s acknowledged/s outside of faults, %s/s over all", grouped(int(r.Calm())), grouped(perSecond(total.Acknowledged(), r.Length)))
	row("latency", "median %v, p99 %v, p99.9 %v", short(total.Latencies.Quantile(.5)), short(total.Latencies.Quantile(.99)), short(total.Latencies.Quantile(.999)))
	row("unavailable", "longest window without an acknowledged write: %v, at %.1f s", short(r.Load.Longest.Length()), r.Load.Longest.From.Seconds())
	row("recovery", "%s", recovery(r))
	row("contended", "%s operations overlapped another one on their key", grouped(r.Contended))
	row("check", "%s: %s operations on %s keys in %v", r.Check.Verdict, grouped(r.Check.Checked), grouped(len(r.Check.Keys)), short(r.CheckTook))
	t.Flush()
	s.printOperations(r)
	s.printFaults(r)
	fmt.Fprintf(s.Out, "\n%s\n", verdictLine(r))
	fmt.Fprintf(s.Out, "see %s; the same faults again: %s\n", dir, r.Options.Command)
}

func (s *Settings) printOperations(r *run.Result) {
	fmt.Fprintln(s.Out, "\noperations")
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  \tdone\tcondition failed\trefused\tunknown\t")
	line := func(name string, c workload.Counts) {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t\n", name, grouped(c.Done), grouped(c.ConditionFailed), grouped(c.Refused), grouped(c.Unknown))
	}
	for _, group := range []map[string]workload.Counts{r.Load.ByKind, r.Load.ByWay} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			line(name, group[name])
		}
	}
	line("all", r.Load.Total.Counts)
	t.Flush()
}

func (s *Settings) printFaults(r *run.Result) {
	fmt.Fprintln(s.Out, "\nfaults")
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, l := range r.Kinds() {
		text := ""
		if l.Judged > 0 {
			text = "recovered within " + short(l.Worst).String()
		}
		if l.NotRun > 0 {
			text += fmt.Sprintf("  %d not run: %s", l.NotRun, l.Why)
		}
		fmt.Fprintf(t, "  %s\t%d\t%s\n", l.Kind, l.Injected, text)
	}
	t.Flush()
}

func verdictLine(r *run.Result) string {
	text := r.Verdict().String()
	for _, why := range append(slices.Clone(r.Failures), r.Unchecked...) {
		text += "\n  " + why
	}
	return text
}

// recovery sums up how long the cluster took after the faults of which that can be said.
func recovery(r *run.Result) string {
	judged := 0
	for _, k := range r.Kinds() {
		judged += k.Judged
	}
	if judged == 0 {
		return "no fault stood alone"
	}
	return fmt.Sprintf("within %v after each of %d faults that were not overtaken by the next", short(r.WorstRecovery()), judged)
}

func perSecond(n int, d time.Duration) int { return int(float64(n) / max(d.Seconds(), 1e-9)) }

func short(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// summary is what --json prints, and what summary.json holds.
type summary struct {
	Verdict        string                     `json:"verdict"`
	Failures       []string                   `json:"failures"`
	Unchecked      []string                   `json:"unchecked"`
	Dir            string                     `json:"dir"`
	Replay         string                     `json:"replay"`
	Seed           uint64                     `json:"seed"`
	Nodes          int                        `json:"nodes"`
	Seconds        float64                    `json:"seconds"`
	Operations     int                        `json:"operations"`
	Outcomes       map[string]int             `json:"outcomes"`
	ByKind         map[string]workload.Counts `json:"by_kind"`
	ByWay          map[string]workload.Counts `json:"by_way"`
	CalmPerSecond  float64                    `json:"acknowledged_per_second_outside_of_faults"`
	MedianNS       time.Duration              `json:"median_ns"`
	P99NS          time.Duration              `json:"p99_ns"`
	LongestNS      time.Duration              `json:"longest_unavailability_ns"`
	WorstRecovery  time.Duration              `json:"worst_recovery_ns"`
	Contended      int                        `json:"contended"`
	KeysRead       int                        `json:"reads_at_the_end"`
	CheckedVerdict string                     `json:"history_verdict"`
	Faults         []run.Kind                 `json:"faults"`
	Usage          []run.Usage                `json:"usage"`
}

func summaryOf(r *run.Result, dir string) summary {
	c := r.Load.Total.Counts
	return summary{Verdict: r.Verdict().String(), Failures: append([]string{}, r.Failures...), Unchecked: append([]string{}, r.Unchecked...), Dir: dir,
		Replay: r.Options.Command, Seed: r.Options.Plan.Seed, Nodes: r.Options.Plan.Nodes, Seconds: r.Length.Seconds(), Operations: c.All(),
		Outcomes: map[string]int{"done": c.Done, "condition-failed": c.ConditionFailed, "refused": c.Refused, "unknown": c.Unknown},
		ByKind:   r.Load.ByKind, ByWay: r.Load.ByWay, CalmPerSecond: r.Calm(), MedianNS: r.Load.Total.Latencies.Quantile(.5), P99NS: r.Load.Total.Latencies.Quantile(.99),
		LongestNS: r.Load.Longest.Length(), WorstRecovery: r.WorstRecovery(), Contended: r.Contended, KeysRead: r.KeysRead,
		CheckedVerdict: r.Check.Verdict.String(), Faults: r.Kinds(), Usage: r.Usage}
}

func (s *Settings) printJSON(r *run.Result, dir string) error {
	return json.NewEncoder(s.Out).Encode(summaryOf(r, dir))
}
