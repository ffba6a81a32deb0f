package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/lockstepdb/lockstep/chaos/run"
	"github.com/lockstepdb/lockstep/linearizability/report"
)

// write puts what was found into the run's folder.
func (s *Settings) write(r *run.Result, dir string) error {
	text, err := json.MarshalIndent(summaryOf(r, dir), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "summary.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		return err
	}
	defer f.Close()
	history := filepath.Join(dir, run.HistoryName)
	return report.HTML(f, report.Checked{History: r.History, Result: r.Check, Command: "lockstep check " + history, Nanoseconds: r.CheckTook.Nanoseconds()})
}
