package chaos

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	chaosreport "github.com/lockstepdb/lockstep/chaos/report"
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
	history := filepath.Join(dir, run.HistoryName)
	checked := report.Checked{History: r.History, Result: r.Check, Command: "lockstep check " + history, Nanoseconds: r.CheckTook.Nanoseconds()}
	return errors.Join(
		page(filepath.Join(dir, "report.html"), func(w io.Writer) error { return report.HTML(w, checked) }),
		page(filepath.Join(dir, "index.html"), func(w io.Writer) error { return chaosreport.HTML(w, r) }))
}

func page(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
