package timeline

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// ofHistory is the kind of a failure that the check of the history found.
const ofHistory = "linearizability"

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/*.js
	scripts embed.FS

	pageJS       = script()
	pageTemplate = template.Must(template.New("page").Parse(pageHTML))
)

// script joins the page's scripts, which share one scope. Reading the data takes several turns, so all of it waits.
func script() string {
	var b strings.Builder
	b.WriteString("\"use strict\";\n(async () => {\n")
	for _, part := range []string{"unpack", "element", "time", "life", "state", "says", "filters", "lanes", "view", "painter", "arrows", "marks", "gestures", "inspector", "list", "legend", "start"} {
		text, err := scripts.ReadFile("page/" + part + ".js")
		if err != nil {
			panic(err) // the list names a file that was not built in
		}
		b.Write(text)
	}
	b.WriteString("})();\n")
	return b.String()
}

// page is what the template shows without any script.
type page struct {
	Title, Word, Message, At string
	Failed                   bool
	Facts                    []fact
	Replay, Report           string
	Missing                  string

	Data   template.JS
	Style  template.CSS
	Script template.JS
	Policy string
}

// fact is a figure with its name.
type fact struct{ Name, Value string }

// Write writes the page. Its content security policy forbids it to load anything, and allows no script but its own. The page is
// made in memory before the first byte is written.
func Write(w io.Writer, in *Input) error {
	if in.Plan == nil {
		return errors.New("timeline: no plan")
	}
	r, c := recordOf(in)
	data, err := pack(r, c)
	if err != nil {
		return err
	}
	p := pageOf(in, r)
	p.Data, p.Style, p.Script = template.JS(`"`+data+`"`), template.CSS(pageCSS), template.JS(pageJS)
	p.Policy = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src " + hashOf(pageCSS) + "; script-src " + hashOf(pageJS)
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

func pageOf(in *Input, r *record) page {
	p := page{Title: r.Title, Word: "Passed", Message: "No check failed in this life.", Replay: clean(in.Replay), Report: r.Report, Facts: factsOf(in, r)}
	if f := r.Failure; f != nil {
		p.Failed, p.Word, p.Message, p.At = true, f.Kind, f.Message, seconds(f.At)
	}
	if in.Failure == nil && in.Verdict != nil && in.Verdict.Verdict == verdict.Violation {
		p.Failed, p.Word, p.Message = true, ofHistory, "No order of the calls explains what the clients saw."
	}
	if in.Missing > 0 {
		p.Missing = fmt.Sprintf("%s events at the beginning are left out: the page has the last %s, and what still held before them.", thousands(in.Missing), thousands(uint64(r.Count)))
	}
	return p
}

func factsOf(in *Input, r *record) []fact {
	end := int64(0)
	if n := len(in.Events); n > 0 {
		end = in.Events[n-1].At
	}
	list := []fact{
		{"Nodes", strconv.Itoa(r.Founders)}, {"Clients", strconv.Itoa(r.Clients)}, {"Simulated", seconds(end)}, {"Trace events", thousands(uint64(r.Count))},
		{"Operations", thousands(uint64(len(r.Operations)))}, {"Faults", thousands(uint64(len(r.Faults)))},
	}
	if spares := r.Nodes - r.Founders; spares > 0 {
		list[0].Value += " + " + strconv.Itoa(spares)
	}
	if in.TraceHash != "" {
		list = append(list, fact{"Trace hash", clean(in.TraceHash)})
	}
	if in.Version != "" {
		list = append(list, fact{"Version", clean(in.Version)})
	}
	return list
}

// seconds writes nanoseconds to the millisecond.
func seconds(nanoseconds int64) string {
	return strconv.FormatFloat(float64(nanoseconds)/1e9, 'f', 3, 64) + " s"
}

// thousands writes a number with commas.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// hashOf names an inline style or script in a content security policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
