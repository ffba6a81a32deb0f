package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
)

// Kept is what came of a life that was kept, and under which version of the program: a trace hash holds for one version only.
type Kept struct {
	Version string `json:"version"`
	Replay  string `json:"replay"`
	// PlanHash tells whether a plan beside it is still the one that was lived.
	PlanHash  string `json:"plan_hash"`
	TraceHash string `json:"trace_hash"`
	Report    Report `json:"report"`
}

// ReadKept reads what stands in the folder of a kept life. It is nil without an error if there is none.
func ReadKept(dir string) (*Kept, error) {
	text, err := os.ReadFile(filepath.Join(dir, LifeName))
	if os.IsNotExist(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	k := &Kept{}
	if err := json.Unmarshal(text, k); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, LifeName), err)
	}
	return k, nil
}

// keep writes what came of the life.
func (r *Recording) keep(report Report) error {
	if report.Failure != nil {
		short := *report.Failure
		short.Detail = "" // it has a file of its own
		report.Failure = &short
	}
	report.Nanoseconds = 0 // says something about the machine
	text, err := json.MarshalIndent(Kept{Version: r.Version, Replay: r.Replay, PlanHash: PlanHash(r.File), TraceHash: Hash(report.TraceHash), Report: report}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, LifeName), append(text, '\n'), 0o644)
}

// PlanHash tells one plan's file from another.
func PlanHash(file []byte) string { return Hash(xxhash.Sum64(file)) }
