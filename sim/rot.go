package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// rot is what has happened to a byte of a stopped process's directory, and what has to come of it: a start is refused that
// names the place (PartLog, PartIdentity); the byte is cut off (PartTail); or the file is passed over, if another snapshot or the whole log takes its
// place (PartSnapshot).
type rot struct {
	part string
	name string // of the file
	off  int64
	// Of a log: the segment, and where the frame begins that the byte is in, or the header.
	segment uint64
	from    int64
}

// chart is what an independent reader finds in a log, by docs/format/log.md: the segments that count, oldest first.
type chart []mapped

// mapped is a segment and where its frames are.
type mapped struct {
	seq    uint64
	name   string
	frames []int64 // where each begins; the checkpoint is the first
	end    int64   // of the last one, or where the next segment goes on
	proven int64   // all below is known to have been durable: its rot can't be taken for a torn write
}

// drawChart reads the log of a stopped process.
func drawChart(m *vfs.Mem) (c chart) {
	dir := path.Join(dataDir, "log")
	names := m.DurableNames(nil, dir)
	next := uint64(0) // 0: any
	end := int64(0)
	for i := len(names) - 1; i >= 0; i-- {
		seq, err := strconv.ParseUint(strings.TrimSuffix(names[i], ".seg"), 16, 64)
		if err != nil || next != 0 && seq != next {
			continue
		}
		b, err := m.ReadFile(path.Join(dir, names[i]))
		if err != nil || len(b) < headerBytes+frameBytes+8*checkpointFields {
			return nil
		}
		s := mapSegment(b)
		s.seq, s.name = seq, path.Join(dir, names[i])
		if next != 0 {
			s.end, s.proven = end, end
		}
		c = append(chart{s}, c...)
		checkpoint := b[headerBytes+frameBytes:]
		next, end = binary.LittleEndian.Uint64(checkpoint[64:]), int64(binary.LittleEndian.Uint64(checkpoint[72:]))
		if next == 0 {
			break
		}
	}
	return c
}

// mapSegment finds the whole frames.
func mapSegment(b []byte) mapped {
	s := mapped{end: headerBytes, proven: headerBytes + frameBytes + 8*checkpointFields}
	seed := binary.LittleEndian.Uint32(b[64:])
	for {
		length := frameLength(b[s.end:], seed, s.end)
		if length == 0 {
			return s
		}
		s.proven = max(s.proven, int64(binary.LittleEndian.Uint64(b[s.end+16:])))
		s.frames = append(s.frames, s.end)
		s.end += length
	}
}

// frameAt is where the frame begins that holds a byte; 0 for the header.
func (s *mapped) frameAt(off int64) (from int64) {
	for _, f := range s.frames {
		if f <= off {
			from = f
		}
	}
	return from
}

// rot flips bits of a stopped node's directory. Those of a tail need one: they wait for a write that is not synced yet.
func (f *faults) rot(fault *plan.Fault, p *process) bool {
	if !p.intact() {
		return false
	}
	if !fault.Beyond && !f.w.affords(p) {
		return false
	}
	p.stop()
	f.w.later(int64(fault.For), start, p.number, p.life, nil)
	r := f.place(fault.Part, p)
	p.rots(r, 1+f.random().Below(255))
	return r != nil // else there is nothing of the kind, and a crash is all that it was
}

// rots flips the bits of a byte that stand in mask.
func (p *process) rots(r *rot, mask int) {
	if r == nil {
		return
	}
	for bit := range uint(8) {
		if mask>>bit&1 == 1 {
			if err := p.disk.mem.FlipBit(r.name, r.off, bit); err != nil {
				panic(err)
			}
		}
	}
	p.rot = r
	p.lost = r.part != plan.PartTail
	if !p.lost {
		p.durable.reset()
		p.readDurable()
	}
	p.w.probe(rotted[r.part])
}

// rotTail is for a process that has just lost its power between a write and its sync.
func (p *process) rotTail() {
	if p.intact() {
		p.rots(p.placeInTail(), 1+p.local.Below(255))
	}
}

// place draws a byte of a part that a node has; nil if it has none.
func (f *faults) place(part string, p *process) *rot {
	switch part {
	case plan.PartLog:
		return f.placeInLog(p)
	case plan.PartSnapshot:
		return f.placeInSnapshot(p)
	case plan.PartIdentity:
		return f.placeInFile(part, p, path.Join(dataDir, "IDENTITY"))
	}
	return f.place([]string{plan.PartLog, plan.PartSnapshot, plan.PartIdentity}[f.random().Below(3)], p)
}

// placeInLog draws a byte whose rot can be told from a torn write. That of the very last synced write can't: it is left alone, since
// no store could be blamed.
func (f *faults) placeInLog(p *process) *rot {
	c := drawChart(p.disk.mem)
	if len(c) == 0 {
		return nil
	}
	s := &c[f.random().Below(len(c))]
	return s.rot(plan.PartLog, f.random().Between(0, s.proven-1))
}

func (s *mapped) rot(part string, off int64) *rot {
	return &rot{part: part, name: s.name, off: off, segment: s.seq, from: s.frameAt(off)}
}

// placeInTail draws a byte of the frames that survived the last crash though they had never been synced.
func (p *process) placeInTail() *rot {
	c := drawChart(p.disk.mem)
	if len(c) == 0 {
		return nil
	}
	s := &c[len(c)-1]
	if path.Base(s.name) != p.disk.synced.segment || p.disk.synced.off < s.proven || p.disk.synced.off >= s.end {
		return nil
	}
	return s.rot(plan.PartTail, p.local.Between(p.disk.synced.off, s.end-1))
}

func (f *faults) placeInSnapshot(p *process) *rot {
	dir := path.Join(dataDir, "snapshots")
	var names []string
	for _, name := range p.disk.mem.DurableNames(nil, dir) {
		if strings.HasSuffix(name, ".snap") {
			names = append(names, path.Join(dir, name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return f.placeInFile(plan.PartSnapshot, p, names[f.random().Below(len(names))])
}

// placeInFile draws any byte of a file.
func (f *faults) placeInFile(part string, p *process, name string) *rot {
	b, err := p.disk.mem.ReadFile(name)
	if err != nil || len(b) == 0 {
		return nil
	}
	return &rot{part: part, name: name, off: int64(f.random().Below(len(b)))}
}

// explains says whether an error is what has to come of the rot.
func (r *rot) explains(err error) bool {
	var damage *storage.CorruptionError
	var format *storage.FormatError
	var gap *storage.SnapshotError
	if errors.As(err, &format) {
		// A version that looks newer is told before anything else.
		return format.File == r.name && r.inVersion()
	}
	switch r.part {
	case plan.PartLog:
		return errors.As(err, &damage) && damage.Segment == r.segment && damage.Offset >= r.from && damage.Offset <= r.off
	case plan.PartSnapshot:
		return errors.As(err, &gap)
	case plan.PartIdentity:
		return errors.As(err, &damage) && damage.File == r.name
	}
	return false
}

// inVersion says whether the byte is in the version of the file's format.
func (r *rot) inVersion() bool {
	if r.part == plan.PartIdentity {
		return r.off >= int64(len("lockstep identity ")) && r.off <= int64(len("lockstep identity 1"))
	}
	return r.off >= 8 && r.off < 12
}

// rotted and rotRefused are the probes of rot, by the part of the directory.
var (
	rotted = map[string]probe{
		plan.PartLog: probeRotLog, plan.PartTail: probeRotTail, plan.PartSnapshot: probeRotSnapshot, plan.PartIdentity: probeRotIdentity,
	}
	rotRefused = map[string]probe{
		plan.PartLog: probeRefusedLog, plan.PartSnapshot: probeRefusedSnapshot, plan.PartIdentity: probeRefusedIdentity,
	}
)

// refusesRot judges a start that was refused; false if nothing explains it.
func (p *process) refusesRot(err error) bool {
	if p.rot == nil || !p.rot.explains(err) {
		return false
	}
	p.w.probe(rotRefused[p.rot.part])
	p.leave(err)
	if p.local.Below(2) == 0 {
		// The operator clears the directory and tries again, although the documentation says otherwise.
		p.wipe()
		p.w.later(p.local.Between(0, 2_000_000_000), start, p.number, p.life, nil)
	}
	return true
}

// leave ends a process that did not begin.
func (p *process) leave(err error) {
	p.tellExit(err)
	p.close()
	p.halt()
}

// outlivedRot judges a start that was not refused.
func (p *process) outlivedRot(r *cluster.Recovered) {
	if p.rot == nil {
		return
	}
	switch p.rot.part {
	case plan.PartLog, plan.PartIdentity:
		p.w.fail("rot", "n%d started, though byte %d of %s, which was durable, had rotted", p.number, p.rot.off, p.rot.name)
	case plan.PartTail:
		p.w.probe(probeRottenTailCut)
	case plan.PartSnapshot:
		if path.Base(p.rot.name) == snapshotFile(r.Snapshot) {
			p.w.fail("rot", "n%d started from %s, though byte %d of it had rotted", p.number, p.rot.name, p.rot.off)
		}
		p.w.probe(probeRottenSnapshotPassed)
	}
	p.rot, p.lost = nil, false
}

// snapshotFile is the name of a snapshot's file.
func snapshotFile(m cluster.SnapshotMark) string {
	return fmt.Sprintf("%016x-%016x.snap", m.Index, m.Term)
}
