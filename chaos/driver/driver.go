// Package driver says what the harness needs to know of a store: how a node is started, what a client can ask, and what the
// store promises. Package native is Lockstep's own.
//
// A store without an optional part returns ErrUnsupported from it; faults that need the part are then reported as not run.
package driver

import (
	"context"
	"errors"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// ErrUnsupported says that a store lacks an optional part.
var ErrUnsupported = errors.New("this store can't")

// Addresses are those of one node, each host:port.
type Addresses struct{ HTTP, GRPC, Peer string }

// Place is where a node runs. Slots are numbered from 1 and stay; the id changes when a node is replaced.
type Place struct {
	Slot   int
	ID     uint64
	Listen Addresses // what the process binds
	Public Addresses // what everybody else connects to: proxies
	Admin  string    // reached directly
	Dir    string
	// Founders are the founding nodes by their public addresses, this one too. Join says that the node is none of them.
	Founders []Founder
	Join     bool
}

// Founder is a founding node.
type Founder struct {
	ID     uint64
	Public Addresses
}

// Claims are what a store promises; the history is judged by them.
type Claims struct {
	Store      string
	Revisions  history.Revisions
	Conditions bool // conditional writes on revisions
	Stale      bool // reads that may be old
}

// State is what a node says of itself.
type State struct {
	Leads    bool
	Term     uint64
	Leader   uint64 // id; 0: it knows none
	Ready    bool
	Commit   uint64
	Applied  uint64
	Members  []Member
	Instance string
}

// Member is a member as a node knows it.
type Member struct {
	ID      uint64
	Learner bool
}

// Driver is a store. It is safe for concurrent use.
type Driver interface {
	Claims() Claims
	// Command is the command line of a node, the binary first, and what is added to its environment.
	Command(p Place) (line, environ []string)
	// State asks a node for its state, on its admin address.
	State(ctx context.Context, p Place) (State, error)
	// Metrics reads a node's metrics, on its admin address: values by series.
	Metrics(ctx context.Context, p Place) (map[string]float64, error)
	// Ways are the public ways in, by name.
	Ways() []string
	// Open makes a client that uses a way. The address at index i is that of slot i+1.
	Open(way string, all []Addresses) (Client, error)
	// Leave removes a node from the membership, and Enter adds the one that runs at p and makes it a voter. They go on trying
	// until ctx ends.
	Leave(ctx context.Context, id uint64, all []Addresses) error
	Enter(ctx context.Context, p Place, all []Addresses) error
	// Rot picks a byte to be damaged in a stopped node's directory, of its log or of a snapshot; how chooses among them.
	Rot(dir, what string, how func(n int) int) (Spot, error)
	// Alarms are texts that no line of a node's log may have, whatever was done to the node.
	Alarms() []string
	// Refusals are the exit codes that a node ends with when it refuses its directory or is refused by the others.
	Refusals() []int
}

// Spot is a byte of a file.
type Spot struct {
	File   string
	Offset int64
}

// Client is a connection to the store, safe for concurrent use.
type Client interface {
	// Do carries out a Get, Put or Delete and returns what is known of its result, as linearizability.Recorder.Return takes it. at
	// is the slot of the node to ask, and no other; 0: any. How long it may take is said by ctx.
	Do(ctx context.Context, o history.Operation, at int) (history.Operation, error)
	Close() error
}
