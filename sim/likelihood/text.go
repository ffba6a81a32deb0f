package likelihood

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/sim/plan"
)

func sentence(j *Jump, end int64) string {
	text := fmt.Sprintf("before %s p≈%.2f, after %s p≈%.2f: the moment is between %[1]s and %[3]s", Time(j.From), j.Before, Time(j.To), j.After)
	if j.To < end {
		text += fmt.Sprintf(", %s before it showed", plan.Duration(end-j.To).String())
	}
	return text
}

// Time writes a moment in seconds.
func Time(at int64) string { return fmt.Sprintf("%d.%06d s", at/1e9, at%1e9/1000) }

// barCells is the width of a bar that stands for 1.
const barCells = 40

// Text draws the curve, one line a point; those around the jump are marked.
func (c *Curve) Text(out io.Writer) {
	j, ok := c.Jump()
	fmt.Fprintf(out, "%14s  %-*s  share that fails\n", "chance from", barCells, "")
	for _, p := range c.Points {
		mark := ""
		switch {
		case ok && p.At == j.From:
			mark = "  <- the moment is behind this"
		case ok && p.At == j.To:
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
