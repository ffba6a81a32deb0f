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
	Isolate   Kind = "isolate"    // [Node] from all others
	OneWay    Kind = "one-way"    // [Node, Peer] what Node sends to Peer is lost; Peer 0: to all
	Ring      Kind = "ring"       // each node hears only its nearest neighbours, so that majorities overlap and nobody hears all
	Flap      Kind = "flap"       // [Node, Period] cut off and back, again and again
	Lose      Kind = "lose"       // [PPM, Message] messages, or those of one type, are lost
	Duplicate Kind = "duplicate"  // [PPM]
	Replay    Kind = "replay"     // [PPM] messages are delivered once more, up to 10 s later
	Slow      Kind = "slow"       // [Node, Latency] everything to and from Node takes this much longer
	Clog      Kind = "clog"       // [Node, Peer] messages are held back and arrive together at the end
	ClientCut Kind = "client-cut" // [Node] no client reaches Node
	// Of processes.
	Crash      Kind = "crash"       // [Node] loses power, and starts again after For
	CrashAll   Kind = "crash-all"   // all at once
	Storm      Kind = "storm"       // [Node, Period] crash after crash, also in the middle of recovery
	Pause      Kind = "pause"       // [Node] its process stands still; time goes on
	CrashAt    Kind = "crash-at"    // [Node, Op, Nth] loses power just before its nth disk operation of that kind from now on
	ClientDies Kind = "client-dies" // [Client] forgets what it asked for, and a new one takes its place
	// Of disks.
	DiskSlow  Kind = "disk-slow"  // [Node, Latency] each write takes this much longer
	DiskError Kind = "disk-error" // [Node, Op, Nth] the nth operation of that kind from now on fails
	DiskFull  Kind = "disk-full"  // [Node] writes that need room fail
	DiskLow   Kind = "disk-low"   // [Node] the reserve is reached
	// Of clocks.
	Drift Kind = "drift" // [Node, PPM] its clock runs faster or, below 0, slower; within the bound that leases allow
)

// Kinds lists all of them, in the order in which they are told.
func Kinds() []Kind {
	return []Kind{Partition, Isolate, OneWay, Ring, Flap, Lose, Duplicate, Replay, Slow, Clog, ClientCut,
		Crash, CrashAll, Storm, Pause, CrashAt, ClientDies, DiskSlow, DiskError, DiskFull, DiskLow, Drift}
}

// Target says who suffers: a number, or a role that is looked up when the fault begins.
type Target string

// Roles that are targets.
const (
	Leader   Target = "leader"   // who leads in the highest term; if nobody does, any node
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
	Op      string   `yaml:"op,omitempty"` // a disk operation: write, sync, create, rename, syncdir, remove, truncate; empty: any that changes something
	Nth     int      `yaml:"nth,omitempty"`
}

// validate says what is wrong with the fault.
func (f *Fault) validate(p *Plan) error {
	if f.At < 0 || f.For < 0 || f.At > DurationMax || f.For > DurationMax {
		return fmt.Errorf("at %v for %v", f.At, f.For)
	}
	switch f.Do {
	case Partition:
		return needs(len(f.Groups) > 0, "groups")
	case Isolate, OneWay, Pause, Crash, DiskFull, DiskLow, ClientCut, Clog:
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
	case CrashAt, DiskError:
		if err := needs(f.Nth > 0, "nth"); err != nil {
			return err
		}
		return f.target(p)
	case Lose, Duplicate, Replay:
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

func (f *Fault) target(p *Plan) error {
	switch f.Node {
	case Leader, Follower, Rising, Any:
		return nil
	}
	return needs(p.isNode(f.Node.Node()), "a node: its number, leader, follower, rising or any")
}
