package kv

// Absolute bounds of the options. A snapshot is judged by these and not by the options, so that lowering an option
// does not make older data unreadable.
const (
	ShardsLimit        = 1 << 16
	KeyBytesLimit      = 1<<16 - 1
	ValueBytesLimit    = 64 << 20
	SessionsLimit      = 1 << 16
	SessionWindowLimit = 1 << 12
	// RebuildMinLimit bounds RebuildOperationsMin and RebuildDeletesMin.
	RebuildMinLimit = 1 << 30
	// RebuildSparseRatioLimit bounds RebuildSparseRatio: a shard as good as full gains nothing from being rebuilt.
	RebuildSparseRatioLimit = 0.9
)

// Options of a Machine. A zero field takes its default. All nodes of a cluster must use the same session limits and
// the same key and value bounds, since these decide results: a node with others diverges.
type Options struct {
	// Shards is a power of two, 1..ShardsLimit; default 128. More shards make readers and the writer meet less and
	// single steps shorter, and cost some hundred bytes each. May differ between nodes.
	Shards int
	// KeyBytesMax is 1..KeyBytesLimit; default 1,024. Longer keys are Invalid.
	KeyBytesMax int
	// ValueBytesMax is 1..ValueBytesLimit; default 1 MiB. Longer values are Invalid.
	ValueBytesMax int
	// SessionsMax is 1..SessionsLimit; default 4,096. Opening one more evicts the session that was used longest ago, by
	// log order. See SessionBytesMax for what they may take.
	SessionsMax int
	// SessionWindow is 1..SessionWindowLimit; default 256: the outstanding sequence numbers of one session.
	SessionWindow int
	// A shard is rebuilt in background steps when, since its last rebuild, it saw at least RebuildOperationsMin writes
	// (default 512), of which at least RebuildDeletesMin deletes (default 256), and holds fewer keys than
	// RebuildSparseRatio (above 0, at most 0.9, default 0.5) of the most that it held. Higher values give memory back
	// sooner and copy more. May differ between nodes.
	RebuildSparseRatio   float64
	RebuildOperationsMin int
	RebuildDeletesMin    int
}

// WithDefaults returns the options with zero fields replaced by their defaults.
func (o Options) WithDefaults() Options {
	defaultTo(&o.Shards, 128)
	defaultTo(&o.KeyBytesMax, 1<<10)
	defaultTo(&o.ValueBytesMax, 1<<20)
	defaultTo(&o.SessionsMax, 4096)
	defaultTo(&o.SessionWindow, 256)
	defaultTo(&o.RebuildSparseRatio, 0.5)
	defaultTo(&o.RebuildOperationsMin, 512)
	defaultTo(&o.RebuildDeletesMin, 256)
	return o
}

func defaultTo[T int | float64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Validate names the first option that is out of bounds (*OptionError). Zero fields count as their defaults.
func (o Options) Validate() error {
	o = o.WithDefaults()
	for _, bound := range []struct {
		option     string
		value, max int
		bounds     string
	}{
		{"Shards", o.Shards, ShardsLimit, "a power of two, 1..65,536"},
		{"KeyBytesMax", o.KeyBytesMax, KeyBytesLimit, "1..65,535"},
		{"ValueBytesMax", o.ValueBytesMax, ValueBytesLimit, "1..67,108,864"},
		{"SessionsMax", o.SessionsMax, SessionsLimit, "1..65,536"},
		{"SessionWindow", o.SessionWindow, SessionWindowLimit, "1..4,096"},
		{"RebuildOperationsMin", o.RebuildOperationsMin, RebuildMinLimit, "1..1,073,741,824"},
		{"RebuildDeletesMin", o.RebuildDeletesMin, RebuildMinLimit, "1..1,073,741,824"},
	} {
		if bound.value < 1 || bound.value > bound.max {
			return &OptionError{bound.option, bound.value, bound.bounds}
		}
	}
	if o.Shards&(o.Shards-1) != 0 {
		return &OptionError{"Shards", o.Shards, "a power of two, 1..65,536"}
	}
	if !(o.RebuildSparseRatio > 0 && o.RebuildSparseRatio <= RebuildSparseRatioLimit) {
		return &OptionError{"RebuildSparseRatio", o.RebuildSparseRatio, "above 0, at most 0.9"}
	}
	return nil
}

// SessionBytesMax is what the session table takes at most, in bytes, when every session keeps a full window of
// results: 60 MB with the defaults. Sessions that pipeline less take less. A frozen snapshot may take as much again.
func (o Options) SessionBytesMax() int {
	o = o.WithDefaults()
	return o.SessionsMax * (sessionBytes + ringLength(o.SessionWindow)*outcomeBytes)
}
