package server

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"go.yaml.in/yaml/v3"
)

// openapiSource is the API's description, written by hand; a test drives everything in it against the handlers.
//
//go:embed openapi.yaml
var openapiSource []byte

// openapi is the description in its three forms.
type openapi struct {
	yaml, json, page []byte
}

func parseOpenAPI(source []byte) (*openapi, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := appendJSON(&text, &root); err != nil {
		return nil, err
	}
	page, err := renderPage(root.Content[0])
	if err != nil {
		return nil, err
	}
	return &openapi{yaml: source, json: append(text.Bytes(), '\n'), page: page}, nil
}

// appendJSON writes YAML as JSON in the order of the source, which a Go map would lose.
func appendJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return appendJSON(b, n.Content[0])
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			key, err := json.Marshal(n.Content[i].Value)
			if err != nil {
				return err
			}
			b.Write(key)
			b.WriteByte(':')
			if err := appendJSON(b, n.Content[i+1]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, one := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, one); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case yaml.AliasNode:
		return appendJSON(b, n.Alias)
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		b.Write(text)
		return err
	}
	return fmt.Errorf("line %d: unknown kind of node", n.Line)
}

func (x *exchange) openapiYAML() { x.text(http.StatusOK, "application/yaml", x.s.document.yaml) }
func (x *exchange) openapiJSON() { x.text(http.StatusOK, "application/json", x.s.document.json) }

// docs shows the description to people. The page needs nothing from elsewhere, and no script.
func (x *exchange) docs() {
	x.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	x.text(http.StatusOK, "text/html; charset=utf-8", x.s.document.page)
}

func (x *exchange) docsRedirect() {
	x.w.Header().Set("Location", "/docs/")
	x.text(http.StatusMovedPermanently, plainText, []byte("See /docs/\n"))
}
