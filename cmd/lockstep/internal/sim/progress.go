package sim

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/sim/fleet"
	"golang.org/x/term"
)

const (
	// quietFor is how long nothing is shown where there is no terminal, and plainEvery how often a line is added there.
	quietFor   = 5 * time.Second
	plainEvery = 10 * time.Second

	barCells = 16
)

// progress shows on stderr how far the run is: one line that changes on a terminal, now and then a line elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	seeds    uint64        // 0: no bound
	length   time.Duration // likewise
	started  time.Time
	shown    time.Time
	drawn    bool
}

func newProgress(out io.Writer, seeds uint64, length time.Duration) *progress {
	f, ok := out.(*os.File)
	now := time.Now()
	return &progress{out: out, terminal: ok && term.IsTerminal(int(f.Fd())), seeds: seeds, length: length, started: now, shown: now.Add(quietFor - plainEvery)}
}

// drawEvery is the time between two lines on a terminal.
const drawEvery = 100 * time.Millisecond

// show shows the counts of a fleet.
func (p *progress) show(c fleet.Counts) {
	p.say(func(after time.Duration) string { return p.line(c, after) })
}

// say shows a line, if it is time for one.
func (p *progress) say(text func(after time.Duration) string) {
	now := time.Now()
	if now.Sub(p.shown) < plainEvery && (!p.terminal || now.Sub(p.shown) < drawEvery && p.drawn) {
		return
	}
	p.shown = now
	line := text(now.Sub(p.started))
	if !p.terminal {
		fmt.Fprintln(p.out, line)
		return
	}
	p.drawn = true
	fmt.Fprintf(p.out, "\r\x1b[K%s", line)
}

// line says how far the run is after a while.
func (p *progress) line(c fleet.Counts, after time.Duration) string {
	share := 0.0
	if p.length > 0 {
		share = after.Seconds() / p.length.Seconds()
	}
	if p.seeds > 0 {
		share = max(share, float64(c.Seeds)/float64(p.seeds))
	}
	line := fmt.Sprintf("%s %s %s, %s simulated, %s, %s, slowest %d (%.2f s)", bar(share), after.Round(time.Second), count(c.Seeds, "seed"),
		c.Simulated.Round(time.Second), count(uint64(c.Operations), "operation"), count(uint64(c.Injected), "fault"), c.Slowest, c.SlowestTime.Seconds())
	if c.Failures > 0 {
		line += ", FAILED: " + grouped(uint64(c.Failures))
	}
	return line
}

// clear removes the line, so that results stand on lines of their own.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// bar draws how much of the run is done, a share from 0 to 1.
func bar(share float64) string {
	cells := min(barCells, int(share*barCells))
	return "[" + strings.Repeat("#", cells) + strings.Repeat(".", barCells-cells) + "]"
}
