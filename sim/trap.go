package sim

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/sim/plan"
)

// trap is a fault that waits for the nth operation of a kind, or for a moment.
type trap struct {
	kind vfs.OpKind // empty: any that changes something
	nth  int        // 0: it has acted
	// recovering and persisted say that it waits for an operation of a recovery, or for an append that has become durable.
	recovering, persisted bool
	does                  act
	fault                 plan.Kind
}

// act is what a trap does.
type act uint8

const (
	losesPower act = iota // before the operation
	fails
	writesShort
	rotsTail // loses power, and what was not synced rots
)

// set arms a trap until undo.
func (d *disk) set(t *trap) (undo func()) {
	d.traps = append(d.traps, t)
	return func() { d.traps = slices.DeleteFunc(d.traps, func(other *trap) bool { return other == t }) }
}

// trapOf is the trap that a fault asks for.
func trapOf(fault *plan.Fault) *trap {
	t := &trap{kind: vfs.OpKind(fault.Op), nth: fault.Nth, fault: fault.Do}
	switch {
	case fault.Do == plan.DiskError:
		t.does = fails
	case fault.Do == plan.ShortWrite:
		t.kind, t.does = vfs.OpWrite, writesShort
	case fault.Do == plan.Rot:
		t.kind, t.nth, t.does = vfs.OpSync, 1, rotsTail
	case fault.Op == plan.OpRecovery:
		t.kind, t.recovering = "", true
	case fault.Op == plan.OpPersisted:
		t.kind, t.persisted = "", true
	}
	return t
}

// springs counts what a trap waits for, and says whether it acts now.
func (t *trap) springs() bool {
	if t.nth == 0 {
		return false
	}
	t.nth--
	return t.nth == 0
}

// spring lets the traps act on an operation.
func (d *disk) spring(op vfs.Op) error {
	for _, t := range d.traps {
		if t.persisted || t.recovering && !d.recovering || t.kind != "" && t.kind != op.Kind || t.does == rotsTail && !inLog(op) {
			continue
		}
		if t.springs() {
			return d.act(t, op)
		}
	}
	return nil
}

// springOnRead lets those traps act that wait for reads: other operations are counted without them.
func (d *disk) springOnRead(op vfs.Op) error {
	for _, t := range d.traps {
		if t.kind == vfs.OpRead && t.springs() {
			return d.act(t, op)
		}
	}
	return nil
}

func (d *disk) act(t *trap, op vfs.Op) error {
	d.p.w.faults.struckNow(t.fault)
	switch t.does {
	case fails:
		return fmt.Errorf("%w: %w", syscall.EIO, errInjected)
	case writesShort:
		d.p.w.probe(probeShortWrite)
		return &vfs.ShortWriteError{Bytes: d.p.local.Below(op.Len), Err: fmt.Errorf("%w: %w", syscall.EIO, errInjected)}
	case rotsTail:
		d.rots = true
	}
	d.lost = true
	d.p.w.probe(probeChosenOperation)
	if moment, ok := d.moment(op); ok {
		d.p.w.probe(moment)
	}
	return errPower
}

func inLog(op vfs.Op) bool { return strings.HasPrefix(op.Name, path.Join(dataDir, "log")) }

// moment names an operation before which a loss of power is of interest; false if it is none.
func (d *disk) moment(op vfs.Op) (probe, bool) {
	inSnapshots := strings.HasPrefix(op.Name, path.Join(dataDir, "snapshots"))
	switch {
	case d.recovering:
	case op.Kind == vfs.OpSync && inLog(op):
		return probeWriteSync, true
	case (op.Kind == vfs.OpRename || op.Kind == vfs.OpSyncDir) && inSnapshots:
		return probeSnapshotRename, true
	case op.Kind == vfs.OpRename && inLog(op):
		return probeSegmentRename, true
	}
	return 0, false
}

// persisted is asked once an append is durable, before anybody hears of it: true if the power is lost then.
func (d *disk) persisted() bool {
	for _, t := range d.traps {
		if t.persisted && t.springs() {
			d.p.w.faults.struckNow(t.fault)
			d.p.w.probe(probeSyncSend)
			return true
		}
	}
	return false
}
