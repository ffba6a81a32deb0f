package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/report"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// checked is one argument: what was found, or why it could not be read.
type checked struct {
	name string
	report.Checked
	err error
}

// Run judges all files. Its error carries the exit code.
func Run(ctx context.Context, s Settings) error {
	pages, err := newPages(s.HTML, s.Files)
	if err != nil {
		return err
	}
	all := make([]checked, 0, len(s.Files))
	p := newProgress(s.Errs, len(s.Files))
	for i, name := range s.Files {
		c := s.one(ctx, name, p.file(i, name))
		p.clear()
		if c.err == nil {
			if err := pages.write(c); err != nil {
				return err
			}
		}
		if !s.JSON {
			s.print(c)
		}
		all = append(all, c.lean(s))
		if ctx.Err() != nil {
			break
		}
	}
	return s.finish(all, pages)
}

// one reads and judges one file.
func (s *Settings) one(ctx context.Context, name string, progress func(done, total int)) checked {
	c := checked{name: name}
	started := time.Now()
	c.History, c.err = s.read(name)
	if c.err != nil {
		return c
	}
	c.Result = linearizability.Check(ctx, c.History, linearizability.Options{
		Steps: s.Budget.Steps, Time: s.Budget.Time, Workers: s.Workers, Tiers: s.Tiers, Progress: progress, Certificates: s.HTML != "",
	})
	c.Command = s.command(name)
	c.Nanoseconds = time.Since(started).Nanoseconds()
	return c
}

// lean forgets the history unless something still needs it: many files may follow.
func (c checked) lean(s Settings) checked {
	if !s.JSON && s.JUnit == "" {
		c.History = nil
	}
	for i := range c.Result.Keys {
		c.Result.Keys[i].Order = nil
	}
	return c
}

// finish writes what covers all files and decides how the command ends.
func (s *Settings) finish(all []checked, pages *pages) error {
	if err := pages.writeIndex(all); err != nil {
		return err
	}
	var read []report.Checked
	for _, c := range all {
		if c.err == nil {
			read = append(read, c.Checked)
		}
	}
	if s.JSON {
		if err := report.JSON(s.Out, read); err != nil {
			return err
		}
	} else {
		s.summary(all)
	}
	if err := s.writeJUnit(read); err != nil {
		return err
	}
	if s.KnownAnswers {
		return s.answers(all)
	}
	return ending(all)
}

// ending turns the verdicts into the command's error: a violation before an unreadable file before an undecided verdict.
func ending(all []checked) error {
	count := map[verdict.Verdict]int{}
	var unreadable error
	for _, c := range all {
		if c.err != nil {
			unreadable = errors.Join(unreadable, c.err)
			continue
		}
		count[c.Result.Verdict]++
	}
	switch {
	case count[verdict.Violation] == 1 && len(all) == 1:
		return exit.New(exit.Failure, "", "the history is not linearizable")
	case count[verdict.Violation] > 0:
		return exit.New(exit.Failure, "", "%d of %d histories are not linearizable", count[verdict.Violation], len(all))
	case unreadable != nil:
		return exit.Wrap(exit.BadData, "", unreadable)
	case count[verdict.Undecided] > 0:
		return exit.New(exit.Undecided, undecidedNext(all), "%d of %d histories are undecided", count[verdict.Undecided], len(all))
	}
	return nil
}

// undecidedNext returns what to do about the first undecided history.
func undecidedNext(all []checked) string {
	for _, c := range all {
		if c.err == nil && c.Result.Verdict == verdict.Undecided {
			if reason := firstReason(c.Result); reason != "" {
				return reason
			}
		}
	}
	return "raise --budget"
}

func firstReason(r verdict.Result) string {
	if r.Reason != "" {
		return r.Reason
	}
	for _, k := range r.Keys {
		if k.Verdict == verdict.Undecided && k.Reason != "" {
			return k.Reason
		}
	}
	return ""
}

// command returns the line that repeats the check of one file.
func (s *Settings) command(name string) string {
	line := s.Command
	add := func(flag, value string) {
		if value != "" {
			line += " --" + flag + " " + quoted(value)
		}
	}
	if s.Format != "auto" {
		add("format", s.Format)
	}
	add("model", s.Model)
	if s.InitialGiven {
		line += " --initial " + quoted(s.Initial)
	}
	add("budget", s.Budget.String())
	add("tiers", s.Tiers.String())
	if name == "-" {
		return line + " -"
	}
	return fmt.Sprintf("%s %s", line, quoted(name))
}
