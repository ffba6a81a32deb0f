package plan

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Duration is in nanoseconds of simulated time. Files show it as "1.5s" or "20ms". It does not take package time's form: this
// package is about a time that passes nowhere.
type Duration int64

// units from the longest on.
var units = []struct {
	name  string
	nanos int64
}{{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}}

// String returns the form that files show, with the longest unit of which it is at least one.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	if d < 0 {
		return "-" + (-d).String()
	}
	unit := units[len(units)-1]
	for _, u := range units {
		if int64(d) >= u.nanos {
			unit = u
			break
		}
	}
	whole := strconv.FormatInt(int64(d)/unit.nanos, 10)
	if rest := int64(d) % unit.nanos; rest != 0 {
		digits := len(strconv.FormatInt(unit.nanos, 10)) - 1
		whole += "." + strings.TrimRight(fmt.Sprintf("%0*d", digits, rest), "0")
	}
	return whole + unit.name
}

// ParseDuration reads what String writes: a number, which may have a point, and s, ms, us or ns.
func ParseDuration(s string) (Duration, error) {
	number := strings.TrimRight(s, "munsµ")
	for _, u := range units {
		if s[len(number):] != u.name && (u.name != "us" || s[len(number):] != "µs") {
			continue
		}
		whole, part, _ := strings.Cut(number, ".")
		nanos, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || nanos > int64(DurationMax)/u.nanos || nanos < 0 {
			break
		}
		nanos *= u.nanos
		for scale := u.nanos / 10; part != "" && scale > 0; scale /= 10 {
			if part[0] < '0' || part[0] > '9' {
				break
			}
			nanos += int64(part[0]-'0') * scale
			part = part[1:]
		}
		if part != "" {
			break
		}
		return Duration(nanos), nil
	}
	return 0, fmt.Errorf("%q is no time: write it like 1.5s or 20ms", s)
}

// MarshalYAML writes "1.5s".
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML reads "1.5s".
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*d = v
	return nil
}
