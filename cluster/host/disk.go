package host

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// disk follows the reserve of free disk and tells the node when it is reached and when it is free again.
type disk struct {
	fs      vfs.FS
	dir     string
	reserve int64
	queue   *queue
	log     *slog.Logger

	mu  sync.Mutex
	low bool
}

// run looks at free disk until ctx ends. Low ends only a tenth above the reserve, so that it does not flap.
func (d *disk) run(ctx context.Context) {
	ticker := time.NewTicker(diskInterval)
	defer ticker.Stop()
	for {
		free, err := d.fs.FreeBytes(d.dir)
		switch {
		case err != nil:
			d.log.Warn("free disk can't be read", "dir", d.dir, "error", err.Error())
		case free < d.reserve:
			d.set(true)
		case free >= d.reserve+d.reserve/10:
			d.set(false)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (d *disk) set(low bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.low == low {
		return
	}
	d.low = low
	if low {
		d.log.Error("free disk is below the reserve: writes are refused until there is room", "dir", d.dir, "reserve-bytes", d.reserve)
	} else {
		d.log.Info("free disk is above the reserve again", "dir", d.dir)
	}
	d.queue.push(cluster.Event{Kind: cluster.EventDiskReserve, Failed: low})
}

// timedFS measures syncs of a file system's files.
type timedFS struct {
	vfs.FS
	observe func(time.Duration)
}

func (t timedFS) Create(name string) (vfs.File, error) { return t.wrap(t.FS.Create(name)) }
func (t timedFS) OpenReadWrite(name string) (vfs.File, error) {
	return t.wrap(t.FS.OpenReadWrite(name))
}

func (t timedFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return timedFile{f, t.observe}, nil
}

type timedFile struct {
	vfs.File
	observe func(time.Duration)
}

// SyncData is the log's sync; Sync, of files that are made once, is not measured.
func (t timedFile) SyncData() error {
	began := time.Now()
	err := t.File.SyncData()
	t.observe(time.Since(began))
	return err
}
