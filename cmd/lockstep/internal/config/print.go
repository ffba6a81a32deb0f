package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/lockstepdb/lockstep/cluster/host"
)

// Row is one line of `lockstep config print`.
type Row struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
	From  string `json:"from"`
	Place string `json:"place,omitempty"`
	// Derived says what a zero stands for; Value is what it comes to.
	Derived string `json:"derived,omitempty"`
}

// Rows lists the effective values in the order of Settings.
func (e Effective) Rows() []Row {
	settings := Settings()
	effective, why := derive(e.Config)
	rows := make([]Row, len(settings))
	for i, s := range settings {
		o := e.Origins[s.Key]
		rows[i] = Row{Key: s.Key, Value: plain(value(effective, s.Key)), From: o.Layer.String(), Place: o.Place, Derived: why[s.Key]}
	}
	return rows
}

// plain gives a value the form that it has in the file.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case []host.Peer:
		texts := make([]string, len(x))
		for i, p := range x {
			texts[i] = FormatPeer(p)
		}
		return texts
	case []string:
		return append([]string{}, x...) // not null in JSON
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	return v.Interface()
}

// WriteTable prints the rows for people.
func (e Effective) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tVALUE\tFROM")
	for _, r := range e.Rows() {
		from := r.From
		if r.Place != "" {
			from += " " + r.Place
		}
		if r.Derived != "" {
			from += " (" + r.Derived + ")"
		}
		lines := r.lines()
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.Key, lines[0], from)
		for _, line := range lines[1:] {
			fmt.Fprintf(t, "\t%s\t\n", line)
		}
	}
	return t.Flush()
}

// lines are the value in the table: each element of a list has its own.
func (r Row) lines() []string {
	if list, ok := r.Value.([]string); ok && len(list) > 0 {
		return list
	}
	return []string{text(r.Value)}
}

// WriteJSON prints {"settings":[{"key":…,"value":…,"from":…,"place":…}]}.
func (e Effective) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(struct {
		Settings []Row `json:"settings"`
	}{e.Rows()})
}

func text(v any) string {
	if list, ok := v.([]string); ok {
		v = strings.Join(list, " ")
	}
	if v == "" {
		return "-"
	}
	return fmt.Sprint(v)
}

// defaultTexts are the defaults by key, as help shows them; a zero default is not worth showing.
func defaultTexts() map[string]string {
	texts := map[string]string{}
	for _, s := range Settings() {
		v := value(defaults(), s.Key)
		if !v.IsZero() {
			texts[s.Key] = text(plain(v))
		}
	}
	return texts
}
