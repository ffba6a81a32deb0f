package kv

import "math"

// CommandKind says what a command does. The numbers are those of kvpb.CommandKind and never change.
type CommandKind uint8

const (
	Put CommandKind = iota + 1
	Delete
	OpenSession
	CloseSession
)

// Condition says what must hold of the key for a write to take effect. The numbers are those of kvpb.Condition.
type Condition uint8

const (
	Always Condition = iota
	MustNotExist
	MustExist
	RevisionEquals // the key's mod revision equals Command.ConditionRevision, which is at least 1
)

// NonceBytes is the length of the nonce of an OpenSession command.
const NonceBytes = 16

// Command is one write, or one change of the session table. Key and Value are read, never kept or changed.
// OpenSession takes a Nonce and nothing else; CloseSession takes Session and nothing else, but for Sequence and
// Acknowledged, which it ignores. A Delete has no Value, and only an OpenSession has a Nonce.
type Command struct {
	Kind              CommandKind
	Condition         Condition
	ConditionRevision uint64
	Key               []byte
	Value             []byte
	// Session and Sequence are both zero or both set. Every number below Acknowledged is done with: its result may be
	// forgotten and a request that arrives under it later is refused. It is at most Sequence, which is at most SequenceMax.
	Session, Sequence, Acknowledged uint64
	Nonce                           [NonceBytes]byte
}

// SequenceMax leaves room for a window above the highest number.
const SequenceMax = math.MaxUint64 - SessionWindowLimit

// BatchID names the commands of one entry: the node that proposed them, the epoch of its start, and the number of the
// first within that epoch; the others follow. A pending request is found by it, never by a log index.
type BatchID struct {
	Node, Epoch, Sequence uint64
}

// Status says how a command that was applied came out. "Nothing was done" is to be read as: to no key; the session
// counts as used, and its floor has risen to Acknowledged, also when the number is refused. Only OK and ConditionFailed say that it was evaluated now or,
// with Result.Replayed, at an earlier attempt.
type Status uint8

const (
	OK Status = iota
	ConditionFailed
	SessionExpired       // the session is not in the table; nothing was done
	SequenceAcknowledged // the number is below the acknowledged floor; nothing was done
	SequenceOutOfWindow  // the number is Options.SessionWindow or more above the floor; nothing was done
	SequenceReused       // the number was used for another command; nothing was done
	Invalid              // key or value out of bounds, or fields that do not fit together; nothing was done
)

// Result is what a command came to. It is a value without pointers, so that the session table can hold many.
type Result struct {
	Status Status
	// Existed: the key existed before.
	Existed bool
	// Replayed: the result is that of an earlier attempt under the same session and sequence.
	Replayed bool
	// Revision is the store's revision at which the command was evaluated, its own effect included.
	Revision uint64
	// Of the key after a put, or as it is when a condition failed (zero when absent). After a delete ModRevision and
	// the others tell what the key had.
	CreateRevision, ModRevision, Version uint64
	// Session is set by OpenSession.
	Session uint64
}

// Validate says why a command cannot be proposed (*InvalidError), nil if it can. Apply judges by the same rules, and
// makes Invalid of what this refuses. Zero fields of o count as their defaults.
func (c *Command) Validate(o *Options) error {
	effective := o.WithDefaults()
	if why := c.fault(&effective); why != nil {
		return &InvalidError{why.field, why.reason}
	}
	return nil
}

// fault is a constant reason, so that Apply can judge without allocating.
type fault struct{ field, reason string }

var (
	faultKind          = &fault{"Kind", "unknown kind of command"}
	faultKeyEmpty      = &fault{"Key", "empty"}
	faultKeyLong       = &fault{"Key", "longer than KeyBytesMax"}
	faultKeyUnused     = &fault{"Key", "set on a session command"}
	faultValueLong     = &fault{"Value", "longer than ValueBytesMax"}
	faultValueUnused   = &fault{"Value", "set on a command that takes none"}
	faultCondition     = &fault{"Condition", "unknown condition"}
	faultConditionUse  = &fault{"Condition", "set on a session command"}
	faultRevision      = &fault{"ConditionRevision", "zero, which no key has"}
	faultRevisionUse   = &fault{"ConditionRevision", "set without RevisionEquals"}
	faultNonce         = &fault{"Nonce", "set on a command other than OpenSession"}
	faultSession       = &fault{"Session", "zero in a CloseSession"}
	faultSessionUse    = &fault{"Session", "set on an OpenSession"}
	faultSessionAlone  = &fault{"Sequence", "zero within a session"}
	faultSequenceAlone = &fault{"Session", "zero with a sequence number or an acknowledgement"}
	faultSequence      = &fault{"Sequence", "above SequenceMax"}
	faultAcknowledged  = &fault{"Acknowledged", "above Sequence, so that it would refuse its own command"}
)

func (c *Command) fault(o *Options) *fault {
	switch c.Kind {
	case Put, Delete:
		return c.writeFault(o)
	case OpenSession, CloseSession:
		return c.sessionFault()
	default:
		return faultKind
	}
}

func (c *Command) writeFault(o *Options) *fault {
	switch {
	case len(c.Key) == 0:
		return faultKeyEmpty
	case len(c.Key) > o.KeyBytesMax:
		return faultKeyLong
	case len(c.Value) > o.ValueBytesMax:
		return faultValueLong
	case c.Kind == Delete && len(c.Value) > 0:
		return faultValueUnused
	case c.Condition > RevisionEquals:
		return faultCondition
	case c.Condition == RevisionEquals && c.ConditionRevision == 0:
		return faultRevision
	case c.Condition != RevisionEquals && c.ConditionRevision != 0:
		return faultRevisionUse
	case c.Nonce != [NonceBytes]byte{}:
		return faultNonce
	}
	return c.numbersFault()
}

func (c *Command) numbersFault() *fault {
	switch {
	case c.Session == 0 && (c.Sequence != 0 || c.Acknowledged != 0):
		return faultSequenceAlone
	case c.Session != 0 && c.Sequence == 0:
		return faultSessionAlone
	case c.Acknowledged > c.Sequence:
		return faultAcknowledged
	case c.Sequence > SequenceMax:
		return faultSequence
	}
	return nil
}

func (c *Command) sessionFault() *fault {
	switch {
	case len(c.Key) > 0:
		return faultKeyUnused
	case len(c.Value) > 0:
		return faultValueUnused
	case c.Condition != Always:
		return faultConditionUse
	case c.ConditionRevision != 0:
		return faultRevisionUse
	case c.Kind == CloseSession && c.Session == 0:
		return faultSession
	case c.Kind == CloseSession && c.Nonce != [NonceBytes]byte{}:
		return faultNonce
	case c.Kind == OpenSession && (c.Session != 0 || c.Sequence != 0 || c.Acknowledged != 0):
		return faultSessionUse
	}
	return nil
}
