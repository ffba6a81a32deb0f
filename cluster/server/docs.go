package server

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed docs.html
var pageSource string

var pageTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{"code": codeSpans}).Parse(pageSource))

// What the page shows of an OpenAPI document.
type (
	pageView struct {
		Title, Summary, Version, Description string
		Sections                             []sectionView
		Schemas                              []schemaView
	}
	sectionView struct {
		Name, Description string
		Operations        []operationView
	}
	operationView struct {
		ID, Method, Path, Summary, Description, Body string
		Parameters                                   []fieldView
		Responses                                    []responseView
	}
	responseView struct {
		Status, Description, Content string
		Headers                      []fieldView
	}
	schemaView struct {
		Name   string
		Fields []fieldView
	}
	fieldView struct {
		Name, Place, Kind, Description string
		Required                       bool
	}
)

// node wraps YAML with lookups that follow references.
type node struct{ root, n *yaml.Node }

// get is the member of a mapping; of what is absent or no mapping, an empty node.
func (d node) get(path ...string) node {
	for _, key := range path {
		d = d.child(key)
	}
	return d
}

func (d node) child(key string) node {
	found := node{d.root, nil}
	if d.n == nil || d.n.Kind != yaml.MappingNode {
		return found
	}
	for i := 0; i < len(d.n.Content); i += 2 {
		if d.n.Content[i].Value == key {
			return node{d.root, d.n.Content[i+1]}.resolve()
		}
	}
	return found
}

// resolve follows an alias or a $ref, of which a document that passes its test has no circles.
func (d node) resolve() node {
	if d.n != nil && d.n.Kind == yaml.AliasNode {
		d.n = d.n.Alias
	}
	if d.n != nil && d.n.Kind == yaml.MappingNode && len(d.n.Content) == 2 && d.n.Content[0].Value == "$ref" {
		path := strings.Split(strings.TrimPrefix(d.n.Content[1].Value, "#/"), "/")
		return node{d.root, d.root}.get(path...)
	}
	return d
}

func (d node) text(path ...string) string {
	if n := d.get(path...).n; n != nil {
		return n.Value
	}
	return ""
}

// each calls f with the members of a mapping, in order.
func (d node) each(f func(key string, value node)) {
	if d.n == nil || d.n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i < len(d.n.Content); i += 2 {
		f(d.n.Content[i].Value, node{d.root, d.n.Content[i+1]}.resolve())
	}
}

// items are the elements of a sequence.
func (d node) items() []node {
	var out []node
	if d.n != nil && d.n.Kind == yaml.SequenceNode {
		for _, n := range d.n.Content {
			out = append(out, node{d.root, n}.resolve())
		}
	}
	return out
}

// renderPage makes the page of an OpenAPI document.
func renderPage(root *yaml.Node) ([]byte, error) {
	d := node{root, root}
	view := pageView{Title: d.text("info", "title"), Summary: d.text("info", "summary"), Version: d.text("info", "version"),
		Description: d.text("info", "description")}
	for _, tag := range d.get("tags").items() {
		name := tag.text("name")
		view.Sections = append(view.Sections, sectionView{name, tag.text("description"), viewOperations(d, name)})
	}
	d.get("components", "schemas").each(func(name string, schema node) {
		view.Schemas = append(view.Schemas, viewSchema(name, schema))
	})
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, view); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}

// viewOperations are those with a tag.
func viewOperations(d node, tag string) []operationView {
	var out []operationView
	d.get("paths").each(func(path string, item node) {
		shared := viewParameters(item.get("parameters"))
		item.each(func(method string, op node) {
			if tags := op.get("tags").items(); len(tags) == 0 || tags[0].n.Value != tag {
				return
			}
			v := operationView{ID: op.text("operationId"), Method: strings.ToUpper(method), Path: path, Summary: op.text("summary"),
				Description: op.text("description"), Body: contentTypes(op.get("requestBody"))}
			v.Parameters = append(append(v.Parameters, shared...), viewParameters(op.get("parameters"))...)
			op.get("responses").each(func(status string, r node) { v.Responses = append(v.Responses, viewResponse(status, r)) })
			out = append(out, v)
		})
	})
	return out
}

func viewParameters(list node) []fieldView {
	var out []fieldView
	for _, p := range list.items() {
		out = append(out, fieldView{p.text("name"), p.text("in"), kindOf(p.get("schema")), p.text("description"), p.text("required") == "true"})
	}
	return out
}

func viewResponse(status string, r node) responseView {
	v := responseView{Status: status, Description: r.text("description"), Content: contentTypes(r)}
	r.get("headers").each(func(name string, h node) {
		v.Headers = append(v.Headers, fieldView{Name: name, Description: h.text("description")})
	})
	return v
}

func contentTypes(d node) string {
	var types []string
	d.get("content").each(func(name string, _ node) { types = append(types, name) })
	return strings.Join(types, ", ")
}

func viewSchema(name string, schema node) schemaView {
	v := schemaView{Name: name}
	required := map[string]bool{}
	for _, r := range schema.get("required").items() {
		required[r.n.Value] = true
	}
	schema.get("properties").each(func(field string, s node) {
		v.Fields = append(v.Fields, fieldView{Name: field, Kind: kindOf(s), Description: s.text("description"), Required: required[field]})
	})
	return v
}

// kindOf is a schema in a few words.
func kindOf(s node) string {
	kind := s.text("type")
	var values []string
	for _, one := range s.get("enum").items() {
		values = append(values, one.n.Value)
	}
	if len(values) > 0 {
		kind = strings.Join(values, " | ")
	}
	if d := s.text("default"); d != "" {
		kind += ", default " + d
	}
	return kind
}

// codeSpans makes paragraphs of text with `code`.
func codeSpans(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		b.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			escaped := template.HTMLEscapeString(part)
			if i%2 == 1 {
				escaped = "<code>" + escaped + "</code>"
			}
			b.WriteString(escaped)
		}
		b.WriteString("</p>")
	}
	return template.HTML(b.String())
}
