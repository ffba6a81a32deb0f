package report

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// page is what the template shows without any script: the verdict and the violations.
type page struct {
	File     string
	Format   string
	State    string // "violation", "undecided", "linearizable", "nothing": the class of its colours and its icon
	Word     string
	Lead     string
	Facts    []fact
	Commands []command
	Warnings []string
	// Undecided names the keys that were not decided, by reason.
	Undecided []undecidedKeys
	Notes     []string
	Cards     []card
	// CardsLeft counts the violations that are not drawn.
	CardsLeft string
	Drawable  bool // there are operations to draw
	HasKeys   bool
	Untimed   bool
	Simulated bool

	Data   template.JS
	Style  template.CSS
	Script template.JS
	Policy string
}

// fact is a figure with its name.
type fact struct {
	Name, Value, Hint string
	Code              bool
	Counts            []fact // in place of a value
}

// command is a line to copy.
type command struct{ Name, Text string }

// card shows a violation.
type card struct {
	Number    int
	Key       string // empty if it concerns no single key
	Whole     bool
	Group     bool // Key names all keys of transactions
	Kind      string
	Tier      string
	Sentence  string
	Rows      []row
	Revisions bool // some row has one
	Lines     bool // likewise
	Left      string
}

// row is an operation of a contradiction.
type row struct {
	Badge                     int
	Index                     int32
	Client, Key, Call, Result string
	Invoke, Return, Line      string
	Revision                  string
}

// violation is a contradiction with the key that it concerns, nil for the whole history.
type violation struct {
	key *verdict.KeyResult
	x   *verdict.Contradiction
}

// violationsOf lists all violations: those of the whole history, then by key.
func violationsOf(c Checked) []violation {
	var list []violation
	for i := range c.Result.Contradictions {
		list = append(list, violation{nil, &c.Result.Contradictions[i]})
	}
	for i := range c.Result.Keys {
		k := &c.Result.Keys[i]
		if k.Verdict != verdict.Violation {
			continue
		}
		x := k.Contradiction
		if x == nil {
			x = &verdict.Contradiction{Kind: verdict.Unorderable, Sentence: unexplained}
		}
		list = append(list, violation{k, x})
	}
	return list
}

// pageOf returns what the page shows and the embedded record that its script draws.
func pageOf(c Checked) (page, record) {
	violations := violationsOf(c)
	drawn := violations[:min(len(violations), cardsMax)]
	r := recordOf(c, drawn)
	p := page{
		File: clean(c.file()), Format: clean(c.History.Origin.Format), Facts: facts(c), Notes: r.notes, Warnings: warnings(c), Undecided: undecidedOf(c),
		Drawable: len(c.History.Operations) > 0, HasKeys: len(c.Result.Keys) > 0,
	}
	p.State, p.Word, p.Lead = headline(c)
	p.Commands = commands(c)
	start := startOf(c.History)
	p.Untimed, p.Simulated = c.History.Origin.Untimed, simulated(c.History)
	for i, v := range drawn {
		p.Cards = append(p.Cards, cardOf(c, i+1, v, start, r.Cards[i].Left))
	}
	if left := len(violations) - len(drawn); left > 0 {
		p.CardsLeft = fmt.Sprintf("%s more %s not drawn here. The table of keys has the sentence of each, and the JSON report has their operations.",
			thousands(int64(left)), map[bool]string{true: "violation is", false: "violations are"}[left == 1])
	}
	return p, r
}

// undecidedKeys are the keys that one reason keeps undecided.
type undecidedKeys struct{ Count, Reason, Keys string }

// Bounds of what the head of a page says about undecided keys; the table of keys has them all.
const (
	reasonsMax = 4
	namesMax   = 5
)

func undecidedOf(c Checked) []undecidedKeys {
	names, groups := map[string][]string{}, groupsOf(c.History)
	var reasons []string
	for i := range c.Result.Keys {
		k := &c.Result.Keys[i]
		if k.Verdict != verdict.Undecided {
			continue
		}
		reason := sentence(undecidedReason(k))
		if names[reason] == nil {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], groups.name(k.Key, 40))
	}
	var list []undecidedKeys
	for i, reason := range reasons {
		if i == reasonsMax {
			return append(list, undecidedKeys{plural(len(reasons)-i, "more reason"), "see the table of keys.", ""})
		}
		u := undecidedKeys{plural(len(names[reason]), "key"), reason, "(" + strings.Join(names[reason][:min(len(names[reason]), namesMax)], ", ")}
		if len(names[reason]) > namesMax {
			u.Keys += ", …"
		}
		u.Keys += ")"
		list = append(list, u)
	}
	return list
}

// headline returns the verdict as a class, a word and a sentence.
func headline(c Checked) (state, word, lead string) {
	n := c.counts()
	keys := len(c.Result.Keys)
	switch v := c.verdict(); {
	case v == verdict.Violation:
		return "violation", "Violation", violationLead(c, n, keys)
	case c.Result.Checked == 0:
		return "nothing", "Nothing checked", sentence(c.reason()) + " This is not a pass."
	case v == verdict.Undecided:
		return "undecided", "Undecided", undecidedLead(c, n, keys)
	}
	lead = fmt.Sprintf("Each of %s has an order of its operations that explains every result.", plural(keys, "key"))
	if keys == 1 {
		lead = "There is an order of the operations that explains every result."
	}
	return "linearizable", "Linearizable", lead
}

func violationLead(c Checked, n counts, keys int) string {
	var parts []string
	if bad := n.verdicts[verdict.Violation]; bad > 0 && keys == 1 {
		parts = append(parts, "No order of the operations explains what clients saw.")
	} else if bad > 0 {
		parts = append(parts, fmt.Sprintf("No order of the operations explains what clients saw of %s of %s.", thousands(int64(bad)), plural(keys, "key")))
	}
	if whole := len(c.Result.Contradictions); whole > 0 {
		parts = append(parts, fmt.Sprintf("The results break a promise over all keys in %s.", plural(whole, "place")))
	}
	if open := n.verdicts[verdict.Undecided]; open > 0 {
		parts = append(parts, fmt.Sprintf("%s not decided.", was(open)))
	}
	if len(parts) == 0 {
		return sentence(c.reason())
	}
	return strings.Join(parts, " ")
}

func undecidedLead(c Checked, n counts, keys int) string {
	var parts []string
	if open := n.verdicts[verdict.Undecided]; open > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s %s not decided. This is not a pass.", thousands(int64(open)), plural(keys, "key"),
			map[bool]string{true: "was", false: "were"}[open == 1]))
	}
	if c.reason() != "" {
		parts = append(parts, sentence(c.reason()))
	}
	if len(parts) == 0 {
		parts = append(parts, "The history was not decided, and no reason is given. This is not a pass.")
	}
	return strings.Join(parts, " ")
}

// was returns "1 key was", "2 keys were".
func was(n int) string {
	if n == 1 {
		return "1 key was"
	}
	return plural(n, "key") + " were"
}

// sentence makes a clause a sentence.
func sentence(s string) string {
	s = clean(s)
	if s == "" {
		return ""
	}
	if c := s[0]; 'a' <= c && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

func facts(c Checked) []fact {
	o := c.History.Origin
	list := []fact{{Name: "Operations", Value: thousands(int64(c.Result.Operations))}, checkedFact(c)}
	list = append(list, fact{Name: "Keys", Value: thousands(int64(len(c.Result.Keys)))})
	list = append(list, fact{Name: "Decided by", Counts: tiers(c)})
	list = append(list, fact{Name: "Took", Value: took(c.Nanoseconds)})
	if steps := c.counts().steps; steps > 0 {
		list = append(list, fact{Name: "Search steps", Value: thousands(steps)})
	}
	list = append(list, fact{Name: "Store", Value: clean(orElse(o.Store, "not told"))})
	if o.HasSeed {
		list = append(list, fact{Name: "Seed", Value: strconv.FormatUint(o.Seed, 10), Code: true})
	}
	list = append(list, fact{Name: "Revisions", Value: revisionsName(o.Revisions), Hint: revisionsHint(o.Revisions)})
	if o.Started != "" {
		list = append(list, fact{Name: "Started", Value: clean(o.Started)})
	}
	return list
}

// checkedFact counts what was checked and names what was not, and why.
func checkedFact(c Checked) fact {
	f := fact{Name: "Checked", Value: thousands(int64(c.Result.Checked))}
	var reasons []string
	for _, u := range uncheckedOf(c) {
		reasons = append(reasons, thousands(int64(u.Operations))+" "+clean(u.Reason))
	}
	if len(reasons) > 0 {
		f.Hint = "not checked: " + strings.Join(reasons, ", ")
	}
	return f
}

// tiers counts the keys by who decided them.
func tiers(c Checked) []fact {
	n := c.counts()
	var list []fact
	for _, t := range []verdict.Tier{verdict.Witness, verdict.Zones, verdict.Search, verdict.NoTier} {
		if n.tiers[t] == 0 && t == verdict.NoTier {
			continue
		}
		label := t.String()
		if t == verdict.NoTier {
			label = "no tier"
		}
		list = append(list, fact{Name: label, Value: thousands(int64(n.tiers[t])), Hint: tierHint(t)})
	}
	return list
}

func tierHint(t verdict.Tier) string {
	switch t {
	case verdict.Witness:
		return "an order suggested by revisions, verified in full"
	case verdict.Zones:
		return "atomicity zones: exact when no value is written twice"
	case verdict.Search:
		return "search by porcupine within the budget"
	}
	return "undecided, or nothing to check"
}

func revisionsHint(r history.Revisions) string {
	switch r {
	case history.Hints:
		return "they suggest an order, which counts only when verified"
	case history.Contract:
		return "they are part of every result, over all keys"
	}
	return "results carry none"
}

func commands(c Checked) []command {
	var list []command
	if c.Command != "" {
		list = append(list, command{"Check again", clean(c.Command)})
	}
	if run := c.History.Origin.Command; run != "" {
		list = append(list, command{"Run again", clean(run)})
	}
	return list
}

// warnings are what a reader has to know before trusting the verdict.
func warnings(c Checked) []string {
	var list []string
	if c.History.Origin.Untimed {
		list = append(list, "The record has no clock: the times on this page are places in the record, such as #4, and order is all that they tell.")
	}
	if c.History.Origin.Torn {
		list = append(list, "The file ends in the middle of a record, as it does when its recorder was killed. The verdict is on what precedes; what came after is not known.")
	}
	if c.verdict() != verdict.Undecided && c.Result.Reason != "" {
		list = append(list, sentence(c.Result.Reason))
	}
	return list
}

func cardOf(c Checked, number int, v violation, start int64, left int) card {
	groups := groupsOf(c.History)
	x := card{Number: number, Kind: strings.ReplaceAll(string(v.x.Kind), "-", " "), Sentence: sentence(v.x.Sentence), Whole: v.key == nil}
	if v.key != nil {
		x.Key, x.Tier = groups.name(v.key.Key, textBytesMax), v.key.Tier.String()
		x.Group = groups[v.key.Key]
	}
	var ops []*history.Operation
	for _, i := range v.x.Operations {
		ops = append(ops, &c.History.Operations[i])
	}
	times := clockFor(start, c.History.Origin.Untimed, ops)
	for n, o := range ops {
		r := row{
			Badge: n + 1, Index: v.x.Operations[n], Client: clean(c.History.ClientName(o.Client)), Key: groups.name(o.Key, 40), Call: clean(o.Call()),
			Result: clean(o.Result()), Invoke: times.text(o.Invoke), Return: times.text(o.Return), Revision: revisionText(o),
		}
		if o.Line > 0 {
			r.Line, x.Lines = strconv.Itoa(int(o.Line)), true
		}
		x.Revisions = x.Revisions || r.Revision != ""
		x.Rows = append(x.Rows, r)
	}
	if left > 0 {
		x.Left = fmt.Sprintf("%s on the same keys in this span %s not drawn here.", plural(left, "more operation"), map[bool]string{true: "is", false: "are"}[left == 1])
	}
	return x
}

// revisionText returns the revision at which an operation was evaluated, and that of the key as it was met.
func revisionText(o *history.Operation) string {
	switch key := digits(o.KeyRevision); {
	case key == "" || o.KeyRevision == o.Revision:
		return digits(o.Revision)
	case o.Revision == 0:
		return "key " + key
	default:
		return digits(o.Revision) + ", key " + key
	}
}

// simulated says that the times are those of a simulated life: it follows from a seed, and nobody's clock says when it was lived.
func simulated(h *history.History) bool {
	o := &h.Origin
	return o.Store == "lockstep" && o.HasSeed && o.Started == ""
}

// startOf is the time that the page calls 0: the first invocation. Places in a record stay what they are, and so do the times of a
// simulation, by which other pages name the same moments.
func startOf(h *history.History) int64 {
	if len(h.Operations) == 0 || h.Origin.Untimed || simulated(h) {
		return 0
	}
	start := h.Operations[0].Invoke
	for i := range h.Operations {
		start = min(start, h.Operations[i].Invoke)
	}
	return start
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
