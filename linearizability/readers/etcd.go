package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// etcdFormat is the format's name.
const etcdFormat = "etcd-robustness"

// etcdGroup is the key of operations that concern several keys.
const etcdGroup = "all keys"

// EtcdRunFiles returns the names of the operation files of a run of etcd's robustness tests: client-N/operations.json by N.
// What the clients watched (watch.json) and the servers' data are not read. It is empty, without an error, if fsys holds no
// run.
func EtcdRunFiles(fsys fs.FS) ([]string, error) {
	names, err := fs.Glob(fsys, "client-*/operations.json")
	if err != nil {
		return nil, err
	}
	number := func(name string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(path.Dir(name), "client-"))
		if err != nil {
			return -1
		}
		return n
	}
	slices.SortStableFunc(names, func(a, b string) int { return number(a) - number(b) })
	return names, nil
}

// ReadEtcdRun reads the named operation files of one run as one history. A client keeps its number if no other file has it,
// and is called after its file's directory. Operation.Line counts in the operation's own file. The error is an *Error for bad
// data, with the name of the file that holds it, and otherwise that of fsys.
func ReadEtcdRun(fsys fs.FS, names []string) (*history.History, error) {
	run := newEtcdRun()
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if err := run.add(name, data, clientLabel(name)); err != nil {
			return nil, err
		}
	}
	return run.history("", "")
}

// clientLabel returns the name of the directory that a file lies in, if it has one.
func clientLabel(name string) string {
	if dir := path.Base(path.Dir(name)); dir != "." && dir != "/" {
		return dir
	}
	return ""
}

// readEtcd reads one operation file of etcd's robustness tests: JSON objects one after another. A run has several files, one
// for each client, which say little when they are judged apart: see ReadEtcdRun.
//
// If each request concerns one key and history.Operation can express it, the operations are gets, puts and deletes. Their
// revisions are then a contract: etcd makes one revision for each request that changes keys, and here that is one key; the
// header of every other answer shows the store's newest revision as it was evaluated, which is linearizable like the rest;
// and what a get shows is the revision of the put that it returns. Otherwise all operations are transactions over all keys,
// which model.Store judges with all their revisions; Origin.Revisions then says Hints, as one revision may change many keys.
//
// A client error means an unknown outcome, even where the error's text sounds definite: clients retry.
func readEtcd(r io.Reader, o Options) (*history.History, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	run := newEtcdRun()
	if err := run.add(o.File, data, ""); err != nil {
		return nil, err
	}
	return run.history(o.File, o.Model)
}

// etcdRun is a run as it is being read.
type etcdRun struct {
	operations []history.Operation // all Transact
	files      []string            // of operations
	names      map[int32]string
	taken      map[int32]string // the file that a client's number belongs to
	next       int32            // the smallest number that may be free
}

func newEtcdRun() *etcdRun {
	return &etcdRun{names: map[int32]string{}, taken: map[int32]string{}}
}

// add reads a file.
func (run *etcdRun) add(file string, data []byte, label string) error {
	renamed := map[int32]int32{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	line, offset := 1, 0
	for {
		space := len(data[offset:]) - len(bytes.TrimLeft(data[offset:], " \t\r\n"))
		line += bytes.Count(data[offset:offset+space], []byte("\n"))
		if offset += space; offset == len(data) {
			return nil
		}
		var record etcdRecord
		if err := decoder.Decode(&record); err != nil {
			return &Error{File: file, Line: line, Reason: jsonReason(err)}
		}
		operation, err := record.operation()
		if err != nil {
			return &Error{File: file, Line: line, Reason: err.Error()}
		}
		operation.Line = int32(line)
		operation.Client = run.client(file, label, operation.Client, renamed)
		run.operations = append(run.operations, operation)
		run.files = append(run.files, file)
		end := int(decoder.InputOffset())
		line += bytes.Count(data[offset:end], []byte("\n"))
		offset = end
	}
}

// client returns the number for a client of a file, and names it.
func (run *etcdRun) client(file, label string, number int32, renamed map[int32]int32) int32 {
	if known, ok := renamed[number]; ok {
		return known
	}
	free := number
	if _, taken := run.taken[number]; taken {
		for free = run.next; ; free++ {
			if _, taken := run.taken[free]; !taken {
				break
			}
		}
		run.next = free + 1
	}
	renamed[number] = free
	run.taken[free] = file
	if label != "" {
		run.names[free] = fmt.Sprintf("%s/%d", label, number)
	}
	return free
}

// history returns the run as a history.
func (run *etcdRun) history(file, model string) (*history.History, error) {
	if len(run.operations) == 0 {
		return nil, &Error{File: file, Reason: "it holds no operation"}
	}
	if model != "" && model != "kv" {
		return nil, &Error{File: file, Reason: fmt.Sprintf("model %q: a history of etcd has several keys, and its model is kv", model)}
	}
	h := &history.History{Operations: run.operations, Clients: run.names}
	h.Origin = history.Origin{Format: etcdFormat, File: file, Store: "etcd", Revisions: history.Hints}
	if operations, marks, ok := run.plain(); ok {
		h.Operations, h.Marks = operations, marks
		h.Origin.Revisions = history.Contract
	}
	h.Sort()
	return h, nil
}

// plain returns the operations as ones on single keys, if all can be. Defragmenting concerns no key and becomes a mark.
func (run *etcdRun) plain() ([]history.Operation, []history.Mark, bool) {
	var operations []history.Operation
	var marks []history.Mark
	for _, o := range run.operations {
		if o.Transaction.Kind == history.Defragment {
			marks = append(marks, history.Mark{Kind: history.Note, From: o.Invoke, To: o.Return, Text: "defragment, " + o.Result()})
			continue
		}
		plain, ok := etcdPlain(o)
		if !ok {
			return nil, nil, false
		}
		operations = append(operations, plain)
	}
	return operations, marks, len(operations) > 0 && toldConditions(operations)
}

// toldConditions says that every revision that a condition asks for was made by a write whose answer tells it. Otherwise a
// write of unknown outcome may have made it, which a client can learn from what no operation shows, such as a watch; then only
// the order of all writes of all keys tells whether the condition holds.
func toldConditions(operations []history.Operation) bool {
	told := map[uint64]bool{0: true}
	for i := range operations {
		if o := &operations[i]; o.Outcome == history.Done && o.Writes() {
			told[o.Revision] = true
		}
	}
	for i := range operations {
		if c := operations[i].Condition; c.Kind == history.RevisionEquals && !told[c.Revision] {
			return false
		}
	}
	return true
}

// jsonReason says what is wrong with a record that is no JSON of the expected shape.
func jsonReason(err error) string {
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &shape):
		return fmt.Sprintf("%s holds a %s where %s belongs", shape.Field, shape.Value, shape.Type.Kind())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the record breaks off"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
