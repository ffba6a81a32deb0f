package storage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// DumpOptions says how much Dump shows.
type DumpOptions struct {
	// DataBytes of each entry's data are shown in hexadecimal. 0: none, since it may be what users would not have shown.
	DataBytes int
}

// Dump prints a log as text: one line a segment, one a frame, one an entry, the snapshot files, and what Recover would say.
// It changes nothing, needs no lock, and reads on behind damage. The error is one of reading the directory or of
// writing to w; damage is only told.
func Dump(fsys vfs.FS, dir string, w io.Writer, o DumpOptions) error {
	d := &dumper{fs: fsys, dir: dir, o: o, w: w}
	id, err := readIdentity(fsys, dir)
	if err != nil {
		return err
	}
	d.printf("cluster %q node %d instance %x\n", id.Cluster, id.Node, id.Instance[:])
	r := &recovery{fs: fsys, dir: dir, owner: id.owner(), o: Options{TailBytes: 1}}
	if err := r.listSegments(); err != nil {
		d.printf("log: %v\n", err)
	}
	d.ends = d.links(r)
	for _, seq := range r.sequences {
		d.segment(r, seq)
	}
	d.outcome(&recovery{fs: fsys, dir: dir, owner: id.owner(), o: r.o})
	return d.err
}

type dumper struct {
	fs   vfs.FS
	dir  string
	o    DumpOptions
	w    io.Writer
	ends map[uint64]int64 // where segments end, as their successors say
	err  error            // of w
}

func (d *dumper) printf(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format, args...)
	}
}

// links asks all segments where those before them end.
func (d *dumper) links(r *recovery) map[uint64]int64 {
	ends := map[uint64]int64{}
	for _, seq := range r.sequences {
		if seg, err := r.readHead(seq); err == nil {
			ends[seg.checkpoint.prev.seq] = seg.checkpoint.prev.end
		}
	}
	return ends
}

func (d *dumper) segment(r *recovery, seq uint64) {
	name := path.Join(logDir, segmentName(seq))
	seg, err := r.readHead(seq)
	if err != nil {
		d.printf("segment %d file %s: %v\n", seq, name, err)
		return
	}
	c := seg.checkpoint
	d.printf("segment %d file %s bytes %d recycled %t first %d\n", seq, name, seg.bytes, seg.flags&segmentRecycled != 0, seg.first)
	d.printf("  %d@%d checkpoint epoch %d term %d vote %d commit %d mark %d/%d last %d/%d previous %d@%d\n", seq, segmentHeaderBytes,
		c.epoch, c.hard.Term, c.hard.Vote, c.hard.Commit, c.mark.Index, c.mark.Term, c.last.index, c.last.term, c.prev.seq, c.prev.end)
	f, err := d.fs.Open(seg.name)
	if err != nil {
		d.printf("  %v\n", err)
		return
	}
	defer f.Close()
	d.frames(newScan(f, seg))
}

// frames prints frames up to the end that is known, or as long as there are any, and then looks behind it.
func (d *dumper) frames(s *scan) {
	visit := func(off int64, h frameHeader, rec decoded) string {
		d.frame(s.seg.seq, off, h, rec)
		return ""
	}
	end, known := d.ends[s.seg.seq]
	if known {
		if err := s.sealed(end, visit); err != nil {
			d.printf("  damage: %v\n", err)
			return
		}
		d.printf("  end %d@%d\n", s.seg.seq, end)
		return
	}
	t, err := s.open(visit)
	if err != nil {
		d.printf("  damage: %v\n", err)
		return
	}
	d.printf("  end %d@%d unsynced tail behind it %d bytes\n", s.seg.seq, t.end, t.cut)
}

func (d *dumper) frame(seq uint64, off int64, h frameHeader, rec decoded) {
	d.printf("  %d@%d append bytes %d durable %d", seq, off, h.bytes(), h.durable)
	if rec.mark.Index != 0 {
		d.printf(" mark %d/%d", rec.mark.Index, rec.mark.Term)
	}
	if rec.hard.Term != 0 {
		d.printf(" term %d vote %d commit %d", rec.hard.Term, rec.hard.Vote, rec.hard.Commit)
	}
	if rec.count != 0 {
		d.printf(" entries %d to %d", rec.first, rec.first+rec.count-1)
	}
	d.printf("\n")
	rec.eachEntry(func(e rawEntry) bool {
		d.printf("    %d/%d %v bytes %d", e.index, e.term, e.kind, len(e.data))
		if n := min(d.o.DataBytes, len(e.data)); n > 0 {
			d.printf(" %s", hex.EncodeToString(e.data[:n]))
		}
		d.printf("\n")
		return d.err == nil
	})
}

// outcome tells what Recover would find.
func (d *dumper) outcome(r *recovery) {
	err := r.analyse()
	for _, m := range r.files {
		d.printf("snapshot %s\n", path.Join(snapshotDir, snapshotName(m)))
	}
	for _, why := range r.rejected {
		d.printf("passed over %s\n", why)
	}
	var failed *FailedError
	if errors.As(err, &failed) && d.err == nil {
		d.err = err
	}
	if err != nil {
		d.printf("recovery: refused: %v\n", err)
		return
	}
	h := r.hardState()
	d.printf("recovery: epoch %d, then the next start is %d; term %d vote %d commit %d; snapshot %d/%d; entries %d to %d; %d bytes of unsynced tail to cut\n",
		r.state.epoch, r.state.epoch+1, h.Term, h.Vote, h.Commit, r.snapshot.Index, r.snapshot.Term,
		r.state.base.index+1, r.state.last.index, r.tail.cut)
}
