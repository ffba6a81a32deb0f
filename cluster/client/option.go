package client

import "github.com/lockstepdb/lockstep/kv/kvpb"

// Option goes with any call.
type Option interface {
	ReadOption
	WriteOption
	callOption()
}

// ReadOption goes with a Get.
type ReadOption interface{ readOption() }

// WriteOption goes with a Put or a Delete.
type WriteOption interface{ writeOption() }

type nodeOption string

func (nodeOption) readOption()  {}
func (nodeOption) writeOption() {}
func (nodeOption) callOption()  {}

// Node sends the call to one node and to no other, even when that node says who leads: it is refused instead. The
// address is one of those that the client knows or can reach. Only a write's session may be opened elsewhere.
func Node(address string) Option { return nodeOption(address) }

type consistencyOption kvpb.Consistency

func (consistencyOption) readOption() {}

// Linearizable reads what every write that was acknowledged before the call left. This is the default.
func Linearizable() ReadOption {
	return consistencyOption(kvpb.Consistency_CONSISTENCY_LINEARIZABLE)
}

// Stale reads what the node that answers has applied so far, however old. It works without a leader.
func Stale() ReadOption { return consistencyOption(kvpb.Consistency_CONSISTENCY_STALE) }

type conditionOption struct {
	condition kvpb.Condition
	revision  uint64
}

func (conditionOption) writeOption() {}

// IfAbsent lets the write take effect only if the key does not exist.
func IfAbsent() WriteOption {
	return conditionOption{condition: kvpb.Condition_CONDITION_MUST_NOT_EXIST}
}

// IfExists lets the write take effect only if the key exists.
func IfExists() WriteOption {
	return conditionOption{condition: kvpb.Condition_CONDITION_MUST_EXIST}
}

// IfRevision lets the write take effect only if the key's mod revision is the given one: Item.ModRevision of the Get on
// which the write is based.
func IfRevision(revision uint64) WriteOption {
	return conditionOption{condition: kvpb.Condition_CONDITION_REVISION_EQUALS, revision: revision}
}
