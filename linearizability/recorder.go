package linearizability

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

const (
	// recorderFlushEvery is how long an event waits for its way to the file, unless RecorderOptions says otherwise.
	recorderFlushEvery = 100 * time.Millisecond
	// recorderBufferBytes is how much waits in memory at most, unless RecorderOptions says otherwise.
	recorderBufferBytes = 1 << 20
)

// ErrRecorderClosed is the answer to events after Close. They were not recorded.
var ErrRecorderClosed = errors.New("the recorder is closed")

// RecorderOptions say what is recorded, and how it gets to the file. The zero RecorderOptions are the defaults.
type RecorderOptions struct {
	// Origin goes into the file's header: store, command, seed, what revisions are worth, what keys hold at first.
	// Started is filled in if it is empty.
	Origin history.Origin
	// FlushEvery is how long an event stays in memory before it is written, about. 0: 100 ms. A program that is killed
	// loses the events of about this time; what it loses is always the end.
	FlushEvery time.Duration
	// BufferBytes bounds what waits to be written, apart from one more event; another such buffer is being written
	// meanwhile. When both are full callers wait. 0: 1 MiB.
	BufferBytes int
	// Keep keeps the operations in memory, too, for History. That is about 200 bytes for each, and their keys and values,
	// without a bound.
	Keep bool
}

// Recorder records what clients ask of a store and what they are told. It is safe for concurrent use.
//
// Put Invoke before a call and Return behind it. The times are monotonic and from one clock. They are taken within Invoke and
// Return, so that the recorded interval contains the real one. All events are in one order, in which times never fall and
// which is that of the file: what a file holds when the program dies is the beginning of the run. No effect is in it without
// the invocation that caused it, since that came before, and an operation that lacks its return counts as unknown. So the
// file can be checked like any other. This holds within one recorder, not over the files of several.
//
// Nothing is synced to the disk: the events survive the death of the program, not that of the machine. The first error, of
// the writer or of a caller who breaks the rules, ends the recording and stays: Return, Flush, Err and Close tell it. From
// then on no call waits for anything.
type Recorder struct {
	w           io.Writer
	bufferBytes int
	start       time.Time
	wake        chan struct{} // holds one token: there is something to write
	closing     chan struct{}
	done        chan struct{} // the last write is over

	mu      sync.Mutex
	changed sync.Cond // buf has room again, written has grown, or there is an error
	// buf is filled by callers while the goroutine writes the other buffer. len(buf) < bufferBytes before an event is added.
	buf, spare        []byte
	appended, written uint64 // bytes; written <= appended
	lines             int32
	calls             openCalls
	marks             uint64 // number of the last mark
	open              map[Span]struct{}
	leader            Span // in open, or 0
	named             map[int32]struct{}
	kept              *history.Builder
	err               error
	closed            bool
	failed            bool // the writer failed: nothing more goes to it
}

// Call is an operation that was invoked. It belongs to its recorder.
type Call struct {
	id        uint64 // from 1; 0: not recorded
	slot      int32
	kind      history.Kind
	condition history.ConditionKind
}

// Span is a fault that lasts. It belongs to its recorder.
type Span uint64

// NewRecorder starts a recording. The header is written before it returns. The writer is used by one goroutine at a time, and
// not closed. A nil writer records for History alone, and sets Keep.
func NewRecorder(w io.Writer, o RecorderOptions) (*Recorder, error) {
	if o.FlushEvery < 0 || o.BufferBytes < 0 {
		return nil, fmt.Errorf("recorder: flush every %v, buffer of %d bytes: neither can be negative", o.FlushEvery, o.BufferBytes)
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = recorderFlushEvery
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = recorderBufferBytes
	}
	start := time.Now()
	if o.Origin.Started == "" {
		o.Origin.Started = start.UTC().Format(time.RFC3339)
	}
	r := &Recorder{
		w: w, bufferBytes: o.BufferBytes, start: start, lines: 1,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		open: map[Span]struct{}{}, named: map[int32]struct{}{},
	}
	r.changed.L = &r.mu
	if w == nil {
		r.w = io.Discard
	}
	if o.Keep || w == nil {
		o.Origin.Format = "lockstep"
		r.kept = history.NewBuilder(o.Origin)
	}
	header, err := history.AppendHeader(nil, &o.Origin)
	if err == nil {
		_, err = r.w.Write(header)
	}
	if err != nil {
		return nil, fmt.Errorf("recorder: header: %w", err)
	}
	go r.spill(o.FlushEvery)
	return r, nil
}

// Invoke records that a client asks for an operation, before it does: Client, Kind, Stale, Key, Value and Condition count.
// The call must be given to Return once. An operation whose client died needs no Return.
func (r *Recorder) Invoke(o history.Operation) Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready() != nil {
		return Call{}
	}
	at := r.now()
	id := r.calls.last + 1
	if !r.took(history.AppendInvoke(r.buf, id, &o, at)) {
		return Call{}
	}
	if r.kept != nil {
		o.Line = r.lines
		r.keep(r.kept.Invoke(id, &o, at))
	}
	return Call{id: id, slot: r.calls.begin(), kind: o.Kind, condition: o.Condition.Kind}
}

// Return records what the client was told, after it was: Outcome, Observed, HasObserved, Existed, Revision and KeyRevision
// count. Unknown is for a client that stops waiting without an answer.
func (r *Recorder) Return(c Call, result history.Operation) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ready(); err != nil {
		return err
	}
	at := r.now()
	if !r.calls.end(c) {
		return r.fail(fmt.Errorf("recorder: a return of operation %d, which is not under way", c.id))
	}
	result.Kind, result.Condition.Kind = c.kind, c.condition
	if r.took(history.AppendReturn(r.buf, c.id, &result, at)) && r.kept != nil {
		r.keep(r.kept.Return(c.id, &result, at))
	}
	return r.err
}

// Name records what reports call a client. Each can be named once.
func (r *Recorder) Name(client int32, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready() != nil {
		return
	}
	if _, there := r.named[client]; there {
		_ = r.fail(fmt.Errorf("recorder: client %d is named twice", client))
		return
	}
	r.named[client] = struct{}{}
	if r.took(history.AppendName(r.buf, client, name)) && r.kept != nil {
		r.keep(r.kept.Name(client, name))
	}
}

// Fault records that something is done to the store from now on, until End. Node is empty if it concerns all.
func (r *Recorder) Fault(node, text string) Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready() != nil {
		return 0
	}
	return r.begin(history.Mark{Kind: history.Fault, Node: node, Text: text})
}

// End records that a fault is over. Each can end once; one that does not lasts until the end of the run.
func (r *Recorder) End(s Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready() == nil {
		r.end(s)
	}
}

// Leader records that a node leads from now on, and that the one before does no more. An empty node: nobody is known to lead.
func (r *Recorder) Leader(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Both events at once: while one waited for room another call could end the same leader.
	if r.ready() != nil {
		return
	}
	r.end(r.leader)
	r.leader = 0
	if node != "" && r.err == nil {
		r.leader = r.begin(history.Mark{Kind: history.Leader, Node: node})
	}
}

// Note records anything else worth a line in a report. Node is empty if it concerns all.
func (r *Recorder) Note(node, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready() != nil {
		return
	}
	at := r.now()
	m := history.Mark{Kind: history.Note, Node: node, Text: text, From: at, To: at}
	if r.took(history.AppendMark(r.buf, 0, &m)) && r.kept != nil {
		r.keep(r.kept.Mark(0, m))
	}
}

// begin records a mark that lasts. mu is held, and the recorder is ready.
func (r *Recorder) begin(m history.Mark) Span {
	m.From, m.To = r.now(), history.Forever
	r.marks++
	r.open[Span(r.marks)] = struct{}{}
	if r.took(history.AppendMark(r.buf, r.marks, &m)) && r.kept != nil {
		r.keep(r.kept.Mark(r.marks, m))
	}
	return Span(r.marks)
}

// end records the end of a mark; 0 is none. mu is held, and the recorder is ready.
func (r *Recorder) end(s Span) {
	if s == 0 {
		return
	}
	if _, there := r.open[s]; !there {
		_ = r.fail(fmt.Errorf("recorder: the end of span %d, which is over or never began", s))
		return
	}
	delete(r.open, s)
	at := r.now()
	if r.took(history.AppendEnd(r.buf, uint64(s), at)) && r.kept != nil {
		r.keep(r.kept.End(uint64(s), at))
	}
}

// ready waits until there is room for an event, or tells why there will be none. mu is held, and not while it waits: all
// that an event says of the recorder must be read afterwards.
func (r *Recorder) ready() error {
	for r.err == nil && !r.closed && len(r.buf) >= r.bufferBytes {
		r.changed.Wait()
	}
	if r.err == nil && r.closed {
		return ErrRecorderClosed
	}
	return r.err
}

// now returns the nanoseconds since the start. With mu held from here until the event is appended, the order of the file is
// that of the times.
func (r *Recorder) now() int64 { return int64(time.Since(r.start)) }

// took takes the buffer with an event added, or the reason why it was not.
func (r *Recorder) took(buf []byte, err error) bool {
	if err != nil {
		_ = r.fail(fmt.Errorf("recorder: %w", err))
		return false
	}
	r.appended += uint64(len(buf) - len(r.buf))
	r.lines++
	r.buf = buf
	if len(buf) >= r.bufferBytes/2 {
		r.poke()
	}
	return true
}

// poke sees to it that what is in buf is written soon.
func (r *Recorder) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it will be anyway
	}
}

// keep takes the builder's word on an event that the encoder had nothing against.
func (r *Recorder) keep(err error) {
	if err != nil {
		_ = r.fail(fmt.Errorf("recorder: %w", err))
	}
}

// fail ends the recording. mu is held.
func (r *Recorder) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	r.changed.Broadcast()
	return r.err
}

// spill writes what callers recorded, now and then and when they ask for it, until Close.
func (r *Recorder) spill(every time.Duration) {
	defer close(r.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-r.wake:
		case <-r.closing:
			r.write()
			return
		}
		r.write()
	}
}

// write writes buf, while callers fill the other one. Only spill calls it.
func (r *Recorder) write() {
	r.mu.Lock()
	full := r.buf
	if len(full) == 0 {
		r.mu.Unlock()
		return
	}
	r.buf, r.spare = r.spare[:0], nil
	r.changed.Broadcast()
	failed := r.failed
	r.mu.Unlock()

	var err error
	if !failed {
		_, err = r.w.Write(full)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.written += uint64(len(full))
	if cap(full) <= 2*r.bufferBytes { // else a single event blew it up
		r.spare = full[:0]
	}
	if err != nil {
		r.failed = true
		_ = r.fail(fmt.Errorf("recorder: %w", err))
	}
	r.changed.Broadcast()
}

// Flush waits until everything that was recorded before is written.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	until := r.appended
	for r.written < until && !r.failed {
		r.poke()
		r.changed.Wait()
	}
	return r.err
}

// Err returns the error that ended the recording, nil while there is none.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close writes what is left and ends the recording. Operations without a return have an unknown outcome. It returns the first
// error of the recording, also when it is called again.
func (r *Recorder) Close() error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.closing)
		r.changed.Broadcast()
	}
	r.mu.Unlock()
	<-r.done
	return r.Err()
}

// openCalls are the operations under way. A call takes a slot and gives it back, so that there are as many as operations
// were under way at once.
type openCalls struct {
	last  uint64   // id of the last operation
	slots []uint64 // ids; 0 is free
	free  []int32
}

// begin gives the next operation a slot. Its id is then last.
func (c *openCalls) begin() int32 {
	c.last++
	if n := len(c.free); n > 0 {
		slot := c.free[n-1]
		c.free = c.free[:n-1]
		c.slots[slot] = c.last
		return slot
	}
	c.slots = append(c.slots, c.last)
	return int32(len(c.slots) - 1)
}

// end frees the slot of a call that is under way.
func (c *openCalls) end(call Call) bool {
	if call.id == 0 || int(call.slot) >= len(c.slots) || c.slots[call.slot] != call.id {
		return false
	}
	c.slots[call.slot] = 0
	c.free = append(c.free, call.slot)
	return true
}

// History returns what was recorded so far, as Read would return it from the file. It needs RecorderOptions.Keep.
func (r *Recorder) History() (*history.History, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		return nil, errors.New("recorder: the operations were not kept: RecorderOptions.Keep asks for it")
	}
	return r.kept.History(), r.err
}
