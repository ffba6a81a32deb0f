// Package trace is what happened in a simulated life, event by event.
//
// An Event is a plain value. Package sim makes them, and hands each to a Hash, which tells lives apart, and to whoever wants to
// read along. Nothing is formatted unless somebody reads it: formatting costs more than simulating.
package trace

// Kind is what happened. Its place in the list is part of the trace hash.
type Kind uint8

// The kinds of events. In brackets the fields that count besides At; Fields names the numbers.
const (
	Send     Kind = iota + 1 // a message leaves Node for Peer [What: its raft type]
	Receive                  // a message from Peer reaches Node [What]
	Lose                     // a message from Node to Peer does not arrive [What, Text: why, if it was not just lost]
	Invoke                   // Client calls [What: the action, Text: the key]
	Request                  // an attempt of a call reaches Node [Client]
	Reply                    // Node answers an attempt [Client, What: the outcome]
	Return                   // Client learns the outcome [What: the outcome, Text: the reason]
	Start                    // Node has recovered and runs
	Crash                    // Node loses power [Text: why]
	Exit                     // Node ends itself [Text: the error]
	Role                     // Node changes its role [What: the role, Peer: the leader, 0 if none is known]
	State                    // Node's place in term and log has changed
	Apply                    // Node has applied entries; the state now has that hash
	Raft                     // the raft engine says something [Text]
	Snapshot                 // a snapshot is saved, sent or received [Node, Peer, What: which]
	Disk                     // an operation of Node's disk [What: which, Text: the file]
	Fault                    // a fault begins [Node: if it has one, What: its kind, Text: for how long]
	Heal                     // a fault ends [Node: if it has one, What: its kind]
	Probe                    // something happened that must happen sometimes [Node, What: its name]
	Fail                     // what must not happen has happened [What: the check, Text: the sentence]
)

// NumbersMax is how many numbers an event has.
const NumbersMax = 6

// Event is something that happened.
type Event struct {
	At     int64 // nanoseconds of simulated time
	Kind   Kind
	Node   uint64 // to whom; 0: to the world
	Peer   uint64 // with whom; 0: nobody
	Client int    // from 1; 0: none
	What   string
	// Numbers are told apart by the kind: see Fields.
	Numbers [NumbersMax]uint64
	// Text is for people, and not part of the hash.
	Text string
}

type kind struct {
	name   string
	fields []string
}

var message = []string{"term", "index", "entries", "commit", "packet", "hash"}

var kinds = [...]kind{
	Send:     {"send", message},
	Receive:  {"receive", message},
	Lose:     {"lose", message},
	Invoke:   {"invoke", []string{"operation"}},
	Request:  {"request", []string{"operation", "attempt"}},
	Reply:    {"reply", []string{"operation", "attempt", "revision"}},
	Return:   {"return", []string{"operation", "revision", "hash"}},
	Start:    {"start", []string{"epoch", "term", "commit", "snapshot", "entries"}},
	Crash:    {"crash", nil},
	Exit:     {"exit", nil},
	Role:     {"role", []string{"term"}},
	State:    {"state", []string{"term", "vote", "commit", "applied", "last"}},
	Apply:    {"apply", []string{"index", "hash"}},
	Raft:     {"raft", nil},
	Snapshot: {"snapshot", []string{"index", "term"}},
	Disk:     {"disk", []string{"offset", "bytes", "hash"}},
	Fault:    {"fault", []string{"number"}},
	Heal:     {"heal", []string{"number"}},
	Probe:    {"probe", nil},
	Fail:     {"fail", nil},
}

// String returns the name, as it stands in a trace.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].name
	}
	return "unknown"
}

// Fields names what an event's numbers mean, in order: at most NumbersMax.
func (k Kind) Fields() []string {
	if int(k) < len(kinds) {
		return kinds[k].fields
	}
	return nil
}

// Number returns a number by its name; 0 if the kind has none of that name.
func (e *Event) Number(name string) uint64 {
	for i, f := range e.Kind.Fields() {
		if f == name {
			return e.Numbers[i]
		}
	}
	return 0
}
