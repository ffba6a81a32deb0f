package bugs

import (
	"slices"

	"github.com/lockstepdb/lockstep/sim/plan"
)

// Class is a kind of trouble that a plan can be freed from as a whole, to see whether a bug needs it.
type Class string

// The classes.
const (
	Network Class = "network"
	Disk    Class = "disk"
	Process Class = "process"
	Clock   Class = "clock"
	Clients Class = "clients" // that die or are cut off, and changes of the membership and the leader, which clients ask for
)

// Classes lists them in the order of the table's columns.
func Classes() []Class { return []Class{Network, Disk, Process, Clock, Clients} }

// classOf says to which class each kind of fault belongs.
var classOf = map[plan.Kind]Class{
	plan.Partition: Network, plan.Isolate: Network, plan.OneWay: Network, plan.Deaf: Network, plan.Ring: Network, plan.Flap: Network, plan.Lose: Network,
	plan.Duplicate: Network, plan.Replay: Network, plan.Slow: Network, plan.Clog: Network,
	plan.Crash: Process, plan.CrashAll: Process, plan.Storm: Process, plan.Pause: Process, plan.CrashAt: Process,
	plan.DiskSlow: Disk, plan.DiskError: Disk, plan.DiskFull: Disk, plan.DiskLow: Disk,
	plan.Wipe: Disk, plan.Rot: Disk, plan.SwapDisks: Disk, plan.ShortWrite: Disk,
	plan.Drift: Clock, plan.ClockJump: Clock,
	plan.ClientCut: Clients, plan.ClientDies: Clients,
}

// free takes everything of a class out of a plan.
func (c Class) free(p *plan.Plan) {
	p.Faults = slices.DeleteFunc(p.Faults, func(f plan.Fault) bool { return classOf[f.Do] == c })
	switch c {
	case Network:
		p.Network.LossPPM, p.Network.DuplicatePPM, p.Network.ReorderPPM, p.Network.ReorderMax = 0, 0, 0, 0
	case Clients:
		p.Operations = slices.DeleteFunc(p.Operations, func(o plan.Operation) bool {
			return o.Do == plan.AddMember || o.Do == plan.Promote || o.Do == plan.Remove || o.Do == plan.Transfer
		})
	}
}
