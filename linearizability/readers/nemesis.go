package readers

import (
	"strings"
	"unicode/utf8"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// markBytesMax bounds the text of a mark. What a nemesis returns may be the state of the whole cluster.
const markBytesMax = 200

// nemesis makes marks of what Jepsen's nemesis did. Each act has two lines, before and after, both :info. An act that starts
// a fault lasts until the act that ends it has returned; any other lasts for itself.
type nemesis struct {
	marks   []history.Mark
	lasting map[string]int // the act that ends a fault to the mark of the fault
	// Of the act whose second line is awaited: its name, its mark, and what the line is to it.
	act     string
	mark    int
	opening bool
}

// ending returns the act that ends what an act starts, and whether it starts anything.
func ending(act string) (string, bool) {
	if rest, ok := strings.CutPrefix(act, "start"); ok {
		return "stop" + rest, true
	}
	switch act {
	case "kill", "crash":
		return "start", true
	case "pause":
		return "resume", true
	case "partition", "isolate":
		return "heal", true
	}
	return "", false
}

// note takes a line of the nemesis.
func (n *nemesis) note(act, value string, at int64) {
	if n.act == act {
		n.returned(value, at)
		return
	}
	n.act = act
	if i, ok := n.lasting[act]; ok {
		delete(n.lasting, act)
		n.mark, n.opening = i, false
		n.marks[i].To = at
		return
	}
	m := history.Mark{Kind: history.Fault, From: at, To: at, Text: sentence(act, value)}
	n.mark, n.opening = len(n.marks), false
	if end, ok := ending(act); ok {
		m.To, n.opening = history.Forever, true
		n.lasting[end] = n.mark
	}
	n.marks = append(n.marks, m)
}

// returned takes the second line of an act.
func (n *nemesis) returned(value string, at int64) {
	m := &n.marks[n.mark]
	if n.opening && value != "" {
		m.Text = sentence(n.act, value)
	}
	if !n.opening {
		m.To = at
	}
	n.act = ""
}

func sentence(act, value string) string {
	s := strings.TrimSpace(act + " " + value)
	if len(s) <= markBytesMax {
		return s
	}
	cut := markBytesMax
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
