package sim

import (
	"errors"
	"path"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// intact says that nothing has happened to a process's directory that is not over.
func (p *process) intact() bool { return !p.lost && !p.unborn && !p.swapped && p.rot == nil }

// stop takes a process's power away, if it still has it, so that all that is left on its disk is durable.
func (p *process) stop() {
	if p.up {
		p.crash("power lost")
		return
	}
	p.disk.crash()
}

// wipe takes a directory away. What starts in its place is another instance, of which nobody has been promised anything.
func (f *faults) wipe(fault *plan.Fault, p *process) bool {
	if !p.intact() || !fault.Beyond && !f.w.affords(p) {
		return false
	}
	p.stop()
	p.wipe()
	f.w.later(int64(fault.For), start, p.number, p.life, nil)
	return true
}

// gone is what a directory that was wiped had held: the acknowledgements that were on their way were true when they left.
type gone struct {
	instance cluster.Instance
	durable  durableLog
}

// held says whether the directory of an instance holds an entry, or did when it was wiped.
func (p *process) held(instance cluster.Instance, index uint64, mark entryMark) bool {
	if p.instance == instance {
		return p.durable.holds(index, mark)
	}
	for i := range p.gone {
		if p.gone[i].instance == instance {
			return p.gone[i].durable.holds(index, mark)
		}
	}
	return false
}

func (p *process) wipe() {
	p.gone = append(p.gone, gone{p.instance, p.durable})
	p.disk.use(vfs.NewMem())
	p.durable = durableLog{}
	p.identify()
	p.unborn, p.lost, p.rot, p.members = true, false, nil, cluster.Membership{}
	p.w.checks.forget(p)
}

// swap gives two nodes each other's directory, or the log in it, until undo. Neither may start on it.
func (f *faults) swap(fault *plan.Fault, p *process) (undo func()) {
	q := f.partner(fault, p)
	if q == nil || !p.intact() || !q.intact() {
		return nil
	}
	p.stop()
	q.stop()
	exchange := func() { p.disk.mem, q.disk.mem = q.disk.mem, p.disk.mem }
	if fault.Part == plan.PartLog {
		exchange = func() { exchangeLogs(p.disk.mem, q.disk.mem) }
	}
	f.exchange(exchange, true, p, q)
	for _, v := range []*process{p, q} {
		f.w.later(f.random().Between(0, int64(fault.For)), start, v.number, v.life, nil)
	}
	return func() {
		f.exchange(exchange, false, p, q)
		for _, v := range []*process{p, q} {
			f.w.later(0, start, v.number, v.life, nil)
		}
	}
}

// refusesSwap judges a start on another node's directory, or on its log.
func (p *process) refusesSwap(err error) {
	var directory *directoryError
	var owner *storage.IdentityError
	if !errors.As(err, &directory) && !errors.As(err, &owner) {
		p.w.fail("start", "n%d does not start on another node's directory, but for another reason: %v", p.number, err)
		return
	}
	p.w.probe(probeWrongDirectory)
	p.leave(err)
}

// partner is the other node of a swap; nil if there is none.
func (f *faults) partner(fault *plan.Fault, p *process) *process {
	if n := fault.Peer.Node(); n > 0 {
		if int(p.number) == n {
			return nil
		}
		return f.w.process(uint64(n))
	}
	if len(f.w.processes) < 2 {
		return nil
	}
	at := (int(p.number) + f.random().Below(len(f.w.processes)-1)) % len(f.w.processes)
	return f.w.processes[at]
}

func (f *faults) exchange(exchange func(), swapped bool, both ...*process) {
	for _, v := range both {
		v.disk.mem.SetHook(nil)
		v.swapped = swapped
	}
	exchange()
	for _, v := range both {
		v.disk.use(v.disk.mem)
	}
}

// exchangeLogs exchanges the segments of two stopped nodes.
func exchangeLogs(a, b *vfs.Mem) {
	dir := path.Join(dataDir, "log")
	fromA, fromB := take(a, dir), take(b, dir)
	fill(a, fromB)
	fill(b, fromA)
}

type file struct {
	name  string
	bytes []byte
}

// take empties a directory.
func take(m *vfs.Mem, dir string) (files []file) {
	for _, name := range m.DurableNames(nil, dir) {
		name = path.Join(dir, name)
		b, err := m.ReadFile(name)
		if err == nil {
			err = m.Remove(name)
		}
		if err != nil {
			panic(err) // all is durable, and nothing hooks in
		}
		files = append(files, file{name, b})
	}
	if err := m.SyncDir(dir); err != nil {
		panic(err)
	}
	return files
}

func fill(m *vfs.Mem, files []file) {
	for _, f := range files {
		if err := m.WriteFile(f.name, f.bytes); err != nil {
			panic(err)
		}
	}
}
