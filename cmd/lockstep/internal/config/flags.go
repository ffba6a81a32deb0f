package config

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags gives the flag set --config and one flag for every setting.
func AddFlags(flags *pflag.FlagSet) {
	flags.StringP("config", "c", "", "YAML file of settings (environment: "+FileVariable+")")
	defaults := defaultTexts()
	for _, s := range Settings() {
		usage := s.Usage
		if s.Range != "" {
			usage += " (" + s.Range + ")"
		}
		f := flags.VarPF(&flagValue{setting: s, shown: defaults[s.Key]}, s.Flag, "", usage)
		if s.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// flagValue keeps what the user wrote. It is parsed with the other layers, so that all errors read alike.
type flagValue struct {
	setting Setting
	shown   string // the default, for help
	texts   []string
}

func (v *flagValue) String() string {
	if v.texts == nil {
		return v.shown
	}
	return strings.Join(v.texts, " ")
}

func (v *flagValue) Type() string { return v.setting.Type() }

func (v *flagValue) Set(text string) error {
	texts := []string{text}
	if v.setting.kind == list {
		texts = v.setting.split(text)
	}
	if v.setting.kind == scalar {
		v.texts = nil // the last one counts
	}
	if _, err := v.setting.parseTexts(texts); err != nil {
		return err
	}
	v.texts = append(v.texts, texts...)
	return nil
}

func loadFlags(flags *pflag.FlagSet) (layer, error) {
	l := newLayer()
	var failed error
	flags.Visit(func(f *pflag.Flag) {
		v, ok := f.Value.(*flagValue)
		if !ok || failed != nil {
			return
		}
		failed = l.set(v.setting, Origin{Flag, "--" + f.Name}, v.texts)
	})
	return l, failed
}

// path of the configuration file: the flag, else the variable, else none.
func path(flags *pflag.FlagSet, environ []string) (string, error) {
	if flags != nil && flags.Changed("config") {
		p, err := flags.GetString("config")
		if err == nil && p == "" {
			err = fmt.Errorf("--config names no file")
		}
		return p, err
	}
	p := ""
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); name == FileVariable {
			p = value
		}
	}
	return p, nil
}
