package history

import (
	"fmt"
	"strconv"
	"strings"
)

// textBytesMax bounds a key or value in a description.
const textBytesMax = 40

// ClientName returns what reports call a client: "client 3", or its name.
func (h *History) ClientName(client int32) string {
	if name, ok := h.Clients[client]; ok {
		return name
	}
	return "client " + strconv.Itoa(int(client))
}

// String returns the value as descriptions show it: bare if it reads well, quoted if not, cut if long, "absent" if absent.
func (v Value) String() string {
	if !v.Present {
		return "absent"
	}
	return Text(v.Data)
}

// Text returns a key or a value as descriptions show it.
func Text(s string) string {
	cut := len(s) > textBytesMax
	if cut {
		s = s[:textBytesMax]
	}
	if s == "" || s == "absent" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		s = strconv.Quote(s)
	}
	if cut {
		s += "…"
	}
	return s
}

// String returns the condition as a clause, empty for Always: " if absent", " if it equals v3".
func (c Condition) String() string {
	switch c.Kind {
	case MustNotExist:
		return " if absent"
	case MustExist:
		return " if present"
	case ValueEquals:
		if !c.Value.Present {
			return " if absent"
		}
		return " if it equals " + c.Value.String()
	case RevisionEquals:
		return fmt.Sprintf(" if at revision %d", c.Revision)
	}
	return ""
}

// Call returns what was asked: "get", "put v7 if it equals v3".
func (o *Operation) Call() string {
	switch o.Kind {
	case Get:
		if o.Stale {
			return "stale get"
		}
		return "get"
	case Put:
		return "put " + o.Value.String() + o.Condition.String()
	case Delete:
		return "delete" + o.Condition.String()
	case Append:
		return "append " + o.Value.String() + o.Condition.String()
	case Transact:
		return o.Transaction.Call()
	}
	return fmt.Sprintf("operation of kind %d", o.Kind)
}

// Result returns what came back: "v7", "done", "refused", "unknown", "condition failed: it was v2".
func (o *Operation) Result() string {
	switch o.Outcome {
	case Unknown:
		return "unknown"
	case Refused:
		return "refused"
	case ConditionFailed:
		if o.HasObserved {
			return "condition failed: it was " + o.Observed.String()
		}
		return "condition failed"
	}
	switch {
	case o.Kind == Get:
		return o.Observed.String()
	case o.Kind == Transact:
		return o.Transaction.Result()
	case o.Kind == Delete && o.Existed == No:
		return "done: it was absent"
	}
	return "done"
}

// String returns call and result: "put v7 → done".
func (o *Operation) String() string { return o.Call() + " → " + o.Result() }
