// Package config turns flags, environment, a YAML file and defaults into one host.Config, and remembers where each value
// came from.
//
// Use AddFlags on a command, then Load with its flags. The layers are merged key by key, a flag over a variable over
// the file over the default. A key or a LOCKSTEP_* variable that nobody knows is an error that names the nearest known one:
// a setting that is ignored without a word is worse than a node that does not start.
//
// A key has one name in three spellings: raft.tick in the file, --raft-tick as a flag, LOCKSTEP_RAFT_TICK in the
// environment. All three are read by the same parser.
package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/spf13/pflag"
)

// Layer is where a value may come from; a later one overrides an earlier one.
type Layer uint8

const (
	Default Layer = iota
	File
	Environment
	Flag
)

func (l Layer) String() string { return [...]string{"default", "file", "environment", "flag"}[l] }

// Origin is where a value came from.
type Origin struct {
	Layer Layer
	// Place is the file and line, the variable or the flag; empty for a default.
	Place string
}

// Error is a setting that cannot be used.
type Error struct {
	Place  string // file:line, variable or flag
	Key    string // of the setting, if known
	Reason string
}

func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	for _, p := range []string{e.Place, e.Key, e.Reason} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// layer is one source's settings, parsed.
type layer struct {
	values  map[string]any
	origins map[string]Origin
}

func newLayer() layer {
	return layer{values: map[string]any{}, origins: map[string]Origin{}}
}

// set parses and keeps a value: one text of a scalar, any number of a list.
func (l layer) set(s Setting, o Origin, texts []string) error {
	v, err := s.parseTexts(texts)
	if err != nil {
		return &Error{Place: o.Place, Key: s.Key, Reason: err.Error()}
	}
	l.values[s.Key], l.origins[s.Key] = v, o
	return nil
}

// Effective is a merged configuration.
type Effective struct {
	Config host.Config
	// Origins by key; a key that is missing has its default.
	Origins map[string]Origin
}

// Load merges the layers. flags may be nil. It does not check the values against each other: host.Config does.
func Load(flags *pflag.FlagSet, environ []string) (Effective, error) {
	file, err := path(flags, environ)
	if err != nil {
		return Effective{}, err
	}
	layers, err := loadLayers(flags, environ, file)
	if err != nil {
		return Effective{}, err
	}
	return merge(layers)
}

func loadLayers(flags *pflag.FlagSet, environ []string, file string) ([]layer, error) {
	settings := Settings()
	var layers []layer
	if file != "" {
		l, err := loadFile(settings, file)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	l, err := loadEnvironment(settings, environ)
	if err != nil {
		return nil, err
	}
	layers = append(layers, l)
	if flags != nil {
		if l, err = loadFlags(flags); err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// merge lays the layers over the defaults, the last one on top.
func merge(layers []layer) (Effective, error) {
	k := koanf.New(".")
	e := Effective{Config: defaults(), Origins: map[string]Origin{}}
	for _, l := range layers {
		if err := k.Load(confmap.Provider(l.values, "."), nil); err != nil {
			return Effective{}, fmt.Errorf("merge settings: %w", err)
		}
		for key, origin := range l.origins {
			e.Origins[key] = origin
		}
	}
	if err := k.Unmarshal("", &e.Config); err != nil {
		return Effective{}, fmt.Errorf("merge settings: %w", err)
	}
	return e, nil
}

// value returns the field that a key names.
func value(c host.Config, key string) reflect.Value {
	v := reflect.ValueOf(c)
	for _, name := range strings.Split(key, ".") {
		v = fieldByTag(v, name)
	}
	return v
}

func fieldByTag(v reflect.Value, tag string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("koanf") == tag {
			return v.Field(i)
		}
	}
	panic("config: no field has the key " + tag)
}
