// Package report writes one page about a chaos run: throughput and latency over time, the faults as bands, who led, the
// windows without an acknowledged write, and tables of all of it.
//
// The page is one file. It loads nothing and runs no script: its content security policy forbids both.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/chaos/run"
	"github.com/lockstepdb/lockstep/chaos/workload"
)

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string

	pageTemplate = template.Must(template.New("page").Parse(pageHTML))
)

// faultsMax bounds the rows of faults.
const faultsMax = 2000

// page is what the template shows.
type page struct {
	Policy, Verdict, Class, Title, Lead, Began, Command string
	Style                                               template.CSS
	Chart                                               template.HTML
	Seed                                                uint64
	Failures, Unchecked                                 []string
	Facts                                               []fact
	Legend                                              []legend
	Faults                                              []faultRow
	FaultsLeft                                          int
	Operations                                          []operationRow
	Nodes                                               []nodeRow
}

type fact struct{ Name, Value string }

type legend struct{ Class, Name string }

type faultRow struct {
	At, For, Text, Nodes, Recovery, Remark string
	Bad                                    bool
}

type operationRow struct {
	Name                                    string
	Done, ConditionFailed, Refused, Unknown string
	Sum                                     bool
}

type nodeRow struct {
	Name   string
	Values []string
	Log    string
}

// HTML writes the page. It is made in memory before the first byte is written.
func HTML(w io.Writer, r *run.Result) error {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, pageOf(r)); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func pageOf(r *run.Result) page {
	sum := sha256.Sum256([]byte(pageCSS))
	p := page{
		Policy: "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
		Style:  template.CSS(pageCSS), Verdict: r.Verdict().String(), Class: strings.ReplaceAll(r.Verdict().String(), " ", "-"),
		Began: r.Began.Format("2006-01-02 15:04:05"), Command: r.Options.Command, Seed: r.Options.Plan.Seed, Failures: r.Failures, Unchecked: r.Unchecked,
		Facts: factsOf(r), Chart: chart(r), Operations: operationsOf(r), Nodes: nodesOf(r),
		Legend: []legend{{"done", "acknowledged/s"}, {"open", "refused or unknown/s"}, {"p50", "median"}, {"p99", "p99"}, {"fault", "a fault"}, {"none", "no acknowledged write"}},
	}
	p.Title = strings.ToUpper(p.Verdict[:1]) + p.Verdict[1:]
	p.Lead = fmt.Sprintf("%s operations of %d clients on %d nodes, under %d faults. The history is %s.", grouped(r.Load.Total.All()), r.Options.Clients,
		r.Options.Plan.Nodes, injected(r), r.Check.Verdict)
	for _, i := range r.Faults[:min(len(r.Faults), faultsMax)] {
		p.Faults = append(p.Faults, rowOf(r, i))
	}
	p.FaultsLeft = len(r.Faults) - len(p.Faults)
	return p
}

func injected(r *run.Result) int {
	n := 0
	for _, k := range r.Kinds() {
		n += k.Injected
	}
	return n
}

func factsOf(r *run.Result) []fact {
	l := &r.Load.Total.Latencies
	return []fact{
		{"outside of faults", grouped(int(r.Calm())) + " acknowledged/s"},
		{"median, p99, p99.9", fmt.Sprintf("%s, %s, %s", span(l.Quantile(.5)), span(l.Quantile(.99)), span(l.Quantile(.999)))},
		{"longest window without a write", span(r.Load.Longest.Length()) + " at " + seconds(r.Load.Longest.From)},
		{"longest recovery", span(r.WorstRecovery())},
		{"contended", grouped(r.Contended) + " operations"},
		{"read back", grouped(r.KeysRead) + " reads"},
		{"checked", fmt.Sprintf("%s operations on %s keys in %s", grouped(r.Check.Checked), grouped(len(r.Check.Keys)), span(r.CheckTook))},
		{"lease reads", strconv.FormatBool(r.Options.Plan.Node.LeaseReads)},
	}
}

func rowOf(r *run.Result, i *faults.Injected) faultRow {
	row := faultRow{At: seconds(r.FaultsAt + i.From), For: span(i.To - i.From), Text: i.Text(), Remark: i.Note, Bad: i.Err != nil}
	for _, slot := range i.Slots {
		row.Nodes += fmt.Sprintf("n%d ", slot)
	}
	switch {
	case i.NotRun != "":
		row.For, row.Remark = "", "not run: "+i.NotRun
	case i.Judged:
		row.Recovery = span(i.Recovery)
	default:
		row.Recovery = "overtaken"
	}
	if i.Err != nil {
		row.Remark = i.Err.Error()
	}
	return row
}

func operationsOf(r *run.Result) []operationRow {
	var rows []operationRow
	add := func(name string, c workload.Counts, sum bool) {
		rows = append(rows, operationRow{name, grouped(c.Done), grouped(c.ConditionFailed), grouped(c.Refused), grouped(c.Unknown), sum})
	}
	for _, group := range []map[string]workload.Counts{r.Load.ByKind, r.Load.ByWay} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			add(name, group[name], false)
		}
		add("all", r.Load.Total.Counts, true)
	}
	return rows
}

func nodesOf(r *run.Result) []nodeRow {
	most := map[int]float64{}
	for _, s := range r.Samples {
		for slot, values := range s.Nodes {
			most[slot] = max(most[slot], values["process_resident_memory_bytes"])
		}
	}
	var rows []nodeRow
	for slot := 1; slot <= r.Options.Plan.Nodes; slot++ {
		n := nodeRow{Name: fmt.Sprintf("n%d", slot), Log: fmt.Sprintf("node-%d.log", slot)}
		var u run.Usage
		for _, one := range r.Usage {
			if one.Slot == slot {
				u = one
			}
		}
		for _, name := range []string{"go_goroutines", "process_open_fds"} {
			n.Values = append(n.Values, count(u.Before, name), count(u.Last, name))
		}
		n.Values = append(n.Values, mebibytes(u.Before["process_resident_memory_bytes"]), mebibytes(u.Last["process_resident_memory_bytes"]), mebibytes(most[slot]))
		rows = append(rows, n)
	}
	return rows
}

func count(values map[string]float64, name string) string {
	if v, ok := values[name]; ok {
		return grouped(int(v))
	}
	return ""
}

func mebibytes(bytes float64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f MiB", bytes/(1<<20))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// span writes a duration with three digits or so.
func span(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
