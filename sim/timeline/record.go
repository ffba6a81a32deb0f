package timeline

import (
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// record is what the page's script knows beside the events. Events are named by their place among them.
type record struct {
	Title              string          `json:"title"`
	Nodes              int             `json:"nodes"` // spares included
	Founders           int             `json:"founders"`
	Clients            int             `json:"clients"`
	Safety             int64           `json:"safety"` // nanoseconds
	Count              int             `json:"count"`  // of events
	Missing            uint64          `json:"missing"`
	TextsSkipped       int             `json:"textsSkipped"`
	Kinds              []packKind      `json:"kinds"`
	Strings            []string        `json:"strings"`
	Big                []string        `json:"big"` // hexadecimal
	Operations         []operation     `json:"operations"`
	Faults             []fault         `json:"faults"`
	Contradictions     []contradiction `json:"contradictions"`
	ContradictionsLeft int             `json:"contradictionsLeft"`
	Failure            *failure        `json:"failure"`
	Report             string          `json:"report"`
}

// operation is a call of a client.
type operation struct {
	Number  uint64 `json:"number"`
	Client  int    `json:"client"`
	Action  string `json:"action"`
	Key     string `json:"key"`
	Invoke  int    `json:"invoke"`
	Return  int    `json:"return"`  // -1: it never did
	Outcome string `json:"outcome"` // done, refused, unknown or condition failed
	Call    string `json:"call"`
	Result  string `json:"result"`
}

// failure is where the life failed.
type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	At      int64  `json:"at"`
	Event   int    `json:"event"` // -1: no event tells of it
}

// contradiction is what the check of the history found, with places among the operations.
type contradiction struct {
	Sentence   string `json:"sentence"`
	Operations []int  `json:"operations"`
	// Card is its number in the report of the check.
	Card int `json:"card"`
	// Left counts operations that the page has not.
	Left int `json:"left"`
}

// recordOf packs an input.
func recordOf(in *Input) (*record, *columns) {
	c := newColumns()
	for i := range in.Events {
		c.add(&in.Events[i])
	}
	r := &record{
		Title: clean(in.Title), Nodes: in.Plan.Nodes + in.Plan.Spares, Founders: in.Plan.Nodes, Clients: in.Plan.Clients.Count,
		Safety: int64(in.Plan.Safety), Count: len(in.Events), Missing: in.Missing, Kinds: c.kinds, Report: beside(in.Report),
	}
	calls := callsOf(in)
	r.Operations, r.Contradictions = calls.list, contradictionsOf(in.Verdict, calls.places)
	if left := len(r.Contradictions) - contradictionsMax; left > 0 {
		r.Contradictions, r.ContradictionsLeft = r.Contradictions[:contradictionsMax], left
	}
	r.Faults = faultsOf(in)
	r.Failure = failureOf(in)
	r.Strings, r.Big, r.TextsSkipped = c.strings.list, c.big, c.strings.skipped
	return r, c
}

// beside returns a link if it leads to a page beside this one, and nothing else.
func beside(link string) string {
	if strings.ContainsAny(link, ":\\") || strings.HasPrefix(link, "/") {
		return ""
	}
	return link
}

func failureOf(in *Input) *failure {
	if in.Failure == nil {
		return nil
	}
	f := &failure{clean(in.Failure.Kind), clean(in.Failure.Message), in.Failure.At, -1}
	for i := range in.Events {
		if in.Events[i].Kind == trace.Fail {
			f.Event, f.At = i, in.Events[i].At
			break
		}
	}
	return f
}

// calls are the operations of a page, and the place of each by its index in the history.
type calls struct {
	list   []operation
	places map[int32]int
}

// callsOf reads the operations off the events and joins them with the history.
func callsOf(in *Input) calls {
	c := calls{list: []operation{}, places: map[int32]int{}}
	open, recorded := map[uint64]int{}, newRecorded(in.History)
	for i := range in.Events {
		switch e := &in.Events[i]; e.Kind {
		case trace.Invoke:
			o := operation{Number: e.Number("operation"), Client: e.Client, Action: clean(e.What), Key: clean(e.Text), Invoke: i, Return: -1, Outcome: "unknown"}
			if h := recorded.take(e); h >= 0 {
				o.join(&in.History.Operations[h])
				c.places[h] = len(c.list)
			}
			open[o.Number] = len(c.list)
			c.list = append(c.list, o)
		case trace.Return:
			if p, ok := open[e.Number("operation")]; ok {
				c.list[p].finish(i, e)
				delete(open, e.Number("operation"))
			}
		}
	}
	return c
}

func (o *operation) finish(i int, e *trace.Event) {
	o.Return = i
	if o.Call == "" { // the history knows better
		o.Outcome, o.Result = clean(e.What), clean(e.Text)
	}
}

var outcomeNames = [...]string{history.Unknown: "unknown", history.Done: "done", history.ConditionFailed: "condition failed", history.Refused: "refused"}

func (o *operation) join(h *history.Operation) {
	o.Call, o.Result = clean(h.Call()), clean(h.Result())
	if int(h.Outcome) < len(outcomeNames) {
		o.Outcome = outcomeNames[h.Outcome]
	}
}

// recorded finds the operation of a history that an event begins. Several may begin at once: they are in the same order.
type recorded map[begun][]int32

type begun struct {
	client int
	at     int64
	key    string
}

func newRecorded(h *history.History) recorded {
	r := recorded{}
	if h == nil {
		return r
	}
	for i := range h.Operations {
		o := &h.Operations[i]
		b := begun{int(o.Client), o.Invoke, o.Key}
		r[b] = append(r[b], int32(i))
	}
	return r
}

// take returns the index in the history, -1 if it has none.
func (r recorded) take(e *trace.Event) int32 {
	b := begun{e.Client, e.At, e.Text}
	list := r[b]
	if len(list) == 0 {
		return -1
	}
	r[b] = list[1:]
	return list[0]
}

// contradictionsMax is how many are listed: what contradicts itself more often is not read to the end.
const contradictionsMax = 10

// contradictionsOf lists what the check found, in the order of its report: what concerns no single key, then by key.
func contradictionsOf(v *verdict.Result, places map[int32]int) []contradiction {
	list := []contradiction{}
	if v == nil {
		return list
	}
	card := 0
	add := func(x *verdict.Contradiction) {
		card++
		if x == nil { // the report has a card for it
			return
		}
		c := contradiction{Sentence: clean(x.Sentence), Operations: []int{}, Card: card}
		for _, index := range x.Operations {
			if p, ok := places[index]; ok {
				c.Operations = append(c.Operations, p)
			} else {
				c.Left++
			}
		}
		list = append(list, c)
	}
	for i := range v.Contradictions {
		add(&v.Contradictions[i])
	}
	for i := range v.Keys {
		if k := &v.Keys[i]; k.Verdict == verdict.Violation {
			add(k.Contradiction)
		}
	}
	return list
}
