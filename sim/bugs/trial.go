package bugs

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
)

// Trial says how hard each bug is looked for.
type Trial struct {
	Workers  int    // processes
	Profile  string // from plan.Profiles
	SeedsMax uint64 // lived in one hunt at most
	Starts   int    // hunts, each from seeds of its own; at least 1
	// Classes: look also without each class of faults.
	Classes bool
}

// startsApart is how far the first seeds of two hunts lie apart: beyond any that is lived.
const startsApart = 1_000_000

// Row is what came of one bug.
type Row struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Catches []Catch `json:"catches"` // one for each start
	// Survives are the classes of faults without which it was not found, though several times the seeds were lived that it took with
	// them. Untold: the trial did not ask, or the bug was not found anyway.
	Survives []Class `json:"survives"`
	Untold   bool    `json:"untold,omitempty"`
	// Error is of a bug that does not build, or a worker that does not start.
	Error string `json:"error,omitempty"`
}

// Found says whether every hunt found the bug.
func (r *Row) Found() bool {
	return len(r.Catches) > 0 && !slices.ContainsFunc(r.Catches, func(c Catch) bool { return !c.Found })
}

// Seeds returns the least, the median and the most seeds that the hunts took. A hunt that found nothing counts with what it lived.
func (r *Row) Seeds() (least, median, most uint64) {
	all := make([]uint64, 0, len(r.Catches))
	for _, c := range r.Catches {
		all = append(all, c.Seeds)
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1]
}

// Kinds returns the checks that found the bug, the most frequent first.
func (r *Row) Kinds() []string {
	times := map[string]int{}
	for _, c := range r.Catches {
		if c.Found {
			times[c.Kind]++
		}
	}
	return slices.SortedFunc(maps.Keys(times), func(a, b string) int {
		return cmp.Or(cmp.Compare(times[b], times[a]), cmp.Compare(a, b))
	})
}

// Run builds a bug and looks for it. Only the end of ctx is an error; anything else is told in the row.
func (t *Trial) Run(ctx context.Context, b Bug) (Row, error) {
	row := Row{Name: b.Name, Title: b.Title, Untold: true}
	err := t.run(ctx, b, &row)
	if ctx.Err() != nil {
		return row, ctx.Err()
	}
	if err != nil {
		row.Error = err.Error()
	}
	return row, nil
}

func (t *Trial) run(ctx context.Context, b Bug, row *Row) error {
	dir, err := os.MkdirTemp("", "lockstep-bug-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := Build(ctx, b, dir)
	if err != nil {
		return err
	}
	h := Hunt{Binary: binary, Workers: t.Workers, Profile: t.Profile, SeedsMax: t.SeedsMax, Twice: b.Twice}
	for i := range t.Starts {
		h.From = 1 + uint64(i)*startsApart
		c, err := h.Run(ctx)
		if err != nil {
			return err
		}
		row.Catches = append(row.Catches, c)
	}
	if !t.Classes || !row.Found() {
		return nil
	}
	row.Untold = false
	return t.without(ctx, h, row)
}

// How many seeds must pass before a bug counts as hidden: that many times the median, within bounds.
const (
	hiddenTimes    = 20
	hiddenSeedsMin = 50
)

// without looks for the bug in plans that are free of a class of faults, one class after the other.
func (t *Trial) without(ctx context.Context, h Hunt, row *Row) error {
	_, median, _ := row.Seeds()
	h.From = 1
	h.SeedsMax = min(max(hiddenTimes*median, hiddenSeedsMin), t.SeedsMax)
	for _, class := range Classes() {
		h.Without = class
		c, err := h.Run(ctx)
		if err != nil {
			return err
		}
		if !c.Found {
			row.Survives = append(row.Survives, class)
		}
	}
	return nil
}
