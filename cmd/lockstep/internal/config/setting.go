package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cluster/host"
)

// Setting is one key of the configuration, under each name that it has.
type Setting struct {
	Key  string // in the file and in `config print`: raft.tick
	Flag string // without dashes: raft-tick
	Env  string // LOCKSTEP_RAFT_TICK
	Doc         // what it means
	kind kind
	typ  reflect.Type
}

// kind says how a setting is written.
type kind uint8

const (
	scalar kind = iota
	list        // several strings
	peers       // the founding nodes
)

// Settings lists every key of host.Config in the order of its fields. It is derived from the struct's koanf tags, so
// that no field can be forgotten.
func Settings() []Setting {
	return appendSettings(nil, "", reflect.TypeFor[host.Config]())
}

func appendSettings(dst []Setting, prefix string, t reflect.Type) []Setting {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("koanf")
		if tag == "" || !f.IsExported() {
			continue
		}
		if f.Type.Kind() == reflect.Struct && !isText(f.Type) {
			dst = appendSettings(dst, prefix+tag+".", f.Type)
			continue
		}
		dst = append(dst, newSetting(prefix+tag, f.Type))
	}
	return dst
}

func newSetting(key string, t reflect.Type) Setting {
	s := Setting{Key: key, Flag: strings.ReplaceAll(key, ".", "-"), Env: environmentName(key), Doc: docs[key], typ: t}
	switch {
	case t == reflect.TypeFor[[]host.Peer]():
		s.kind, s.Flag = peers, "peer"
	case t.Kind() == reflect.Slice:
		s.kind, s.Flag = list, strings.TrimSuffix(s.Flag, "s")
	}
	return s
}

// environmentName maps raft.tick to LOCKSTEP_RAFT_TICK: upper case, with _ for every dot and dash.
func environmentName(key string) string {
	return environmentPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// Type names what is expected, as help texts and errors show it.
func (s Setting) Type() string {
	switch {
	case s.kind == peers:
		return "peer"
	case s.typ == reflect.TypeFor[host.Duration]():
		return "duration"
	case s.typ == reflect.TypeFor[host.Size]():
		return "size"
	case s.typ.Kind() == reflect.Bool:
		return "bool"
	case s.typ.Kind() == reflect.Float64:
		return "number"
	case s.typ.Kind() == reflect.Int, s.typ.Kind() == reflect.Uint64:
		return "int"
	}
	return "string"
}

// parse turns a setting's text into what koanf merges. Numbers are decimal whatever their leading zeros, since a file, a
// variable and a flag have to mean the same.
func (s Setting) parse(text string) (any, error) {
	switch {
	case isText(s.typ):
		v := reflect.New(s.typ).Interface().(encoding.TextUnmarshaler)
		if err := v.UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
		return text, nil
	case s.typ.Kind() == reflect.String:
		return text, nil
	}
	v, err := parseNumber(s.typ, text)
	if err != nil {
		return nil, fmt.Errorf("%q is not %s", text, article(s.typ))
	}
	return v, nil
}

func parseNumber(t reflect.Type, text string) (any, error) {
	digits := strings.ReplaceAll(text, "_", "")
	switch t.Kind() {
	case reflect.Bool:
		return strconv.ParseBool(text)
	case reflect.Int:
		return strconv.ParseInt(digits, 10, t.Bits())
	case reflect.Uint64:
		return strconv.ParseUint(digits, 10, t.Bits())
	case reflect.Float64:
		return strconv.ParseFloat(text, 64)
	}
	panic(fmt.Sprintf("config: a field of type %v has no textual form", t))
}

func article(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Uint64:
		return "a whole number from 0"
	case reflect.Int:
		return "a whole number"
	}
	return "a number"
}

// find returns the setting that has the name, by key, flag or variable as the selector says.
func find(settings []Setting, name string, selector func(Setting) string) (Setting, bool) {
	for _, s := range settings {
		if selector(s) == name {
			return s, true
		}
	}
	return Setting{}, false
}

func byKey(s Setting) string { return s.Key }
func byEnv(s Setting) string { return s.Env }
