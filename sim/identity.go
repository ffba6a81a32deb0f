package sim

import (
	"errors"
	"fmt"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/sim/trace"
)

// What is below stands for package host's handshake between peers, and for what it does about a directory that is empty or
// somebody else's: docs/decisions/0004-identity.md.

// errUnformed says that a founding node's directory is a new one: it takes part in nothing until all others have met it.
var errUnformed = errors.New("the directory is new, and its cluster was founded long ago")

// directoryError says that a directory belongs to another node than the one that is started on it.
type directoryError struct{ found, want uint64 }

func (e *directoryError) Error() string {
	return fmt.Sprintf("the directory belongs to node %d, and not to node %d", e.found, e.want)
}

// owns says whether a process may use a directory.
func (p *process) owns(id storage.Identity) error {
	switch {
	case id.Node != p.number:
		return &directoryError{found: id.Node, want: p.number}
	case !id.Formed && !id.Join:
		return errUnformed
	}
	return nil
}

// standing is what a process makes of a node, by the rule that package host follows, too.
func (p *process) standing(of cluster.Introduction) cluster.Standing {
	return p.members.Standing(p.instance, of)
}

// accepts says whether a peer's message may come in.
func (p *process) accepts(of cluster.Introduction) bool {
	switch p.standing(of) {
	case cluster.KnownPeer, cluster.Guest:
		return true
	case cluster.Expelled:
		p.w.probe(probeStranger)
		return false
	case cluster.Stranger:
		// One that joins talks to whom it is configured to find.
		return len(p.members.Members) == 0 && int(of.Node) <= p.w.plan.Nodes
	}
	return false
}

// introduce is what a process says of itself to another.
func (p *process) introduce(to uint64) cluster.Introduction {
	known, _ := p.members.Find(to)
	return cluster.Introduction{Node: p.number, Instance: p.instance, Target: known.Instance}
}

// turnsAway says whether a process refuses another for good.
func (p *process) turnsAway(q *process) bool {
	s := p.standing(q.introduce(p.number))
	return s == cluster.Replaced || s == cluster.Expelled
}

// knockEvery is how often a node without a membership shakes hands with the founding nodes.
const knockEvery = 500_000_000

// knock is the task of a process that belongs to nobody yet: it shakes hands with each founding node that it reaches, and ends when one turns
// it away. That all of them have a new directory, and so found another cluster, does not happen here: their data is gone
// then, and no check has anything to say.
func knock(w *World, t *task) {
	p := w.process(t.a)
	if p.life != t.b || len(p.members.Members) > 0 {
		return
	}
	for _, q := range w.processes[:w.plan.Nodes] {
		if q != p && q.up && q.paused == 0 && w.network.cut[p.number][q.number] == 0 && w.network.cut[q.number][p.number] == 0 && q.turnsAway(p) {
			p.turnedAway(q)
			return
		}
	}
	w.later(knockEvery, knock, t.a, t.b, nil)
}

// turnedAway ends a process for good: its directory is not the one that its peers know.
func (p *process) turnedAway(by *process) {
	p.w.emit(trace.Event{Kind: trace.Exit, Node: p.number, Peer: by.number, Text: fmt.Sprintf("refused by n%d: it has lost its directory, or was removed", by.number)})
	p.w.probe(probeTurnedAway)
	p.close()
	p.halt()
}
