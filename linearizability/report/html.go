package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"
	"strings"
)

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

// script joins the page's scripts, which share one scope.
func script() string {
	var b strings.Builder
	b.WriteString("\"use strict\";\n(() => {\n")
	for _, part := range []string{"operations", "element", "time", "details", "violation", "order", "filters", "timeline", "painter", "gestures", "keys", "start"} {
		text, err := scripts.ReadFile("page/" + part + ".js")
		if err != nil {
			panic(err) // the list names a file that was not built in
		}
		b.Write(text)
	}
	b.WriteString("})();\n")
	return b.String()
}

// HTML writes one self-contained page for one history. It loads nothing: its content security policy forbids it, and allows
// no script but the page's own. The page is made in memory before the first byte is written.
func HTML(w io.Writer, c Checked) error {
	if err := c.validate(); err != nil {
		return err
	}
	p, d := pageOf(c)
	data, err := json.Marshal(d) // escapes <, > and &, so that no value can end the element that holds it
	if err != nil {
		return err
	}
	p.Data, p.Style, p.Script = template.JS(data), template.CSS(pageCSS), template.JS(pageJS)
	p.Policy = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src " + hashOf(pageCSS) + "; script-src " + hashOf(pageJS)
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// hashOf names an inline style or script in a content security policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
