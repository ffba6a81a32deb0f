package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// names returns the keys of a keyspace in order.
func (k *keyspace) names(start, end string) []string {
	names := []string{}
	k.visit(start, end, func(e *entry) bool {
		names = append(names, e.key)
		return true
	})
	return names
}

// TestKeyspaceIsAMap compares with Go's map, and shapes made in different ways.
func TestKeyspaceIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var k *keyspace
	mirror := map[string]entry{}
	for range 3000 {
		key := fmt.Sprintf("k%02d", random.IntN(60))
		old, oldLen := k, k.len()
		if _, ok := mirror[key]; ok && random.IntN(2) == 0 {
			k = k.remove(key)
			delete(mirror, key)
		} else {
			e := entry{key: key, value: fmt.Sprint(random.IntN(3)), mod: random.Int64N(5)}
			k = k.put(e)
			mirror[key] = e
		}
		require.Equal(t, oldLen, old.len(), "an old version changed")
		requireSame(t, mirror, k)
		start, end := fmt.Sprintf("k%02d", random.IntN(60)), fmt.Sprintf("k%02d", random.IntN(60))
		require.Len(t, k.names(start, end), k.count(start, end), "%s to %s", start, end)
		require.Len(t, k.names(start, ""), k.count(start, ""), "from %s", start)
	}
}

// requireSame compares a keyspace with a map, and with one that is built from the map in order.
func requireSame(t *testing.T, mirror map[string]entry, k *keyspace) {
	t.Helper()
	names := make([]string, 0, len(mirror))
	for key := range mirror {
		names = append(names, key)
	}
	slices.Sort(names)
	require.Equal(t, names, k.names("", ""))
	var built *keyspace
	for _, key := range names {
		e, ok := k.get(key)
		require.True(t, ok)
		require.Equal(t, mirror[key], e)
		built = built.put(e)
	}
	require.True(t, k.equal(built), "the shape depends on the order of writes")
	require.Equal(t, built.sum(), k.sum())
}

// TestKeyspaceTellsApart compares maps that differ in one field each.
func TestKeyspaceTellsApart(t *testing.T) {
	e := entry{key: "a", value: "1", mod: 2, create: 2, version: 1, lease: 7}
	var empty *keyspace
	k := empty.put(e)
	for _, other := range []entry{
		{key: "b", value: "1", mod: 2, create: 2, version: 1, lease: 7},
		{key: "a", value: "2", mod: 2, create: 2, version: 1, lease: 7},
		{key: "a", value: "1", mod: 3, create: 2, version: 1, lease: 7},
		{key: "a", value: "1", mod: 2, create: 1, version: 1, lease: 7},
		{key: "a", value: "1", mod: 2, create: 2, version: 2, lease: 7},
		{key: "a", value: "1", mod: 2, create: 2, version: 1},
	} {
		require.False(t, k.equal(empty.put(other)), "%+v", other)
		require.NotEqual(t, k.sum(), empty.put(other).sum(), "%+v", other)
	}
	require.False(t, k.equal(nil))
	require.False(t, empty.equal(k))
}
