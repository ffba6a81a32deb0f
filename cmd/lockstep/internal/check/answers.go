package check

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// answers judges the judge: files in a folder called bad must be violations of the kind that begins their names, all others
// must be linearizable.
func (s *Settings) answers(all []checked) error {
	var wrong []error
	for _, c := range all {
		if err := answer(c); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	if len(wrong) > 0 {
		return exit.New(exit.Failure, "", "%d of %d answers are wrong: %w", len(wrong), len(s.Files), errors.Join(wrong...))
	}
	if !s.JSON {
		if len(all) == 1 {
			fmt.Fprintln(s.Out, "the answer is right")
		} else {
			fmt.Fprintf(s.Out, "all %d answers are right\n", len(all))
		}
	}
	return nil
}

func answer(c checked) error {
	if c.err != nil {
		return c.err
	}
	if !slices.Contains(strings.Split(filepath.ToSlash(c.name), "/"), "bad") {
		if c.Result.Verdict != verdict.Linearizable {
			return fmt.Errorf("%s, though it must be linearizable", c.Result.Verdict)
		}
		return nil
	}
	if c.Result.Verdict != verdict.Violation {
		return fmt.Errorf("%s, though it must be a violation", c.Result.Verdict)
	}
	kinds := kindsOf(c.Result)
	name := filepath.Base(c.name)
	if slices.ContainsFunc(kinds, func(k verdict.Kind) bool { return strings.HasPrefix(name, string(k)) }) {
		return nil
	}
	return fmt.Errorf("a violation, but not the one that its name says: %v", kinds)
}

func kindsOf(r verdict.Result) []verdict.Kind {
	var kinds []verdict.Kind
	for _, c := range r.Contradictions {
		kinds = append(kinds, c.Kind)
	}
	for _, k := range r.Keys {
		if k.Contradiction != nil {
			kinds = append(kinds, k.Contradiction.Kind)
		}
	}
	return kinds
}
