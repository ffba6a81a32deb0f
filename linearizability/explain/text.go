package explain

import (
	"fmt"
	"slices"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// text returns a value as a sentence shows it.
func (k *key) text(v history.Value) string {
	if shown, ok := k.texts[v]; ok {
		return shown
	}
	return v.String()
}

// clearly explains a set so that no two values look the same. Which values a sentence shows is known only when it is there, so
// it is made once more if need be.
func (k *key) clearly(set []int32) verdict.Contradiction {
	c := k.classify(set)
	if k.texts = tellApart(k.valuesIn(c.Operations)); len(k.texts) > 0 {
		c = k.classify(set)
	}
	return c
}

// valuesIn returns the values that operations name.
func (k *key) valuesIn(operations []int32) []history.Value {
	all := []history.Value{k.spec.Initial}
	for _, i := range operations {
		o := &k.h.Operations[i]
		all = append(all, o.Value, o.Observed, o.Condition.Value)
	}
	return all
}

// tellApart returns texts for those values that would look the same, each of which shows where it differs.
func tellApart(values []history.Value) map[history.Value]string {
	alike := map[string][]string{} // by what history shows
	for _, v := range values {
		if shown := v.String(); v.Present && !slices.Contains(alike[shown], v.Data) {
			alike[shown] = append(alike[shown], v.Data)
		}
	}
	texts := map[history.Value]string{}
	for _, same := range alike {
		if len(same) < 2 {
			continue
		}
		used := map[string]bool{}
		slices.Sort(same)
		for _, data := range same {
			shown := differing(data, same)
			if used[shown] {
				shown = fmt.Sprintf("%s (%d bytes)", shown, len(data))
			}
			if used[shown] {
				shown = fmt.Sprintf("%q", data)
			}
			used[shown] = true
			texts[history.Of(data)] = shown
		}
	}
	return texts
}

// differing returns the beginning of a value, and what stands where it differs from others with the same beginning.
func differing(data string, others []string) string {
	const headBytes, beforeBytes, tailBytes = 16, 4, 20
	at := 0
	for _, other := range others {
		if other == data {
			continue
		}
		n := 0
		for n < len(data) && n < len(other) && data[n] == other[n] {
			n++
		}
		at = max(at, n)
	}
	from, to := max(at-beforeBytes, headBytes), min(at+tailBytes, len(data))
	text := history.Text(data[:headBytes]) + "…" + history.Text(data[from:to])
	if to < len(data) {
		text += "…"
	}
	return text
}
