package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/lockstepdb/lockstep/cluster"
)

// ProtocolVersion of handshake, frames and messages. A peer that speaks another one is refused.
const ProtocolVersion = 1

// Hello is the first frame both ways.
type Hello struct {
	Version  uint64 // ProtocolVersion; set by the transport
	Cluster  string
	Node     uint64 // who speaks
	Instance cluster.Instance
	Address  string // where the speaker takes peers' connections, host:port; may be empty

	Target         uint64           // whom the speaker believes to talk to
	TargetInstance cluster.Instance // as the speaker knows it; zero when it does not

	Settings string // those that decide what commands come to; the same on all nodes
	Leases   string // with lease reads: the timing that leases rely on, the same on all nodes; empty without
	Formed   bool   // the speaker's directory is formed: it may vote
	Founding uint64 // digest of the founding nodes and their addresses as the speaker knows them; 0: it founds nothing
	Met      []Met  // the founding nodes that the speaker has recorded durably, itself included, by ascending id
}

// Met is a founding node with the instance that was recorded for it.
type Met struct {
	Node     uint64
	Instance cluster.Instance
}

const metMax = 1024 // founding nodes in a Hello

func appendHello(dst []byte, h *Hello) []byte {
	dst = binary.AppendUvarint(dst, h.Version)
	dst = appendString(dst, h.Cluster)
	dst = binary.AppendUvarint(dst, h.Node)
	dst = append(dst, h.Instance[:]...)
	dst = appendString(dst, h.Address)
	dst = binary.AppendUvarint(dst, h.Target)
	dst = append(dst, h.TargetInstance[:]...)
	dst = appendString(dst, h.Settings)
	dst = appendString(dst, h.Leases)
	dst = appendBool(dst, h.Formed)
	dst = binary.AppendUvarint(dst, h.Founding)
	dst = binary.AppendUvarint(dst, uint64(len(h.Met)))
	for _, m := range h.Met {
		dst = binary.AppendUvarint(dst, m.Node)
		dst = append(dst, m.Instance[:]...)
	}
	return dst
}

// decodeHello reads the version first and nothing else of another version.
func decodeHello(b []byte) (Hello, error) {
	c := cursor{b: b}
	h := Hello{Version: c.uvarint()}
	if !c.bad && h.Version != ProtocolVersion {
		return h, nil
	}
	h.Cluster, h.Node, h.Instance, h.Address = c.string(), c.uvarint(), c.instance(), c.string()
	h.Target, h.TargetInstance = c.uvarint(), c.instance()
	h.Settings, h.Leases = c.string(), c.string()
	h.Formed, h.Founding = c.bool(), c.uvarint()
	n := c.uvarint()
	if n > metMax {
		c.fail()
	}
	for i := uint64(0); i < n && !c.bad; i++ {
		h.Met = append(h.Met, Met{Node: c.uvarint(), Instance: c.instance()})
	}
	if !c.done() {
		return Hello{}, &ProtocolError{Text: "the handshake's first frame can't be understood"}
	}
	return h, nil
}

// judge compares a peer's Hello with what this node says of itself.
func judge(own, theirs *Hello) *Refusal {
	refuse := func(code RefusalCode, format string, args ...any) *Refusal {
		return &Refusal{Code: code, Node: theirs.Node, By: own.Node, Text: fmt.Sprintf(format, args...)}
	}
	switch {
	case theirs.Version != ProtocolVersion:
		return refuse(RefusedVersion, "it speaks version %d of the peer protocol and node %d speaks version %d: run releases that are next to each other",
			theirs.Version, own.Node, uint64(ProtocolVersion))
	case theirs.Cluster != own.Cluster:
		return refuse(RefusedCluster, "it belongs to cluster %q and node %d belongs to cluster %q: check the cluster's name and the peers' addresses",
			theirs.Cluster, own.Node, own.Cluster)
	case theirs.Target != own.Node:
		return refuse(RefusedTarget, "it looks for node %d and found node %d: check the peers' addresses", theirs.Target, own.Node)
	case theirs.Node == own.Node:
		return refuse(RefusedTarget, "it has this node's own id %d: give each node an id of its own", own.Node)
	case theirs.Settings != own.Settings:
		return refuse(RefusedSettings, "its settings are %q and those of node %d are %q: these decide what commands come to, configure the same on both",
			theirs.Settings, own.Node, own.Settings)
	case theirs.Leases != own.Leases:
		return refuse(RefusedSettings, "its timing of lease reads is %q and that of node %d is %q: lease reads rely on it, stop all nodes and configure the same on each",
			theirs.Leases, own.Node, own.Leases)
	case theirs.TargetInstance != (cluster.Instance{}) && theirs.TargetInstance != own.Instance:
		return OtherInstance(own.Node, theirs.Node)
	}
	return nil
}
