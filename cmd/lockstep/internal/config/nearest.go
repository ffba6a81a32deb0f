package config

import (
	"fmt"
	"strings"
)

// unknown is the error for a name that nobody knows; it names the nearest known one.
func unknown(what, name, place string, known []string) error {
	reason := fmt.Sprintf("unknown %s %s", what, name)
	if near := nearest(name, known); near != "" {
		reason += fmt.Sprintf("; did you mean %s?", near)
	}
	return &Error{Place: place, Reason: reason}
}

// slipsMax is how many edits at most make one name another by mistake.
const slipsMax = 3

// nearest returns the known name with the fewest edits, or none when all are too far to be a slip.
func nearest(name string, known []string) string {
	own := len(strings.TrimPrefix(name, environmentPrefix)) // what all names begin with is no likeness
	best, edits := "", min(slipsMax, max(1, own/3))+1
	for _, k := range known {
		if d := distance(name, k); d < edits {
			best, edits = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between two names (Levenshtein), a row at a time.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
