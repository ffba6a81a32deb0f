package transport

import (
	"encoding/binary"
	"fmt"
)

// RefusalCode says why a peer is refused. Numbers are part of the protocol and never change.
type RefusalCode uint8

const (
	RefusedVersion  RefusalCode = iota + 1 // another version of the protocol
	RefusedCluster                         // another cluster
	RefusedTarget                          // the address belongs to another node
	RefusedInstance                        // a node came back without its directory
	RefusedRemoved                         // the node was removed from the cluster
	RefusedUnknown                         // the node is not a member (or not yet, as far as this node knows)
	RefusedFounding                        // the configured founding nodes differ
	RefusedBusy                            // not now; try again
	RefusedFailed                          // the acceptor failed at something of its own
	RefusedSettings                        // settings that decide what commands come to differ
)

// Refusal says that one of two nodes does not talk to the other. It is the error of a failed handshake on both sides.
type Refusal struct {
	Code RefusalCode
	Node uint64 // the node that is at fault: the stranger, or the one that lost its directory
	By   uint64 // the node that refused
	Text string // why, and what to do
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("node %d is refused by node %d: %s", r.Node, r.By, r.Text)
}

// OtherInstance is the refusal of a node that lost its directory; by knows it under an earlier instance.
func OtherInstance(node, by uint64) *Refusal {
	return &Refusal{Code: RefusedInstance, Node: node, By: by, Text: fmt.Sprintf(
		"node %d came back with another instance: its directory was lost; remove the member and add it under a new id "+
			"(or, when the cluster has never served, clear the directories of all founding nodes)", node)}
}

func appendRefusal(dst []byte, r *Refusal) []byte {
	dst = append(dst, byte(r.Code))
	dst = binary.AppendUvarint(dst, r.Node)
	dst = binary.AppendUvarint(dst, r.By)
	return appendString(dst, r.Text)
}

func decodeRefusal(b []byte) (*Refusal, error) {
	c := cursor{b: b}
	r := &Refusal{Code: RefusalCode(c.byte()), Node: c.uvarint(), By: c.uvarint(), Text: c.string()}
	if !c.done() {
		return nil, &ProtocolError{Text: "a refusal can't be understood"}
	}
	return r, nil
}
