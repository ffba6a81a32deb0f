package vfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// inode is a file's contents: as a running process sees them, as they would survive a crash for certain, and the changes
// in between, in order.
type inode struct {
	content contents
	durable contents
	shared  bool // one array holds the bytes of both, as long as nothing changes
	pending []fileChange
	data    []byte // of pending, one after the other
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

// newInode returns a file that holds c durably, and takes it over.
func newInode(c contents) *inode { return &inode{content: c, durable: c, shared: true} }

func (n *inode) apply(c fileChange) {
	n.part()
	if c.data != nil {
		at := len(n.data)
		n.data = append(n.data, c.data...)
		c.data = n.data[at:len(n.data):len(n.data)]
	}
	n.content.apply(c)
	n.pending = append(n.pending, c)
}

// part gives content an array of its own.
func (n *inode) part() {
	if n.shared {
		n.content, n.shared = n.content.clone(), false
	}
}

// settle makes the changes durable.
func (n *inode) settle() {
	for _, c := range n.pending {
		n.durable.apply(c)
	}
	n.forget()
}

// forget ends what is pending.
func (n *inode) forget() { n.pending, n.data = n.pending[:0], n.data[:0] }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.use("read", false); err != nil {
		return 0, err
	}
	if err := f.fs.check(Op{Kind: OpRead, Name: f.name, Off: off, Len: len(p)}); err != nil {
		return 0, err
	}
	if off >= f.node.content.size {
		return 0, io.EOF
	}
	n := f.node.content.readAt(p, off)
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
	c := fileChange{data: p, off: off}
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
	grow := size - f.node.content.size
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
		f.node.forget()
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
	return f.node.content.size, f.use("size", false)
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.alter(Op{Kind: OpTruncate, Off: size}, fileChange{size: size}, size)
}

func (f *memFile) Preallocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if size <= f.node.content.size {
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
