// Package check is `lockstep check`: it reads histories, has them judged, and prints and writes what was found.
package check

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// Settings are what the command line says.
type Settings struct {
	Files        []string // at least one; "-" is In
	Format       string
	Model        string
	Initial      string
	InitialGiven bool
	Budget       Budget
	Tiers        Tiers
	Workers      int
	HTML, JUnit  string
	JSON, Quiet  bool
	KnownAnswers bool
	// Command is how this command is called, for the lines that reproduce a check.
	Command string

	In        io.Reader
	Out, Errs io.Writer
}

// Budget is the value of --budget. The zero Budget stands for the defaults.
type Budget struct {
	Steps int64
	Time  time.Duration
}

// String returns what Set takes.
func (b *Budget) String() string {
	var parts []string
	if b.Time != 0 {
		parts = append(parts, b.Time.String())
	}
	if b.Steps != 0 {
		parts = append(parts, strconv.FormatInt(b.Steps, 10))
	}
	return strings.Join(parts, ",")
}

// Type names the value in the help.
func (b *Budget) Type() string { return "time,steps" }

// Set reads "30s", "5000000" or both with a comma.
func (b *Budget) Set(s string) error {
	*b = Budget{}
	for _, part := range strings.Split(s, ",") {
		part = strings.TrimSpace(part)
		steps, err := strconv.ParseInt(part, 10, 64)
		if err == nil && steps > 0 && b.Steps == 0 {
			b.Steps = steps
			continue
		}
		d, err := time.ParseDuration(part)
		if err != nil || d <= 0 || b.Time != 0 {
			return errors.New("give a number of steps above 0, a time like 30s, or both with a comma")
		}
		b.Time = d
	}
	return nil
}

// Tiers is the value of --tiers.
type Tiers []verdict.Tier

var tiers = []verdict.Tier{verdict.Witness, verdict.Zones, verdict.Search}

// String returns what Set takes.
func (t *Tiers) String() string {
	var names []string
	for _, tier := range *t {
		names = append(names, tier.String())
	}
	return strings.Join(names, ",")
}

// Type names the value in the help.
func (t *Tiers) Type() string { return "list" }

// Set reads names with commas.
func (t *Tiers) Set(s string) error {
	*t = nil
	for _, name := range strings.Split(s, ",") {
		i := slices.IndexFunc(tiers, func(tier verdict.Tier) bool { return tier.String() == strings.TrimSpace(name) })
		if i < 0 {
			return fmt.Errorf("unknown tier %q: say witness, zones, search, or some of them with commas", name)
		}
		*t = append(*t, tiers[i])
	}
	return nil
}
