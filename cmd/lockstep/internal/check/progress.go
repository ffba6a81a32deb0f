package check

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// quietFor is how long nothing is shown: most checks end sooner.
	quietFor = 2 * time.Second
	// redrawEvery is how often a terminal's line changes, and plainEvery how often a line is added where there is none.
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
	ended    chan struct{}

	mu          sync.Mutex
	file        int
	name        string
	began       time.Time // with this file
	read        int64     // bytes
	done, total int       // keys
	drawn       bool
	plain       time.Time // of the last plain line
	hidden      bool
	stopped     bool
}

// startProgress begins to watch; stop ends it.
func startProgress(out io.Writer, files int) *progress {
	f, ok := out.(*os.File)
	now := time.Now()
	p := &progress{out: out, terminal: ok && term.IsTerminal(int(f.Fd())), files: files, started: now, plain: now, ended: make(chan struct{}), hidden: true}
	go p.run()
	return p
}

func (p *progress) run() {
	t := time.NewTicker(redrawEvery)
	defer t.Stop()
	for {
		select {
		case <-p.ended:
			return
		case now := <-t.C:
			p.mu.Lock()
			p.show(now)
			p.mu.Unlock()
		}
	}
}

// stop ends it, and leaves no line behind.
func (p *progress) stop() {
	p.hide()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.stopped = true
		close(p.ended)
	}
}

// begin turns to a file.
func (p *progress) begin(i int, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.file, p.name, p.began, p.read, p.done, p.total, p.hidden = i, name, time.Now(), 0, 0, 0, false
}

// bytes counts what was read.
func (p *progress) bytes(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read += int64(n)
}

// keys is told how many keys of how many are decided.
func (p *progress) keys(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = done, total
}

// hide removes the bar, so that results stand on lines of their own.
func (p *progress) hide() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hidden = true
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// show is called with the lock held.
func (p *progress) show(now time.Time) {
	if p.hidden || now.Sub(p.started) < quietFor || !p.terminal && now.Sub(p.plain) < plainEvery {
		return
	}
	line := fmt.Sprintf("%s file %d of %d, %s: %s, %s", p.bar(), p.file+1, p.files, p.name, p.what(), now.Sub(p.began).Round(time.Second))
	if p.terminal {
		p.drawn = true
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
		return
	}
	p.plain = now
	fmt.Fprintln(p.out, line)
}

func (p *progress) what() string {
	const mebibyte = 1 << 20
	if p.total == 0 && p.done == 0 {
		return fmt.Sprintf("%d MiB read", p.read/mebibyte)
	}
	return fmt.Sprintf("%d of %s decided", p.done, amount(p.total, "key"))
}

// bar draws how much of all files is done, where the keys of the current file are its parts.
func (p *progress) bar() string {
	cells := barCells * p.file / p.files
	if p.total > 0 {
		cells += barCells * p.done / p.total / p.files
	}
	return "[" + strings.Repeat("#", cells) + strings.Repeat(".", barCells-cells) + "]"
}
