package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"sync"
	"syscall"
)

// Mem is a file system in memory, for tests. It tells synced from unsynced contents and names, fails on demand, and can
// lose power. Locks end with Crash. It starts with the directories "." and "/".
type Mem struct {
	mu       sync.Mutex
	dirs     map[string]*memDir
	locks    map[string]bool
	hook     func(Op) error
	calls    int
	capacity int64 // 0: no limit
	fate     Fate
}

// memDir is a directory: the names as a running process sees them, those that would survive a crash for certain, and
// what was done in between.
type memDir struct {
	names   map[string]*inode
	durable map[string]*inode
	pending []dirChange
}

// dirChange is an unsynced change of names: each name in sets gets its inode; nil removes it.
type dirChange struct{ sets []nameSet }

type nameSet struct {
	name string
	node *inode
}

// OpKind is what an Op does.
type OpKind string

// The kinds that a hook sees. Reads are seen by kind OpRead only.
const (
	OpCreate      OpKind = "create"
	OpRename      OpKind = "rename"
	OpRemove      OpKind = "remove"
	OpSyncDir     OpKind = "syncdir"
	OpWrite       OpKind = "write"
	OpSync        OpKind = "sync"
	OpTruncate    OpKind = "truncate"
	OpPreallocate OpKind = "preallocate"
	OpRead        OpKind = "read"
)

// Op is a call that is about to take effect.
type Op struct {
	N    int // counts the calls that change something, from 1; 0 for OpRead
	Kind OpKind
	Name string
	Off  int64 // of a write or read; the new size of a truncation or preallocation
	Len  int
	Data []byte // of a write; valid during the call only
}

// NewMem returns an empty file system.
func NewMem() *Mem {
	m := &Mem{dirs: map[string]*memDir{}, locks: map[string]bool{}}
	m.dirs["."], m.dirs["/"] = newMemDir(), newMemDir()
	return m
}

func newMemDir() *memDir {
	return &memDir{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// ShortWriteError is what a hook returns to have the first Bytes bytes of a write take effect, and the rest not.
type ShortWriteError struct {
	Bytes int
	Err   error
}

func (e *ShortWriteError) Error() string { return fmt.Sprintf("%d bytes written: %v", e.Bytes, e.Err) }

func (e *ShortWriteError) Unwrap() error { return e.Err }

// SetHook has hook called before each call takes effect; an error from it is the call's, which then has no effect, but for that of a *ShortWriteError.
// A sync that fails with syscall.EIO does what kernels do: what was not synced stays readable, counts as clean, and is
// lost in a crash whatever later syncs say, unless it is written again. The hook runs with the file system locked and must not call it.
func (m *Mem) SetHook(hook func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

// SetCapacity bounds the sum of all files' sizes; 0 lifts the bound. Beyond it writes fail with syscall.ENOSPC.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Calls is how many calls have changed something or failed to, so far.
func (m *Mem) Calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// check counts a call and asks the hook about it. The lock is held.
func (m *Mem) check(op Op) error {
	if op.Kind != OpRead {
		m.calls++
		op.N = m.calls
	}
	if m.hook == nil {
		return nil
	}
	if err := m.hook(op); err != nil {
		return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
	}
	return nil
}

// MkdirAll is durable at once.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := path.Clean(dir); m.dirs[d] == nil; d = path.Dir(d) {
		m.dirs[d] = newMemDir()
	}
	return nil
}

// dir finds the directory of a name. The lock is held.
func (m *Mem) dir(op, name string) (*memDir, string, error) {
	name = path.Clean(name)
	d := m.dirs[path.Dir(name)]
	if d == nil {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return d, path.Base(name), nil
}

func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, leaf, err := m.dir("create", name)
	if err != nil {
		return nil, err
	}
	if d.names[leaf] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if err := m.check(Op{Kind: OpCreate, Name: name}); err != nil {
		return nil, err
	}
	node := &inode{}
	d.change(nameSet{leaf, node})
	return &memFile{fs: m, node: node, name: name, writable: true}, nil
}

// change is a change of names that no sync covers yet.
func (d *memDir) change(sets ...nameSet) {
	for _, s := range sets {
		d.set(d.names, s)
	}
	d.pending = append(d.pending, dirChange{sets})
}

func (*memDir) set(names map[string]*inode, s nameSet) {
	if s.node == nil {
		delete(names, s.name)
		return
	}
	names[s.name] = s.node
}

func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

func (m *Mem) OpenReadWrite(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, writable bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	return &memFile{fs: m, node: node, name: name, writable: writable}, nil
}

func (m *Mem) find(op, name string) (*inode, error) {
	d, leaf, err := m.dir(op, name)
	if err != nil {
		return nil, err
	}
	node := d.names[leaf]
	if node == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return node, nil
}

// Rename works within one directory, which is all that the store needs.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if path.Dir(path.Clean(from)) != path.Dir(path.Clean(to)) {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EXDEV}
	}
	node, err := m.find("rename", from)
	if err != nil {
		return err
	}
	if err := m.check(Op{Kind: OpRename, Name: to}); err != nil {
		return err
	}
	d, leaf, _ := m.dir("rename", from)
	d.change(nameSet{leaf, nil}, nameSet{path.Base(to), node})
	return nil
}

func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find("remove", name); err != nil {
		return err
	}
	if err := m.check(Op{Kind: OpRemove, Name: name}); err != nil {
		return err
	}
	d, leaf, _ := m.dir("remove", name)
	d.change(nameSet{leaf, nil})
	return nil
}

func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = path.Clean(dir)
	d := m.dirs[dir]
	if d == nil {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	names := sortedNames(d.names)
	for other := range m.dirs {
		if other != dir && path.Dir(other) == dir {
			names = append(names, path.Base(other))
		}
	}
	sort.Strings(names)
	return names, nil
}

func sortedNames(m map[string]*inode) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[path.Clean(dir)]
	if d == nil {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: fs.ErrNotExist}
	}
	if err := m.check(Op{Kind: OpSyncDir, Name: dir}); err != nil {
		return err
	}
	d.settle()
	return nil
}

func (d *memDir) settle() {
	for _, c := range d.pending {
		for _, s := range c.sets {
			d.set(d.durable, s)
		}
	}
	d.pending = nil
}

func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if m.locks[name] {
		return nil, &LockedError{Name: name}
	}
	d, leaf, err := m.dir("lock", name)
	if err != nil {
		return nil, err
	}
	if d.names[leaf] == nil {
		d.change(nameSet{leaf, &inode{}})
	}
	m.locks[name] = true
	return &memLock{m, name}, nil
}

type memLock struct {
	fs   *Mem
	name string
}

func (l *memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}

func (m *Mem) FreeBytes(string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity == 0 {
		return 1 << 50, nil
	}
	return max(0, m.capacity-m.used()), nil
}

// used is the sum of all files' sizes. The lock is held.
func (m *Mem) used() int64 {
	var sum int64
	for _, d := range m.dirs {
		for _, node := range d.names {
			sum += node.content.size
		}
	}
	return sum
}
