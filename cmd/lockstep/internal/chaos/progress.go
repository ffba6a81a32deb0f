package chaos

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/chaos/run"
	"golang.org/x/term"
)

const (
	// plainEvery is how often a line is added where there is no terminal.
	plainEvery = 10 * time.Second
	barCells   = 16
)

// progress shows on stderr how the run goes: one line that changes on a terminal, now and then a line elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	shown    time.Time
	phase    string
	drawn    bool
}

func newProgress(out io.Writer) *progress {
	f, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *progress) show(now run.Progress) {
	if !p.terminal && now.Phase == p.phase && time.Since(p.shown) < plainEvery {
		return
	}
	p.shown, p.phase = time.Now(), now.Phase
	if !p.terminal {
		fmt.Fprintln(p.out, line(now))
		return
	}
	p.drawn = true
	fmt.Fprintf(p.out, "\r\x1b[K%s", line(now))
}

// line says how the run goes.
func line(p run.Progress) string {
	if p.Phase != "faults" {
		return p.Phase
	}
	share := min(1, p.After.Seconds()/max(p.Of.Seconds(), 1e-3))
	cells := int(share * barCells)
	text := fmt.Sprintf("[%s%s] %v %s ops/s, median %v", strings.Repeat("#", cells), strings.Repeat(".", barCells-cells), p.After.Round(time.Second),
		grouped(p.Counts.Acknowledged()), p.Median.Round(100*time.Microsecond))
	if n := p.Counts.Unknown + p.Counts.Refused; n > 0 {
		text += fmt.Sprintf(", %d not done", n)
	}
	if p.Leader > 0 {
		text += fmt.Sprintf(", n%d leads", p.Leader)
	} else {
		text += ", nobody leads"
	}
	if p.LastWrite > time.Second {
		text += fmt.Sprintf(", no write for %.1f s", p.LastWrite.Seconds())
	}
	text += fmt.Sprintf(", fault %d", p.Faults)
	if len(p.Active) > 0 {
		text += ": " + strings.Join(p.Active, "; ")
	}
	return text
}

// clear removes the line, so that results stand on lines of their own.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}
