package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/lockstepdb/lockstep/linearizability"
	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/report"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// checked is one argument: what was found, or why it could not be read or was not reached.
type checked struct {
	name string
	page string // its page in the folder of pages
	report.Checked
	err error
}

// errInterrupted is why a file was not reached.
var errInterrupted = errors.New("not checked: interrupted")

// Run judges all files. Its error carries the exit code. When ctx ends, what was not decided by then is undecided.
func Run(ctx context.Context, s Settings) error {
	out, err := newOutput(&s)
	if err != nil {
		return err
	}
	all := make([]checked, 0, len(s.Files))
	p := startProgress(s.Errs, len(s.Files))
	defer p.stop()
	var unwritten error
	for i, name := range s.Files {
		p.begin(i, name)
		c := s.one(ctx, name, p)
		p.hide()
		unwritten = errors.Join(unwritten, out.page(&c))
		if !s.JSON {
			s.print(c)
		}
		all = append(all, c.lean(&s))
	}
	p.stop()
	return errors.Join(s.finish(all, out), unwritten)
}

// one reads and judges one file.
func (s *Settings) one(ctx context.Context, name string, p *progress) checked {
	c := checked{name: name}
	started := time.Now()
	if ctx.Err() != nil {
		c.err = errInterrupted
	} else if c.History, c.err = s.read(ctx, name, p); ctx.Err() != nil && c.err != nil {
		c.err = errInterrupted
	}
	if c.err != nil {
		c.History = &history.History{Origin: history.Origin{File: name}}
		c.Unread = unreadable(c.err)
		c.Result.Reason = c.Unread
		return c
	}
	c.Result = linearizability.Check(ctx, c.History, linearizability.Options{
		Steps: s.Budget.Steps, Time: s.Budget.Time, Workers: s.Workers, Tiers: s.Tiers, Progress: p.keys, Certificates: s.HTML != "",
	})
	c.Command = s.command(name)
	c.Nanoseconds = time.Since(started).Nanoseconds()
	return c
}

// lean forgets the history unless something still needs it: many files may follow.
func (c checked) lean(s *Settings) checked {
	if !s.JSON && s.JUnit == "" {
		c.History = &history.History{Origin: c.History.Origin}
	}
	for i := range c.Result.Keys {
		c.Result.Keys[i].Order = nil
	}
	return c
}

// finish writes what covers all files and decides how the command ends.
func (s *Settings) finish(all []checked, out *output) error {
	reports := make([]report.Checked, 0, len(all))
	for _, c := range all {
		reports = append(reports, c.Checked)
	}
	var unwritten error
	if s.JSON {
		unwritten = report.JSON(s.Out, reports)
	} else {
		s.summary(all)
	}
	unwritten = errors.Join(unwritten, out.index(all), out.junit(reports))
	if unwritten != nil {
		return unwritten
	}
	if s.KnownAnswers {
		return s.answers(all)
	}
	return ending(all)
}

// ending turns the verdicts into the command's error: a violation before an unreadable file before what is undecided.
func ending(all []checked) error {
	count := map[verdict.Verdict]int{}
	var unread []error
	interrupted := false
	for _, c := range all {
		switch {
		case errors.Is(c.err, errInterrupted):
			interrupted = true
			count[verdict.Undecided]++
		case c.err != nil:
			unread = append(unread, c.err)
		default:
			count[c.Result.Verdict]++
		}
	}
	switch {
	case count[verdict.Violation] > 0:
		return exit.New(exit.Failure, "", "%s not linearizable", part(count[verdict.Violation], len(all)))
	case len(unread) == 1:
		return exit.Wrap(exit.BadData, "", unread[0])
	case len(unread) > 1:
		return exit.New(exit.BadData, "see above", "%d of %s can't be read", len(unread), amount(len(all), "file"))
	case interrupted:
		return exit.New(exit.Undecided, "", "interrupted: %s undecided", part(count[verdict.Undecided], len(all)))
	case count[verdict.Undecided] > 0:
		return exit.New(exit.Undecided, "see the reason above, raise --budget, or read docs/linearizability.md", "%s undecided", part(count[verdict.Undecided], len(all)))
	}
	return nil
}

// part returns "the history is", or "2 of 3 histories are".
func part(n, of int) string {
	switch {
	case of == 1:
		return "the history is"
	case n == 1:
		return fmt.Sprintf("1 of %d histories is", of)
	}
	return fmt.Sprintf("%d of %d histories are", n, of)
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
