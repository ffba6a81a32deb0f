// Package sim is `lockstep sim`: it has the fleet live many seeds or lives one in this process, shows how far it is, and prints
// and writes what was found.
package sim

import (
	"errors"
	"io"
	"time"

	"github.com/lockstepdb/lockstep/sim/plan"
)

// Settings are what the command line says.
type Settings struct {
	// One is set when one life is asked for: that of Seed, or of the plan in File.
	One   bool
	Seed  uint64
	File  string
	Trace bool
	Until Moment

	// The others say which lives a fleet lives.
	Seeds, From uint64
	For         time.Duration
	Workers     int
	// RequireProbes makes a probe that no life reached a failure.
	RequireProbes bool

	Profile string
	JSON    string // a file, or Standard; empty: none
	Dir     string // for what is kept

	// Command is how this command is called, for the lines that replay a life.
	Command string

	// In is read if File is Standard, and JSONOut gets what JSON asks for if that is Standard.
	In        io.Reader
	JSONOut   io.Writer
	Out, Errs io.Writer
}

// Standard stands for standard input or output in the place of a file's name.
const Standard = "-"

// Moment is the value of --until: a time within a life. 0, which nobody can say: its end.
type Moment plan.Duration

// String returns what Set takes.
func (m *Moment) String() string {
	if *m == 0 {
		return ""
	}
	return plan.Duration(*m).String()
}

// Type names the value in the help.
func (m *Moment) Type() string { return "time" }

// Set reads "12.5s".
func (m *Moment) Set(s string) error {
	d, err := plan.ParseDuration(s)
	switch {
	case err != nil:
		return errors.New("write it like 1.5s or 20ms")
	case d <= 0:
		return errors.New("it is not above 0")
	}
	*m = Moment(d)
	return nil
}
