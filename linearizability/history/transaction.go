package history

import (
	"fmt"
	"strings"
)

// TransactionKind is what a Transaction asks for.
type TransactionKind uint8

const (
	// Steps compares, then runs one of two lists of steps, all at one moment. Without comparisons it always runs Then, so a
	// plain range, put or delete is a transaction of one step.
	Steps TransactionKind = iota + 1
	// GrantLease creates the lease Transaction.Lease.
	GrantLease
	// RevokeLease removes the lease Transaction.Lease and deletes every key that is attached to it.
	RevokeLease
	// Compact gives up the revisions before Transaction.Revision: they can't be read any more.
	Compact
	// Defragment reorganizes the store's file. It has no effect that a client could see.
	Defragment
)

// Target is what a comparison looks at.
type Target uint8

const (
	// ModRevision is the revision of the key's last write; 0 for an absent key.
	ModRevision Target = iota + 1
	// CreateRevision is the revision of the write that made the key present; 0 for an absent key.
	CreateRevision
	// Version counts the key's writes since it became present; 0 for an absent key.
	Version
	// KeyValue is the key's value. No comparison with the value of an absent key holds.
	KeyValue
	// KeyLease is the lease that the key is attached to; 0 for none.
	KeyLease
)

// Relation is how a comparison compares.
type Relation uint8

// The relations: what is found stands on the left.
const (
	Equal Relation = iota + 1
	NotEqual
	Less
	Greater
)

// Compare is one comparison. All those of a transaction must hold for Then to run.
type Compare struct {
	Key      string
	Target   Target
	Relation Relation
	Number   int64  // for every target but KeyValue
	Value    string // for KeyValue
}

// AllKeys as Step.End makes a range reach to the last key.
const AllKeys = "\x00"

// Step is one read or write of a transaction.
type Step struct {
	Kind Kind // Get, Put or Delete

	// Key is the key. With End, of Get and Delete, the step concerns all keys from Key on and before End.
	Key, End string
	// Limit bounds how many pairs a Get returns, the smallest keys first; 0: all.
	Limit int64
	// Revision is the old revision that a Get asks for; 0: the current one.
	Revision int64
	// CountOnly is a Get that returns no pairs.
	CountOnly bool
	// Value is what a Put writes.
	Value string
	// Lease is what a Put attaches the key to; 0 for none.
	Lease int64
}

// Pair is a key as a Get returned it.
type Pair struct {
	Key, Value string
	Revision   int64 // its mod revision; 0: not told
	Version    int64 // 0: not told
}

// StepResult is what came back for a step.
type StepResult struct {
	Pairs   []Pair // of Get
	Count   int64  // of Get: how many keys there are in the range, limit or not
	Deleted int64  // of Delete
}

// Failure is a definite answer that says why nothing was done.
type Failure uint8

const (
	// NoFailure: the transaction was carried out.
	NoFailure Failure = iota
	// Compacted: the revision that it asks for has been compacted.
	Compacted
	// FutureRevision: the revision that it asks for has not been written yet.
	FutureRevision
)

// Transaction is an operation on several keys at once, with its result. It is plain data in the terms of etcd, whose
// operations are a superset of those of most stores with transactions. The revision at which the store evaluated it is
// Operation.Revision.
type Transaction struct {
	Kind     TransactionKind
	Compares []Compare // of Steps
	Then     []Step    // of Steps: what runs if every comparison holds
	Else     []Step    // of Steps: what runs otherwise
	Lease    int64     // of GrantLease and RevokeLease; 0: the client does not know it
	Revision int64     // of Compact

	// Answered says that the result below is known. An operation that is Done without an answer is known, from elsewhere,
	// to have been carried out.
	Answered  bool
	Failure   Failure
	Succeeded bool         // of Steps: Then ran
	Results   []StepResult // of Steps: one for each step that ran
}

// Ran returns the steps that an answered transaction ran.
func (t *Transaction) Ran() []Step {
	if t.Succeeded {
		return t.Then
	}
	return t.Else
}

// MayWrite says that the transaction could change what a later one returns. One that could not constrains nothing while
// its outcome is unknown.
func (t *Transaction) MayWrite() bool {
	switch t.Kind {
	case Defragment:
		return false
	case GrantLease:
		return t.Lease != 0
	case Steps:
		return writes(t.Then) || writes(t.Else)
	}
	return true
}

// writes says that a step is no read.
func writes(steps []Step) bool {
	for i := range steps {
		if steps[i].Kind != Get {
			return true
		}
	}
	return false
}

// Call returns what was asked, for people: "txn: if /a is at revision 7: put /a=5 else get /a".
func (t *Transaction) Call() string {
	switch t.Kind {
	case GrantLease:
		if t.Lease == 0 {
			return "grant lease"
		}
		return fmt.Sprintf("grant lease %d", t.Lease)
	case RevokeLease:
		return fmt.Sprintf("revoke lease %d", t.Lease)
	case Compact:
		return fmt.Sprintf("compact to revision %d", t.Revision)
	case Defragment:
		return "defragment"
	}
	if len(t.Compares) == 0 && len(t.Then) == 1 && len(t.Else) == 0 {
		return t.Then[0].String()
	}
	return "txn: " + t.clauses()
}

// clauses returns comparisons and both lists.
func (t *Transaction) clauses() string {
	text := list(t.Then)
	if len(t.Compares) > 0 {
		text = "if " + list(t.Compares) + ": " + text
	}
	if len(t.Else) > 0 {
		text += " else " + list(t.Else)
	}
	return text
}

// list joins descriptions.
func list[T fmt.Stringer](items []T) string {
	if len(items) == 0 {
		return "nothing"
	}
	texts := make([]string, len(items))
	for i := range items {
		texts[i] = items[i].String()
	}
	return strings.Join(texts, ", ")
}

// String returns the comparison: "/a is at revision 7", "/a is absent", "/a's version > 3".
func (c Compare) String() string {
	key := Text(c.Key)
	switch {
	case c.Relation == Equal && c.Number == 0 && (c.Target == ModRevision || c.Target == CreateRevision || c.Target == Version):
		return key + " is absent"
	case c.Relation == Equal && c.Target == ModRevision:
		return fmt.Sprintf("%s is at revision %d", key, c.Number)
	case c.Relation == Equal && c.Target == KeyValue:
		return key + " equals " + Text(c.Value)
	}
	operand := fmt.Sprint(c.Number)
	if c.Target == KeyValue {
		operand = Text(c.Value)
	}
	return fmt.Sprintf("%s's %s %s %s", key, c.Target, c.Relation, operand)
}

// String returns the target's name.
func (t Target) String() string {
	names := [...]string{ModRevision: "revision", CreateRevision: "creation", Version: "version", KeyValue: "value", KeyLease: "lease"}
	if int(t) < len(names) && t > 0 {
		return names[t]
	}
	return fmt.Sprintf("target %d", uint8(t))
}

// String returns the relation's sign.
func (r Relation) String() string {
	signs := [...]string{Equal: "=", NotEqual: "≠", Less: "<", Greater: ">"}
	if int(r) < len(signs) && r > 0 {
		return signs[r]
	}
	return fmt.Sprintf("relation %d", uint8(r))
}

// String returns the step: "get /a", "range /a to /b, at most 10, at revision 7", "put /a=5 with lease 3", "delete /a".
func (s Step) String() string {
	switch s.Kind {
	case Put:
		text := "put " + Text(s.Key) + "=" + Text(s.Value)
		if s.Lease != 0 {
			text += fmt.Sprintf(" with lease %d", s.Lease)
		}
		return text
	case Delete:
		return "delete " + s.keys()
	}
	verb := "get "
	if s.CountOnly {
		verb = "count "
	} else if s.End != "" {
		verb = "range "
	}
	text := verb + s.keys()
	if s.Limit > 0 {
		text += fmt.Sprintf(", at most %d,", s.Limit)
	}
	if s.Revision > 0 {
		text += fmt.Sprintf(" at revision %d", s.Revision)
	}
	return strings.TrimSuffix(text, ",")
}

// keys returns the keys that a step concerns.
func (s Step) keys() string {
	switch s.End {
	case "":
		return Text(s.Key)
	case PrefixEnd(s.Key):
		return Text(s.Key) + "*"
	case AllKeys:
		return "from " + Text(s.Key)
	}
	return Text(s.Key) + " to " + Text(s.End)
}

// PrefixEnd returns the Step.End that makes a range cover the keys that begin with prefix.
func PrefixEnd(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return AllKeys
}

// Result returns what came back, for people: "done", "/a=5 at revision 7", "condition failed: /a=5 at revision 7".
func (t *Transaction) Result() string {
	switch {
	case !t.Answered:
		return "done, answer unknown"
	case t.Failure == Compacted:
		return "compacted"
	case t.Failure == FutureRevision:
		return "revision not written yet"
	case t.Kind != Steps:
		return "done"
	}
	results := t.results()
	if len(t.Compares) == 0 || t.Succeeded {
		return results
	}
	if results == "done" {
		return "condition failed"
	}
	return "condition failed: " + results
}

// results joins what the steps returned; writes that say nothing are left out.
func (t *Transaction) results() string {
	var texts []string
	ran := t.Ran()
	for i, r := range t.Results {
		if i >= len(ran) {
			return fmt.Sprintf("%d results for %d steps", len(t.Results), len(ran))
		}
		if text := r.describe(ran[i]); text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return "done"
	}
	return strings.Join(texts, ", ")
}

// pairsShownMax bounds how many pairs of a result a description spells out.
const pairsShownMax = 3

// describe returns a step's result, empty if it says nothing.
func (r StepResult) describe(s Step) string {
	switch s.Kind {
	case Put:
		return ""
	case Delete:
		return fmt.Sprintf("%d deleted", r.Deleted)
	}
	if s.CountOnly {
		return fmt.Sprintf("%d keys", r.Count)
	}
	if len(r.Pairs) == 0 && s.End != "" {
		return "no keys"
	}
	if len(r.Pairs) == 0 {
		return Text(s.Key) + " absent"
	}
	texts := make([]string, 0, pairsShownMax+1)
	for i, p := range r.Pairs {
		if i == pairsShownMax {
			texts = append(texts, fmt.Sprintf("… (%d of %d keys)", len(r.Pairs), r.Count))
			break
		}
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ", ")
}

// String returns the pair: "/a=5 at revision 7".
func (p Pair) String() string {
	text := Text(p.Key) + "=" + Text(p.Value)
	if p.Revision != 0 {
		text += fmt.Sprintf(" at revision %d", p.Revision)
	}
	return text
}
