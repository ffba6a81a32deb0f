package sim

import (
	"errors"
	"io"
	"io/fs"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/sim/trace"
	"go.etcd.io/raft/v3/raftpb"
)

// saving is a snapshot that is being written, chunk by chunk.
type saving struct {
	snapshot *kv.Snapshot
	writer   *storage.SnapshotWriter
	mark     cluster.SnapshotMark
}

func (p *process) saveSnapshot(s *kv.Snapshot) {
	meta := s.Meta()
	job := &saving{snapshot: s, mark: cluster.SnapshotMark{Index: meta.Index, Term: meta.Term}}
	p.tellSnapshot("save", 0, job.mark)
	p.w.later(p.chunkTime(), save, p.number, p.life, job)
}

// tellSnapshot tells what becomes of a snapshot.
func (p *process) tellSnapshot(what string, peer uint64, mark cluster.SnapshotMark) {
	p.w.emit(trace.Event{Kind: trace.Snapshot, Node: p.number, Peer: peer, What: what, Numbers: numbers{mark.Index, mark.Term}})
}

// chunkTime draws how long a chunk of a snapshot takes.
func (p *process) chunkTime() int64 { return p.local.Between(1000, 5_000_000) + p.disk.slow }

// save writes the next chunk.
func save(w *World, t *task) {
	p, job := w.process(t.a), t.it.(*saving)
	if !p.up || p.life != t.b {
		return
	}
	if p.paused > 0 {
		w.later(stillEvery, save, t.a, t.b, job)
		return
	}
	done, err := p.saveChunk(job)
	if !p.storeLives() {
		return
	}
	switch {
	case err != nil:
		if !w.explains(err) {
			w.fail("snapshot", "n%d can't save a snapshot: %v", p.number, err)
			return
		}
		// One of the same place may be on its way in: the node asks again later.
		w.probe(probeSnapshotNotSaved)
		p.give(cluster.Event{Kind: cluster.EventSnapshotSaved, Failed: true})
	case done:
		p.tellSnapshot("saved", 0, job.mark)
		w.probe(probeSnapshotSaved)
		p.give(cluster.Event{Kind: cluster.EventSnapshotSaved, Index: job.mark.Index})
	default:
		w.later(p.chunkTime(), save, t.a, t.b, job)
	}
}

func (p *process) saveChunk(job *saving) (done bool, err error) {
	if job.writer == nil {
		job.writer, err = p.store.CreateSnapshot(job.mark)
		return false, err
	}
	chunk, last := job.snapshot.Next(p.chunk[:0])
	p.chunk = chunk
	if err := job.writer.Write(chunk); err != nil {
		job.writer.Abort()
		return false, err
	}
	if !last {
		return false, nil
	}
	return true, job.writer.Commit()
}

// explains says whether something that happened explains why a snapshot could not be written, read or taken.
func (w *World) explains(err error) bool {
	var rotten *storage.CorruptionError
	return errors.Is(err, errInjected) || errors.Is(err, errStream) ||
		errors.Is(err, storage.ErrSnapshotBusy) || // another one of the same place is on its way in
		errors.Is(err, fs.ErrNotExist) || // newer ones have driven it out meanwhile
		errors.As(err, &rotten) && w.reached[probeRotSnapshot] > 0
}

// storeLives ends the process if its store has failed, as package host does; false if it is down.
func (p *process) storeLives() bool {
	if !p.up {
		return false
	}
	return p.survives(p.store.Err())
}

// transfer is a snapshot on its way to a peer.
type transfer struct {
	message  *raftpb.Message
	mark     cluster.SnapshotMark
	from, to uint64
	life     uint64 // of the sender
	toLife   uint64 // of the receiver
	reader   *storage.SnapshotReader
	writer   *storage.SnapshotWriter
}

func (p *process) sendSnapshot(m *raftpb.Message) {
	meta := m.GetSnapshot().GetMetadata()
	job := &transfer{message: m, from: p.number, to: m.GetTo(), life: p.life, mark: cluster.SnapshotMark{Index: meta.GetIndex(), Term: meta.GetTerm()}}
	p.tellSnapshot("send", job.to, job.mark)
	if p.transfers >= transfersOutMax {
		p.give(cluster.Event{Kind: cluster.EventSnapshotSent, Peer: job.to, Failed: true})
		return
	}
	p.transfers++
	p.w.later(p.w.network.latency(job.from, job.to), carry, 0, 0, job)
}

// carry takes one chunk from the sender's file to the receiver's.
func carry(w *World, t *task) {
	job := t.it.(*transfer)
	from := w.process(job.from)
	if !from.up || from.life != job.life {
		job.abort(w)
		return
	}
	done, err := job.chunk(w)
	if !w.process(job.to).storeLives() && err == nil {
		err = errPower
	}
	switch {
	case err != nil:
		if !w.explains(err) {
			w.fail("snapshot", "a snapshot does not get from n%d to n%d: %v", job.from, job.to, err)
			return
		}
		w.probe(probeSnapshotBroken)
		job.abort(w)
		job.report(w, true)
	case done:
		// The answer may be lost though all has arrived.
		job.report(w, w.network.links[job.to][job.from].Below(8) == 0)
	default:
		w.later(w.network.latency(job.from, job.to), carry, 0, 0, job)
	}
}

func (j *transfer) report(w *World, failed bool) {
	from := w.process(j.from)
	if !from.up || from.life != j.life {
		return
	}
	from.transfers--
	from.give(cluster.Event{Kind: cluster.EventSnapshotSent, Peer: j.to, Failed: failed})
}

// abort gives the receiver's half up.
func (j *transfer) abort(w *World) {
	to := w.process(j.to)
	if j.writer == nil || !to.up || to.life != j.toLife {
		return
	}
	j.writer.Abort()
	to.receiving = false
}

var errStream = errors.New("the stream broke")

// chunk moves one chunk; done when the receiver has all and its node was told.
func (j *transfer) chunk(w *World) (done bool, err error) {
	from, to := w.process(j.from), w.process(j.to)
	if w.network.cut[j.from][j.to] > 0 || !to.up || to.paused > 0 || j.writer != nil && to.life != j.toLife {
		return false, errStream
	}
	if j.reader == nil {
		j.reader, err = from.store.OpenSnapshot(j.mark)
		return false, err
	}
	if j.writer == nil {
		return false, j.open(to, from)
	}
	chunk, err := j.reader.Next()
	if errors.Is(err, io.EOF) {
		return true, j.finish(to)
	}
	if err != nil {
		return false, err
	}
	return false, j.writer.Write(append([]byte(nil), chunk...))
}

// open prepares the receiver.
func (j *transfer) open(to, from *process) (err error) {
	if to.receiving || !to.accepts(from.introduce(j.to)) {
		return errStream
	}
	j.toLife = to.life
	if j.writer, err = to.store.CreateSnapshot(j.mark); err == nil {
		to.receiving = true
	}
	return err
}

// finish builds a machine from the file and gives both to the node.
func (j *transfer) finish(to *process) error {
	to.receiving = false
	w := j.writer
	j.writer = nil
	if err := w.Commit(); err != nil {
		return err
	}
	machine, meta, err := to.restore(j.mark)
	if err != nil {
		return err
	}
	m, err := cluster.DecodeMessage(cluster.AppendMessage(nil, j.message))
	if err != nil {
		return err
	}
	if !to.store.Hold(j.mark) {
		to.w.probe(probeSnapshotRefused)
		return errStream
	}
	to.tellSnapshot("received", j.from, j.mark)
	to.w.probe(probeSnapshotReceived)
	to.give(cluster.Event{Kind: cluster.EventReceive, Message: m, Staged: &cluster.Staged{Machine: machine, Meta: meta}})
	return nil
}
