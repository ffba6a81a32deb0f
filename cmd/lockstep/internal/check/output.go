package check

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/linearizability/report"
)

//go:embed index.html
var indexText string

var indexPage = template.Must(template.New("index").Parse(indexText))

// output is the files that are written: one page for one history, or a folder with a page each and an index; and JUnit.
type output struct {
	file      string // one page
	dir       string // or a folder
	junitFile string
	taken     map[string]bool
}

// newOutput prepares the places, so that a long check does not end with a report that can't be written. A folder of pages is meant when there
// are several histories, or the path is one or ends like one.
func newOutput(s *Settings) (*output, error) {
	out := &output{junitFile: s.JUnit, taken: map[string]bool{"index.html": true}}
	if s.HTML != "" {
		at, err := os.Stat(s.HTML)
		folder := err == nil && at.IsDir() || strings.HasSuffix(s.HTML, "/")
		switch {
		case len(s.Files) > 1 && !folder && (err == nil || strings.HasSuffix(s.HTML, ".html")):
			return nil, exit.New(exit.Usage, "name a folder for their pages", "--html %s is a file, and there are %d histories", s.HTML, len(s.Files))
		case len(s.Files) > 1 || folder:
			out.dir = s.HTML
		default:
			out.file = s.HTML
		}
	}
	return out, out.prepare()
}

// prepare makes the folders and tries the files.
func (o *output) prepare() error {
	if o.dir != "" {
		if err := os.MkdirAll(o.dir, 0o755); err != nil {
			return unwritable(err)
		}
	}
	for _, file := range []string{o.file, o.junitFile} {
		if file == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return unwritable(err)
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return unwritable(err)
		}
		f.Close()
	}
	return nil
}

func unwritable(err error) error {
	return exit.Wrap(exit.Usage, "name another place for the report", err)
}

// page writes the page of one history.
func (o *output) page(c *checked) error {
	path := o.file
	if o.dir != "" {
		c.page = o.name(c.name)
		path = filepath.Join(o.dir, c.page)
	}
	if c.err != nil {
		c.page = ""
		return nil
	}
	if path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := report.HTML(&b, c.Checked); err != nil {
		return err
	}
	return write(path, b.Bytes())
}

func write(path string, b []byte) error {
	return exit.Wrap(exit.BadData, "the report is not whole", os.WriteFile(path, b, 0o644))
}

// name returns a page's file name, which no other page has.
func (o *output) name(file string) string {
	clean := strings.Trim(strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' || r == ' ' {
			return '-'
		}
		return r
	}, filepath.ToSlash(file)), "-.")
	name := clean + ".html"
	for i := 2; o.taken[name]; i++ {
		name = fmt.Sprintf("%s-%d.html", clean, i)
	}
	o.taken[name] = true
	return name
}

// row is a line of the index.
type row struct {
	File, Page, Verdict, Sentence string
	Operations                    int
}

// gravest is the order of the index.
var gravest = []string{"violation", "unreadable", "undecided", "linearizable"}

// index lists the pages, the gravest first, if there is a folder of them.
func (o *output) index(all []checked) error {
	if o.dir == "" {
		return nil
	}
	data := struct {
		Counts []string
		Rows   []row
	}{}
	count := map[string]int{}
	for _, c := range all {
		r := row{File: c.name, Page: c.page, Verdict: c.standing(), Operations: c.Result.Operations, Sentence: sentence(c)}
		count[r.Verdict]++
		data.Rows = append(data.Rows, r)
	}
	slices.SortStableFunc(data.Rows, func(a, b row) int {
		return cmp.Compare(slices.Index(gravest, a.Verdict), slices.Index(gravest, b.Verdict))
	})
	for _, name := range gravest {
		if count[name] > 0 {
			data.Counts = append(data.Counts, fmt.Sprintf("%d %s", count[name], name))
		}
	}
	var b bytes.Buffer
	if err := indexPage.Execute(&b, data); err != nil {
		return err
	}
	return write(filepath.Join(o.dir, "index.html"), b.Bytes())
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
	if c.Result.Reason != "" {
		return c.Result.Reason
	}
	for _, k := range c.Result.Keys {
		if k.Reason != "" {
			return k.Reason
		}
	}
	return ""
}

// junit writes the file for build servers.
func (o *output) junit(all []report.Checked) error {
	if o.junitFile == "" {
		return nil
	}
	var b bytes.Buffer
	if err := report.JUnit(&b, all); err != nil {
		return err
	}
	return write(o.junitFile, b.Bytes())
}
