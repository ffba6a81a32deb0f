package kv

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Item is a key's value and metadata. Value must not be changed; it stays valid and constant for as long as it is held.
// It shares its memory with the key, whose bytes it keeps alive.
type Item struct {
	Value                                []byte
	CreateRevision, ModRevision, Version uint64
}

// Machine is the replicated state machine. One goroutine writes (Apply, Freeze, Thaw, Maintain, and everything else
// marked writer only); any number read at the same time (Get, Revision, DataBytes, Stats).
type Machine struct {
	options Options
	shards  []shard
	mask    uint64

	revision  atomic.Uint64 // stored under the write lock of the shard that was written
	keys      atomic.Int64
	dataBytes atomic.Int64

	// The rest is the writer's alone.
	applied  uint64
	sessions sessions
	commands []Command     // scratch of Apply
	ahead    ahead         // scratch of Apply
	digest   xxhash.Digest // scratch of commandHash
	pending  tally         // of the batch being applied
	phase    phase
	snapshot *Snapshot // while frozen
	overlaid []int32   // shards with an overlay, in the order they got it
	merged   int       // how many of overlaid are done
	overlay  int       // keys in all overlays
	sparse   []int32   // shards that wait for a rebuild
	rebuild  int32     // the shard being rebuilt, -1 when none is

	published published
}

// tally gathers what a batch changed, so that the counters are stored once for each batch.
type tally struct {
	keys, dataBytes int64
	replayed        uint64
}

// published is what Stats reads beside the writer.
type published struct {
	sessions, overlayKeys               atomic.Int64
	rebuilds, sessionsEvicted, replayed atomic.Uint64
	frozen                              atomic.Bool
}

// New returns an empty machine, or an *OptionError that names the option out of bounds.
func New(o Options) (*Machine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.WithDefaults()
	return &Machine{
		options:  o,
		shards:   make([]shard, o.Shards),
		mask:     uint64(o.Shards - 1),
		sessions: newSessions(),
		rebuild:  -1,
	}, nil
}

// Options returns the options in effect, defaults included.
func (m *Machine) Options() Options { return m.options }

// place says which shard a key is in, and by which tag its table finds it: bits of the hash that do not overlap.
func (m *Machine) place(hash uint64) (number int32, tag uint32) {
	return int32(hash & m.mask), uint32(hash >> 32)
}

// Get reads a key under its shard's lock. The revision is that at which it was evaluated, also when it is not found.
// Safe for concurrent use.
func (m *Machine) Get(key []byte) (item Item, revision uint64, found bool) {
	number, tag := m.place(xxhash.Sum64(key))
	s := &m.shards[number]
	s.mu.RLock()
	if at := s.find(tag, key); at != nil {
		item = Item{at.value(), at.createRevision, at.modRevision, at.version}
		found = true
	}
	revision = m.revision.Load()
	s.mu.RUnlock()
	return item, revision, found
}

// Applied is the index of the last entry applied. Writer only.
func (m *Machine) Applied() uint64 { return m.applied }

// Revision counts the writes that changed the store. Safe for concurrent use.
func (m *Machine) Revision() uint64 { return m.revision.Load() }

// DataBytes is the store's size as the limit on total data counts it: for each key its length, its value's length and
// ItemOverheadBytes. A function of the state alone. Safe for concurrent use; it moves once for each batch.
func (m *Machine) DataBytes() int64 { return m.dataBytes.Load() }

// ItemOverheadBytes is what a key costs beside its key and value bytes, as DataBytes counts it.
const ItemOverheadBytes = 96

// Stats for metrics. The counters that are not of the state (Rebuilds, SessionsEvicted, Replayed) start at zero with
// each machine, also a restored one.
type Stats struct {
	Keys, Sessions  int
	DataBytes       int64
	Revision        uint64
	Rebuilds        uint64 // shards rebuilt so far
	Frozen          bool   // as Machine.Frozen
	OverlayKeys     int    // keys in overlays that are not merged yet
	SessionsEvicted uint64
	Replayed        uint64 // commands answered from a session's results
}

// Stats is safe for concurrent use. Its fields are read one after the other, not at one moment.
func (m *Machine) Stats() Stats {
	return Stats{
		Keys:            int(m.keys.Load()),
		Sessions:        int(m.published.sessions.Load()),
		DataBytes:       m.dataBytes.Load(),
		Revision:        m.revision.Load(),
		Rebuilds:        m.published.rebuilds.Load(),
		Frozen:          m.published.frozen.Load(),
		OverlayKeys:     int(m.published.overlayKeys.Load()),
		SessionsEvicted: m.published.sessionsEvicted.Load(),
		Replayed:        m.published.replayed.Load(),
	}
}

// Apply applies the batch encoded in data as the entry at index, which must be above Applied (it panics otherwise).
// Results are appended to results, one for each command. An empty data is an entry without commands.
// An error means that data cannot be understood by this version (*VersionError) or is damaged (*DecodeError): nothing was
// applied and the caller must stop, since the other nodes may have applied it. data is not kept.
func (m *Machine) Apply(index uint64, data []byte, results []Result) (BatchID, []Result, error) {
	if index <= m.applied {
		panic(fmt.Sprintf("kv: apply of index %d, but %d is applied", index, m.applied))
	}
	var id BatchID
	if len(data) > 0 {
		batch, err := decodeBatch(data, m.commands[:0])
		if err != nil {
			return BatchID{}, results, err
		}
		id = batch.ID
		for some := range slices.Chunk(batch.Commands, aheadCommands) {
			m.ahead.look(m, some)
			for i := range some {
				results = append(results, m.apply(&some[i], m.ahead.hashes[i]))
			}
		}
		m.keepScratch(batch.Commands)
	}
	m.applied = index
	m.publish()
	return id, results, nil
}

// scratchCommandsMax bounds the decoded commands that Apply keeps room for: 0.6 MB.
const scratchCommandsMax = 4096

// keepScratch keeps the room for the next batch, without what the commands refer to.
func (m *Machine) keepScratch(commands []Command) {
	if cap(commands) > scratchCommandsMax {
		m.commands = nil
		return
	}
	clear(commands)
	m.commands = commands[:0]
}

// publish makes what the writer counted visible to Stats and DataBytes.
func (m *Machine) publish() {
	if m.pending != (tally{}) {
		m.keys.Add(m.pending.keys)
		m.dataBytes.Add(m.pending.dataBytes)
		m.published.replayed.Add(m.pending.replayed)
		m.pending = tally{}
	}
	storeChanged(&m.published.sessions, int64(m.sessions.count))
	storeChanged(&m.published.overlayKeys, int64(m.overlay))
	if m.published.sessionsEvicted.Load() != m.sessions.evicted {
		m.published.sessionsEvicted.Store(m.sessions.evicted)
	}
}

// storeChanged spares readers of the counter's cache line a store that changes nothing.
func storeChanged(counter *atomic.Int64, value int64) {
	if counter.Load() != value {
		counter.Store(value)
	}
}
