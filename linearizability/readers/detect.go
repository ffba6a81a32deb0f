package readers

import (
	"bufio"
	"bytes"
	"cmp"
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
//   - a JSON object with a member that names the native format, or an event of the native format: lockstep
//   - a JSON object with one of the members of an operation of etcd's robustness tests: etcd-robustness
//   - a map of EDN with :key, :process and :type: porcupine-kv
//   - a map of EDN with :process and :type, alone, tagged, or first in a vector or list: maelstrom if one of Maelstrom's
//     errors stands in the first 64 KiB, and otherwise jepsen-edn, which reads the same histories
func detect(r *bufio.Reader) (string, error) {
	head, err := r.Peek(detectBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = bytes.TrimLeft(head, blanks)
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
	found := ""
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return found
		}
		if name == formatMember {
			return "lockstep"
		}
		if slices.Contains(etcdMembers, name) {
			found = "etcd-robustness"
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return found
		}
		if name == eventMember && isEvent(value) {
			found = "lockstep"
		}
	}
	return found
}

// The members that tell the native format: that of its header, and that of every other line.
const (
	formatMember = "format"
	eventMember  = "event"
)

// nativeEvents are the events of the native format.
var nativeEvents = []string{"invoke", "return", "fault", "leader", "note", "end", "client"}

// isEvent says whether a value names one of them.
func isEvent(value json.RawMessage) bool {
	var name string
	return json.Unmarshal(value, &name) == nil && slices.Contains(nativeEvents, name)
}

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
	if format == "" {
		if empty, err := isBlank(r); empty || err != nil {
			return nil, cmp.Or(err, failAt(0, "the file is empty"))
		}
		return nil, failAt(0, "no known format begins like this: name one of %s", strings.Join(Formats, ", "))
	}
	return formats[format](r, o)
}

// isBlank reads to the first byte that is no blank, and says whether there is none.
func isBlank(r *bufio.Reader) (bool, error) {
	for {
		b, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		case strings.IndexByte(blanks, b) < 0:
			return false, nil
		}
	}
}
