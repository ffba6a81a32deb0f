// Package exit gives every command the same exit codes and the same shape of error: one line that says what went wrong
// and what to do next.
//
// A command returns New or Wrap; main prints the error on stderr and ends with CodeOf it. An error of any other kind is a plain
// failure, code 1.
package exit

import (
	"errors"
	"fmt"
	"strings"
)

// Code is the process's exit code. The numbers are part of the command line's contract: scripts test them.
type Code int

const (
	OK          Code = 0
	Failure     Code = 1
	Undecided   Code = 2
	Threshold   Code = 3
	Usage       Code = 64
	BadData     Code = 65
	Unavailable Code = 69
	Internal    Code = 70
)

// Row is one line of the table that `lockstep help exit-codes` prints.
type Row struct {
	Code    Code
	Name    string
	Meaning string
}

// Table lists all codes in ascending order.
func Table() []Row {
	return []Row{
		{OK, "ok", "it was done"},
		{Failure, "failure", "it was not done, a condition did not hold, a key is absent, or a check found a violation"},
		{Undecided, "undecided", "the outcome is unknown, or something was not checked"},
		{Threshold, "threshold missed", "a measurement is worse than the bound that was asked for"},
		{Usage, "usage", "a command, flag, argument or setting is wrong"},
		{BadData, "bad data", "a file or directory is damaged, of another cluster, or of an unknown format"},
		{Unavailable, "unavailable", "no node answers, no leader is known, or an address is in use; nothing was changed"},
		{Internal, "internal", "a bug in lockstep"},
	}
}

// Error is a failure with its exit code and the remedy.
type Error struct {
	Code Code
	// Err is what went wrong.
	Err error
	// Next is what the user can do about it; empty when nothing is known.
	Next string
}

// New returns an error without a cause. next may be empty.
func New(code Code, next, format string, args ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...), Next: next}
}

// Wrap gives err a code and a remedy, unless it has them already.
func Wrap(code Code, next string, err error) error {
	if err == nil {
		return nil
	}
	if already := (*Error)(nil); errors.As(err, &already) {
		return err
	}
	return &Error{Code: code, Err: err, Next: next}
}

// Error is always one line.
func (e *Error) Error() string {
	s := e.Err.Error()
	if e.Next != "" {
		s += "; " + e.Next
	}
	return OneLine(s)
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code to end the process with.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return Failure
}

// OneLine joins the lines of s, so that an error that quotes a message of several lines stays one line.
func OneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
