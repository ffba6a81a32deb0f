package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/transport"
	"github.com/lockstepdb/lockstep/kv"
)

// saveSnapshot writes the frozen state to a file on a goroutine of its own; the node asks for one at a time.
func (h *Host) saveSnapshot(s *kv.Snapshot) {
	h.work.Go(func() {
		meta, began := s.Meta(), time.Now()
		mark := cluster.SnapshotMark{Index: meta.Index, Term: meta.Term}
		bytes, err := h.writeSnapshot(mark, s)
		if h.life.Err() != nil {
			return
		}
		h.metrics.observeSnapshot(err, bytes, time.Since(began))
		if err != nil {
			h.log.Error("snapshot not written", "index", mark.Index, "error", err.Error())
			h.checkStore()
			h.queue.push(cluster.Event{Kind: cluster.EventSnapshotSaved, Failed: true})
			return
		}
		h.log.Info("snapshot written", "index", mark.Index, "bytes", bytes, "took", time.Since(began).Round(time.Millisecond))
		h.queue.push(cluster.Event{Kind: cluster.EventSnapshotSaved, Index: mark.Index})
	})
}

func (h *Host) writeSnapshot(mark cluster.SnapshotMark, s *kv.Snapshot) (bytes int64, err error) {
	w, err := h.store.CreateSnapshot(mark)
	if err != nil {
		return 0, err
	}
	var buffer []byte
	for done := false; !done; {
		if err := h.life.Err(); err != nil {
			w.Abort()
			return bytes, err
		}
		buffer, done = s.Next(buffer[:0])
		bytes += int64(len(buffer))
		if err := w.Write(buffer); err != nil {
			w.Abort()
			return bytes, err
		}
	}
	return bytes, w.Commit()
}

// checkStore ends the process if the store has failed. A node that waits for a snapshot appends nothing, and would live on
// without ever being able to take one.
func (h *Host) checkStore() {
	if err := h.store.Err(); err != nil {
		h.fail(fmt.Errorf("writing a snapshot: %w", err))
	}
}

// progress logs about a transfer now and then.
type progress struct {
	host         *Host
	text         string
	peer, index  uint64
	bytes, total int64
	began, last  time.Time
}

func (h *Host) newProgress(text string, peer, index uint64, total int64) *progress {
	now := time.Now()
	return &progress{host: h, text: text, peer: peer, index: index, total: total, began: now, last: now}
}

func (p *progress) add(n int) {
	p.bytes += int64(n)
	if now := time.Now(); now.Sub(p.last) >= progressInterval {
		p.last = now
		p.host.log.Info(p.text, "peer", p.peer, "index", p.index, "bytes", p.bytes, "of-bytes", p.total)
	}
}

// sendSnapshot streams the snapshot of a MsgSnap to its peer on a goroutine of its own, at most transfersOutMax at a time,
// and tells the node how it went. Called from the loop.
func (h *Host) sendSnapshot(m *raftpb.Message) {
	select {
	case h.sending <- struct{}{}:
	default:
		h.queue.push(cluster.Event{Kind: cluster.EventSnapshotSent, Peer: m.GetTo(), Failed: true})
		return
	}
	h.work.Go(func() {
		defer func() { <-h.sending }()
		header := transport.SnapshotHeader{Message: m}
		began := time.Now()
		bytes, err := h.streamSnapshot(header)
		if h.life.Err() != nil {
			return
		}
		h.metrics.observeTransfer("out", err)
		if err != nil {
			h.log.Warn("snapshot not sent", "peer", m.GetTo(), "index", header.Mark().Index, "error", err.Error())
		} else {
			h.log.Info("snapshot sent", "peer", m.GetTo(), "index", header.Mark().Index, "bytes", bytes, "took", time.Since(began).Round(time.Millisecond))
		}
		h.queue.push(cluster.Event{Kind: cluster.EventSnapshotSent, Peer: m.GetTo(), Failed: err != nil})
	})
}

func (h *Host) streamSnapshot(header transport.SnapshotHeader) (bytes int64, err error) {
	r, err := h.store.OpenSnapshot(header.Mark())
	if err != nil {
		return 0, err
	}
	defer r.Close()
	header.Bytes = r.Bytes()
	p := h.newProgress("sending a snapshot", header.Message.GetTo(), header.Mark().Index, r.Bytes())
	err = h.transport.SendSnapshot(h.life, header, func() ([]byte, error) {
		chunk, err := r.Next()
		p.add(len(chunk))
		return chunk, err
	})
	return p.bytes, err
}

// errTransferBusy refuses a second snapshot while one is being received.
var errTransferBusy = errors.New("another snapshot is being received")

// Snapshot receives a snapshot into a file, builds a machine from the file beside the serving one, and gives both to the node.
func (p peers) Snapshot(in *transport.SnapshotReceiver) error {
	if !p.receiving.TryLock() {
		return errTransferBusy
	}
	defer p.receiving.Unlock()
	if !p.running.Load() {
		return errors.New("the node does not run yet")
	}
	began := time.Now()
	staged, bytes, err := p.receiveSnapshot(in)
	p.metrics.observeTransfer("in", err)
	if err != nil {
		p.log.Warn("snapshot not received", "peer", in.From, "index", in.Mark().Index, "error", err.Error())
		p.checkStore()
		return err
	}
	if !p.store.Hold(in.Mark()) {
		return errTransferBusy // the log is slow: those that came before wait for it
	}
	p.log.Info("snapshot received", "peer", in.From, "index", in.Mark().Index, "bytes", bytes, "took", time.Since(began).Round(time.Millisecond))
	p.queue.push(cluster.Event{Kind: cluster.EventReceive, Message: in.Message, Staged: staged})
	return nil
}

func (h *Host) receiveSnapshot(in *transport.SnapshotReceiver) (*cluster.Staged, int64, error) {
	w, err := h.store.CreateSnapshot(in.Mark())
	if err != nil {
		return nil, 0, err
	}
	p := h.newProgress("receiving a snapshot", in.From, in.Mark().Index, in.Bytes)
	if err := receiveChunks(h.life, in, w, p); err != nil {
		w.Abort()
		return nil, p.bytes, err
	}
	if err := w.Commit(); err != nil {
		return nil, p.bytes, err
	}
	machine, meta, err := h.restore(in.Mark())
	if err != nil {
		return nil, p.bytes, err
	}
	return &cluster.Staged{Machine: machine, Meta: meta}, p.bytes, nil
}

func receiveChunks(life context.Context, in *transport.SnapshotReceiver, w *storage.SnapshotWriter, p *progress) error {
	for {
		chunk, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := life.Err(); err != nil {
			return err
		}
		if err := w.Write(chunk); err != nil {
			return err
		}
		p.add(len(chunk))
	}
}

// restore builds a machine from a snapshot file.
func (h *Host) restore(mark cluster.SnapshotMark) (*kv.Machine, kv.Meta, error) {
	r, err := h.store.OpenSnapshot(mark)
	if err != nil {
		return nil, kv.Meta{}, err
	}
	defer r.Close()
	machine, meta, err := cluster.RestoreMachine(h.config.machineOptions(), r.Next)
	if err != nil {
		return nil, kv.Meta{}, fmt.Errorf("the snapshot at %d: %w", mark.Index, err)
	}
	if meta.Index != mark.Index || meta.Term != mark.Term {
		return nil, kv.Meta{}, fmt.Errorf("the snapshot file for index %d term %d holds index %d term %d", mark.Index, mark.Term, meta.Index, meta.Term)
	}
	return machine, meta, nil
}
