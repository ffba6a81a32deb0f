package sim

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cespare/xxhash/v2"
	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// errInjected is within every error that a fault causes.
var errInjected = errors.New("injected")

// errPower is what every call gets once the power is lost: the process is about to learn that it is dead.
var errPower = fmt.Errorf("power lost: %w", errInjected)

// disk is what a process stores on. Faults strike at single calls.
type disk struct {
	p          *process
	mem        *vfs.Mem
	lost       bool // the power, in the middle of a call
	full       int  // counts the faults that fill it
	slow       int64
	traps      []*trap
	left       int  // calls until the power is lost; below 0: no end
	recovering bool // the process is reading the directory
	rots       bool // what was not synced, when the power is lost now
	// synced is the end of what was durable for certain when the power was lost last.
	synced struct {
		segment string
		off     int64
	}
}

func (d *disk) init(p *process) {
	d.p, d.left = p, -1
	d.use(vfs.NewMem())
}

func (d *disk) use(m *vfs.Mem) {
	d.mem = m
	m.SetHook(d.before)
}

// resume gives the power back.
func (d *disk) resume() { d.lost, d.left = false, -1 }

// before is asked about each call.
func (d *disk) before(op vfs.Op) error {
	if d.lost {
		return errPower
	}
	switch op.Kind {
	case vfs.OpRead:
		return d.springOnRead(op)
	case vfs.OpSyncDir:
		d.p.durable.rename()
	}
	if d.left >= 0 {
		if d.left == 0 {
			d.lost = true
			return errPower
		}
		d.left--
	}
	d.p.w.emit(trace.Event{Kind: trace.Disk, Node: d.p.number, What: string(op.Kind), Text: op.Name,
		Numbers: numbers{uint64(op.Off), uint64(op.Len), xxhash.Sum64(op.Data)}})
	if d.full > 0 && (op.Kind == vfs.OpWrite || op.Kind == vfs.OpPreallocate || op.Kind == vfs.OpCreate) {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, errInjected)
	}
	return d.spring(op)
}

// crash leaves what a disk may hold after the power was lost now.
func (d *disk) crash() {
	d.synced.segment, d.synced.off = d.p.durable.segment, d.p.durable.off
	d.use(d.mem.Crash(d.p.local.Below))
	d.tellFate(d.mem.Fate())
	d.lost, d.left = false, -1
	d.p.durable.reset()
	d.p.readDurable()
	if d.rots {
		d.rots = false
		d.p.rotTail()
	}
}

// tellFate says what became of what was not synced.
func (d *disk) tellFate(f vfs.Fate) {
	for _, c := range []struct {
		probe probe
		count int
	}{{probeNameLost, f.NamesLost}, {probeWriteLost, f.WritesLost}, {probeWriteTorn, f.WritesTorn}, {probeWritesReordered, f.Reordered}} {
		if c.count > 0 {
			d.p.w.probe(c.probe)
		}
	}
}

// write starts on what is queued, unless a write is under way.
func (p *process) write() {
	if p.busy() || len(p.queued) == 0 && p.compact == 0 {
		return
	}
	p.writing, p.queued = p.queued, nil
	p.compacting, p.compact = p.compact, 0
	d := &p.w.plan.Disk
	latency := int64(1000)
	for i := range p.writing {
		if p.writing[i].Sync {
			latency = p.local.Between(int64(d.SyncMin), int64(d.SyncMax)) + p.disk.slow
			break
		}
	}
	p.w.later(latency, written, p.number, p.life, nil)
}

// busy says that the goroutine that writes has something to do.
func (p *process) busy() bool { return len(p.writing) > 0 || p.compacting > 0 }

// stillEvery is how long a task of a process that is paused waits before it looks again, in nanoseconds.
const stillEvery = 5_000_000

// written is the task at the end of a write: it takes effect at once, and is reported. A compaction comes after the report.
func written(w *World, t *task) {
	p := w.process(t.a)
	if !p.up || p.life != t.b {
		return
	}
	if p.paused > 0 {
		w.later(stillEvery, written, t.a, t.b, nil)
		return
	}
	appends := p.writing
	p.writing = nil
	if !p.append(appends) {
		return
	}
	if p.compacting > 0 {
		w.later(p.local.Between(0, compactMax), compacted, t.a, t.b, nil)
		return
	}
	p.write()
}

// compactMax is how long a compaction may take, in nanoseconds.
const compactMax = 5_000_000

// compacted is the task at the end of a compaction.
func compacted(w *World, t *task) {
	p := w.process(t.a)
	if !p.up || p.life != t.b {
		return
	}
	index := p.compacting
	p.compacting = 0
	if err := p.store.Compact(index); !p.survives(err) {
		return
	}
	p.write()
}

// append writes and reports; false if the process did not outlive it.
func (p *process) append(appends []cluster.Append) bool {
	if len(appends) == 0 {
		return true
	}
	_, err := p.store.Append(appends)
	if !p.survives(err) {
		return false
	}
	if p.disk.persisted() {
		p.crash("power lost once the append was durable")
		p.w.later(p.local.Between(10_000_000, 2_000_000_000), start, p.number, p.life, nil)
		return false
	}
	p.readDurable()
	p.hears(appends[len(appends)-1].ID)
	return true
}

// hearMax is how late a node may hear of what is durable, in nanoseconds: its goroutine may have other things to do.
const hearMax = 30_000_000

// hears tells the node that an append is durable: at once, as a rule.
func (p *process) hears(id uint64) {
	late := p.local.Between(0, hearMax)
	if p.local.Below(4) > 0 {
		late = 0
	}
	p.hearsAt = max(p.hearsAt, p.w.now+late) // in order
	p.w.at(p.hearsAt, heard, p.number, p.life, id)
}

func heard(w *World, t *task) {
	if p := w.process(t.a); p.up && p.life == t.b {
		p.give(cluster.Event{Kind: cluster.EventPersisted, ID: t.it.(uint64)})
	}
}

// readDurable brings the independent view of the disk up to date.
func (p *process) readDurable() {
	if err := p.durable.read(p.disk.mem); err != nil {
		p.w.fail("disk", "n%d: an independent reader finds: %v", p.number, err)
	}
}

// survives says whether the process goes on after a call to its store.
func (p *process) survives(err error) bool {
	if p.disk.lost {
		p.crash("power lost in a disk operation")
		p.w.later(p.local.Between(10_000_000, 2_000_000_000), start, p.number, p.life, nil)
		return false
	}
	if err != nil {
		p.exit(err)
		return false
	}
	return true
}

// interrupt decides how far a write got that was under way when the power was lost: it had not begun, it was cut short
// at some call, or it was done and nobody heard of it.
func (p *process) interrupt() {
	switch p.local.Below(3) {
	case 0:
		return
	case 1:
		p.disk.left = 1 + p.local.Below(3)
	}
	_, err := p.store.Append(p.writing)
	if err == nil {
		p.w.probe(probeUnreported)
	} else if !errors.Is(err, errInjected) {
		p.w.fail("disk", "n%d: an append failed though the disk did nothing wrong: %v", p.number, err)
	}
}
