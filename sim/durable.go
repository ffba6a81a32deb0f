package sim

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// durableLog is what a process's disk would give back after a loss of power now, as an independent reader finds it by
// docs/format/log.md. It asks neither the store nor the node: what they believe is what is to be checked.
type durableLog struct {
	segment  string // name of the one that is being read
	off      int64  // up to which it was read
	recycled int    // segments that were read and lie over old ones
	seed     uint32
	buffer   []byte
	names    []string // in logDir
	listed   bool     // no name became durable since names was made

	first   uint64 // index of entries[0]
	entries []entryMark
	mark    uint64 // index of the last snapshot mark
	term    uint64
	vote    uint64
}

const (
	headerBytes      = 72
	flagRecycled     = 1
	frameBytes       = 24
	frameCheckpoint  = 1
	frameAppend      = 2
	partMark         = 1
	partHardState    = 2
	partEntries      = 4
	checkpointFields = 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rename says that names are about to become durable.
func (d *durableLog) rename() { d.listed = false }

// reset forgets everything: the disk is another one now.
func (d *durableLog) reset() {
	*d = durableLog{buffer: d.buffer, names: d.names, entries: d.entries[:0]}
}

// logDir is where the segments are. Their names have one length, so that the order of names is the order of segments.
const logDir = dataDir + "/log"

// read takes in what became durable since the last time.
func (d *durableLog) read(m *vfs.Mem) error {
	if !d.listed {
		d.names, d.listed = m.DurableNames(d.names[:0], logDir), true
	}
	for _, name := range d.names {
		if name < d.segment || !strings.HasSuffix(name, ".seg") {
			continue
		}
		if err := d.readSegment(m, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// readSegment goes on with a segment, or begins with it.
func (d *durableLog) readSegment(m *vfs.Mem, name string) error {
	if name != d.segment {
		d.segment, d.off = name, 0
	}
	b, ok := m.DurableFrom(d.buffer[:0], logDir+"/"+name, d.off)
	d.buffer = b
	if !ok {
		return nil
	}
	if d.off == 0 {
		if len(b) < headerBytes {
			return fmt.Errorf("a durable segment of %d bytes", len(b))
		}
		d.seed = binary.LittleEndian.Uint32(b[64:])
		if binary.LittleEndian.Uint32(b[12:])&flagRecycled != 0 {
			d.recycled++
		}
		d.off, b = headerBytes, b[headerBytes:]
	}
	for {
		used := d.frame(b)
		if used == 0 {
			return nil
		}
		d.off += used
		b = b[used:]
	}
}

// frame takes the frame at the beginning of b, and returns its length; 0 if there is none, or not all of one.
func (d *durableLog) frame(b []byte) int64 {
	length := frameLength(b, d.seed, d.off)
	if length == 0 {
		return 0
	}
	payload := int64(binary.LittleEndian.Uint32(b[8:]))
	switch body := b[frameBytes : frameBytes+payload]; b[12] {
	case frameCheckpoint:
		d.checkpoint(body)
	case frameAppend:
		d.append(b[13], body)
	}
	return length
}

// frameLength is the length of the whole frame at the beginning of b; 0 if there is none.
func frameLength(b []byte, seed uint32, off int64) int64 {
	if len(b) < frameBytes {
		return 0
	}
	le := binary.LittleEndian
	length := frameBytes + (int64(le.Uint32(b[8:]))+7)&^7
	if le.Uint32(b) != crc32.Update(seed^uint32(off), castagnoli, b[4:frameBytes]) || int64(len(b)) < length ||
		le.Uint32(b[4:]) != crc32.Checksum(b[frameBytes:length], castagnoli) {
		return 0
	}
	return length
}

// checkpoint takes what a new segment says of all before it: entries behind the last one are void.
func (d *durableLog) checkpoint(b []byte) {
	var v [checkpointFields]uint64
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	d.term, d.vote = v[1], v[2]
	if v[4] > d.mark {
		d.restart(v[4])
	}
	if last := v[6]; len(d.entries) == 0 {
		d.first = max(last, d.mark) + 1
	} else if last+1 < d.first+uint64(len(d.entries)) {
		d.entries = d.entries[:max(last+1, d.first)-d.first]
	}
}

// restart begins the log behind a snapshot.
func (d *durableLog) restart(mark uint64) { d.mark, d.first, d.entries = mark, mark+1, d.entries[:0] }

func (d *durableLog) append(parts byte, b []byte) {
	le := binary.LittleEndian
	if parts&partMark != 0 {
		d.restart(le.Uint64(b))
		b = b[16:]
	}
	if parts&partHardState != 0 {
		d.term, d.vote = le.Uint64(b), le.Uint64(b[8:])
		b = b[24:]
	}
	if parts&partEntries == 0 {
		return
	}
	index, count := le.Uint64(b), le.Uint32(b[8:])
	b = b[16:]
	if len(d.entries) == 0 {
		d.first = index
	}
	d.entries = d.entries[:min(index-d.first, uint64(len(d.entries)))]
	for range count {
		size := int(le.Uint32(b[12:]))
		d.entries = append(d.entries, entryMark{term: le.Uint64(b), digest: xxhash.Sum64(b[16 : 16+size])})
		b = b[16+size:]
	}
}

// holds says whether the disk holds an entry, or a snapshot that covers it.
func (d *durableLog) holds(index uint64, mark entryMark) bool {
	if index <= d.mark {
		return true
	}
	return index >= d.first && index-d.first < uint64(len(d.entries)) && d.entries[index-d.first] == mark
}
