package storage

import (
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"
)

// The model of a log: dumb, whole, and without compaction.
type model struct {
	base    cluster.SnapshotMark // the last mark
	hard    cluster.HardState
	entries []*raftpb.Entry // from base.Index+1 on
}

func (m model) last() uint64 { return m.base.Index + uint64(len(m.entries)) }

func (m model) with(a cluster.Append) model {
	if a.Snapshot.Index != 0 {
		m.base, m.entries = a.Snapshot, nil
	}
	if len(a.Entries) > 0 {
		keep := a.Entries[0].GetIndex() - m.base.Index - 1
		m.entries = append(append([]*raftpb.Entry{}, m.entries[:keep]...), a.Entries...)
	}
	if a.HardState.Term != 0 {
		m.hard = a.HardState
	}
	return m
}

// differs says how what was recovered is not this state.
func (m model) differs(r Recovered) string {
	hard := m.hard
	hard.Commit = max(hard.Commit, r.Snapshot.Index)
	if r.HardState != hard {
		return fmt.Sprintf("hard state %v instead of %v", r.HardState, hard)
	}
	if r.Snapshot.Index < m.base.Index || r.Snapshot.Index > m.last() {
		return fmt.Sprintf("snapshot %d instead of %d to %d", r.Snapshot.Index, m.base.Index, m.last())
	}
	next := r.Snapshot.Index + 1
	if n := len(r.Entries); n > 0 {
		next = r.Entries[0].GetIndex()
	}
	if next > r.Snapshot.Index+1 || next <= m.base.Index || next+uint64(len(r.Entries)) != m.last()+1 {
		return fmt.Sprintf("%d entries from %d, snapshot %d, instead of %d to %d", len(r.Entries), next, r.Snapshot.Index, m.base.Index+1, m.last())
	}
	want, have := lines(m.entries[next-m.base.Index-1:]), lines(r.Entries)
	for i := range want {
		if want[i] != have[i] {
			return fmt.Sprintf("entry %s instead of %s", have[i], want[i])
		}
	}
	return ""
}

var errPower = errors.New("the power went")

// crasher runs a random workload, takes the power away, recovers, and compares.
type crasher struct {
	choose func(n int) int
	fatal  func(format string, args ...any)
	fs     *vfs.Mem
	store  *Store
	o      Options

	// history are the states that were asked for since the last recovery; those before durable are past.
	history  []model
	durable  int
	epoch    uint64
	newest   uint64 // index of the newest snapshot that was reported durable and belongs to the durable log
	snapshot cluster.SnapshotMark
	term     uint64
	fuse     int // calls until the power goes; 0: never
	crashes  int
	burnt    bool // the fuse has
	machine  bool // only the machine goes down, never the process alone
	log      []string
}

func newCrasher(choose func(int) int, fatal func(string, ...any)) *crasher {
	c := &crasher{choose: choose, fatal: fatal, fs: vfs.NewMem(), term: 1,
		o: Options{SegmentBytes: 1 << 10, DiskReserveBytes: -1, SnapshotsKept: 1 + choose(3), TailBytes: int64(choose(2)) * 700}}
	c.history = []model{{}}
	for c.light(); Create(c.fs, testDir, testIdentity) != nil; c.light() {
		c.powerLoss()
	}
	c.recover()
	return c
}

// light burns the fuse: after as many calls as were drawn, or never, everything fails.
func (c *crasher) light() {
	left := c.fuse
	c.fs.SetHook(func(op vfs.Op) error {
		if left == 0 || op.Kind == vfs.OpRead {
			return nil
		}
		if left > 1 {
			left--
			return nil
		}
		c.burnt = true
		return errPower
	})
	c.fuse = 0
}

func (c *crasher) powerLoss() {
	c.crashes++
	c.fs = c.fs.Crash(c.choose)
}

func (c *crasher) note(format string, args ...any) {
	c.log = append(c.log, fmt.Sprintf(format, args...))
}

func (c *crasher) fail(format string, args ...any) {
	for _, line := range c.log {
		format += "\n  " + line
	}
	c.fatal(format, args...)
}

// crash takes the power away now and starts again.
func (c *crasher) crash() {
	c.note("crash")
	c.powerLoss()
	c.recover()
}

// recover starts until it succeeds, perhaps with a crash in the middle, and finds the state among those that may be.
func (c *crasher) recover() {
	for tries := 0; ; tries++ {
		if tries < 3 && c.choose(3) == 0 {
			c.fuse = 1 + c.choose(12)
		}
		c.light()
		s, err := Open(c.fs, testDir, c.o)
		if err != nil {
			c.fail("open: %v", err)
		}
		r, err := s.Recover()
		if err == nil {
			c.store = s
			c.light()
			c.compare(r)
			return
		}
		if !errors.Is(err, errPower) {
			c.fail("recover: %v", err)
		}
		c.note("crash in recovery")
		c.powerLoss()
	}
}

func (c *crasher) compare(r Recovered) {
	if r.Epoch <= c.epoch {
		c.fail("epoch %d after %d", r.Epoch, c.epoch)
	}
	c.epoch = r.Epoch
	why := ""
	for i := len(c.history) - 1; i >= c.durable; i-- {
		m := c.history[i]
		if why = m.differs(r); why != "" {
			continue
		}
		if r.Snapshot.Index < c.newest {
			c.fail("snapshot %d after %d was durable", r.Snapshot.Index, c.newest)
		}
		m.hard.Commit = r.HardState.Commit
		c.note("recovered state %d of %d to %d, epoch %d snapshot %d last %d", i, c.durable, len(c.history)-1, r.Epoch, r.Snapshot.Index, m.last())
		c.history, c.durable, c.snapshot = []model{m}, 0, r.Snapshot
		c.newest = r.Snapshot.Index
		return
	}
	c.fail("no state that may be found, of %d to %d; the oldest: %s", c.durable, len(c.history)-1, why)
}

func (c *crasher) now() model { return c.history[len(c.history)-1] }

// step does one thing; the power may go during it.
func (c *crasher) step() {
	defer func() {
		p := recover()
		if text, ours := p.(string); ours && strings.HasPrefix(text, "storage: ") {
			c.fail("panic: %s", text)
		}
		if p != nil {
			panic(p) // rapid ends a try so
		}
	}()
	var err error
	switch c.choose(12) {
	case 0:
		err = c.saveSnapshot()
	case 1:
		err = c.receiveSnapshot()
	case 2:
		if c.newest > 0 {
			to := c.newest - min(c.newest, uint64(c.choose(4)))
			c.note("compact %d", to)
			err = c.store.Compact(to)
		}
	case 3:
		if c.choose(3) == 0 && !c.machine {
			c.kill()
		}
	default:
		err = c.append()
	}
	switch {
	case errors.Is(err, errPower):
		c.crash()
	case err != nil:
		c.fail("step: %v", err)
	}
}

// kill ends the process, not the machine: what was written stays readable, synced or not.
func (c *crasher) kill() {
	c.note("kill")
	if err := c.store.Close(); err != nil {
		c.fail("close: %v", err)
	}
	c.recover()
}

func (c *crasher) append() error {
	var batch []cluster.Append
	sync := false
	for range 1 + c.choose(3) {
		a := c.draw()
		sync = sync || a.Sync
		batch = append(batch, a)
		c.history = append(c.history, c.now().with(a))
	}
	return c.write(batch, sync)
}

func (c *crasher) write(batch []cluster.Append, sync bool) error {
	for _, a := range batch {
		n := len(a.Entries)
		first := uint64(0)
		if n > 0 {
			first = a.Entries[0].GetIndex()
		}
		c.note("append mark %d first %d count %d hard %v sync %t", a.Snapshot.Index, first, n, a.HardState, a.Sync)
	}
	if _, err := c.store.Append(batch); err != nil {
		return err
	}
	if sync {
		c.durable = len(c.history) - 1
	}
	return nil
}

func (c *crasher) draw() cluster.Append {
	m := c.now()
	a := cluster.Append{Sync: c.choose(3) > 0}
	first := m.last() + 1
	switch c.choose(6) {
	case 0:
		// Another leader replaces what is not committed.
		floor := max(m.hard.Commit, m.base.Index, c.snapshot.Index)
		c.term++
		first -= uint64(c.choose(int(m.last()-floor) + 1))
		a.HardState = cluster.HardState{Term: max(c.term, m.hard.Term), Commit: m.hard.Commit}
		a.Sync = true
	case 1:
		a.HardState = m.hard
		a.HardState.Term = max(1, m.hard.Term)
		a.HardState.Commit += uint64(c.choose(int(m.last()-m.hard.Commit) + 1))
		return a
	}
	for i := range uint64(1 + c.choose(3)) {
		a.Entries = append(a.Entries, entry(first+i, c.term, c.data()))
	}
	return a
}

func (c *crasher) data() string {
	size := c.choose(200)
	if c.choose(30) == 0 {
		size += 1500
	}
	return fmt.Sprintf("%d:%0*d", c.choose(1<<20), size, 0)
}

// saveSnapshot is of an entry that is durable here.
func (c *crasher) saveSnapshot() error {
	m := c.history[c.durable]
	top := min(m.hard.Commit, c.now().hard.Commit, c.now().last())
	if top <= max(c.snapshot.Index, m.base.Index, c.now().base.Index) {
		return nil
	}
	e := m.entries[top-m.base.Index-1]
	mark := cluster.SnapshotMark{Index: top, Term: e.GetTerm()}
	c.note("snapshot %v", mark)
	if err := c.writeSnapshot(mark); err != nil {
		return err
	}
	c.newest, c.snapshot = mark.Index, mark
	return nil
}

func (c *crasher) writeSnapshot(mark cluster.SnapshotMark) error {
	w, err := c.store.CreateSnapshot(mark)
	if err != nil {
		return err
	}
	for range c.choose(3) {
		if err := w.Write([]byte(c.data())); err != nil {
			return err
		}
	}
	if c.choose(8) == 0 {
		w.Abort()
		w, err = c.store.CreateSnapshot(mark)
		if err != nil {
			return err
		}
	}
	return w.Commit()
}

// receiveSnapshot is of what the cluster has and this node has not; raft may accept it or not.
func (c *crasher) receiveSnapshot() error {
	m := c.now()
	mark := cluster.SnapshotMark{Index: max(m.hard.Commit, c.snapshot.Index) + 1 + uint64(c.choose(8)), Term: c.term + 1}
	c.term += 2 // no entry of this node has the term and the index of what it did not accept
	c.note("receive %v", mark)
	if err := c.writeSnapshot(mark); err != nil {
		return err
	}
	if c.choose(3) == 0 {
		return nil
	}
	a := cluster.Append{Snapshot: mark, HardState: cluster.HardState{Term: max(c.term, m.hard.Term), Commit: mark.Index}, Sync: true}
	for i := range uint64(c.choose(3)) {
		a.Entries = append(a.Entries, entry(mark.Index+1+i, c.term, c.data()))
	}
	c.history = append(c.history, m.with(a))
	if err := c.write([]cluster.Append{a}, true); err != nil {
		return err
	}
	c.newest, c.snapshot = mark.Index, mark
	return nil
}

// run takes steps and goes on working after each crash.
func (c *crasher) run(steps int) {
	for range steps {
		if c.choose(6) == 0 {
			c.fuse = 1 + c.choose(8)
			c.light()
		}
		c.step()
	}
	c.crash()
}

func TestCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }
		newCrasher(choose, rt.Fatalf).run(rapid.IntRange(1, 40).Draw(rt, "steps"))
	})
}

// TestCrashAtEveryCall plays one workload again and again, and takes the power away at each call in turn.
func TestCrashAtEveryCall(t *testing.T) {
	workloads, losses := 4, 2
	if testing.Short() {
		workloads, losses = 2, 1
	}
	crashes := 0
	for seed := range workloads {
		for at := 1; ; at++ {
			fired := 0
			for loss := range losses {
				fired += crashAt(t, int64(seed), at, int64(loss), &crashes)
			}
			if fired == 0 {
				break
			}
		}
	}
	t.Logf("%d crashes", crashes)
}

// crashAt runs a workload whose steps depend on seed alone, with a power loss at call at, whose outcome depends on loss.
func crashAt(t *testing.T, seed int64, at int, loss int64, crashes *int) (fired int) {
	work, fate := rand.New(rand.NewSource(seed)), rand.New(rand.NewSource(loss*1_000_003+int64(at)))
	source := work
	c := newCrasher(func(n int) int { return source.Intn(n) }, func(format string, args ...any) {
		t.Fatalf("seed %d call %d loss %d: "+format, append([]any{seed, at, loss}, args...)...)
	})
	c.crashes, c.burnt, c.machine, c.fuse = 0, false, true, at
	c.light()
	for range 25 {
		c.step()
		if c.burnt {
			// From here on another loss is another story.
			source, c.machine, fired = fate, false, 1
		}
	}
	source = fate
	c.crash()
	*crashes += c.crashes
	return fired
}
