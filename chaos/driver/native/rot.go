package native

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/lockstepdb/lockstep/chaos/driver"
)

// Rot's parts of a directory.
const (
	RotLog      = "log"
	RotSnapshot = "snapshot"
)

// framesSpared is how many frames at the log's end are never damaged. Damage to the very last synced write can't be told from a
// write that was never synced (docs/format/log.md), so that it would prove nothing.
const framesSpared = 8

var (
	segmentLine = regexp.MustCompile(`^segment \d+ file (\S+) `)
	frameLine   = regexp.MustCompile(`^  \d+@(\d+) append bytes (\d+) `)
)

// Rot picks a byte of an older frame, or of the newest snapshot file.
func (n *Native) Rot(dir, what string, how func(n int) int) (driver.Spot, error) {
	if what == RotSnapshot {
		return rotSnapshot(dir, how)
	}
	frames, err := n.frames(dir)
	if err != nil {
		return driver.Spot{}, err
	}
	if len(frames) <= framesSpared {
		return driver.Spot{}, fmt.Errorf("the log in %s has %d frames only", dir, len(frames))
	}
	f := frames[how(len(frames)-framesSpared)]
	return driver.Spot{File: filepath.Join(dir, f.file), Offset: f.offset + int64(how(f.bytes))}, nil
}

type frame struct {
	file   string
	offset int64
	bytes  int
}

// frames lists the appends in a log, as `lockstep wal dump` prints them.
func (n *Native) frames(dir string) ([]frame, error) {
	c := exec.Command(n.Binary, "wal", "dump", dir)
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	var all []frame
	file := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := segmentLine.FindStringSubmatch(lines.Text()); m != nil {
			file = m[1]
		} else if m := frameLine.FindStringSubmatch(lines.Text()); m != nil {
			offset, _ := strconv.ParseInt(m[1], 10, 64) // digits
			bytes, _ := strconv.Atoi(m[2])
			all = append(all, frame{file, offset, bytes})
		}
	}
	if err := c.Wait(); err != nil {
		return nil, fmt.Errorf("wal dump %s: %w", dir, err)
	}
	return all, nil
}

func rotSnapshot(dir string, how func(n int) int) (driver.Spot, error) {
	files, err := filepath.Glob(filepath.Join(dir, "snapshots", "*.snap"))
	if err != nil {
		return driver.Spot{}, err
	}
	if len(files) == 0 {
		return driver.Spot{}, errors.New("there is no snapshot in " + dir)
	}
	newest := slices.Max(files) // names begin with the index, in hex digits of fixed length
	s, err := os.Stat(newest)
	if err != nil {
		return driver.Spot{}, err
	}
	return driver.Spot{File: newest, Offset: int64(how(int(s.Size())))}, nil
}
