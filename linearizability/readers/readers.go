// Package readers reads histories, in the native format and in those of other tools.
//
// Read is all there is to call. Its result says what clients knew, and no more: what a client learned nothing of is unknown,
// and what certainly did not happen is refused. Each format has its own way of saying so, which the reader's comment and
// docs/format/foreign-histories.md tell.
//
// Nothing is skipped silently. What a reader does not know ends it with an *Error that has the line and the reason.
package readers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// Options say how to read.
type Options struct {
	// Format is one of Formats, or "auto".
	Format string
	// Model is "register", "cas-register", "kv", or "" for what the format implies. An operation that the model lacks is an error.
	Model string
	// File is the name for messages.
	File string
}

// Formats lists the names of the formats.
var Formats = []string{"lockstep", "jepsen-edn", "jepsen-log", "porcupine-kv", "etcd-robustness", "maelstrom"}

// formats are the readers, by name. They read all of the input, and their errors lack the file.
var formats = map[string]func(*bufio.Reader, Options) (*history.History, error){
	"lockstep":        readNative,
	"jepsen-edn":      readJepsen,
	"jepsen-log":      readLog,
	"porcupine-kv":    readPorcupine,
	"etcd-robustness": func(r *bufio.Reader, o Options) (*history.History, error) { return readEtcd(r, o) },
	"maelstrom":       readMaelstrom,
}

// Error is input that can't be read. Nothing is skipped silently: what a reader does not know is an Error.
type Error struct {
	File   string
	Line   int // from 1; 0 if it concerns the whole file
	Reason string
}

// Error returns file, line and reason.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// readBufferBytes is how much is read at once; detect looks at no more.
const readBufferBytes = 256 << 10

// byteOrderMark may begin a file that was edited on Windows.
const byteOrderMark = "\ufeff"

// blanks separate records and mean nothing.
const blanks = " \t\r\n"

// Read reads a whole history. The error is an *Error for bad data, and otherwise that of the reader.
func Read(r io.Reader, o Options) (*history.History, error) {
	h, err := read(bufio.NewReaderSize(r, readBufferBytes), o)
	if err == nil && o.Model != "" {
		err = hold(h, o.Model)
	}
	var bad *Error
	if errors.As(err, &bad) && bad.File == "" {
		bad.File = o.File
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// skipByteOrderMark leaves the reader behind the mark, if there is one.
func skipByteOrderMark(r *bufio.Reader) error {
	mark, err := r.Peek(len(byteOrderMark))
	switch {
	case string(mark) == byteOrderMark:
		_, err = r.Discard(len(mark))
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

func read(r *bufio.Reader, o Options) (*history.History, error) {
	if o.Model != "" && models[o.Model] == nil {
		return nil, hold(nil, o.Model)
	}
	if err := skipByteOrderMark(r); err != nil {
		return nil, err
	}
	reader, known := formats[o.Format]
	if !known && o.Format != "auto" {
		return nil, failAt(0, "no format is called %s: name one of auto, %s", short(o.Format), strings.Join(Formats, ", "))
	}
	head, err := r.Peek(detectBytes)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case err != nil && len(bytes.Trim(head, blanks)) == 0:
		return nil, failAt(0, "the file is empty")
	case o.Format == "auto":
		return readDetected(r, o)
	}
	return reader(r, o)
}
