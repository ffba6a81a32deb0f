package report

import (
	"slices"
	"strconv"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// record is what the page embeds for its script. Operations are named by their index in the history; times are nanoseconds
// from the first invocation, and -1 as a length stands for no return.
type record struct {
	Total   int         `json:"total"`
	Untimed bool        `json:"untimed,omitempty"` // times are places in the record
	Strings []string    `json:"strings"`
	Clients []string    `json:"clients"`
	Keys    []keyRecord `json:"keys"`
	// KeysLeft counts the keys that the table leaves out, which are those without a problem first.
	KeysLeft int          `json:"keysLeft"`
	Ops      columns      `json:"ops"`
	Marks    []markRecord `json:"marks"`
	Cards    []cardRecord `json:"cards"`

	notes []string
}

// columns hold the operations: the i-th of each belongs to the i-th operation. Texts are indices into record.Strings.
type columns struct {
	Index       []int32             `json:"index"`
	Client      []int32             `json:"client"`
	Key         []int32             `json:"key"`
	Kind        []int32             `json:"kind"`     // not bytes: JSON would write them in base64
	ReadOnly    []int32             `json:"readOnly"` // 1: it could not write
	Outcome     []int32             `json:"outcome"`
	Stale       []int32             `json:"stale"`
	Line        []int32             `json:"line"`
	Invoke      []int64             `json:"invoke"`
	Length      []int64             `json:"length"`
	Call        []int32             `json:"call"`
	Result      []int32             `json:"result"`
	Reads       []int32             `json:"reads"`    // the text of the value that a result or a condition that held tells, -1 if none
	Writes      []int32             `json:"writes"`   // the text of the value that a Put writes, -1 if none
	Revision    []string            `json:"revision"` // text: a script's numbers end at 2^53; empty if not told
	KeyRevision []string            `json:"keyRevision"`
	Long        map[int32][2]string `json:"long"` // by index: name and text of a value that the call or the result cuts
}

type keyRecord struct {
	Name       string  `json:"name"`
	Group      bool    `json:"group,omitempty"` // Name stands for all keys of transactions
	Row        bool    `json:"row"`             // it stands in the table
	Verdict    string  `json:"verdict"`
	Tier       string  `json:"tier"`
	Operations int     `json:"operations"` // that constrain
	All        int     `json:"all"`        // all operations on the key
	Held       int     `json:"held"`       // those that the page holds
	Steps      int64   `json:"steps"`
	Why        string  `json:"why"`
	Card       int     `json:"card"` // from 1; 0 if none
	Orders     []order `json:"orders"`
	OrdersLeft int     `json:"ordersLeft"`
}

type markRecord struct {
	Kind history.MarkKind `json:"kind"`
	Node string           `json:"node"`
	Text string           `json:"text"`
	From int64            `json:"from"`
	To   int64            `json:"to"` // beyond all operations while it lasts
}

type cardRecord struct {
	Key        int32   `json:"key"` // index into record.Keys, -1 for none
	From       int64   `json:"from"`
	To         int64   `json:"to"`
	Operations []int32 `json:"ops"` // the first Focus of them contradict each other
	Focus      int     `json:"focus"`
	Left       int     `json:"left"`
}

// recorder fills in a record.
type recorder struct {
	record
	h       *history.History
	byKey   map[string][]int32
	groups  groups
	start   int64
	strings map[string]int32
	keys    map[string]int32
	clients map[int32]int32
}

func recordOf(c Checked, drawn []violation) record {
	r := &recorder{h: c.History, byKey: partitions(c.History), groups: groupsOf(c.History), start: startOf(c.History), strings: map[string]int32{}, keys: map[string]int32{}}
	r.Total, r.Untimed = len(c.History.Operations), c.History.Origin.Untimed
	r.Strings, r.Keys, r.Marks, r.Cards = []string{}, []keyRecord{}, []markRecord{}, []cardRecord{}
	r.addKeys(c, drawn)
	var needed []int32
	for _, v := range drawn {
		w := windowAround(c.History, r.byKey, v.x)
		needed = append(needed, w.Operations...)
		r.addCard(v, w)
	}
	e := choose(c.History, c.Result.Keys, r.byKey, needed)
	r.notes = e.Notes
	r.addClients(e.Operations)
	r.addOperations(e.Operations)
	r.addMarks()
	return r.record
}

// addKeys fills the table of keys, problems first.
func (r *recorder) addKeys(c Checked, drawn []violation) {
	cards := map[string]int{}
	for i, v := range drawn {
		if v.key != nil {
			cards[v.key.Key] = i + 1
		}
	}
	places := placesMax
	sorted := byGravity(c.Result.Keys)
	for _, k := range sorted[:min(len(sorted), keysMax)] {
		row := keyRecord{
			Name: r.groups.name(k.Key, textBytesMax), Group: r.groups[k.Key], Row: true, Verdict: k.Verdict.String(), Tier: k.Tier.String(), Operations: k.Operations,
			All: len(r.byKey[k.Key]), Steps: k.Steps, Why: whyOf(k), Card: cards[k.Key],
		}
		if idle(k) {
			row.Verdict = "nothing"
		}
		if k.Verdict != verdict.Violation || row.Card > 0 {
			row.Orders, row.OrdersLeft = orders(r.h, k, r.byKey[k.Key], &places)
		} else {
			row.OrdersLeft = len(k.Partial)
		}
		r.keys[k.Key] = int32(len(r.Keys))
		r.Keys = append(r.Keys, row)
	}
	r.KeysLeft = max(0, len(sorted)-keysMax)
}

// whyOf returns what the table says of a key.
func whyOf(k *verdict.KeyResult) string {
	switch {
	case k.Contradiction != nil:
		return sentence(k.Contradiction.Sentence)
	case k.Verdict == verdict.Violation:
		return sentence(unexplained)
	case k.Verdict == verdict.Undecided:
		return sentence(undecidedReason(k))
	case idle(k):
		return "Nothing to check."
	}
	return sentence(k.Reason)
}

func (r *recorder) addCard(v violation, w window) {
	x := cardRecord{Key: -1, From: since(w.From, r.start), To: since(w.To, r.start), Operations: w.Operations, Focus: len(v.x.Operations), Left: w.Left}
	if v.key != nil {
		x.Key = r.key(v.key.Key)
	}
	if x.Operations == nil {
		x.Operations = []int32{}
	}
	r.Cards = append(r.Cards, x)
}

// addClients numbers the clients of the chosen operations by their own numbers.
func (r *recorder) addClients(chosen []int32) {
	numbers := map[int32]bool{}
	for _, i := range chosen {
		numbers[r.h.Operations[i].Client] = true
	}
	sorted := make([]int32, 0, len(numbers))
	for n := range numbers {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	r.clients = make(map[int32]int32, len(sorted))
	r.Clients = make([]string, len(sorted))
	for i, n := range sorted {
		r.clients[n] = int32(i)
		r.Clients[i] = clean(r.h.ClientName(n))
	}
}

func (r *recorder) addOperations(chosen []int32) {
	r.Ops.grow(len(chosen))
	for _, i := range chosen {
		r.addOperation(i)
	}
}

// grow makes room, so that also an empty column is a list.
func (c *columns) grow(n int) {
	for _, list := range []*[]int32{&c.Index, &c.Client, &c.Key, &c.Kind, &c.ReadOnly, &c.Outcome, &c.Stale, &c.Line, &c.Call, &c.Result, &c.Reads, &c.Writes} {
		*list = make([]int32, 0, n)
	}
	c.Invoke, c.Length = make([]int64, 0, n), make([]int64, 0, n)
	c.Revision, c.KeyRevision = make([]string, 0, n), make([]string, 0, n)
	c.Long = map[int32][2]string{}
}

func (r *recorder) addOperation(i int32) {
	o, c := &r.h.Operations[i], &r.Ops
	key := r.key(o.Key)
	r.Keys[key].Held++
	length := int64(-1)
	if o.Return != history.Forever {
		length = max(0, since(o.Return, o.Invoke))
	}
	c.Index, c.Client, c.Key = append(c.Index, i), append(c.Client, r.clients[o.Client]), append(c.Key, key)
	c.Kind, c.Outcome, c.Line = append(c.Kind, int32(o.Kind)), append(c.Outcome, int32(o.Outcome)), append(c.Line, o.Line)
	c.Stale, c.ReadOnly = append(c.Stale, flag(o.Stale)), append(c.ReadOnly, flag(readOnly(o)))
	c.Invoke, c.Length = append(c.Invoke, since(o.Invoke, r.start)), append(c.Length, length)
	c.Call, c.Result = append(c.Call, r.text(clean(o.Call()))), append(c.Result, r.text(clean(o.Result())))
	c.Revision, c.KeyRevision = append(c.Revision, digits(o.Revision)), append(c.KeyRevision, digits(o.KeyRevision))
	reads, writes := int32(-1), int32(-1)
	if observes(o) {
		reads = r.value(i, "value read", o.Observed)
	} else if o.Outcome == history.Done && o.Condition.Kind == history.ValueEquals {
		reads = r.text(valueText(o.Condition.Value))
	}
	if o.Kind == history.Put || o.Kind == history.Append {
		writes = r.value(i, "value written", o.Value)
	}
	c.Reads, c.Writes = append(c.Reads, reads), append(c.Writes, writes)
}

// readOnly says that an operation could not write: a get, or a transaction of nothing but gets.
func readOnly(o *history.Operation) bool {
	if o.Kind == history.Transact && o.Transaction != nil {
		return o.Transaction.Kind == history.Steps && !o.Transaction.MayWrite()
	}
	return o.Kind == history.Get
}

// value returns the text of a value, and keeps it for the details if descriptions cut it.
func (r *recorder) value(i int32, what string, v history.Value) int32 {
	text := valueText(v)
	if short := v.String(); len(text) > len(short) {
		r.Ops.Long[i] = [2]string{what, text}
	}
	return r.text(text)
}

// valueText returns a value as the details show it. The text "absent" is quoted, to differ from none.
func valueText(v history.Value) string {
	switch {
	case !v.Present:
		return "absent"
	case v.Data == "absent":
		return `"absent"`
	}
	return name(v.Data, textBytesMax)
}

// key returns the place of a key's name, which it adds if the table has none.
func (r *recorder) key(key string) int32 {
	at, ok := r.keys[key]
	if !ok {
		at = int32(len(r.Keys))
		r.keys[key] = at
		r.Keys = append(r.Keys, keyRecord{Name: r.groups.name(key, textBytesMax), Group: r.groups[key], All: len(r.byKey[key])})
	}
	return at
}

// text returns the place of a text.
func (r *recorder) text(s string) int32 {
	at, ok := r.strings[s]
	if !ok {
		at = int32(len(r.Strings))
		r.strings[s] = at
		r.Strings = append(r.Strings, s)
	}
	return at
}

// addMarks embeds faults before leaders before notes, as many as a page holds.
func (r *recorder) addMarks() {
	left := 0
	for _, kind := range []history.MarkKind{history.Fault, history.Leader, history.Note} {
		for _, m := range r.h.Marks {
			switch {
			case m.Kind != kind:
			case len(r.Marks) == marksMax:
				left++
			default:
				r.Marks = append(r.Marks, markRecord{m.Kind, clean(m.Node), clean(m.Text), since(m.From, r.start), since(m.To, r.start)})
			}
		}
	}
	if left > 0 {
		r.notes = append(r.notes, plural(left, "mark")+" of faults, leaders or notes beyond "+thousands(marksMax)+" are in the file only.")
	}
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// digits returns a revision as text, empty for none.
func digits(revision uint64) string {
	if revision == 0 {
		return ""
	}
	return strconv.FormatUint(revision, 10)
}
