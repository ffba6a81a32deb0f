package config

import (
	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/lockstepdb/lockstep/kv"
)

// derive replaces the zeros that stand for something else, as a node does when it starts, and says by key what they stand for.
// A limit that the machine does not tell stays zero: the node says so when it starts.
func derive(c host.Config) (host.Config, map[string]string) {
	why := map[string]string{}
	if c.KV.DataBytesMax == 0 {
		if limit, err := host.MemoryLimit(); err == nil {
			c.KV.DataBytesMax, why["kv.data-bytes-max"] = host.Size(limit/2), "half of the memory limit"
		}
	}
	if c.Raft.LeaseDrift == 0 {
		c.Raft.LeaseDrift, why["raft.lease-drift"] = c.Raft.Tick*host.Duration(c.Raft.ElectionTicks)/8, "an eighth of the election timeout"
	}
	store := kv.Options{}.WithDefaults()
	for key, zero := range map[string]bool{
		"kv.rebuild-sparse-ratio":   replaceZero(&c.KV.RebuildSparseRatio, store.RebuildSparseRatio),
		"kv.rebuild-operations-min": replaceZero(&c.KV.RebuildOperationsMin, store.RebuildOperationsMin),
		"kv.rebuild-deletes-min":    replaceZero(&c.KV.RebuildDeletesMin, store.RebuildDeletesMin),
	} {
		if zero {
			why[key] = "the store's default"
		}
	}
	return c, why
}

func replaceZero[T int | float64](field *T, value T) (replaced bool) {
	if *field != 0 {
		return false
	}
	*field = value
	return true
}
