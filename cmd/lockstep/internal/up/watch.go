package up

import (
	"fmt"
	"time"
)

// EventKind says what happened, as the JSON lines name it.
type EventKind string

const (
	EventLeader   EventKind = "leader"    // Node leads in Term
	EventNoLeader EventKind = "no_leader" // nobody has led for a while
	EventStarted  EventKind = "started"   // Node was started again, as PID
	EventDown     EventKind = "down"      // Node's process ended, for Reason
	EventBack     EventKind = "back"      // Node serves again, AfterMillis after it went down
	EventNotReady EventKind = "not_ready" // Node runs but has not been ready for a while, for Reason
	EventReady    EventKind = "ready"     // Node is ready again
	EventGivenUp  EventKind = "given_up"  // Node is not started again, for Reason
	EventStopping EventKind = "stopping"  // all nodes were told to stop
	EventStopped  EventKind = "stopped"   // all nodes have ended
)

// Event is one line that the user sees.
type Event struct {
	Time        time.Time `json:"time"`
	Kind        EventKind `json:"event"`
	Node        uint64    `json:"node,omitempty"`
	PID         int       `json:"pid,omitempty"`
	Term        uint64    `json:"term,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	AfterMillis int64     `json:"after_ms,omitempty"`
}

const (
	// unreadyPatience is how long a running node may be unready before that is an event: an election is none.
	unreadyPatience = 3 * time.Second
	// leaderlessPatience is the same for a cluster without a leader.
	leaderlessPatience = 3 * time.Second
)

// observation is what a node said of itself, or why it did not answer.
type observation struct {
	ready        bool
	role         string
	leader, term uint64
	err          error
}

func (o observation) trouble() string {
	switch {
	case o.err != nil:
		return "it does not answer"
	case o.leader == 0:
		return "it knows no leader"
	}
	return "it is not caught up"
}

// watch turns what happens to the nodes into events. It has no clock and no goroutine: the caller passes the time.
type watch struct {
	nodes        map[uint64]*nodeState
	leader, term uint64
	ledAt        time.Time // when somebody last said that there is a leader
	leaderless   bool      // and that was told
}

// nodeState is what is known of one node. down and unready are zero when they do not apply.
type nodeState struct {
	running  bool
	last     observation
	everUp   bool      // it was ready at least once
	down     time.Time // since when its process is gone or not back yet
	unready  time.Time // since when it is unready
	reported bool      // unready was told
}

func newWatch(p Plan, now time.Time) *watch {
	w := &watch{nodes: map[uint64]*nodeState{}, ledAt: now}
	for _, n := range p.Nodes {
		w.nodes[n.ID] = &nodeState{running: true, last: observation{err: fmt.Errorf("not asked yet")}}
	}
	return w
}

// started notes that a node's process was started again.
func (w *watch) started(id uint64, pid int, now time.Time) Event {
	n := w.nodes[id]
	n.running, n.unready, n.reported = true, time.Time{}, false
	return Event{Time: now, Kind: EventStarted, Node: id, PID: pid}
}

// ended notes that a node's process is gone.
func (w *watch) ended(id uint64, pid int, reason string, now time.Time) Event {
	n := w.nodes[id]
	n.running, n.last = false, observation{err: fmt.Errorf("not running")}
	n.unready, n.reported = time.Time{}, false
	if n.down.IsZero() {
		n.down = now
	}
	return Event{Time: now, Kind: EventDown, Node: id, PID: pid, Reason: reason}
}

// observed takes a node's own view and returns what is new in it.
func (w *watch) observed(id uint64, o observation, now time.Time) []Event {
	n := w.nodes[id]
	if !n.running {
		return nil // an answer from before its end
	}
	n.last = o
	events := w.leadership(o, now)
	if o.ready {
		return append(events, n.becameReady(id, now)...)
	}
	return append(events, n.stillUnready(id, now)...)
}

// leadership follows the highest term in which somebody knows a leader.
func (w *watch) leadership(o observation, now time.Time) []Event {
	if o.err == nil && o.leader != 0 && o.term >= w.term {
		w.ledAt, w.leaderless = now, false
		if o.term > w.term {
			w.leader, w.term = o.leader, o.term
			return []Event{{Time: now, Kind: EventLeader, Node: o.leader, Term: o.term}}
		}
	}
	if !w.leaderless && w.term != 0 && now.Sub(w.ledAt) >= leaderlessPatience {
		w.leaderless = true
		return []Event{{Time: now, Kind: EventNoLeader, Reason: w.quorum()}}
	}
	return nil
}

func (w *watch) quorum() string {
	running := 0
	for _, n := range w.nodes {
		if n.running {
			running++
		}
	}
	return fmt.Sprintf("%d of %d nodes run, %d are needed", running, len(w.nodes), len(w.nodes)/2+1)
}

func (n *nodeState) becameReady(id uint64, now time.Time) []Event {
	defer func() { n.everUp, n.down, n.unready, n.reported = true, time.Time{}, time.Time{}, false }()
	switch {
	case !n.down.IsZero():
		return []Event{{Time: now, Kind: EventBack, Node: id, AfterMillis: now.Sub(n.down).Milliseconds()}}
	case n.reported:
		return []Event{{Time: now, Kind: EventReady, Node: id, AfterMillis: now.Sub(n.unready).Milliseconds()}}
	}
	return nil
}

func (n *nodeState) stillUnready(id uint64, now time.Time) []Event {
	if n.unready.IsZero() {
		n.unready = now
	}
	if !n.everUp || n.reported || now.Sub(n.unready) < unreadyPatience {
		return nil
	}
	n.reported = true
	return []Event{{Time: now, Kind: EventNotReady, Node: id, Reason: n.last.trouble()}}
}

// serving returns the node that leads and is ready to serve by its own account, 0 if there is none.
func (w *watch) serving() uint64 {
	for id, n := range w.nodes {
		if n.running && n.last.ready && n.last.leader == id && n.last.term == w.term {
			return id
		}
	}
	return 0
}

// role is what a node said of itself last.
func (w *watch) role(id uint64) string {
	switch n := w.nodes[id]; {
	case !n.running:
		return "down"
	case n.last.role != "":
		return n.last.role
	}
	return "unknown"
}

// waitedFor lists the nodes that are not ready, in ascending order, and why.
func (w *watch) waitedFor() []string {
	var list []string
	for id := uint64(1); id <= uint64(len(w.nodes)); id++ {
		if n := w.nodes[id]; n.running && !n.last.ready {
			list = append(list, fmt.Sprintf("node %d (%s)", id, n.last.trouble()))
		}
	}
	return list
}
