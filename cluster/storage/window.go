package storage

import (
	"io"

	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// windowBytes is how much is read ahead.
const windowBytes = 1 << 20

// window reads a file forward through one buffer, so that a scan costs few system calls and no allocation a frame.
type window struct {
	file vfs.File
	name string
	size int64
	buf  []byte
	off  int64 // of buf in the file
}

// at returns n bytes at off, fewer at the file's end; valid until the next call. An error is one of the disk, which is
// never taken for damage or for a tail.
func (w *window) at(off int64, n int64) ([]byte, error) {
	n = min(n, w.size-off)
	if n <= 0 {
		return nil, nil
	}
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		if err := w.fill(off, max(n, min(windowBytes, w.size-off))); err != nil {
			return nil, err
		}
	}
	n = min(n, int64(len(w.buf))-(off-w.off))
	if n <= 0 {
		return nil, nil
	}
	return w.buf[off-w.off:][:n], nil
}

func (w *window) fill(off, n int64) error {
	if int64(cap(w.buf)) < n || cap(w.buf) > 4*windowBytes && n <= windowBytes {
		w.buf = make([]byte, n)
	}
	w.buf, w.off = w.buf[:n], off
	got, err := w.file.ReadAt(w.buf, off)
	w.buf = w.buf[:got]
	if err != nil && err != io.EOF {
		return &FailedError{Op: "read", File: w.name, Err: err}
	}
	return nil
}
