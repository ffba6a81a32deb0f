package host

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that reads and writes itself like 50ms.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes it like 50ms.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write it like 50ms, 2s or 1m30s", b)
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes that reads and writes itself like 64MiB (powers of 1,024) or a plain number.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes it in the largest unit that leaves no fraction.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if u.bytes > 1 && s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes it like String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a whole number, alone or with one of the units B, KiB, MiB, GiB, TiB.
func (s *Size) UnmarshalText(b []byte) error {
	text, unit := strings.TrimSpace(string(b)), int64(1)
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 || v > (1<<63-1)/unit {
		return fmt.Errorf("%q is not a size: write it like 64MiB (B, KiB, MiB, GiB, TiB) or as a number of bytes", b)
	}
	*s = Size(v * unit)
	return nil
}
