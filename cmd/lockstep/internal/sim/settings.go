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
	JSON    string // a file; empty: none
	Dir     string // for what is kept

	// Command is how this command is called, for the lines that replay a life.
	Command string

	Out, Errs io.Writer
}

// Moment is the value of --until: a time within a life. 0: its end.
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
	if err != nil {
		return errors.New("write it like 1.5s or 20ms")
	}
	*m = Moment(d)
	return nil
}
