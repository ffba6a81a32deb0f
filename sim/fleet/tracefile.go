package fleet

import (
	"errors"
	"os"
)

// traceFile is a trace on disk, up to a bound. It does not buffer: the last lines before a crash are those that matter. Its
// first error is told by close, since a disk that is full must not look like a failure of the life.
type traceFile struct {
	file *os.File
	room int // bytes
	cut  bool
	err  error
}

const cutOff = "the rest is cut off: replay with --trace to read it\n"

func newTraceFile(f *os.File, bytesMax int) *traceFile { return &traceFile{file: f, room: bytesMax} }

// Write always succeeds.
func (t *traceFile) Write(b []byte) (int, error) {
	n := len(b)
	if t.err != nil || t.cut {
		return n, nil
	}
	if n > t.room {
		b, t.cut = []byte(cutOff), true
	}
	t.room -= n
	_, t.err = t.file.Write(b)
	return n, nil
}

func (t *traceFile) close() error { return errors.Join(t.err, t.file.Close()) }
