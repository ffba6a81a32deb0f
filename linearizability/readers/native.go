package readers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// readNative reads the format of package history.
func readNative(r *bufio.Reader, o Options) (*history.History, error) {
	if err := checkHeader(r); err != nil {
		return nil, err
	}
	h, err := history.Read(r)
	var bad *history.FormatError
	if errors.As(err, &bad) {
		return nil, failAt(bad.Line, "%s", bad.Reason)
	}
	if err != nil {
		return nil, err
	}
	h.Origin.File = o.File
	return h, nil
}

// checkHeader says so if the first line is an event: a recording of which the beginning was cut off.
func checkHeader(r *bufio.Reader) error {
	head, err := r.Peek(detectBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	var first struct {
		Format, Event json.RawMessage
	}
	if json.Unmarshal(line, &first) != nil || first.Format != nil || !isEvent(first.Event) {
		return nil
	}
	return failAt(1, "the header is missing: this is an event, and the first line has to begin a history with {\"format\":%q,\"version\":%d,...}",
		history.FormatName, history.FormatVersion)
}
