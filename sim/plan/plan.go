// Package plan is the language in which a simulated life is written down: who takes part, what the clients do, and every
// fault with its time and target. Draw makes a plan from a seed; Encode and Decode turn it into a file that a person can read
// and edit. Package sim runs plans, and package chaos runs those faults that real processes can suffer.
//
// A plan says everything that is decided beforehand. What remains (latencies, the jitter of elections, which sectors of a
// torn write survive) is drawn during the run from streams that split off Plan.Seed, one for each part of the world, so
// that taking a fault away does not reshuffle what the others meet.
package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Version is the version of the format that Encode writes and Decode takes.
const Version = 1

// Bounds on what a plan may ask for.
const (
	NodesMax      = 7
	SparesMax     = 3
	ClientsMax    = 64
	PaddingMax    = 64 << 10
	OperationsMax = 100_000
	FaultsMax     = 10_000
	DurationMax   = Duration(24 * 3600 * 1e9)
)

// Plan is one life of a cluster.
type Plan struct {
	Version int    `yaml:"version"`
	Seed    uint64 `yaml:"seed"`
	Profile string `yaml:"profile"`
	// Nodes is how many found the cluster, 1 to NodesMax; they are numbered from 1. Spares can be added to it later: they have
	// the numbers behind.
	Nodes  int `yaml:"nodes"`
	Spares int `yaml:"spares,omitempty"`
	// Safety is how long faults may happen. Then a majority is healed, and within Liveness all must come to rest.
	Safety   Duration `yaml:"safety"`
	Liveness Duration `yaml:"liveness"`

	Node    Node    `yaml:"node"`
	Network Network `yaml:"network"`
	Disk    Disk    `yaml:"disk"`
	Clients Clients `yaml:"clients"`

	Faults     []Fault     `yaml:"faults"`
	Operations []Operation `yaml:"operations"`
}

// Node holds the options of every node; zero fields take the node's own defaults.
type Node struct {
	Tick            Duration `yaml:"tick"`
	ElectionTicks   int      `yaml:"election_ticks"`
	HeartbeatTicks  int      `yaml:"heartbeat_ticks"`
	RequestTicks    int      `yaml:"request_ticks"`
	EntryBytes      int      `yaml:"entry_bytes,omitempty"`
	EntryCommands   int      `yaml:"entry_commands,omitempty"`
	MessageBytes    int      `yaml:"message_bytes,omitempty"`
	Inflight        int      `yaml:"inflight,omitempty"`
	ApplyBytes      int      `yaml:"apply_bytes,omitempty"`
	AppendsInflight int      `yaml:"appends_inflight,omitempty"`
	Pending         int      `yaml:"pending,omitempty"`           // proposals without an answer, and apart from them reads
	Uncommitted     int      `yaml:"uncommitted_bytes,omitempty"` // of a leader's entries
	ReadRetryTicks  int      `yaml:"read_retry_ticks,omitempty"`
	MaintainSteps   int      `yaml:"maintain_steps,omitempty"`
	DataBytes       int      `yaml:"data_bytes,omitempty"` // beyond which puts are refused
	SnapshotEntries int      `yaml:"snapshot_entries"`
	SnapshotBytes   int      `yaml:"snapshot_bytes,omitempty"`
	TailEntries     int      `yaml:"tail_entries"`
	SegmentBytes    int      `yaml:"segment_bytes"`
	SessionsMax     int      `yaml:"sessions_max,omitempty"`
	LeaseReads      bool     `yaml:"lease_reads,omitempty"`
}

// Network is what every link is like while no fault says otherwise. Shares are in parts of a million.
type Network struct {
	LatencyMin   Duration `yaml:"latency_min"`
	LatencyMax   Duration `yaml:"latency_max"`
	LossPPM      int      `yaml:"loss_ppm,omitempty"`
	DuplicatePPM int      `yaml:"duplicate_ppm,omitempty"`
	// ReorderPPM of the messages take up to ReorderMax longer, and so are overtaken.
	ReorderPPM int      `yaml:"reorder_ppm,omitempty"`
	ReorderMax Duration `yaml:"reorder_max,omitempty"`
	// Ordered links keep the order of what they do not lose, duplicate or replay, as a connection does.
	Ordered bool `yaml:"ordered,omitempty"`
}

// Disk is what every disk is like while no fault says otherwise.
type Disk struct {
	SyncMin Duration `yaml:"sync_min"`
	SyncMax Duration `yaml:"sync_max"`
}

// Clients is who uses the store.
type Clients struct {
	Count int `yaml:"count"`
	// Pipeline is how many operations of one client may be under way at once.
	Pipeline int `yaml:"pipeline"`
	// Sessions makes writes exactly-once; without them an unknown write is never sent again.
	Sessions bool     `yaml:"sessions"`
	Attempt  Duration `yaml:"attempt"`  // for one attempt
	Deadline Duration `yaml:"deadline"` // for one operation
	// Padding makes values longer, by so many bytes.
	Padding int `yaml:"padding,omitempty"`
}

// Action is what an operation does.
type Action string

// The actions. Each value that is written is unique: v and the operation's number.
const (
	Get         Action = "get"
	GetFollower Action = "get-at"    // linearizable, asked of Operation.Node whatever its role
	GetStale    Action = "get-stale" // what Operation.Node has applied so far
	Put         Action = "put"
	PutAbsent   Action = "put-if-absent"
	PutPresent  Action = "put-if-present"
	Swap        Action = "swap" // a put on the condition that the key still has the revision that this client saw last
	Delete      Action = "delete"
	DeleteSwap  Action = "delete-swap" // likewise
	AddMember   Action = "add"         // Operation.Node, as a learner
	Promote     Action = "promote"     // Operation.Node
	Remove      Action = "remove"      // Operation.Node
	Transfer    Action = "transfer"    // leadership to Operation.Node; 0: to the best
)

// reads says that the action changes nothing.
func (a Action) reads() bool { return a == Get || a == GetFollower || a == GetStale }

// Operation is one call of a client. It starts at At, or when the client has room for it.
type Operation struct {
	At     Duration `yaml:"at"`
	Client int      `yaml:"client"` // from 1
	Do     Action   `yaml:"do"`
	Key    string   `yaml:"key,omitempty"`
	Node   int      `yaml:"node,omitempty"`
	// Target is whom the operation is asked of, whatever comes of it: Leader or Deposed, looked up when it starts. Empty: Node for those
	// actions that ask it, else whom the client takes for the leader.
	Target Target `yaml:"target,omitempty"`
	// Number makes the value unique: it stays when other operations are taken away.
	Number int `yaml:"number"`
}

// Encode writes the plan as a file.
func Encode(p *Plan) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# A simulated life. Run it with `lockstep sim --plan FILE`; edit it at will.\n")
	var n yaml.Node
	if err := n.Encode(p); err != nil {
		return nil, err
	}
	lists(&n)
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// lists shows each fault and each operation on one line.
func lists(n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if value := n.Content[i+1]; value.Kind == yaml.SequenceNode {
			for _, item := range value.Content {
				item.Style = yaml.FlowStyle
			}
		}
	}
}

// Decode reads a file and validates it. Unknown fields are errors.
func Decode(b []byte) (*Plan, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	p := &Plan{}
	if err := d.Decode(p); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("plan: the file is empty")
		}
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("plan: the file goes on behind the plan; it may hold one document")
	}
	return p, p.Validate()
}

// Validate names the first thing that is out of bounds.
func (p *Plan) Validate() error {
	switch {
	case p.Version != Version:
		return fmt.Errorf("plan: version %d; this program knows version %d", p.Version, Version)
	case p.Nodes < 1 || p.Nodes > NodesMax:
		return fmt.Errorf("plan: %d nodes; 1 to %d", p.Nodes, NodesMax)
	case p.Spares < 0 || p.Spares > SparesMax:
		return fmt.Errorf("plan: %d spares; 0 to %d", p.Spares, SparesMax)
	case p.Clients.Count < 1 || p.Clients.Count > ClientsMax:
		return fmt.Errorf("plan: %d clients; 1 to %d", p.Clients.Count, ClientsMax)
	case p.Clients.Pipeline < 1 || p.Clients.Pipeline > 16:
		return fmt.Errorf("plan: a pipeline of %d; 1 to 16", p.Clients.Pipeline)
	case p.Clients.Padding < 0 || p.Clients.Padding > PaddingMax:
		return fmt.Errorf("plan: a padding of %d bytes; up to %d", p.Clients.Padding, PaddingMax)
	case p.Clients.Attempt <= 0 || p.Clients.Deadline <= 0:
		return errors.New("plan: clients need an attempt and a deadline above 0")
	case p.Safety < 0 || p.Safety > DurationMax || p.Liveness <= 0 || p.Liveness > DurationMax:
		return fmt.Errorf("plan: safety %v and liveness %v; up to %v", p.Safety, p.Liveness, DurationMax)
	case len(p.Operations) > OperationsMax || len(p.Faults) > FaultsMax:
		return fmt.Errorf("plan: %d operations and %d faults; up to %d and %d", len(p.Operations), len(p.Faults), OperationsMax, FaultsMax)
	case p.Network.LatencyMin < 0 || p.Network.LatencyMax < p.Network.LatencyMin || p.Disk.SyncMin < 0 || p.Disk.SyncMax < p.Disk.SyncMin:
		return errors.New("plan: latencies need 0 <= least <= most")
	}
	if err := p.Node.validate(); err != nil {
		return fmt.Errorf("plan: node: %w", err)
	}
	for i := range p.Operations {
		if err := p.operation(&p.Operations[i]); err != nil {
			return fmt.Errorf("plan: operation number %d: %w", p.Operations[i].Number, err)
		}
	}
	for i := range p.Faults {
		if err := errors.Join(p.Faults[i].validate(p), p.Faults[i].refers(p)); err != nil {
			return fmt.Errorf("plan: fault %d of %d, %s at %v: %w", i+1, len(p.Faults), p.Faults[i].Do, p.Faults[i].At, err)
		}
	}
	return p.numbered()
}

func (p *Plan) operation(o *Operation) error {
	if o.Client < 1 || o.Client > p.Clients.Count || o.At < 0 || o.Number < 1 {
		return fmt.Errorf("client %d, at %v, number %d", o.Client, o.At, o.Number)
	}
	if o.Target != "" && o.Target != Leader && o.Target != Deposed {
		return fmt.Errorf("target %q; %s, %s or none", o.Target, Leader, Deposed)
	}
	switch o.Do {
	case Get, Put, PutAbsent, PutPresent, Swap, Delete, DeleteSwap:
		return needs(o.Key != "", "a key")
	case GetFollower, GetStale:
		return needs(o.Key != "" && (o.Target != "" || p.isNode(o.Node)), "a key, and a node or a target")
	case AddMember, Promote, Remove:
		return needs(p.isNode(o.Node), "a node")
	case Transfer:
		return needs(o.Node == 0 || p.isNode(o.Node), "a node, or 0")
	}
	return fmt.Errorf("unknown action %q", o.Do)
}

func (p *Plan) isNode(n int) bool { return n >= 1 && n <= p.Nodes+p.Spares }

func needs(ok bool, what string) error {
	if !ok {
		return errors.New("needs " + what)
	}
	return nil
}
