package kv

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// read is what a reader saw.
type read struct {
	key      int
	revision uint64
	found    bool
	item     Item
	value    uint64
}

// written is one change of a key: its item from revision on, until the next change.
type written struct {
	revision uint64
	found    bool
	item     Item
	value    uint64
}

const (
	raceKeys    = 97
	raceReaders = 4
	raceBatches = 1500
	// raceHotKeys get half of all reads and writes, so that they meet.
	raceHotKeys = 2
	// raceReadsMax bounds what one reader records.
	raceReadsMax = 1_000_000
)

func raceKey(i int) []byte { return fmt.Appendf(nil, "key-%d", i) }

func anyRaceKey(random *rand.Rand) int {
	if random.Intn(2) == 0 {
		return random.Intn(raceHotKeys)
	}
	return random.Intn(raceKeys)
}

// Many readers beside the writer, while it freezes, thaws, merges and rebuilds, and beside a goroutine that encodes
// the snapshots. What the readers saw is judged against the log of writes afterwards.
func TestReadersBesideTheWriter(t *testing.T) {
	m := newMachine(t, Options{Shards: 4, RebuildOperationsMin: 20, RebuildDeletesMin: 10, RebuildSparseRatio: 0.9})
	var stop atomic.Bool
	var readers sync.WaitGroup
	seen := make([][]read, raceReaders)
	for i := range raceReaders {
		readers.Go(func() { seen[i] = readUntil(m, int64(i), &stop) })
	}
	history, rounds := writeRacing(t, m)
	stop.Store(true)
	readers.Wait()

	require.Greater(t, rounds, 10, "snapshots were taken meanwhile")
	require.NotZero(t, m.Stats().Rebuilds)
	total := 0
	for i := range seen {
		total += len(seen[i])
		require.NoError(t, judgeReads(history, seen[i]), "reader %d", i)
	}
	require.Greater(t, total, 1000)
}

func readUntil(m *Machine, seed int64, stop *atomic.Bool) []read {
	random := rand.New(rand.NewSource(seed))
	var reads []read
	for !stop.Load() && len(reads) < raceReadsMax {
		r := read{key: anyRaceKey(random)}
		r.item, r.revision, r.found = m.Get(raceKey(r.key))
		if r.found {
			r.value = binary.LittleEndian.Uint64(r.item.Value)
		}
		reads = append(reads, r)
		if len(reads)%100 == 0 {
			m.Stats()
		}
	}
	return reads
}

// writeRacing writes and returns each key's changes, and how many snapshots were read whole meanwhile.
func writeRacing(t *testing.T, m *Machine) (history [raceKeys][]written, rounds int) {
	random := rand.New(rand.NewSource(99))
	var encoded chan [][]byte
	var frozenHash uint64
	value := uint64(0)
	for batch := range raceBatches {
		var commands []*Command
		deletes := batch/100%2 == 1
		for range random.Intn(64) {
			key := raceKey(anyRaceKey(random))
			value++
			c := &Command{Kind: Put, Key: key, Value: binary.LittleEndian.AppendUint64(nil, value)}
			if random.Intn(10) < 2 || deletes && random.Intn(10) < 7 {
				c = &Command{Kind: Delete, Key: key}
			}
			commands = append(commands, c)
		}
		record(&history, commands, applyAll(t, m, commands...))
		switch {
		case encoded == nil && !m.Frozen():
			frozenHash = m.StateHash()
			s := m.Freeze(Meta{Index: m.Applied()})
			encoded = make(chan [][]byte, 1)
			go func(into chan<- [][]byte) { into <- chunksOf(s) }(encoded)
		case encoded != nil && batch%5 == 0:
			chunks := <-encoded
			m.Thaw()
			encoded = nil
			restored, _ := restore(t, chunks, Options{Shards: 2})
			require.Equal(t, frozenHash, restored.StateHash())
			rounds++
		default:
			m.Maintain(random.Intn(8))
		}
	}
	if encoded != nil {
		<-encoded
	}
	return history, rounds
}

func record(history *[raceKeys][]written, commands []*Command, results []Result) {
	for i, c := range commands {
		r := results[i]
		if c.Kind == Delete && !r.Existed {
			continue
		}
		w := written{revision: r.Revision, found: c.Kind == Put}
		if w.found {
			w.value = binary.LittleEndian.Uint64(c.Value)
			w.item = Item{CreateRevision: r.CreateRevision, ModRevision: r.ModRevision, Version: r.Version}
		}
		var key int
		_, _ = fmt.Sscanf(string(c.Key), "key-%d", &key)
		history[key] = append(history[key], w)
	}
}

// judgeReads checks that a reader's revisions never fall, and that each read is the key's last change at or below the
// read's revision.
func judgeReads(history [raceKeys][]written, reads []read) error {
	revision := uint64(0)
	for i, r := range reads {
		if r.revision < revision {
			return fmt.Errorf("read %d: revision %d after %d", i, r.revision, revision)
		}
		revision = r.revision
		at, _ := slices.BinarySearchFunc(history[r.key], r.revision+1, func(w written, revision uint64) int {
			return int(int64(w.revision) - int64(revision))
		})
		var want written
		if at > 0 {
			want = history[r.key][at-1]
		}
		r.item.Value = nil
		if r.found != want.found || r.value != want.value || fmt.Sprint(r.item) != fmt.Sprint(want.item) {
			return fmt.Errorf("read %d: key %d at revision %d is %+v, want %+v", i, r.key, r.revision, r, want)
		}
	}
	return nil
}

// The judge must be able to say no.
func TestJudgeReadsFindsFaults(t *testing.T) {
	var history [raceKeys][]written
	history[1] = []written{
		{3, true, Item{CreateRevision: 3, ModRevision: 3, Version: 1}, 30},
		{5, true, Item{CreateRevision: 3, ModRevision: 5, Version: 2}, 50},
		{9, false, Item{}, 0},
	}
	at := func(revision uint64, which int) read {
		r := read{key: 1, revision: revision}
		if which >= 0 {
			w := history[1][which]
			r.found, r.item, r.value = w.found, w.item, w.value
		}
		return r
	}
	require.NoError(t, judgeReads(history, []read{at(0, -1), at(2, -1), at(3, 0), at(4, 0), at(5, 1), at(8, 1), at(9, 2), at(99, 2)}))
	for name, reads := range map[string][]read{
		"revision falls":            {at(4, 0), at(3, 0)},
		"stale":                     {at(5, 0)},
		"from the future":           {at(4, 1)},
		"not found though it is":    {at(3, -1)},
		"found though it is gone":   {at(9, 1)},
		"value of another revision": {{key: 1, revision: 5, found: true, item: history[1][1].item, value: 30}},
	} {
		require.Error(t, judgeReads(history, reads), name)
	}
}
