package storage

import (
	"fmt"
	"hash/crc32"

	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
)

// scan walks over the frames of one segment.
type scan struct {
	seg *segment
	w   *window
}

func newScan(f vfs.File, seg *segment) *scan {
	return &scan{seg: seg, w: &window{file: f, name: seg.name, size: seg.bytes}}
}

// frame reads the frame at off, which ends at or below limit. reason says why there is none. payload is valid until the next call.
func (s *scan) frame(off, limit int64) (h frameHeader, payload []byte, reason string, err error) {
	b, err := s.w.at(off, frameHeaderBytes)
	if err != nil {
		return h, nil, "", err
	}
	h, reason = decodeFrameHeader(b, s.seg.seed, off, min(limit, s.w.size)-off)
	if reason != "" {
		return h, nil, reason, nil
	}
	body := h.bytes() - frameHeaderBytes
	b, err = s.w.at(off+frameHeaderBytes, body)
	if err != nil {
		return h, nil, "", err
	}
	if int64(len(b)) < body || h.payloadCRC != crc32.Checksum(b, castagnoli) {
		return h, nil, "checksum of the frame does not match", nil
	}
	return h, b[:h.length], "", nil
}

// visitor is told each append frame; a reason from it says that the frame, whose checksums are right, can't be.
type visitor func(off int64, h frameHeader, d decoded) (reason string)

// frames visits the frames from the first append frame on, up to limit, and returns where it stopped and why;
// an empty reason: at limit. Frames with right checksums that make no sense are a *CorruptionError: a tear can't make them.
func (s *scan) frames(from, limit int64, visit visitor) (end int64, reason string, err error) {
	for off := from; off < limit; {
		h, payload, reason, err := s.frame(off, limit)
		if err != nil || reason != "" {
			return off, reason, err
		}
		if h.kind != frameAppend {
			return off, "", s.corrupt(off, fmt.Sprintf("frame of kind %d, which has no place here", h.kind))
		}
		d, reason := decodeRecord(h.parts, payload)
		if reason == "" {
			reason = visit(off, h, d)
		}
		if reason != "" {
			return off, "", s.corrupt(off, reason)
		}
		off += h.bytes()
	}
	return limit, "", nil
}

func (s *scan) corrupt(off int64, reason string) error {
	return &CorruptionError{File: s.seg.name, Segment: s.seg.seq, Offset: off, Reason: reason}
}

// tail is what lies behind the last good frame of the last segment.
type tail struct {
	end     int64 // of the good frames
	durable int64 // the highest durable offset that a good frame records
	cut     int64 // bytes that look like the remains of a write
}

// sealed visits the frames of a segment that another one continues at end: all of them were durable.
func (s *scan) sealed(end int64, visit visitor) error {
	if s.w.size < end {
		return s.corrupt(s.w.size, fmt.Sprintf("file ends here, but its frames end at %d", end))
	}
	off, reason, err := s.frames(segmentFirstFrame, end, visit)
	if err != nil {
		return err
	}
	if reason != "" {
		return s.corrupt(off, reason+", and later segments continue from behind it")
	}
	s.seg.end = end
	return nil
}

// open visits the frames of the last segment, and tells a torn tail from damage.
func (s *scan) open(visit visitor) (tail, error) {
	t := tail{durable: segmentFirstFrame}
	end, reason, err := s.frames(segmentFirstFrame, s.w.size, func(off int64, h frameHeader, d decoded) string {
		t.durable = max(t.durable, h.durable)
		return visit(off, h, d)
	})
	if err != nil {
		return t, err
	}
	t.end = end
	s.seg.end = end
	if reason == "" {
		return t, nil
	}
	return t, s.behind(&t, reason)
}

// behind looks at everything behind the first place without a frame. A frame header there that is whole and records a
// durable offset above the place is the proof that the place was durable.
func (s *scan) behind(t *tail, reason string) error {
	remains := t.end
	for off := t.end; off+frameHeaderBytes <= s.w.size; off += frameAlign {
		b, err := s.w.at(off, frameHeaderBytes)
		if err != nil {
			return err
		}
		if len(b) < frameHeaderBytes {
			break
		}
		if le.Uint64(b) == 0 {
			continue // no header begins with zeros: the payload's checksum and its own would both have to be 0
		}
		if s.seg.flags&segmentRecycled == 0 {
			remains = off + frameAlign
		}
		h, bad := decodeFrameHeader(b, s.seg.seed, off, s.w.size-off)
		if bad != "" && bad != reasonTooLong {
			continue
		}
		remains = min(s.w.size, max(remains, off+h.bytes()))
		if h.durable > t.end {
			return s.corrupt(t.end, fmt.Sprintf("%s, but the frame at %d records that everything below %d was durable", reason, off, h.durable))
		}
	}
	t.cut = max(0, remains-t.end)
	return nil
}
