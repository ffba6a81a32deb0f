package kv

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// checkTable holds a table against a map: every key is found, and only those, and the index is as it should be.
func checkTable(t require.TestingT, table *table, want map[string]uint64) {
	require.Equal(t, len(want), table.count)
	used := 0
	for _, entry := range table.index {
		if entry != 0 {
			used++
		}
	}
	require.Equal(t, table.count, used)
	require.LessOrEqual(t, used*4, len(table.index)*3)
	for number := range table.count {
		s := table.at(number)
		require.Equal(t, number, table.find(s.tag, s.key()))
		version, ok := want[string(s.key())]
		require.True(t, ok)
		require.Equal(t, version, s.version)
	}
	capacity := 0
	for _, page := range table.pages {
		capacity += len(page)
	}
	require.LessOrEqual(t, table.count, capacity)
	require.Less(t, capacity-table.count, 2*pageSlots+1, "empty pages are given back")
}

// Few tags, so that probe sequences are long, wrap around and share tags.
func TestTableAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.SampledFrom([][]uint32{{0}, {0xffffffff, 0xfffffffe, 0}, {1, 2, 3, 4, 5, 6, 7, 8, 9}}).Draw(t, "tags")
		table, want := new(table), map[string]uint64{}
		version := uint64(0)
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			number := rapid.Uint16Range(0, 60).Draw(t, "key")
			key := binary.BigEndian.AppendUint16(nil, number)
			tag := tags[int(number)%len(tags)]
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				_, there := want[string(key)]
				require.Equal(t, there, table.drop(tag, key))
				delete(want, string(key))
			} else {
				version++
				item := newSlot(tag, key, nil)
				item.version = version
				table.upsert(item)
				want[string(key)] = version
			}
		}
		checkTable(t, table, want)
	})
}

func TestTableGrowsAndShrinksByPages(t *testing.T) {
	table, want := new(table), map[string]uint64{}
	key := func(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }
	tag := func(i int) uint32 { return uint32(i) * 0x9e3779b1 }
	for i := range 5000 {
		item := newSlot(tag(i), key(i), []byte("value"))
		item.version = uint64(i + 1)
		table.insert(item)
		want[string(key(i))] = uint64(i + 1)
		if i < 20 || i%97 == 0 {
			checkTable(t, table, want)
		}
	}
	for i := range 5000 {
		require.True(t, table.drop(tag(i), key(i)))
		require.False(t, table.drop(tag(i), key(i)))
		delete(want, string(key(i)))
		if i%97 == 0 || i > 4980 {
			checkTable(t, table, want)
		}
	}
}
