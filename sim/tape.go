package sim

import (
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/lockstepdb/lockstep/sim/trace"
	"go.etcd.io/raft/v3/raftpb"
)

// tape takes every event into the hash, and hands it to whoever reads along.
type tape struct {
	hash   trace.Hash
	reader func(*trace.Event)
	event  trace.Event // that reader is shown: a pointer to emit's own would cost an allocation for each event that nobody reads
}

func (t *tape) init(o *Options) {
	t.reader = o.Events
	if o.Trace != nil {
		t.reader = both(t.reader, func(e *trace.Event) { writeLine(o.Trace, e) })
	}
}

// writeLine leaves out what is there for machines. A trace that can't be written must not change the life.
func writeLine(out io.Writer, e *trace.Event) { _ = trace.Write(out, e) }

func both(a, b func(*trace.Event)) func(*trace.Event) {
	if a == nil {
		return b
	}
	return func(e *trace.Event) { a(e); b(e) }
}

// watched says whether somebody reads along: only then is Text worth making.
func (w *World) watched() bool { return w.tape.reader != nil }

// emit tells of an event that happens now.
func (w *World) emit(e trace.Event) {
	e.At = w.now
	w.tape.hash.Add(&e)
	if w.watched() {
		w.tape.event = e
		w.tape.reader(&w.tape.event)
	}
}

// numbers are the numbers of an event, in the order of its kind's fields.
type numbers = [trace.NumbersMax]uint64

// messageNames holds the names of raft's message types, which raft itself looks up in a map.
var messageNames = func() (names [64]string) {
	for number, name := range raftpb.MessageType_name {
		names[number] = name
	}
	return names
}()

// message tells of a message that k carries.
func (w *World) message(kind trace.Kind, node, peer uint64, k *packet, m *raftpb.Message) {
	w.emit(trace.Event{Kind: kind, Node: node, Peer: peer, What: messageNames[k.kind],
		Numbers: numbers{m.GetTerm(), m.GetIndex(), uint64(len(m.GetEntries())), m.GetCommit(), k.number, xxhash.Sum64(k.bytes)}})
}
