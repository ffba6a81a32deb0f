package host

import (
	"errors"
	"fmt"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/server"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/kv"
)

// brittleFS fails syncs once it is told to, or those of the directory of snapshots, and can say that the disk is full.
type brittleFS struct {
	vfs.FS
	broken    *atomic.Bool
	snapshots *atomic.Bool
	full      *atomic.Bool
}

func (b brittleFS) SyncDir(dir string) error {
	if b.snapshots.Load() && path.Base(dir) == "snapshots" {
		return errDisk
	}
	return b.FS.SyncDir(dir)
}

var errDisk = errors.New("input/output error")

func (b brittleFS) Create(name string) (vfs.File, error) { return b.wrap(b.FS.Create(name)) }
func (b brittleFS) OpenReadWrite(name string) (vfs.File, error) {
	return b.wrap(b.FS.OpenReadWrite(name))
}

func (b brittleFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return brittleFile{f, b.broken}, nil
}

func (b brittleFS) FreeBytes(dir string) (int64, error) {
	if b.full.Load() {
		return 1000, nil
	}
	return 1 << 40, nil
}

type brittleFile struct {
	vfs.File
	broken *atomic.Bool
}

func (b brittleFile) SyncData() error {
	if b.broken.Load() {
		return errDisk
	}
	return b.File.SyncData()
}

func newBrittle() brittleFS {
	return brittleFS{FS: vfs.OS(), broken: new(atomic.Bool), snapshots: new(atomic.Bool), full: new(atomic.Bool)}
}

// A sync that fails is the end of the process: what waits is unknown, nothing is tried again, and Run tells the reason.
func TestASyncErrorEndsTheNode(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 1, nil)
	disk := newBrittle()
	m := g.members[0]
	m.deps.FS = disk
	g.start()
	g.leader().mustPut("k", "v")
	disk.broken.Store(true)
	const n = 100
	replies := make(chan cluster.Reply, n)
	for i := range n {
		m.host.Submit(&server.Request{Kind: server.Write, Command: kv.Command{Kind: kv.Put, Key: fmt.Appendf(nil, "k%d", i)},
			Done: func(r *server.Request) { replies <- r.Reply }})
	}
	for range n {
		r := <-replies
		require.NotEqual(t, cluster.Done, r.Outcome, "acknowledged and not durable")
	}
	err := <-m.ran
	m.ran <- nil
	require.ErrorIs(t, err, errDisk)
	require.Contains(t, m.logs.String(), "node failed")
	disk.broken.Store(false)
	m.start()
	value, found := m.get("k")
	require.True(t, found)
	require.Equal(t, "v", value)
}

// Found by the simulator: a node whose disk failed while it wrote a snapshot lived on for as long as it had nothing to append. One
// that was behind had nothing to append for good, since it could not take the snapshot that it needed.
func TestADiskErrorInASnapshotEndsTheNode(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 1, func(c *Config) { c.Raft.SnapshotEntries = 100 })
	disk := newBrittle()
	m := g.members[0]
	m.deps.FS = disk
	g.start()
	disk.snapshots.Store(true)
	leader := g.leader()
	for i := range 150 {
		if r := leader.put("k", fmt.Sprint(i)); r.Outcome != cluster.Done {
			break
		}
	}
	select {
	case err := <-m.ran:
		m.ran <- nil
		require.ErrorIs(t, err, errDisk)
	case <-time.After(20 * time.Second):
		t.Fatal("the node lives on")
	}
}

// Below the reserve writes are refused before anything is lost; reads go on, and writes as well once there is room.
func TestAFullDiskRefusesWrites(t *testing.T) {
	noLeaks(t)
	g := newGroup(t, 1, nil)
	disk := newBrittle()
	g.members[0].deps.FS = disk
	m := g.start().leader()
	m.mustPut("k", "v")
	disk.full.Store(true)
	eventually(t, "writes are refused", func() bool {
		r := m.put("k", "w")
		return r.Outcome == cluster.Refused && r.Reason == cluster.ReasonDiskFull
	})
	_, found := m.get("k")
	require.True(t, found)
	disk.full.Store(false)
	m.mustPut("k", "x")
	m.kill()
	disk.full.Store(true) // a full node can restart
	m.start()
	value, _ := m.get("k")
	require.Equal(t, "x", value)
}

type recorded struct {
	steps, events, ticksMissing int
}

func (r *recorded) Record(events []cluster.Event) {
	r.steps++
	r.events += len(events)
	if events[0].Kind != cluster.EventTick {
		r.ticksMissing++
	}
}

// Each Step begins with the time, which was read after the last of its requests had arrived.
func TestEveryStepBeginsWithTheTime(t *testing.T) {
	g := newGroup(t, 1, nil)
	r := &recorded{}
	g.members[0].deps.Recorder = r
	m := g.start().leader()
	m.fill("k", 20_000, 10)
	m.stop()
	require.Positive(t, r.steps)
	require.Zero(t, r.ticksMissing)
	require.Greater(t, r.events, 20_000)
}

func TestSlabIDsAreNotUsedTwice(t *testing.T) {
	var s slab
	a := s.add(slot{deadline: 5})
	s.release(a)
	require.Nil(t, s.get(a))
	b := s.add(slot{deadline: 50})
	require.NotEqual(t, a, b)
	require.Nil(t, s.get(a))
	require.NotNil(t, s.get(b))
	require.Nil(t, s.get(1<<40|77))
	c := s.add(slot{deadline: 10})
	var late []uint64
	collect := func(id uint64, v *slot) { late = append(late, id); v.canceled = true }
	s.overdue(4, collect)
	require.Empty(t, late)
	s.overdue(20, collect)
	require.Equal(t, []uint64{c}, late)
	s.overdue(20, collect)
	require.Equal(t, []uint64{c}, late, "once")
	require.Equal(t, int64(50), s.earliest)
}
