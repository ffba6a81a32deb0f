package readers

import (
	"bufio"
	"errors"
	"io"
	"math"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// readPorcupine reads the kv files of porcupine's tests:
//
//	{:process 0, :type :invoke, :f :append, :key "3", :value "x 0 1 y"}
//
// The functions are get, put and append, keys and values are strings, there are no times, and a key that nobody wrote reads
// as the empty string. Those files know :invoke and :ok; :fail and :info are taken as Jepsen means them.
func readPorcupine(r *bufio.Reader, o Options) (*history.History, error) {
	in, c, k := records{s: newScanner(r, 1)}, clock{}, commands{newJournal()}
	for {
		f, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		e, err := c.read(&f)
		if err == nil {
			err = k.take(&e)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(k.operations) == 0 {
		return nil, failAt(0, "there is no operation in it")
	}
	return &history.History{
		Origin:     history.Origin{Format: "porcupine-kv", File: o.File, Revisions: history.NoRevisions, Initial: history.Of(""), Untimed: true},
		Operations: k.operations,
	}, nil
}

// commands makes operations of events that name their key.
type commands struct{ journal }

// commandKinds are the functions of the format.
var commandKinds = map[string]history.Kind{"get": history.Get, "put": history.Put, "append": history.Append}

// take takes the next event.
func (k *commands) take(e *event) error {
	kind, known := commandKinds[e.f]
	switch {
	case e.line > math.MaxInt32:
		return failAt(0, "more than %d lines", math.MaxInt32)
	case e.nemesis:
		return failAt(e.line, ":process is :nemesis, where a number was expected")
	case !known:
		return failAt(e.line, ":f is :%s, which is none of :get, :put, :append", e.f)
	case e.key == nil || e.key.kind != kindText:
		return failAt(e.line, "no :key that is a string")
	case e.phase == phaseInvoke:
		return k.ask(e, kind)
	}
	return k.answer(e, kind)
}

// ask takes an invocation.
func (k *commands) ask(e *event, kind history.Kind) error {
	o := history.Operation{Kind: kind, Key: e.key.text}
	switch {
	case kind == history.Get && !e.value.isNil():
		return failAt(e.line, "a get is invoked with %s, where nil was expected", short(e.value.canonical()))
	case kind != history.Get && e.value.kind != kindText:
		return failAt(e.line, ":%s of %s, where a string was expected", e.f, short(e.value.canonical()))
	case kind != history.Get:
		o.Value = history.Of(e.value.text)
	}
	return k.invoke(e, o)
}

// answer takes a completion.
func (k *commands) answer(e *event, kind history.Kind) error {
	o, err := k.complete(e)
	switch {
	case err != nil:
		return err
	case kind != o.Kind || e.key.text != o.Key:
		return failAt(e.line, "process %d completes :%s of %s, but invoked %s of %s in line %d", e.process, e.f, short(e.key.text), o.Call(), short(o.Key), o.Line)
	case e.phase == phaseInfo:
		settle(o, history.Unknown, e.at)
		return nil
	case e.phase == phaseFail:
		settle(o, history.Refused, e.at)
		return nil
	case e.value.kind != kindText:
		return failAt(e.line, ":%s is :ok with %s, where a string was expected", e.f, short(e.value.canonical()))
	case kind == history.Get:
		o.Observed = history.Of(e.value.text)
	case e.value.text != o.Value.Data:
		return failAt(e.line, "process %d completes :%s with %s, but invoked %s in line %d", e.process, e.f, short(e.value.text), o.Call(), o.Line)
	}
	settle(o, history.Done, e.at)
	return nil
}
