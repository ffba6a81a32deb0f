package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// leftName is the file in a run's folder that says what the run has started and not ended yet.
const leftName = "running.json"

const (
	// goneTimeout and gonePause bound the wait until killed processes are gone.
	goneTimeout = 5 * time.Second
	gonePause   = 10 * time.Millisecond
)

// left is what would remain if the harness died now.
type left struct {
	Harness   mark    `json:"harness"`
	Processes []mark  `json:"processes"`
	Mounts    []mount `json:"mounts"`
	// Dirs are removed by whoever cleans up.
	Dirs []string `json:"dirs"`
}

// mark is a process, and what tells it from others that had or will have its number. Process groups have their leader's.
type mark struct {
	PID     int    `json:"pid"`
	Started string `json:"started"`
}

type mount struct {
	Dir string `json:"dir"`
}

func markOf(pid int) mark { return mark{PID: pid, Started: startTime(pid)} }

// runs says that this very process still exists.
func (m mark) runs() bool { return m.PID > 1 && m.Started != "" && startTime(m.PID) == m.Started }

// write replaces the file in a run's folder.
func (l *left) write(dir string) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, leftName)
	if err := os.WriteFile(name+".tmp", text, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// Sweep ends what earlier runs below a folder left behind, each run in a folder of its own, and says what it did. Runs whose
// harness is still there are left alone.
func Sweep(dir string) (did []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", leftName))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, name := range files {
		real, e := filepath.EvalSymlinks(name)
		if e != nil || seen[real] {
			continue // a link to a run's folder is not another run
		}
		seen[real] = true
		done, e := sweep(real)
		did, err = append(did, done...), errors.Join(err, e)
	}
	return did, err
}

func sweep(name string) (did []string, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var l left
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if l.Harness.runs() {
		return nil, nil
	}
	did, err = l.clean(filepath.Dir(name))
	if err != nil {
		return did, err
	}
	return did, os.Remove(name)
}

// clean ends processes, then mounts, then removes folders, which must lie in the run's own.
func (l *left) clean(dir string) (did []string, err error) {
	for _, p := range l.Processes {
		if !p.runs() {
			continue
		}
		if e := syscall.Kill(-p.PID, syscall.SIGKILL); e != nil && !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("kill process group %d: %w", p.PID, e))
			continue
		}
		p.awaitEnd()
		did = append(did, fmt.Sprintf("killed process group %d", p.PID))
	}
	for _, m := range l.Mounts {
		if e := unmount(m.Dir); e == nil {
			did = append(did, "unmounted "+m.Dir)
		} else if !errors.Is(e, syscall.EINVAL) && !errors.Is(e, os.ErrNotExist) { // not mounted any more
			err = errors.Join(err, e)
		}
	}
	for _, d := range l.Dirs {
		if filepath.Dir(d) != dir {
			continue
		}
		if _, e := os.Stat(d); e == nil {
			did = append(did, "removed "+d)
			err = errors.Join(err, os.RemoveAll(d))
		}
	}
	return did, err
}

func (m mark) awaitEnd() {
	for end := time.Now().Add(goneTimeout); m.runs() && time.Now().Before(end); {
		time.Sleep(gonePause)
	}
}
