package sim

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
)

// trace hashes everything that happens, and writes it as text if somebody reads it.
type trace struct {
	out    io.Writer
	digest xxhash.Digest
	buffer []byte
}

// note adds an event to the hash: what happened, when, to whom, and up to four numbers that tell it apart.
func (t *trace) note(now int64, what byte, node uint64, numbers ...uint64) {
	b := append(t.buffer[:0], what)
	b = binary.LittleEndian.AppendUint64(b, uint64(now))
	b = binary.AppendUvarint(b, node)
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	t.digest.Write(b)
	t.buffer = b
}

// bytes adds bytes to the hash.
func (t *trace) bytes(b []byte) { t.digest.Write(b) }

// on says whether text is wanted: formatting costs more than simulating.
func (t *trace) on() bool { return t.out != nil }

// line writes a line of text: time in milliseconds, what, who, and the rest.
func (t *trace) line(now int64, what string, node uint64, format string, args ...any) {
	if t.out == nil {
		return
	}
	who := "-"
	if node != 0 {
		who = fmt.Sprintf("n%d", node)
	}
	fmt.Fprintf(t.out, "%14.6f  %-9s %-4s %s\n", float64(now)/1e6, what, who, fmt.Sprintf(format, args...))
}
