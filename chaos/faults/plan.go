package faults

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/lockstepdb/lockstep/sim/plan"
	"go.yaml.in/yaml/v3"
)

// Profile is what a plan of this package says in place of one of the simulator's profiles.
const Profile = "chaos"

// Plan is a run. Its fields are those of plan.Plan that mean something to real processes.
type Plan struct {
	Version int           `yaml:"version"`
	Seed    uint64        `yaml:"seed"`
	Profile string        `yaml:"profile"`
	Nodes   int           `yaml:"nodes"`
	Safety  plan.Duration `yaml:"safety"` // how long faults may happen
	Node    Node          `yaml:"node,omitempty"`
	Faults  []Fault       `yaml:"faults"`
}

// Node holds the options of every node.
type Node struct {
	LeaseReads bool `yaml:"lease_reads,omitempty"`
}

// Encode writes the plan as a file.
func Encode(p *Plan) ([]byte, error) {
	var n yaml.Node
	if err := n.Encode(p); err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if value := n.Content[i+1]; value.Kind == yaml.SequenceNode {
			for _, item := range value.Content { // each fault on one line
				item.Style = yaml.FlowStyle
			}
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Faults against real processes. Run them with `lockstep chaos --plan FILE`; edit the file at will.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Decode reads a file of this package, in which unknown fields are errors, or a plan of the simulator's, of which the rest does
// not count.
func Decode(text []byte) (*Plan, error) {
	var head struct {
		Profile string `yaml:"profile"`
	}
	if err := yaml.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if slices.Contains(plan.Profiles, head.Profile) {
		if _, err := plan.Decode(text); err != nil {
			return nil, err
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(!slices.Contains(plan.Profiles, head.Profile))
	p := &Plan{}
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return p, p.Validate()
}

// Validate names the first thing that is out of bounds.
func (p *Plan) Validate() error {
	switch {
	case p.Version != plan.Version:
		return fmt.Errorf("plan: version %d; this program knows version %d", p.Version, plan.Version)
	case p.Nodes < 1 || p.Nodes > plan.NodesMax:
		return fmt.Errorf("plan: %d nodes; 1 to %d", p.Nodes, plan.NodesMax)
	case p.Safety <= 0 || p.Safety > plan.DurationMax:
		return fmt.Errorf("plan: safety %v; above 0, up to %v", p.Safety, plan.DurationMax)
	case len(p.Faults) > plan.FaultsMax:
		return fmt.Errorf("plan: %d faults; up to %d", len(p.Faults), plan.FaultsMax)
	}
	for i := range p.Faults {
		if err := p.Faults[i].validate(p); err != nil {
			return fmt.Errorf("plan: fault %d: %w", i, err)
		}
	}
	return nil
}

// validate says what is wrong with a fault. Kinds that can't be carried out here are in order if the simulator knows them.
func (f *Fault) validate(p *Plan) error {
	if f.At < 0 || f.For < 0 || f.At > plan.DurationMax || f.For > plan.DurationMax {
		return fmt.Errorf("at %v for %v", f.At, f.For)
	}
	if !slices.Contains(Kinds(), f.Do) && !slices.Contains(plan.Kinds(), f.Do) {
		return fmt.Errorf("unknown fault %q", f.Do)
	}
	switch f.Do {
	case plan.Flap, plan.Storm, Reset:
		if f.Period <= 0 {
			return errors.New("needs a period")
		}
	case plan.Slow, Jitter, SlowClose:
		if f.Latency <= 0 {
			return errors.New("needs a latency")
		}
	case Bandwidth:
		if f.BytesPerSecond <= 0 {
			return errors.New("needs bytes_per_second")
		}
	case plan.Partition:
		if len(f.Groups) == 0 {
			return errors.New("needs groups")
		}
	case plan.ClientDies:
		if f.Client < 1 {
			return errors.New("needs a client")
		}
	}
	if f.How != "" && f.How != Drop && f.How != Refuse {
		return fmt.Errorf("how %q: say %s or %s", f.How, Drop, Refuse)
	}
	return f.target(p)
}

// target checks whom the fault concerns, where one node is named. A spare of the simulator's does not exist here.
func (f *Fault) target(p *Plan) error {
	if n := f.Node.Node(); n < 0 || n > plan.NodesMax {
		return fmt.Errorf("node %d", n)
	}
	switch f.Node {
	case "", plan.Leader, plan.Follower, plan.Any, plan.Rising:
		return nil
	}
	if f.Node.Node() == 0 {
		return fmt.Errorf("node %q: its number, leader, follower, rising or any", f.Node)
	}
	return nil
}

// Sim returns a plan for the simulator with the faults that it knows, and how many others there are. Its clients' operations are
// drawn from the seed.
func (p *Plan) Sim() (*plan.Plan, int, error) {
	s, err := plan.Draw(p.Seed, "production")
	if err != nil {
		return nil, 0, err
	}
	drawn := s.Safety
	s.Nodes, s.Spares, s.Safety, s.Faults = p.Nodes, 0, p.Safety, nil
	s.Node.LeaseReads = p.Node.LeaseReads
	s.Operations = slices.DeleteFunc(s.Operations, func(o plan.Operation) bool { return o.Node > p.Nodes })
	for i := range s.Operations {
		// As many operations, over the time that this plan takes.
		s.Operations[i].At = plan.Duration(float64(s.Operations[i].At) / float64(drawn) * float64(p.Safety))
	}
	left := 0
	for _, f := range p.Faults {
		if f.Do == plan.ClientDies {
			f.Client = 1 + (f.Client-1)%s.Clients.Count
		}
		alone := *s
		alone.Operations, alone.Faults = nil, []plan.Fault{f.Fault}
		if alone.Validate() != nil { // it is of another kind, or of the same name and has other fields
			left++
			continue
		}
		s.Faults = append(s.Faults, f.Fault)
	}
	return s, left, s.Validate()
}
