package transport

import (
	"encoding/binary"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
)

// Flags of a kv.Result on the wire.
const (
	resultExisted = 1 << iota
	resultReplayed
)

func appendReply(dst []byte, r *cluster.Reply) []byte {
	dst, at := beginFrame(dst, frameAnswer)
	dst = binary.AppendUvarint(dst, r.ID)
	dst = append(dst, byte(r.Outcome), byte(r.Reason))
	dst = binary.AppendUvarint(dst, r.Leader)
	dst = binary.AppendUvarint(dst, r.Index)
	flags := byte(0)
	if r.Result.Existed {
		flags |= resultExisted
	}
	if r.Result.Replayed {
		flags |= resultReplayed
	}
	dst = append(dst, byte(r.Result.Status), flags)
	for _, v := range [...]uint64{r.Result.Revision, r.Result.CreateRevision, r.Result.ModRevision, r.Result.Version, r.Result.Session} {
		dst = binary.AppendUvarint(dst, v)
	}
	return endFrame(dst, at)
}

func decodeReply(b []byte) (cluster.Reply, error) {
	c := cursor{b: b}
	r := cluster.Reply{ID: c.uvarint(), Outcome: cluster.Outcome(c.byte()), Reason: cluster.Reason(c.byte()),
		Leader: c.uvarint(), Index: c.uvarint()}
	r.Result.Status = kv.Status(c.byte())
	flags := c.byte()
	r.Result.Existed, r.Result.Replayed = flags&resultExisted != 0, flags&resultReplayed != 0
	for _, v := range [...]*uint64{&r.Result.Revision, &r.Result.CreateRevision, &r.Result.ModRevision, &r.Result.Version, &r.Result.Session} {
		*v = c.uvarint()
	}
	if !c.done() || r.Outcome < cluster.Done || r.Outcome > cluster.Unknown {
		return cluster.Reply{}, &ProtocolError{Text: "an answer to a forwarded request can't be understood"}
	}
	return r, nil
}
