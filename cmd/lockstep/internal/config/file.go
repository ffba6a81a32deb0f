package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lockstepdb/lockstep/cluster/host"
	"go.yaml.in/yaml/v3"
)

// fileBytesMax bounds what is read as a configuration: a wrong path must not fill the memory.
const fileBytesMax = 1 << 20

// loadFile reads a YAML file. It walks the parsed nodes itself, because only they know the lines that errors name.
func loadFile(settings []Setting, path string) (layer, error) {
	text, err := readBounded(path)
	if err != nil {
		return layer{}, &Error{Place: path, Reason: reason(err)}
	}
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) { // empty, or comments only
			return newLayer(), nil
		}
		return layer{}, &Error{Place: path, Reason: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return layer{}, &Error{Place: path, Reason: "it holds more than one YAML document"}
	}
	f := file{path: path, settings: settings, layer: newLayer()}
	return f.layer, f.walk("", doc.Content[0])
}

func readBounded(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, fileBytesMax+1))
	if err == nil && len(text) > fileBytesMax {
		err = fmt.Errorf("it is larger than %d bytes", fileBytesMax)
	}
	return text, err
}

// reason strips the path that the operating system's errors repeat.
func reason(err error) string {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

type file struct {
	path     string
	settings []Setting
	layer    layer
}

func (f *file) place(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.path, n.Line) }

// walk takes the mapping n, whose keys follow prefix.
func (f *file) walk(prefix string, n *yaml.Node) error {
	n = resolve(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return &Error{Place: f.place(n), Key: strings.TrimSuffix(prefix, "."), Reason: "keys with values are expected here"}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], resolve(n.Content[i+1])
		key := prefix + name.Value
		if seen[key] {
			return &Error{Place: f.place(name), Key: key, Reason: "it is set twice"}
		}
		seen[key] = true
		if err := f.take(key, name, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) take(key string, name, value *yaml.Node) error {
	if s, ok := find(f.settings, key, byKey); ok {
		return f.value(s, name, value)
	}
	if f.isSection(key) {
		return f.walk(key+".", value)
	}
	names := make([]string, 0, len(f.settings))
	for _, s := range f.settings {
		names = append(names, s.Key)
	}
	return unknown("key", key, f.place(name), names)
}

func (f *file) isSection(key string) bool {
	for _, s := range f.settings {
		if strings.HasPrefix(s.Key, key+".") {
			return true
		}
	}
	return false
}

// value takes one setting. A key without a value counts as not set.
func (f *file) value(s Setting, name, n *yaml.Node) error {
	if isNull(n) {
		return nil
	}
	origin := Origin{File, f.place(name)}
	switch {
	case s.kind == scalar && n.Kind == yaml.ScalarNode:
		return f.layer.set(s, origin, []string{n.Value})
	case s.kind == scalar:
		return &Error{Place: f.place(n), Key: s.Key, Reason: "one value is expected, a " + s.Type()}
	case n.Kind != yaml.SequenceNode:
		return &Error{Place: f.place(n), Key: s.Key, Reason: "a list is expected"}
	}
	texts := make([]string, len(n.Content))
	for i, item := range n.Content {
		text, err := f.item(s, resolve(item))
		if err != nil {
			return err
		}
		texts[i] = text
	}
	return f.layer.set(s, origin, texts)
}

// item gives an element of a list the form that the flag has.
func (f *file) item(s Setting, n *yaml.Node) (string, error) {
	if s.kind != peers || n.Kind == yaml.ScalarNode {
		if n.Kind != yaml.ScalarNode {
			return "", &Error{Place: f.place(n), Key: s.Key, Reason: "a string is expected"}
		}
		return n.Value, nil
	}
	var (
		id string
		p  host.Peer
	)
	fields := map[string]*string{"node": &id, "peer": &p.Peer, "http": &p.HTTP, "grpc": &p.GRPC}
	for i := 0; i+1 < len(n.Content); i += 2 {
		field, ok := fields[n.Content[i].Value]
		if !ok {
			return "", unknown("key", s.Key+"."+n.Content[i].Value, f.place(n.Content[i]), []string{s.Key + ".node", s.Key + ".peer", s.Key + ".http", s.Key + ".grpc"})
		}
		*field = n.Content[i+1].Value
	}
	return formatPeer(id, p), nil
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
