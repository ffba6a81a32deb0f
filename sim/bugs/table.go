package bugs

import (
	"fmt"
	"io"
	"strings"
)

// Table writes the rows as a table in Markdown.
func Table(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString("| Bug | What is wrong | Seeds to find: median (least to most) | Found by | Hidden without faults of |\n|---|---|---|---|---|\n")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.Name, r.Title, r.SeedsText(), strings.Join(r.Kinds(), ", "), r.HiddenText())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// SeedsText tells how many seeds it took.
func (r *Row) SeedsText() string {
	least, median, most := r.Seeds()
	switch {
	case r.Error != "":
		return "error"
	case r.Found():
		return fmt.Sprintf("%d (%d to %d)", median, least, most)
	case len(r.Kinds()) == 0:
		return fmt.Sprintf("not found by %d", most)
	}
	return fmt.Sprintf("%d (%d to more than %d)", median, least, most)
}

// HiddenText tells without which classes of faults the bug was not found.
func (r *Row) HiddenText() string {
	switch {
	case r.Untold:
		return ""
	case len(r.Survives) == 0:
		return "none"
	}
	names := make([]string, len(r.Survives))
	for i, c := range r.Survives {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}
