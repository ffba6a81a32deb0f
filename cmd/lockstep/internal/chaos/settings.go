// Package chaos is `lockstep chaos`: it prepares a run of package chaos/run, shows how it goes, and prints and writes what
// was found.
package chaos

import (
	"io"
	"time"

	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// Settings are what the command line says.
type Settings struct {
	Seed   uint64
	For    time.Duration
	Nodes  int
	Faults []plan.Kind
	File   string // a plan; empty: drawn from the seed
	// Load.
	Clients, Rate int
	// DiskSize gives each node a file system of its own in memory; 0: none.
	DiskSize host.Size
	// RecoveryMax is the longest recovery that is in order; 0: no bound.
	RecoveryMax time.Duration

	Dir  string // for all runs
	JSON bool

	// Binary runs the nodes, Command is how this command is called.
	Binary, Command string

	Out, Errs io.Writer
}
