package trace

import (
	"fmt"
	"io"
	"strconv"
)

// Write writes an event as one line: milliseconds of simulated time, what happened, to whom, and the rest.
func Write(out io.Writer, e *Event) error {
	b := make([]byte, 0, 128)
	b = fmt.Appendf(b, "%6d.%06d  %-11s %-4s", e.At/1e6, e.At%1e6, e.column(), name('n', e.Node))
	b = append(e.appendRest(b), '\n')
	_, err := out.Write(b)
	return err
}

// column is what stands in the second column: of the disk, which operation it was.
func (e *Event) column() string {
	if e.Kind == Disk {
		return e.What
	}
	if e.Kind == Fail {
		return "FAIL"
	}
	return e.Kind.String()
}

// name writes n3 or c3; "-" for nobody.
func name(kind byte, number uint64) string {
	if number == 0 {
		return "-"
	}
	return string(kind) + strconv.FormatUint(number, 10)
}

func (e *Event) appendRest(b []byte) []byte {
	if e.Client != 0 {
		b = append(append(b, ' '), name('c', uint64(e.Client))...)
	}
	if e.What != "" && e.Kind != Disk {
		b = append(append(b, ' '), e.What...)
	}
	if e.Peer != 0 {
		b = fmt.Appendf(b, " %s n%d", e.toward(), e.Peer)
	}
	if e.Text != "" {
		b = append(append(b, ' '), e.Text...)
	}
	for i, field := range e.Kind.Fields() {
		if e.shows(field, e.Numbers[i]) {
			b = fmt.Appendf(b, " %s %d", field, e.Numbers[i])
		}
	}
	return b
}

// shows says whether a number is worth reading: zeros and hashes are not.
func (e *Event) shows(field string, n uint64) bool { return n != 0 && field != "hash" }

// toward says which way a message or a snapshot goes, or what the peer is.
func (e *Event) toward() string {
	switch {
	case e.Kind == Receive, e.Kind == Snapshot && e.What != "send":
		return "from"
	case e.Kind == Role:
		return "under"
	}
	return "to"
}
