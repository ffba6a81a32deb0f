package sim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
)

// writable finds out whether what a run leaves can be written, before anything is lived for nothing. It makes the folder for what is
// kept. The folder of the file for JSON must be there: a name that was mistyped must not become one.
func (s *Settings) writable() error {
	if s.Until == 0 {
		if err := os.MkdirAll(s.Dir, 0o755); err != nil {
			return unwritable("--out", err)
		}
		if err := tryFolder(s.Dir); err != nil {
			return unwritable("--out", err)
		}
	}
	if s.JSON == "" || s.JSON == Standard {
		return nil
	}
	return unwritable("--json", tryFile(s.JSON))
}

func unwritable(flag string, err error) error {
	return exit.Wrap(exit.Usage, "name another place with "+flag, err)
}

// tryFolder writes a file in a folder, and removes it.
func tryFolder(dir string) error {
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// tryFile says whether a file can be written. It leaves the file as it is.
func tryFile(name string) error {
	switch found, err := os.Stat(name); {
	case errors.Is(err, os.ErrNotExist):
		dir := filepath.Dir(name)
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("there is no folder %s", dir)
		}
		return tryFolder(dir)
	case err != nil:
		return err
	case found.IsDir():
		return fmt.Errorf("%s is a folder", name)
	case !found.Mode().IsRegular():
		return nil // opening a pipe or a device may do more than that
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// traceOut passes a trace on, and keeps the first error: the simulator does not ask for it. That the reader has gone is none.
type traceOut struct {
	out io.Writer
	err error
}

func (t *traceOut) Write(b []byte) (int, error) {
	n, err := t.out.Write(b)
	if t.err == nil && err != nil && !errors.Is(err, syscall.EPIPE) {
		t.err = err
	}
	return n, err
}
