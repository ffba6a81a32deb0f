package check

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/linearizability/report"
)

//go:embed index.html
var indexText string

var indexPage = template.Must(template.New("index").Parse(indexText))

// pages writes the reports for people: one page for one history, or a folder with a page each and an index.
type pages struct {
	file    string // one page
	dir     string // or a folder
	written map[string]string
	taken   map[string]bool
}

// newPages prepares the place. A folder is meant when there are several histories, or the path is one or ends like one.
func newPages(path string, files []string) (*pages, error) {
	p := &pages{written: map[string]string{}, taken: map[string]bool{"index.html": true}}
	if path == "" {
		return p, nil
	}
	at, err := os.Stat(path)
	isFolder := err == nil && at.IsDir()
	if err == nil && !isFolder && len(files) > 1 {
		return nil, exit.New(exit.Usage, "name a folder", "--html %s is a file, and there are %d histories", path, len(files))
	}
	if len(files) == 1 && !isFolder && !strings.HasSuffix(path, "/") {
		p.file = path
		return p, nil
	}
	p.dir = path
	return p, os.MkdirAll(path, 0o755)
}

// write makes the page of one history.
func (p *pages) write(c checked) error {
	path := p.file
	if p.dir != "" {
		name := p.name(c.name)
		p.written[c.name] = name
		path = filepath.Join(p.dir, name)
	}
	if path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := report.HTML(&b, c.Checked); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// name returns a page's file name, which no other page has.
func (p *pages) name(file string) string {
	clean := strings.Trim(strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' || r == ' ' {
			return '-'
		}
		return r
	}, filepath.ToSlash(file)), "-.")
	name := clean + ".html"
	for i := 2; p.taken[name]; i++ {
		name = fmt.Sprintf("%s-%d.html", clean, i)
	}
	p.taken[name] = true
	return name
}

// row is a line of the index.
type row struct {
	File, Page, Verdict, Sentence string
	Operations                    int
}

// writeIndex lists the pages, if there is a folder of them.
func (p *pages) writeIndex(all []checked) error {
	if p.dir == "" {
		return nil
	}
	rows := make([]row, 0, len(all))
	for _, c := range all {
		r := row{File: c.name, Page: p.written[c.name], Verdict: c.Result.Verdict.String(), Operations: c.Result.Operations, Sentence: sentence(c)}
		if c.err != nil {
			r.Verdict, r.Sentence = "unreadable", c.err.Error()
		}
		rows = append(rows, r)
	}
	var b bytes.Buffer
	if err := indexPage.Execute(&b, rows); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, "index.html"), b.Bytes(), 0o644)
}

// sentence returns the first that explains a violation, or why a history is undecided.
func sentence(c checked) string {
	for _, x := range c.Result.Contradictions {
		return x.Sentence
	}
	for _, k := range c.Result.Keys {
		if k.Contradiction != nil {
			return k.Contradiction.Sentence
		}
	}
	return firstReason(c.Result)
}

// writeJUnit writes the file for build servers.
func (s *Settings) writeJUnit(all []report.Checked) error {
	if s.JUnit == "" {
		return nil
	}
	var b bytes.Buffer
	if err := report.JUnit(&b, all); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.JUnit), 0o755); err != nil {
		return err
	}
	return os.WriteFile(s.JUnit, b.Bytes(), 0o644)
}
