package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math/bits"
	"syscall"
)

// inode is a file's contents: as a running process sees them, as they would survive a crash for certain, and the changes
// in between, in order.
type inode struct {
	content []byte
	durable []byte
	pending []fileChange
}

// fileChange writes data at off, or sets the size when data is nil.
type fileChange struct {
	data []byte
	off  int64
	size int64
}

// memFile is an open file. It stays readable when its name is removed.
type memFile struct {
	fs       *Mem
	node     *inode
	name     string
	writable bool
	closed   bool
}

func (n *inode) apply(c fileChange) {
	n.content = applyChange(n.content, c)
	n.pending = append(n.pending, c)
}

func applyChange(b []byte, c fileChange) []byte {
	if c.data == nil {
		return resize(b, c.size)
	}
	b = resize(b, max(int64(len(b)), c.off+int64(len(c.data))))
	copy(b[c.off:], c.data)
	return b
}

// resize cuts, or extends with zeros. Growth is by doubling, so that many small appends stay cheap.
func resize(b []byte, size int64) []byte {
	if size <= int64(cap(b)) {
		old := int64(len(b))
		b = b[:size]
		if size > old {
			clear(b[old:])
		}
		return b
	}
	grown := make([]byte, size, 1<<bits.Len64(uint64(size)))
	copy(grown, b)
	return grown
}

func (n *inode) settle() {
	for _, c := range n.pending {
		n.durable = applyChange(n.durable, c)
	}
	n.pending = nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("read", false); err != nil {
		return 0, err
	}
	if err := f.fs.check(Op{Kind: OpRead, Name: f.name, Off: off, Len: len(p)}); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.content)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// use refuses a closed file, and a write to a file that was opened for reading. The lock is held.
func (f *memFile) use(op string, write bool) error {
	if f.closed {
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	}
	if write && !f.writable {
		return &fs.PathError{Op: op, Path: f.name, Err: syscall.EBADF}
	}
	return nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	c := fileChange{data: append([]byte(nil), p...), off: off}
	err := f.alter(Op{Kind: OpWrite, Off: off, Len: len(p), Data: p}, c, off+int64(len(p)))
	if short := (*ShortWriteError)(nil); errors.As(err, &short) && short.Bytes > 0 && short.Bytes < len(p) {
		c.data = c.data[:short.Bytes]
		f.node.apply(c)
		return short.Bytes, err
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// alter makes a change that leaves the file at least size bytes long. The lock is held.
func (f *memFile) alter(op Op, c fileChange, size int64) error {
	op.Name = f.name
	err := errors.Join(f.use(string(op.Kind), true), f.fs.check(op))
	if err != nil {
		return err
	}
	grow := size - int64(len(f.node.content))
	if grow > 0 && f.fs.capacity > 0 && f.fs.used()+grow > f.fs.capacity {
		return &fs.PathError{Op: string(op.Kind), Path: f.name, Err: syscall.ENOSPC}
	}
	f.node.apply(c)
	return nil
}

func (f *memFile) SyncData() error { return f.Sync() }

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("sync", false); err != nil {
		return err
	}
	err := f.fs.check(Op{Kind: OpSync, Name: f.name})
	if errors.Is(err, syscall.EIO) {
		f.node.pending = nil
	}
	if err != nil {
		return err
	}
	f.node.settle()
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.content)), f.use("size", false)
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.alter(Op{Kind: OpTruncate, Off: size}, fileChange{size: size}, size)
}

func (f *memFile) Preallocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if size <= int64(len(f.node.content)) {
		return f.use(string(OpPreallocate), true)
	}
	return f.alter(Op{Kind: OpPreallocate, Off: size}, fileChange{size: size}, size)
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	return nil
}
