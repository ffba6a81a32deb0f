package up

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"golang.org/x/sys/unix"
)

const (
	memoryFile = "cluster.json"
	lockFile   = "up.lock"
	// formatVersion of cluster.json; a file with a higher one is refused.
	formatVersion = 1
	// The files are for their owner: a log may hold what clients wrote.
	dirMode, fileMode = 0o700, 0o600
)

// memory is cluster.json: what the directory's nodes were founded with.
type memory struct {
	Format  int    `json:"format"`
	Cluster string `json:"cluster"`
	Nodes   int    `json:"nodes"`
	Ports   Ports  `json:"ports"`
	// Formed says that the nodes have served together: from then on a majority of them is enough.
	Formed bool `json:"formed,omitempty"`
}

// recall reads cluster.json; fs.ErrNotExist when there is none.
func recall(dir string) (memory, error) {
	name := filepath.Join(dir, memoryFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return memory{}, err
	}
	var m memory
	if err := json.Unmarshal(text, &m); err != nil {
		return memory{}, exit.New(exit.BadData, "restore it or use another --dir", "%s is damaged: %v", name, err)
	}
	if m.Format != formatVersion {
		return memory{}, exit.New(exit.BadData, "use the lockstep that wrote it, or another --dir",
			"%s has format %d, and this lockstep knows %d", name, m.Format, formatVersion)
	}
	return m, nil
}

// remember writes cluster.json, all of it or nothing, and durably: without it the nodes' data is a foreign directory's.
func remember(dir string, m memory) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	aside := filepath.Join(dir, memoryFile+".new")
	if err := writeSynced(aside, append(text, '\n')); err != nil {
		return err
	}
	if err := os.Rename(aside, filepath.Join(dir, memoryFile)); err != nil {
		return err
	}
	return syncDirectory(dir)
}

func writeSynced(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDirectory makes the names in dir durable.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Wish is what the user asked for; a zero means no wish.
type Wish struct {
	Nodes int
	Ports Ports
}

// found returns the memory of a new cluster.
func found(w Wish) memory {
	name := make([]byte, 4)
	rand.Read(name) // never fails
	m := memory{Format: formatVersion, Cluster: "up-" + hex.EncodeToString(name), Nodes: DefaultNodes, Ports: DefaultPorts}
	overlay(&m.Nodes, w.Nodes)
	m, _ = m.with(w, "")
	return m
}

func overlay(dst *int, wish int) {
	if wish != 0 {
		*dst = wish
	}
}

// with applies a wish to the cluster that the directory holds. Ports may change, the number of nodes may not: it would
// found another cluster.
func (m memory) with(w Wish, dir string) (memory, error) {
	if w.Nodes != 0 && w.Nodes != m.Nodes {
		return m, exit.New(exit.BadData, "leave --nodes out, or choose another --dir",
			"%s holds cluster %s of %s, not %d", dir, m.Cluster, count(m.Nodes, "node"), w.Nodes)
	}
	overlay(&m.Ports.HTTP, w.Ports.HTTP)
	overlay(&m.Ports.GRPC, w.Ports.GRPC)
	overlay(&m.Ports.Peer, w.Ports.Peer)
	overlay(&m.Ports.Admin, w.Ports.Admin)
	return m, nil
}

// directory is where a cluster lives, and what was found there before anything was written.
type directory struct {
	dir    string
	memory memory
	// changed says that cluster.json has to be written.
	changed bool
}

// examine reads without writing and says whether the directory may be used as wished.
func examine(dir string, w Wish) (directory, error) {
	if err := writable(dir); err != nil {
		return directory{}, err
	}
	if pid, err := holder(dir); err != nil {
		return directory{}, err
	} else if pid != 0 {
		return directory{}, inUse(dir, pid)
	}
	m, err := recall(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return directory{dir: dir, memory: found(w), changed: true}, empty(dir)
	case err != nil:
		return directory{}, err
	}
	wished, err := m.with(w, dir)
	return directory{dir: dir, memory: wished, changed: wished != m}, err
}

func inUse(dir string, pid int) error {
	return exit.New(exit.Unavailable, "stop it with `lockstep down --dir "+dir+"`", "another `lockstep up` (pid %d) uses %s", pid, dir)
}

// writable says whether dir, or the nearest parent that exists, is a directory that may be written to.
func writable(dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		s, err := os.Stat(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue
		}
		if err == nil && !s.IsDir() {
			err = errors.New("it is not a directory")
		}
		if err == nil {
			err = unix.Access(at, unix.W_OK|unix.X_OK)
		}
		if err != nil {
			return exit.New(exit.Failure, "choose another --dir", "cannot write to %s: %v", at, cause(err))
		}
		return nil
	}
}

func cause(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// empty refuses to found a cluster among foreign files. Hidden files (.gitkeep) and the lock do not count.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return exit.New(exit.Failure, "choose another --dir", "cannot read %s: %v", dir, cause(err))
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.Name() == lockFile {
			continue
		}
		return exit.New(exit.BadData, "choose another --dir, or an empty one",
			"%s holds %s but no %s, so it is not a directory of `lockstep up`", dir, e.Name(), memoryFile)
	}
	return nil
}

// claim makes the directory ours: from now on things are written.
func (d directory) claim() (unlock func(), err error) {
	if err := os.MkdirAll(d.dir, dirMode); err != nil {
		return nil, exit.Wrap(exit.Failure, "choose another --dir", err)
	}
	unlock, err = lock(d.dir)
	if err != nil || !d.changed {
		return unlock, err
	}
	if err := remember(d.dir, d.memory); err != nil {
		unlock()
		return nil, exit.Wrap(exit.Failure, "choose another --dir", fmt.Errorf("remember the cluster: %w", err))
	}
	return unlock, nil
}

// rememberFormed notes that the cluster has served.
func (d *directory) rememberFormed() error {
	if d.memory.Formed {
		return nil
	}
	d.memory.Formed = true
	if err := remember(d.dir, d.memory); err != nil {
		return exit.Wrap(exit.Failure, "make "+d.dir+" writable", fmt.Errorf("remember the cluster: %w", err))
	}
	return nil
}
