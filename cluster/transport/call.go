package transport

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
)

// CallKind says what a forwarded request asks for. Numbers are part of the protocol and never change.
type CallKind uint8

const (
	CallWrite        CallKind = iota + 1 // Command
	CallChangeMember                     // Change
	CallTransfer                         // Peer
)

// Call is a request that another node answers.
type Call struct {
	ID      uint64 // the caller's, unique among its calls without an answer
	Kind    CallKind
	Timeout time.Duration // from now on; 0: none
	Command *kv.Command   // of a CallWrite; on the receiving side its key and value alias the received frame
	Change  cluster.MemberChange
	Peer    uint64
}

func appendCall(dst []byte, c *Call) []byte {
	dst, at := beginFrame(dst, frameCall)
	dst = binary.AppendUvarint(dst, c.ID)
	dst = append(dst, byte(c.Kind))
	dst = binary.AppendUvarint(dst, uint64(max(c.Timeout, 0)))
	switch c.Kind {
	case CallWrite:
		dst = kv.AppendBatch(dst, kv.BatchID{}, []*kv.Command{c.Command})
	case CallChangeMember:
		dst = appendChange(dst, &c.Change)
	case CallTransfer:
		dst = binary.AppendUvarint(dst, c.Peer)
	default:
		panic(fmt.Sprintf("transport: unknown call kind %d", c.Kind))
	}
	return endFrame(dst, at)
}

func decodeCalls(from uint64, b []byte) ([]Call, error) {
	f := frames{b: b, peer: from}
	var out []Call
	for f.more() {
		k, payload, err := f.next()
		if err != nil {
			return nil, err
		}
		if k != frameCall {
			return nil, f.unexpected(k)
		}
		c, err := decodeCall(payload)
		if err != nil {
			return nil, f.broken(err.Error())
		}
		out = append(out, c)
	}
	return out, nil
}

func decodeCall(b []byte) (Call, error) {
	cur := cursor{b: b}
	c := Call{ID: cur.uvarint(), Kind: CallKind(cur.byte()), Timeout: time.Duration(min(cur.uvarint(), 1<<62))}
	if cur.bad {
		return Call{}, fmt.Errorf("a forwarded request can't be understood")
	}
	switch c.Kind {
	case CallWrite:
		batch, err := kv.DecodeBatch(cur.b)
		if err != nil {
			return Call{}, err
		}
		if len(batch.Commands) != 1 {
			return Call{}, fmt.Errorf("a forwarded request of %d commands", len(batch.Commands))
		}
		c.Command = &batch.Commands[0]
		return c, nil
	case CallChangeMember:
		c.Change = decodeChange(&cur)
	case CallTransfer:
		c.Peer = cur.uvarint()
	default:
		return Call{}, fmt.Errorf("unknown kind %d of a forwarded request", c.Kind)
	}
	if !cur.done() {
		return Call{}, fmt.Errorf("a forwarded request can't be understood")
	}
	return c, nil
}

func appendChange(dst []byte, c *cluster.MemberChange) []byte {
	dst = append(dst, byte(c.Kind))
	dst = binary.AppendUvarint(dst, c.Member.ID)
	dst = append(dst, c.Member.Instance[:]...)
	dst = appendBool(dst, c.Member.Learner)
	dst = appendString(dst, c.Member.Peer)
	dst = appendString(dst, c.Member.HTTP)
	return appendString(dst, c.Member.GRPC)
}

func decodeChange(c *cursor) cluster.MemberChange {
	return cluster.MemberChange{Kind: cluster.ChangeKind(c.byte()), Member: cluster.Member{
		ID: c.uvarint(), Instance: c.instance(), Learner: c.bool(),
		Peer: c.string(), HTTP: c.string(), GRPC: c.string(),
	}}
}
