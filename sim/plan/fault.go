package plan

import (
	"fmt"
	"strconv"
)

// Kind names what a fault does.
type Kind string

// The kinds of faults. In brackets the fields that count besides At and For.
const (
	// Of the network.
	Partition Kind = "partition"  // [Groups] messages pass only within a group; a node in none is alone
	Isolate   Kind = "isolate"    // [Node, Stays] from all others
	OneWay    Kind = "one-way"    // [Node, Peer] what Node sends to Peer is lost; Peer 0: to all
	Deaf      Kind = "deaf"       // [Node, Peer] what Peer sends to Node is lost; Peer 0: what anybody sends
	Ring      Kind = "ring"       // each node hears only its nearest neighbours, so that majorities overlap and nobody hears all
	Flap      Kind = "flap"       // [Node, Period] cut off and back, again and again
	Lose      Kind = "lose"       // [PPM, Message, Node, Peer] messages, or those of one type, are lost; with Node: only what Node sends; with Peer: to Peer
	Duplicate Kind = "duplicate"  // [PPM]
	Replay    Kind = "replay"     // [PPM] messages are delivered once more, up to 10 s later
	Slow      Kind = "slow"       // [Node, Latency] everything to and from Node takes this much longer
	Clog      Kind = "clog"       // [Node, Peer] messages are held back and arrive together at the end
	ClientCut Kind = "client-cut" // [Node] no client reaches Node
	// Of processes.
	Crash    Kind = "crash"     // [Node, Stays] loses power, and starts again after For
	CrashAll Kind = "crash-all" // all at once
	Storm    Kind = "storm"     // [Node, Period] crash after crash, also in the middle of recovery
	Pause    Kind = "pause"     // [Node] its process stands still; time goes on
	// CrashAt [Node, Op, Nth]: loses power just before its nth disk operation of that kind from now on. Op may also be
	// OpRecovery: it loses power now, and again just before the nth operation that changes something in the recovery that follows;
	// or OpPersisted: just after its nth append became durable, before it could say so to anybody.
	CrashAt    Kind = "crash-at"
	ClientDies Kind = "client-dies" // [Client] forgets what it asked for, and a new one takes its place
	// Of disks.
	DiskSlow   Kind = "disk-slow"   // [Node, Latency] each write takes this much longer
	DiskError  Kind = "disk-error"  // [Node, Op, Nth] the nth operation of that kind from now on fails
	ShortWrite Kind = "short-write" // [Node, Nth] of its nth write from now on a part is written, and then it fails
	DiskFull   Kind = "disk-full"   // [Node] writes that need room fail
	DiskLow    Kind = "disk-low"    // [Node] the reserve is reached
	// Of whole directories. The node loses power, and starts again after For. Wipe and Rot are not carried out when too few voters
	// would be left with their data, unless Beyond says so. Rot of a tail waits within For for a write whose sync has not happened.
	Wipe      Kind = "wipe"       // [Node, Beyond] all of it is gone
	Rot       Kind = "rot"        // [Node, Part, Beyond] bits of it flip: of the log below its durable end, of the log's unsynced tail, of a snapshot, or of the identity
	SwapDisks Kind = "swap-disks" // [Node, Peer, Part] two nodes get each other's, all of it or the log alone, and their own after For; Peer empty: any other node
	// Of clocks.
	Drift     Kind = "drift"      // [Node, PPM] its clock runs faster or, below 0, slower. With lease reads only as far as these allow, all such faults together
	ClockJump Kind = "clock-jump" // [Node, Latency] its clock jumps ahead, as when a virtual machine was suspended; not with lease reads, which trust clocks
)

// Kinds lists all of them, in the order in which they are told.
func Kinds() []Kind {
	return []Kind{Partition, Isolate, OneWay, Deaf, Ring, Flap, Lose, Duplicate, Replay, Slow, Clog, ClientCut,
		Crash, CrashAll, Storm, Pause, CrashAt, ClientDies, DiskSlow, DiskError, ShortWrite, DiskFull, DiskLow, Wipe, Rot, SwapDisks, Drift, ClockJump}
}

// Target says who suffers: a number, or a role that is looked up when the fault begins.
type Target string

// Roles that are targets.
const (
	Leader   Target = "leader"   // who leads in the highest term; if nobody does, any node
	Deposed  Target = "deposed"  // who leads in the lowest term, and may not know yet that another one leads; if nobody does, any node
	Follower Target = "follower" // one that does not lead
	Rising   Target = "rising"   // the next one that becomes candidate, at that moment
	Any      Target = "any"
)

// Number is the target with that number.
func Number(n int) Target { return Target(strconv.Itoa(n)) }

// Node returns the number, or 0 for a role.
func (t Target) Node() int {
	n, err := strconv.Atoi(string(t))
	if err != nil {
		return 0
	}
	return n
}

// Fault is something that happens to the cluster, at At, for For.
type Fault struct {
	At      Duration `yaml:"at"`
	For     Duration `yaml:"for,omitempty"`
	Do      Kind     `yaml:"do"`
	Node    Target   `yaml:"node,omitempty"`
	Peer    Target   `yaml:"peer,omitempty"`
	Groups  [][]int  `yaml:"groups,omitempty,flow"`
	Client  int      `yaml:"client,omitempty"`
	Message string   `yaml:"message,omitempty"` // a raft message type, like MsgAppResp; empty: all
	PPM     int      `yaml:"ppm,omitempty"`
	Latency Duration `yaml:"latency,omitempty"`
	Period  Duration `yaml:"period,omitempty"`
	Op      string   `yaml:"op,omitempty"` // a disk operation: read, write, sync, create, rename, syncdir, remove, truncate; empty: any that changes something
	Nth     int      `yaml:"nth,omitempty"`
	Part    string   `yaml:"part,omitempty"`   // of a directory: PartLog, PartTail, PartSnapshot or PartIdentity; empty: any
	Stays   bool     `yaml:"stays,omitempty"`  // also when the others are healed, if they are a quorum without Node; For does not count then
	Beyond  bool     `yaml:"beyond,omitempty"` // even if it takes more data away than the cluster can do without
}

// Moments that are no operations of a disk, for CrashAt's Op.
const (
	OpRecovery  = "recovery"
	OpPersisted = "persisted"
)

// Parts of a directory.
const (
	PartLog      = "log"      // what it holds durably
	PartTail     = "tail"     // what was written behind it, and never synced
	PartSnapshot = "snapshot" // the files
	PartIdentity = "identity" // what says to whom it belongs
)

// validate says what is wrong with the fault.
func (f *Fault) validate(p *Plan) error {
	if f.At < 0 || f.For < 0 || f.At > DurationMax || f.For > DurationMax {
		return fmt.Errorf("at %v for %v", f.At, f.For)
	}
	if err := needs(!f.Stays || f.Do == Crash || f.Do == Isolate, "no stays: only a crash or an isolation can"); err != nil {
		return err
	}
	switch f.Do {
	case Partition:
		return needs(len(f.Groups) > 0, "groups")
	case Isolate, OneWay, Deaf, Pause, Crash, DiskFull, DiskLow, ClientCut, Clog, Wipe:
		return f.target(p)
	case Rot, SwapDisks:
		return f.directory(p)
	case ClockJump:
		if err := needs(f.Latency > 0 && !p.Node.LeaseReads, "a latency, and lease_reads off"); err != nil {
			return err
		}
		return f.target(p)
	case Flap, Storm:
		if err := needs(f.Period > 0, "a period"); err != nil {
			return err
		}
		return f.target(p)
	case Slow, DiskSlow:
		if err := needs(f.Latency > 0, "a latency"); err != nil {
			return err
		}
		return f.target(p)
	case CrashAt, DiskError, ShortWrite:
		if err := needs(f.Nth > 0 && f.knowsOp(), "nth, and an operation that there is"); err != nil {
			return err
		}
		return f.target(p)
	case Lose, Duplicate, Replay:
		if f.Do == Lose && f.Node != "" {
			if err := f.target(p); err != nil {
				return err
			}
		}
		return needs(f.PPM > 0 && f.PPM <= 1_000_000, "ppm from 1 to 1000000")
	case Drift:
		if err := needs(f.PPM != 0 && f.PPM > -500_000 && f.PPM < 500_000, "ppm within half a million"); err != nil {
			return err
		}
		return f.target(p)
	case ClientDies:
		return needs(f.Client >= 1 && f.Client <= p.Clients.Count, "a client")
	case CrashAll, Ring:
		return nil
	}
	return fmt.Errorf("unknown fault %q", f.Do)
}

// knowsOp says whether the operation can be waited for.
func (f *Fault) knowsOp() bool {
	switch f.Op {
	case "", "read", "write", "sync", "create", "rename", "syncdir", "remove", "truncate", "preallocate":
		return true
	case OpRecovery, OpPersisted:
		return f.Do == CrashAt
	}
	return false
}

// directory validates what happens to a part of a directory.
func (f *Fault) directory(p *Plan) error {
	ok := f.Part == "" || f.Part == PartLog || f.Do == Rot && (f.Part == PartTail || f.Part == PartSnapshot || f.Part == PartIdentity)
	if err := needs(ok, "no part, or one that this can happen to"); err != nil {
		return err
	}
	if f.Do == SwapDisks && f.Peer != "" {
		if err := needs(p.isNode(f.Peer.Node()) && f.Peer != f.Node, "a peer: the number of another node, or none"); err != nil {
			return err
		}
	}
	return f.target(p)
}

func (f *Fault) target(p *Plan) error {
	switch f.Node {
	case Leader, Deposed, Follower, Rising, Any:
		return nil
	}
	return needs(p.isNode(f.Node.Node()), "a node: its number, leader, follower, rising or any")
}
