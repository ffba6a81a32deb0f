package readers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// detectBytes is how much of a file detect looks at.
const detectBytes = 64 << 10

// maelstromErrors are errors that only Maelstrom's clients record.
var maelstromErrors = [...]string{
	"[:key-does-not-exist ", "[:precondition-failed ", "[:temporarily-unavailable ", "[:node-not-found ", "[:malformed-request ",
	":error :net-timeout",
}

// detect tells the format by what the file begins with, "" if it can't:
//
//   - the words INFO and jepsen.util: jepsen-log
//   - a JSON object whose first member names the native format: lockstep
//   - a JSON object with one of the members of an operation of etcd's robustness tests: etcd-robustness
//   - a map of EDN with :key, :process and :type: porcupine-kv
//   - a map of EDN with :process and :type, alone, tagged, or first in a vector or list: maelstrom if one of Maelstrom's
//     errors stands in the first 64 KiB, and otherwise jepsen-edn, which reads the same histories
func detect(r *bufio.Reader) (string, error) {
	head, err := r.Peek(detectBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(head) == 0:
		return "", nil
	case bytes.HasPrefix(head, []byte("INFO")):
		line, _, _ := bytes.Cut(head, []byte("\n"))
		if bytes.Contains(line, []byte("jepsen.util")) {
			return "jepsen-log", nil
		}
		return "", nil
	case head[0] == '{':
		if format := detectJSON(head); format != "" {
			return format, nil
		}
	}
	return detectEDN(head), nil
}

// detectJSON looks at the names of the first object's members.
func detectJSON(head []byte) string {
	d := json.NewDecoder(bytes.NewReader(head))
	if _, err := d.Token(); err != nil {
		return ""
	}
	for first := true; d.More(); first = false {
		name, err := d.Token()
		if err != nil {
			return ""
		}
		switch {
		case first && name == formatMember:
			return "lockstep"
		case slices.Contains(etcdMembers, name):
			return "etcd-robustness"
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return ""
		}
	}
	return ""
}

// formatMember is the member that the native format's header begins with.
const formatMember = "format"

// etcdMembers are members of an operation in etcd's operations.json.
var etcdMembers = []json.Token{"ClientId", "Input", "Call", "Output", "Return"}

// detectEDN looks at the first form.
func detectEDN(head []byte) string {
	in := records{s: newScanner(bufio.NewReader(bytes.NewReader(head)), 1)}
	f, err := in.next()
	if err != nil {
		return ""
	}
	if f.kind == kindTagged && isRecordTag(f.text) {
		f = f.items[0]
	}
	var r fields
	if f.kind != kindDictionary || r.take(&f) != nil || r.process == nil || r.phase == nil {
		return ""
	}
	if r.key != nil {
		return "porcupine-kv"
	}
	for _, known := range maelstromErrors {
		if bytes.Contains(head, []byte(known)) {
			return "maelstrom"
		}
	}
	return "jepsen-edn"
}

// readDetected reads a file of any format.
func readDetected(r *bufio.Reader, o Options) (*history.History, error) {
	format, err := detect(r)
	if err != nil {
		return nil, err
	}
	if r.Buffered() == 0 {
		return nil, failAt(0, "the file is empty")
	}
	if format == "" {
		return nil, failAt(0, "no known format begins like this: name one of %s", strings.Join(Formats, ", "))
	}
	return formats[format](r, o)
}
