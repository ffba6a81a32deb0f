package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// judge says what the run showed. Also one that was cut short is judged: a violation counts.
func (r *run) judge() error {
	if err := r.check(); err != nil {
		return err
	}
	for slot := 1; slot <= r.o.Plan.Nodes; slot++ {
		if err := r.alarms(slot); err != nil {
			return err
		}
	}
	return nil
}

// check reads the history back from its file and has it checked.
func (r *run) check() error {
	r.setPhase("checking")
	began := time.Now()
	h, err := readHistory(r.o.Dir)
	if err != nil {
		return err
	}
	res := r.result
	res.History = h
	res.Check = linearizability.Check(context.Background(), h, linearizability.Options{Certificates: false})
	res.CheckTook = time.Since(began)
	res.Contended = contended(h)
	r.conclude()
	return nil
}

const (
	// alarmsMax bounds the alarms that are told of one node, alarmBytesMax how much of a line is.
	alarmsMax     = 3
	alarmBytesMax = 400
)

// alarms looks for lines that no log may have.
func (r *run) alarms(slot int) error {
	f, err := os.Open(r.cluster.Log(slot))
	if err != nil {
		return err
	}
	defer f.Close()
	found := 0
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadString('\n')
		isAlarm := func(text string) bool { return strings.Contains(line, text) }
		if slices.ContainsFunc(r.o.Driver.Alarms(), isAlarm) && found < alarmsMax {
			found++
			r.fail("node %d logged: %s", slot, strings.TrimSpace(line[:min(len(line), alarmBytesMax)]))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readHistory(dir string) (*history.History, error) {
	f, err := os.Open(filepath.Join(dir, HistoryName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := history.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	h.Origin.File = HistoryName
	return h, nil
}

// conclude says what the check and the run as a whole showed.
func (r *run) conclude() {
	res := r.result
	unchecked := func(format string, args ...any) { res.Unchecked = append(res.Unchecked, fmt.Sprintf(format, args...)) }
	switch res.Check.Verdict {
	case verdict.Violation:
		res.Failures = append(res.Failures, "the history is not linearizable: "+firstSentence(&res.Check))
	case verdict.Undecided:
		unchecked("the check of the history is undecided: %s", undecided(&res.Check))
	}
	written := false
	for i := range res.History.Operations {
		o := &res.History.Operations[i]
		written = written || o.Kind != history.Get && o.Outcome == history.Done
	}
	switch {
	case len(res.History.Operations) == 0:
		unchecked("the history is empty")
	case !written:
		unchecked("no write was acknowledged")
	case res.Contended == 0:
		unchecked("no two operations on one key overlapped")
	}
	if res.History.Origin.Torn {
		unchecked("the history is cut short")
	}
	if len(r.o.Plan.Faults) > 0 && r.injected() == 0 {
		unchecked("none of the %d faults was carried out", len(r.o.Plan.Faults))
	}
}

// injected counts the faults that were carried out.
func (r *run) injected() int {
	n := 0
	for _, i := range r.result.Faults {
		if i.NotRun == "" {
			n++
		}
	}
	return n
}

func firstSentence(v *verdict.Result) string {
	for _, x := range v.Contradictions {
		return x.Sentence
	}
	for _, k := range v.Keys {
		if k.Contradiction != nil {
			return fmt.Sprintf("on key %s, %s", k.Key, k.Contradiction.Sentence)
		}
	}
	return "see the report"
}

func undecided(v *verdict.Result) string {
	if v.Reason != "" {
		return v.Reason
	}
	for _, k := range v.Keys {
		if k.Verdict == verdict.Undecided {
			return fmt.Sprintf("key %s: %s", k.Key, k.Reason)
		}
	}
	return "no reason was given"
}

// contended counts the operations that overlapped one by another client on the same key, where at least one of them may write.
func contended(h *history.History) int {
	count := 0
	for _, p := range h.Partitions() {
		var last, lastWrite *history.Operation // the ones that end latest
		for _, at := range p.Operations {
			o := &h.Operations[at]
			if !o.Constrains() {
				continue
			}
			if overlaps(lastWrite, o) || o.Writes() && overlaps(last, o) {
				count++
			}
			if last == nil || o.Return > last.Return {
				last = o
			}
			if o.Writes() && (lastWrite == nil || o.Return > lastWrite.Return) {
				lastWrite = o
			}
		}
	}
	return count
}

// overlaps says that an operation began while another client's was under way. One of unknown outcome may be under way for
// ever, which is no sign of load.
func overlaps(before, o *history.Operation) bool {
	return before != nil && before.Client != o.Client && before.Return > o.Invoke && before.Return != history.Forever
}
