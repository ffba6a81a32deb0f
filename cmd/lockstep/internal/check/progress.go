package check

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	// quietFor is how long nothing is shown: most checks end sooner.
	quietFor = 2 * time.Second
	// redrawEvery bounds how often a terminal's line changes, and plainEvery how often a line is added where there is none.
	redrawEvery = 100 * time.Millisecond
	plainEvery  = 10 * time.Second

	barCells = 24
)

// progress shows on stderr how far the check is: a bar on a terminal, now and then a line elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	files    int
	started  time.Time
	shown    time.Time
	drawn    bool
}

func newProgress(out io.Writer, files int) *progress {
	f, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(f.Fd())), files: files, started: time.Now()}
}

// file returns the callback for one file's keys.
func (p *progress) file(i int, name string) func(done, total int) {
	p.show(i, name, 0, 0)
	return func(done, total int) { p.show(i, name, done, total) }
}

func (p *progress) show(i int, name string, done, total int) {
	now := time.Now()
	every := plainEvery
	if p.terminal {
		every = redrawEvery
	}
	if now.Sub(p.started) < quietFor || now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	line := fmt.Sprintf("%s %d of %d files, %s: %d of %d keys, %s", bar(i, p.files, done, total), i, p.files, name, done, total, now.Sub(p.started).Round(time.Second))
	if !p.terminal {
		fmt.Fprintln(p.out, line)
		return
	}
	p.drawn = true
	fmt.Fprintf(p.out, "\r\x1b[K%s", line)
}

// clear removes the bar, so that results stand on lines of their own.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// bar draws how much of all files is done, where the keys of the current file are its parts.
func bar(file, files, done, total int) string {
	cells := barCells * file / files
	if total > 0 {
		cells += barCells * done / total / files
	}
	return "[" + strings.Repeat("#", cells) + strings.Repeat(".", barCells-cells) + "]"
}
