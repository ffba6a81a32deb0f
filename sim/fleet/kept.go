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

// AsideSuffix ends the name of the folder for a life that must not replace another one's.
const AsideSuffix = "-again"

// Folder returns where the life of a plan may be kept: dir, unless that holds a failure of another plan or of another version of the
// program, which could not be lived again from its seed any more. Then it is the folder beside it whose name ends in AsideSuffix, which is
// replaced; another says that dir holds another plan.
func Folder(dir string, file []byte, version string) (free string, another bool, err error) {
	k, err := ReadKept(dir)
	switch {
	case err != nil: // what can't be read is not to be replaced either
		return dir + AsideSuffix, false, nil
	case !failed(dir, k):
		return dir, false, nil
	}
	stays, err := os.ReadFile(filepath.Join(dir, PlanName))
	if err != nil && !os.IsNotExist(err) {
		return "", false, err
	}
	hash := PlanHash(file)
	another = err == nil && PlanHash(stays) != hash || k != nil && k.PlanHash != hash
	if another || k != nil && k.Version != version {
		return dir + AsideSuffix, another, nil
	}
	return dir, false, nil
}

// failed says that a folder holds a failure. One that ended its process left no more than its stack, and one of kind determinism two
// lives that passed.
func failed(dir string, k *Kept) bool {
	if k != nil && k.Report.Failure != nil {
		return true
	}
	for _, name := range []string{StackName, AgainName} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}
