package likelihood

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Page is what the page shows.
type Page struct {
	Title  string // such as "seed 17"
	Curve  *Curve
	Replay string   // the command that shows the moment
	Lines  []string // of the trace, around it
}

// The drawing, in units of its view box.
const (
	plotLeft, plotTop     = 60, 20
	plotWidth, plotHeight = 880, 320
)

// mark is a point, or a label, as it is drawn.
type mark struct {
	X, Y float64
	Text string
}

// band is a jump as it is drawn.
type band struct{ X, Width float64 }

// Write writes the page. It is self-contained and needs no script.
func (p *Page) Write(w io.Writer) error {
	c := p.Curve
	v := struct {
		*Page
		Failure, Kind, Sentence string
		Line                    string
		Points, Across, Up      []mark
		Jumps                   []band
		Left, Top, Right, Base  float64
	}{Page: p, Failure: c.Report.Failure.Message, Kind: c.Report.Failure.Kind, Sentence: c.Sentence(), Left: plotLeft, Top: plotTop, Right: plotLeft + plotWidth, Base: plotTop + plotHeight}
	var line []string
	for _, q := range c.Points {
		m := mark{c.x(q.At), y(q.Share()), fmt.Sprintf("chance from %s: %d of %d lives fail", Time(q.At), q.Fails, q.Tries)}
		v.Points = append(v.Points, m)
		line = append(line, fmt.Sprintf("%.2f,%.2f", m.X, m.Y))
	}
	v.Line = strings.Join(line, " ")
	for i := range 6 {
		at := c.End / 5 * int64(i)
		v.Across = append(v.Across, mark{c.x(at), v.Base, fmt.Sprintf("%.1f s", float64(at)/1e9)})
		v.Up = append(v.Up, mark{plotLeft, y(float64(i) / 5), fmt.Sprintf("%d %%", i*20)})
	}
	for _, j := range c.Jumps() {
		v.Jumps = append(v.Jumps, band{c.x(j.From), max(2, c.x(j.To)-c.x(j.From))})
	}
	return pageTemplate.Execute(w, v)
}

func (c *Curve) x(at int64) float64 { return plotLeft + plotWidth*float64(at)/float64(max(1, c.End)) }

func y(share float64) float64 { return plotTop + plotHeight*(1-share) }
