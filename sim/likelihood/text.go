package likelihood

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// sentence says where the share jumps, and from what to what.
func sentence(jumps []Jump, end int64) string {
	var parts []string
	for _, j := range jumps {
		parts = append(parts, fmt.Sprintf("with chance from %s on %s fail, from %s on %s", Time(j.From), percent(j.Before), Time(j.To), percent(j.After)))
	}
	if len(jumps) > 1 {
		return fmt.Sprintf("the share jumps %d times: %s", len(jumps), strings.Join(parts, "; "))
	}
	j := jumps[0]
	text := fmt.Sprintf("%s: the moment is between the two", parts[0])
	if j.To < end {
		text += fmt.Sprintf(", %s s before it showed", tenths(end-j.To))
	}
	return text
}

// percent writes a share as it was measured.
func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }

// Time writes a moment in seconds, to a tenth of a millisecond.
func Time(at int64) string { return tenths(at) + " s" }

func tenths(nanoseconds int64) string {
	n := (nanoseconds + grain/2) / grain
	return fmt.Sprintf("%d.%04d", n/10_000, n%10_000)
}

// barCells is the width of a bar that stands for 1.
const barCells = 40

// Text draws the curve, one line a point; those around the jump are marked.
func (c *Curve) Text(out io.Writer) {
	from, to := map[int64]bool{}, map[int64]bool{}
	for _, j := range c.Jumps() {
		from[j.From], to[j.To] = true, true
	}
	fmt.Fprintf(out, "%14s  %-*s  share that fails\n", "chance from", barCells, "")
	for _, p := range c.Points {
		mark := ""
		switch {
		case from[p.At] && to[p.At]:
			mark = "  <- and between these, too"
		case from[p.At]:
			mark = "  <- the moment is behind this"
		case to[p.At]:
			mark = "  <- and before this"
		case p.At == c.End:
			mark = "  <- it shows"
		}
		cells := int(p.Share()*barCells + 0.5)
		fmt.Fprintf(out, "%14s  %s%s  %3.0f %% (%d of %d)%s\n", Time(p.At), strings.Repeat("#", cells), strings.Repeat(".", barCells-cells), p.Share()*100, p.Fails, p.Tries, mark)
	}
}

// Around returns the lines of a trace whose times lie within [from, to], at most that many: the first and the last ones, with a line
// between them that says how many are left out.
func Around(trace io.Reader, from, to int64, linesMax int) ([]string, error) {
	var head, tail []string
	left := 0
	lines := bufio.NewScanner(trace)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		at, ok := timeOf(lines.Text())
		if !ok || at < from || at > to {
			continue
		}
		switch {
		case len(head) < linesMax/2:
			head = append(head, lines.Text())
		case len(tail) < linesMax-linesMax/2:
			tail = append(tail, lines.Text())
		default:
			tail = append(tail[1:], lines.Text())
			left++
		}
	}
	if left > 0 {
		head = append(head, fmt.Sprintf("%14s  %d lines are left out", "...", left))
	}
	return append(head, tail...), lines.Err()
}

// timeOf reads the time of a line of a trace: milliseconds, as nanoseconds.
func timeOf(line string) (int64, bool) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return 0, false
	}
	ms, part, _ := strings.Cut(fields[0], ".")
	at, err := strconv.ParseInt(ms+(part + "000000")[:6], 10, 64)
	return at, err == nil
}
