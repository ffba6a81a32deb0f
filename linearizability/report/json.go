package report

import (
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// Schema names the version of the JSON document. Fields may be added under it; none is removed or changes its meaning.
const Schema = "lockstep-check/1"

// JSON writes the verdicts on all histories; docs/format/check-report.md draws it.
func JSON(w io.Writer, all []Checked) error {
	if err := validateAll(all); err != nil {
		return err
	}
	d := document{Schema: Schema, Verdict: verdict.Linearizable, Histories: []historyReport{}}
	if len(all) == 0 {
		d.Verdict = verdict.Undecided
	}
	for _, c := range all {
		d.Verdict = d.Verdict.Worse(c.verdict())
		d.Histories = append(d.Histories, reportOf(c))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

type document struct {
	Schema    string          `json:"schema"`
	Verdict   verdict.Verdict `json:"verdict"`
	Histories []historyReport `json:"histories"`
}

type historyReport struct {
	File           string                `json:"file"`
	Format         string                `json:"format,omitempty"`
	Store          string                `json:"store,omitempty"`
	Run            string                `json:"run,omitempty"`
	Seed           string                `json:"seed,omitempty"` // a string: it may exceed what a double holds
	Started        string                `json:"started,omitempty"`
	Revisions      string                `json:"revisions"`
	Torn           bool                  `json:"torn"`
	Untimed        bool                  `json:"untimed,omitempty"`
	Command        string                `json:"command,omitempty"`
	DurationNS     int64                 `json:"duration_ns"`
	Verdict        verdict.Verdict       `json:"verdict"`
	Reason         string                `json:"reason,omitempty"`
	Operations     int                   `json:"operations"`
	Checked        int                   `json:"checked"`
	Unchecked      []unchecked           `json:"unchecked"`
	KeysByVerdict  keysByVerdict         `json:"keys_by_verdict"`
	KeysByTier     keysByTier            `json:"keys_by_tier"`
	Contradictions []contradictionReport `json:"contradictions"`
	Keys           []keyReport           `json:"keys"`
}

type keysByVerdict struct {
	Linearizable int `json:"linearizable"`
	Violation    int `json:"violation"`
	Undecided    int `json:"undecided"`
}

type keysByTier struct {
	Witness int `json:"witness"`
	Zones   int `json:"zones"`
	Search  int `json:"search"`
	None    int `json:"none"`
}

type keyReport struct {
	Key           *string              `json:"key,omitempty"`
	Key64         []byte               `json:"key64,omitempty"`
	Verdict       verdict.Verdict      `json:"verdict"`
	Tier          string               `json:"tier"`
	Operations    int                  `json:"operations"`
	Steps         int64                `json:"steps"`
	Reason        string               `json:"reason,omitempty"`
	Contradiction *contradictionReport `json:"contradiction,omitempty"`
	Order         []int32              `json:"order,omitempty"`
	PartialOrders [][]int32            `json:"partial_orders,omitempty"`
}

type contradictionReport struct {
	Kind       verdict.Kind      `json:"kind"`
	Sentence   string            `json:"sentence"`
	Operations []operationReport `json:"operations"`
}

// operationReport is an operation in the words of docs/format/history.md, with its place and its description.
type operationReport struct {
	Index       int32   `json:"index"`
	Line        int32   `json:"line,omitempty"`
	Client      int32   `json:"client"`
	ClientName  string  `json:"client_name"`
	Call        string  `json:"call"`
	Result      string  `json:"result"`
	InvokeNS    int64   `json:"invoke_ns"`
	ReturnNS    *int64  `json:"return_ns"` // null: it never returned
	Kind        string  `json:"kind"`
	Outcome     string  `json:"outcome"`
	Stale       bool    `json:"stale,omitempty"`
	Key         *string `json:"key,omitempty"`
	Key64       []byte  `json:"key64,omitempty"`
	Value       *string `json:"value,omitempty"`
	Value64     []byte  `json:"value64,omitempty"`
	IfExists    *bool   `json:"if_exists,omitempty"`
	IfValue     any     `json:"if_value,omitempty"` // a string, or null for an absent key
	IfValue64   []byte  `json:"if_value64,omitempty"`
	IfRevision  *uint64 `json:"if_revision,omitempty"`
	Observed    any     `json:"observed,omitempty"` // a string, or null for an absent key
	Observed64  []byte  `json:"observed64,omitempty"`
	Existed     *bool   `json:"existed,omitempty"`
	Revision    uint64  `json:"revision,omitempty"`
	KeyRevision uint64  `json:"key_revision,omitempty"`
}

func reportOf(c Checked) historyReport {
	o, n := c.History.Origin, c.counts()
	r := historyReport{
		File: c.History.Origin.File, Format: o.Format, Store: o.Store, Run: o.Command, Started: o.Started,
		Revisions: revisionsName(o.Revisions), Torn: o.Torn, Untimed: o.Untimed, Command: c.Command, DurationNS: c.Nanoseconds,
		Verdict: c.verdict(), Reason: c.reason(), Operations: c.Result.Operations, Checked: c.Result.Checked,
		Unchecked: uncheckedOf(c), Contradictions: []contradictionReport{}, Keys: []keyReport{},
		KeysByVerdict: keysByVerdict{n.verdicts[verdict.Linearizable], n.verdicts[verdict.Violation], n.verdicts[verdict.Undecided]},
		KeysByTier:    keysByTier{n.tiers[verdict.Witness], n.tiers[verdict.Zones], n.tiers[verdict.Search], n.tiers[verdict.NoTier]},
	}
	if o.HasSeed {
		r.Seed = strconv.FormatUint(o.Seed, 10)
	}
	for i := range c.Result.Contradictions {
		r.Contradictions = append(r.Contradictions, contradictionOf(c.History, &c.Result.Contradictions[i]))
	}
	for i := range c.Result.Keys {
		r.Keys = append(r.Keys, keyOf(c.History, &c.Result.Keys[i]))
	}
	return r
}

func keyOf(h *history.History, k *verdict.KeyResult) keyReport {
	r := keyReport{Verdict: k.Verdict, Tier: k.Tier.String(), Operations: k.Operations, Steps: k.Steps, Reason: k.Reason,
		Order: k.Order, PartialOrders: k.Partial}
	r.Key, r.Key64 = textOf(k.Key)
	if k.Contradiction != nil {
		x := contradictionOf(h, k.Contradiction)
		r.Contradiction = &x
	}
	return r
}

func contradictionOf(h *history.History, x *verdict.Contradiction) contradictionReport {
	r := contradictionReport{Kind: x.Kind, Sentence: x.Sentence, Operations: []operationReport{}}
	for _, i := range x.Operations {
		r.Operations = append(r.Operations, operationOf(h, i))
	}
	return r
}

func operationOf(h *history.History, i int32) operationReport {
	o := &h.Operations[i]
	r := operationReport{
		Index: i, Line: o.Line, Client: o.Client, ClientName: h.ClientName(o.Client), Call: o.Call(), Result: o.Result(), InvokeNS: o.Invoke,
		Kind: kindName(o.Kind), Outcome: outcomeName(o.Outcome), Stale: o.Stale, Revision: o.Revision, KeyRevision: o.KeyRevision,
	}
	if o.Return != history.Forever {
		r.ReturnNS = &o.Return
	}
	r.Key, r.Key64 = textOf(o.Key)
	if o.Kind == history.Put || o.Kind == history.Append {
		r.Value, r.Value64 = textOf(o.Value.Data)
	}
	if observes(o) {
		r.Observed, r.Observed64 = valueOf(o.Observed)
	}
	if o.Existed != history.NotSaid {
		r.Existed = is(o.Existed == history.Yes)
	}
	r.condition(o.Condition)
	return r
}

func (r *operationReport) condition(c history.Condition) {
	switch c.Kind {
	case history.MustNotExist:
		r.IfExists = is(false)
	case history.MustExist:
		r.IfExists = is(true)
	case history.ValueEquals:
		r.IfValue, r.IfValue64 = valueOf(c.Value)
	case history.RevisionEquals:
		r.IfRevision = &c.Revision
	}
}

// observes says that the result of an operation tells what the key held.
func observes(o *history.Operation) bool {
	return o.Kind == history.Get && o.Outcome == history.Done || o.Outcome == history.ConditionFailed && o.HasObserved
}

func is(b bool) *bool { return &b }

// valueOf returns a value for one of two fields: null for an absent one, or else as textOf does.
func valueOf(v history.Value) (text any, bytes []byte) {
	if !v.Present {
		return json.RawMessage("null"), nil
	}
	if s, bytes := textOf(v.Data); s == nil {
		return nil, bytes
	}
	return v.Data, nil
}

// textOf returns bytes as text if they are UTF-8, and as bytes, which JSON writes in base64, if not.
func textOf(s string) (*string, []byte) {
	if utf8.ValidString(s) {
		return &s, nil
	}
	return nil, []byte(s)
}

func kindName(k history.Kind) string {
	names := [...]string{history.Get: "get", history.Put: "put", history.Delete: "delete", history.Append: "append", history.Transact: "transaction"}
	if k == 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

func outcomeName(o history.Outcome) string {
	names := [...]string{history.Unknown: "unknown", history.Done: "done", history.ConditionFailed: "condition-failed", history.Refused: "refused"}
	if int(o) >= len(names) {
		return "unknown"
	}
	return names[o]
}

func revisionsName(r history.Revisions) string {
	return [...]string{history.NoRevisions: "none", history.Hints: "hints", history.Contract: "contract"}[r]
}
