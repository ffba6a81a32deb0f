package cluster

import (
	"encoding/binary"
	"fmt"
)

// DecodeError says where bytes of a peer message, a recording or a membership stop making sense.
type DecodeError struct {
	What   string // message, event, membership, ...
	Offset int    // in bytes
	Reason string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("cluster: malformed %s at byte %d: %s", e.What, e.Offset, e.Reason)
}

// The encodings of this package are sequences of three forms:
//
//	number  unsigned varint in its shortest form (protobuf.dev/programming-guides/encoding, base-128 varints)
//	bytes   number of bytes, then the bytes
//	list    number of elements, then the elements
//
// A decoder accepts only the one encoding of a value that the encoder writes, so that what decodes encodes back byte for byte.

func appendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// decoder reads an encoding; after the first error every read returns zero.
type decoder struct {
	what string
	all  []byte
	at   int
	err  error
}

func (d *decoder) fail(reason string) {
	if d.err == nil {
		d.err = &DecodeError{What: d.what, Offset: d.at, Reason: reason}
	}
}

func (d *decoder) rest() int { return len(d.all) - d.at }

func (d *decoder) number() uint64 {
	if d.err == nil && d.at < len(d.all) && d.all[d.at] < 0x80 {
		d.at++
		return uint64(d.all[d.at-1])
	}
	return d.longNumber()
}

// longNumber reads a number of any length. Most have one byte, which number reads without a call.
func (d *decoder) longNumber() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.all[d.at:])
	if n <= 0 {
		d.fail("truncated or too long number")
		return 0
	}
	if n > 1 && d.all[d.at+n-1] == 0 {
		d.fail("number not in its shortest form")
		return 0
	}
	d.at += n
	return v
}

// bounded reads a number up to a bound.
func (d *decoder) bounded(what string, bound uint64) uint64 {
	v := d.number()
	if v > bound {
		d.fail(fmt.Sprintf("%s %d, at most %d", what, v, bound))
		return 0
	}
	return v
}

func (d *decoder) bool() bool { return d.bounded("boolean", 1) == 1 }

// bytes aliases the input; nil when there are none.
func (d *decoder) bytes() []byte {
	n := d.number()
	if d.err != nil {
		return nil
	}
	if n > uint64(d.rest()) {
		d.fail("more bytes declared than there are")
		return nil
	}
	if n == 0 {
		return nil
	}
	b := d.all[d.at : d.at+int(n) : d.at+int(n)]
	d.at += int(n)
	return b
}

// count reads the length of a list whose elements take at least elementBytes each, so that a false one allocates little.
func (d *decoder) count(elementBytes int) int {
	n := d.number()
	if d.err == nil && n > uint64(d.rest()/elementBytes) {
		d.fail("longer list declared than there are bytes")
		return 0
	}
	return int(n)
}

// numbers reads a list of numbers; nil when it is empty.
func (d *decoder) numbers() []uint64 {
	n := d.count(1)
	if n == 0 || d.err != nil {
		return nil
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = d.number()
	}
	return list
}

func appendNumbers(dst []byte, list []uint64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, v := range list {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

// end returns the first error; bytes that are left over are one.
func (d *decoder) end() error {
	if d.err == nil && d.rest() > 0 {
		d.fail(fmt.Sprintf("%d bytes left over", d.rest()))
	}
	return d.err
}
