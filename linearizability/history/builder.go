package history

import (
	"cmp"
	"maps"
	"slices"
)

// Builder makes a history of events, as a Writer makes a file of them. The events may come in any order in which an
// operation's invocation precedes its return. It is not safe for concurrent use.
type Builder struct {
	origin  Origin
	marks   []Mark
	clients map[int32]string
	// chunks hold the operations, all but the last one builderChunk of them: a slice that grew would copy each operation
	// several times.
	chunks [][]Operation
	count  int
	// Operations are numbered first, first+1, ... in most histories: then number and index go together and dense counts
	// them. From the first one that is not on, numbers are in sparse.
	first    uint64
	dense    int
	sparse   map[uint64]int32
	returned []uint64         // a bit for each operation
	begun    map[uint64]int32 // marks with a number, as indices into marks
}

// builderChunk is how many operations a builder keeps together.
const builderChunk = 1 << 14

// NewBuilder starts a history.
func NewBuilder(o Origin) *Builder { return &Builder{origin: o} }

// Invoke adds an operation: the fields of o that its call has, and Line. The number is any that no operation had before.
// The error is a *RecordError, and then nothing was added.
func (b *Builder) Invoke(id uint64, o *Operation, at int64) error {
	if err := checkCall(o); err != nil {
		return err
	}
	if err := checkTime(at); err != nil {
		return err
	}
	if err := b.number(id, b.count); err != nil {
		return err
	}
	b.add(Operation{
		Client: o.Client, Line: o.Line, Kind: o.Kind, Stale: o.Stale, Key: o.Key, Value: o.Value, Condition: o.Condition,
		Invoke: at, Return: Forever,
	})
	return nil
}

func (b *Builder) add(o Operation) {
	if b.count%64 == 0 {
		b.returned = append(b.returned, 0)
	}
	switch {
	case b.count == 0:
		b.chunks = append(b.chunks, nil) // grows, since most histories are short
	case b.count%builderChunk == 0:
		b.chunks = append(b.chunks, make([]Operation, 0, builderChunk))
	}
	last := &b.chunks[len(b.chunks)-1]
	*last = append(*last, o)
	b.count++
}

// at returns the operation that was added as the i-th, from 0.
func (b *Builder) at(i int) *Operation { return &b.chunks[i/builderChunk][i%builderChunk] }

// number remembers which operation has a number.
func (b *Builder) number(id uint64, i int) error {
	if _, there := b.find(id); there {
		return misfit("two operations have the id %d", id)
	}
	if i == 0 {
		b.first = id
	}
	if i == b.dense && id-b.first == uint64(i) {
		b.dense++
		return nil
	}
	if b.sparse == nil {
		b.sparse = map[uint64]int32{}
	}
	b.sparse[id] = int32(i)
	return nil
}

func (b *Builder) find(id uint64) (int, bool) {
	if id-b.first < uint64(b.dense) {
		return int(id - b.first), true
	}
	i, ok := b.sparse[id]
	return int(i), ok
}

// Return adds the result of an operation: the fields of o that its result has. An operation without one has an unknown
// outcome. The error is a *RecordError, and then nothing was added.
func (b *Builder) Return(id uint64, o *Operation, at int64) error {
	i, ok := b.find(id)
	if !ok {
		return misfit("operation %d returns and was not invoked", id)
	}
	if b.returned[i/64]&(1<<(i%64)) != 0 {
		return misfit("operation %d returns twice", id)
	}
	if err := checkTime(at); err != nil {
		return err
	}
	done := *b.at(i)
	if at < done.Invoke {
		return misfit("operation %d returns at %d, before it was invoked at %d", id, at, done.Invoke)
	}
	done.Outcome, done.Existed, done.Observed, done.HasObserved = o.Outcome, o.Existed, o.Observed, o.HasObserved
	done.Revision, done.KeyRevision = o.Revision, o.KeyRevision
	if err := checkResult(&done); err != nil {
		return err
	}
	if done.Outcome != Unknown {
		done.Return = at
	}
	// Of a get it is clear that it observed something, so that only one form is ever seen.
	done.HasObserved = done.HasObserved && done.Kind != Get
	*b.at(i) = done
	b.returned[i/64] |= 1 << (i % 64)
	return nil
}

// Mark adds a mark. One that is to be ended later has To = Forever and a number that no mark had before; 0 is no number.
// The error is a *RecordError, and then nothing was added.
func (b *Builder) Mark(id uint64, m Mark) error {
	if err := checkMark(id, &m); err != nil {
		return err
	}
	if id != 0 {
		if _, there := b.begun[id]; there {
			return misfit("two marks have the number %d", id)
		}
		if b.begun == nil {
			b.begun = map[uint64]int32{}
		}
		b.begun[id] = int32(len(b.marks))
	}
	b.marks = append(b.marks, m)
	return nil
}

// End ends a mark. The error is a *RecordError, and then nothing was changed.
func (b *Builder) End(id uint64, at int64) error {
	i, ok := b.begun[id]
	if !ok {
		return misfit("mark %d ends and was not begun", id)
	}
	if err := checkTime(at); err != nil {
		return err
	}
	m := &b.marks[i]
	if m.To != Forever {
		return misfit("mark %d ends twice", id)
	}
	if at < m.From {
		return misfit("mark %d ends at %d, before it begins at %d", id, at, m.From)
	}
	m.To = at
	return nil
}

// Name names a client. The error is a *RecordError, and then nothing was changed.
func (b *Builder) Name(client int32, name string) error {
	if _, there := b.clients[client]; there {
		return misfit("client %d is named twice", client)
	}
	if b.clients == nil {
		b.clients = map[int32]string{}
	}
	b.clients[client] = name
	return nil
}

// History returns what was added so far, in order. It shares nothing with the builder, to which more may be added.
func (b *Builder) History() *History {
	h := &History{
		Origin: b.origin, Operations: slices.Concat(b.chunks...), Marks: slices.Clone(b.marks), Clients: maps.Clone(b.clients),
	}
	// What a recorder wrote is sorted, and moving operations is dear.
	byTime := func(o, p Operation) int { return cmp.Compare(o.Invoke, p.Invoke) }
	if !slices.IsSortedFunc(h.Operations, byTime) {
		slices.SortStableFunc(h.Operations, byTime)
	}
	slices.SortStableFunc(h.Marks, func(m, n Mark) int { return cmp.Compare(m.From, n.From) })
	return h
}
