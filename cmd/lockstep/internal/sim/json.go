package sim

import (
	"encoding/json"
	"os"

	"github.com/lockstepdb/lockstep/sim/fleet"
)

// summaryJSON is what --json writes.
type summaryJSON struct {
	Version     string         `json:"version"` // of this program: a trace hash holds for one version
	Profile     string         `json:"profile"`
	From        uint64         `json:"from"`
	Seeds       uint64         `json:"seeds"`
	Workers     int            `json:"workers"`
	Interrupted bool           `json:"interrupted"`
	Failures    []failureJSON  `json:"failures"`
	Wall        float64        `json:"wall_seconds"`
	Simulated   float64        `json:"simulated_seconds"`
	CPU         float64        `json:"cpu_seconds,omitempty"` // of the workers
	Events      uint64         `json:"events"`
	Steps       int            `json:"steps"`
	Operations  int            `json:"operations"`
	Outcomes    map[string]int `json:"outcomes"`
	Faults      map[string]int `json:"faults"`
	Probes      map[string]int `json:"probes"`
	Unreached   []string       `json:"probes_not_reached"`
	Slowest     slowestJSON    `json:"slowest"`
	Twice       int            `json:"twice"`                // seeds that were lived twice, and compared
	TraceHash   string         `json:"trace_hash,omitempty"` // of one life
}

type failureJSON struct {
	Seed    uint64  `json:"seed"`
	Kind    string  `json:"kind"`
	Message string  `json:"message"`
	At      float64 `json:"at_seconds"`
	Replay  string  `json:"replay"`
	Dir     string  `json:"dir,omitempty"`
}

type slowestJSON struct {
	Seed uint64  `json:"seed"`
	Wall float64 `json:"wall_seconds"`
}

// writeJSON writes the summary for programs, if it is wanted.
func (s *Settings) writeJSON(sum *fleet.Summary) error {
	if s.JSON == "" {
		return nil
	}
	j := summaryJSON{
		Version: version(), Profile: sum.Profile, From: sum.From, Seeds: sum.Seeds, Workers: sum.Workers, Interrupted: sum.Interrupted,
		Failures: []failureJSON{}, Unreached: []string{}, Wall: sum.Wall.Seconds(), Simulated: sum.Simulated.Seconds(), CPU: sum.CPU.Seconds(), Events: sum.Events, Steps: sum.Steps,
		Operations: sum.Operations, Outcomes: sum.Outcomes, Faults: faults(sum), Probes: sum.Probes, Slowest: slowestJSON{sum.Slowest, sum.SlowestTime.Seconds()},
		Twice: sum.Twice,
	}
	for _, p := range sum.Unreached() {
		j.Unreached = append(j.Unreached, p.Name)
	}
	for _, f := range sum.Failures {
		j.Failures = append(j.Failures, failureJSON{f.Seed, f.Kind, f.Message, float64(f.At) / 1e9, f.Replay, f.Dir})
	}
	if s.One {
		j.TraceHash = fleet.Hash(sum.TraceHash())
	}
	return s.writeFile(j)
}

// writeFile writes a value where --json says. The folder is there: see writable.
func (s *Settings) writeFile(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if s.JSON == Standard {
		_, err := s.JSONOut.Write(append(text, '\n'))
		return err
	}
	return os.WriteFile(s.JSON, append(text, '\n'), 0o644)
}
